//! A connection whose other end takes nothing for too long is over: nobody holds a place by not reading. Before that, whatever is being sent
//! there is told ([`Pace`]), so that it can end in order.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::limits;

/// How the other end of a connection takes what is sent there. It stands among the extensions of the connection's requests.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<watch::Sender<Takes>>);

/// What is known of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// It takes what it gets, or there is nothing to take.
    InTime,
    /// It once left bytes untaken for [`limits::HTTP_SLOW_MS`]. This stays, so that it is found out also by who comes to look later.
    Slowly,
    /// It took nothing for [`limits::HTTP_WRITE_TIMEOUT_MS`], and the connection is cut.
    Nothing,
    /// The system has given the connection up: what was sent was never acknowledged, or there is no way to the other end.
    Lost,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Takes::InTime)))
    }
}

impl Pace {
    /// What is known now.
    pub(super) fn now(&self) -> Takes {
        *self.0.borrow()
    }

    /// Something new is going to be sent: how slowly the other end took what came before it does not matter.
    pub(super) fn anew(&self) {
        self.note(Takes::InTime);
    }

    /// Resolves as soon as the other end does not take everything in time, or at once where it once did not.
    pub(super) async fn slows(&self) {
        // The sender is this very value.
        let _ = self.0.subscribe().wait_for(|takes| *takes == Takes::Slowly).await;
    }

    fn note(&self, takes: Takes) {
        self.0.send_if_modified(|known| std::mem::replace(known, takes) != takes);
    }
}

/// Bytes as they are; a write that waits longer than [`limits::HTTP_WRITE_TIMEOUT_MS`] fails.
///
/// It stands directly upon the socket, below TLS: what TLS takes into its own buffer was not taken by anybody.
#[derive(Debug)]
pub(super) struct Patient<S> {
    inner: S,
    pace: Pace,
    /// Runs while bytes wait to be taken.
    waits: Option<Wait>,
}

/// A write that waits.
#[derive(Debug)]
struct Wait {
    /// Until the pace is slow, then until patience is over.
    until: Pin<Box<Sleep>>,
    is_slow: bool,
}

impl Wait {
    fn begin() -> Self {
        Self { until: Box::pin(tokio::time::sleep(limits::wait(limits::HTTP_SLOW_MS))), is_slow: false }
    }
}

impl<S> Patient<S> {
    /// Watch over what is written, and tell `pace`.
    pub(super) fn new(inner: S, pace: Pace) -> Self {
        Self { inner, pace, waits: None }
    }

    /// What came of an attempt to write: as it is, unless it has been the same for too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = wrote {
            self.waits = None;
            return Poll::Ready(self.heard(result));
        }
        let waits = self.waits.get_or_insert_with(Wait::begin);
        if !waits.is_slow {
            std::task::ready!(waits.until.as_mut().poll(cx));
            waits.is_slow = true;
            self.pace.note(Takes::Slowly);
            let cut_at = waits.until.deadline() + limits::wait(limits::HTTP_WRITE_TIMEOUT_MS - limits::HTTP_SLOW_MS);
            waits.until.as_mut().reset(cut_at);
        }
        std::task::ready!(waits.until.as_mut().poll(cx));
        self.pace.note(Takes::Nothing);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no more bytes")))
    }

    /// What the system says, reading or writing.
    fn heard<T>(&self, result: io::Result<T>) -> io::Result<T> {
        use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
        if let Err(error) = &result
            && [TimedOut, HostUnreachable, NetworkUnreachable].contains(&error.kind())
        {
            self.pace.note(Takes::Lost);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf).map(|read| self.heard(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.judge(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.judge(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        // Nothing was taken by being flushed already.
        if flushed.is_ready() { flushed } else { self.judge(cx, flushed) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_served_and_who_reads_nothing_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let pace = Pace::default();
        let mut ours = Patient::new(ours, pace.clone());
        let reading = tokio::spawn(async move {
            let mut byte = [0];
            for _ in 0..3 {
                tokio::time::sleep(limits::wait(limits::HTTP_WRITE_TIMEOUT_MS - 1)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
            theirs
        });
        ours.write_all(b"abcd").await.unwrap();
        assert_eq!(pace.now(), Takes::Slowly);
        let theirs = reading.await.unwrap();
        let refused = ours.write_all(b"e").await.unwrap_err();
        assert_eq!((refused.kind(), pace.now()), (io::ErrorKind::TimedOut, Takes::Nothing));
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_end_is_told_while_it_can_still_read_on_and_remembered_when_it_did() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let pace = Pace::default();
        let mut ours = Patient::new(ours, pace.clone());
        let mut bytes = [0; 3];
        let in_time = async {
            tokio::time::sleep(limits::wait(limits::HTTP_SLOW_MS - 1)).await;
            theirs.read_exact(&mut bytes).await.unwrap();
        };
        let (wrote, ()) = tokio::join!(ours.write_all(b"abc"), in_time);
        assert_eq!((wrote.is_ok(), pace.now()), (true, Takes::InTime));

        let after_it_was_told = async {
            pace.slows().await;
            theirs.read_exact(&mut bytes).await.unwrap();
        };
        let (wrote, ()) = tokio::join!(ours.write_all(b"def"), after_it_was_told);
        assert_eq!((wrote.is_ok(), pace.now()), (true, Takes::Slowly));
        pace.slows().await;
        pace.anew();
        assert_eq!(pace.now(), Takes::InTime);
    }
}
