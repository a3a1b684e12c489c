//! Tills that wait: who is told when one of them hangs up, whether an answer left the house, and the first answers for those who ask
//! again.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::api::envelope::Written;
use crate::driver::Handle;
use crate::limits;
use crate::payment::event::{Event, Subject};
use crate::payment::sale::PaymentId;

/// One connection that waits for a payment. The handler's future owns it, and the server drops that future when the connection closes:
/// dropping it before [`Waiter::answered`] means that the till hung up. Whether somebody else still waits is the driver's to know.
pub(in crate::api) struct Waiter {
    driver: Handle,
    payment: PaymentId,
    gone: bool,
}

impl Waiter {
    pub(in crate::api) fn of(payment: PaymentId, driver: &Handle) -> Self {
        Self { driver: driver.clone(), payment, gone: true }
    }

    /// The request turned out to repeat that payment.
    pub(in crate::api) fn waits_for(&mut self, payment: PaymentId) {
        self.payment = payment;
    }

    /// There is something to say: nobody hung up.
    pub(in crate::api) fn answered(mut self) {
        self.gone = false;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.gone {
            self.driver.tell_later(Event::TillGone { payment: self.payment });
        }
    }
}

/// The first answer about each end, as it was written. A till that asks again gets the same bytes, with the slip and the phone that are
/// nowhere but in memory; after a restart, or past [`limits::ANSWERS_KEPT`] newer ones, it gets their masked forms.
///
/// An end is a subject and the name of its state: money that comes after a "no" makes another end, which is told anew.
#[derive(Debug, Default)]
pub(in crate::api) struct Kept(Mutex<KeptAnswers>);

#[derive(Debug, Default)]
struct KeptAnswers {
    by_end: HashMap<(Subject, &'static str), Written>,
    oldest_first: VecDeque<(Subject, &'static str)>,
}

impl Kept {
    /// The first answer about `subject` having ended as `state`, which is `made` now if there is none yet.
    pub(super) fn first(&self, subject: Subject, state: &'static str, made: impl FnOnce() -> Written) -> Written {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = (subject, state);
        if let Some(first) = kept.by_end.get(&end) {
            return first.clone();
        }
        let first = made();
        if kept.oldest_first.len() >= limits::ANSWERS_KEPT
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.by_end.remove(&oldest);
        }
        kept.oldest_first.push_back(end);
        kept.by_end.insert(end, first.clone());
        first
    }
}

/// An answer that tells the driver when it has left the house: its bytes were taken by the connection, and the connection did not close
/// before.
pub(super) fn told(answer: Written, driver: &Handle, payment: PaymentId) -> Response {
    let body = ToldBody { bytes: Some(answer.body.clone()), taken: false, driver: driver.clone(), payment };
    answer.into_response().map(|_| Body::new(body))
}

struct ToldBody {
    bytes: Option<Bytes>,
    taken: bool,
    driver: Handle,
    payment: PaymentId,
}

impl HttpBody for ToldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        self.taken = true;
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Drop for ToldBody {
    fn drop(&mut self) {
        if self.taken {
            self.driver.tell_later(Event::Answered { payment: self.payment });
        }
    }
}
