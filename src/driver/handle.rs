//! The door to the driver: send an event, hear what became of it, see the latest picture.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot, watch};

use crate::limits;
use crate::payment::event::{Denial, Event, Reply};
use crate::payment::order::Asked;
use crate::payment::sale::{Method, PaymentId};
use crate::snapshot::{Snapshot, StoreHealth};

/// An event on its way, with the ear of whoever sent it.
#[derive(Debug)]
pub struct Envelope {
    pub(super) event: Event,
    pub(super) accepted: Option<oneshot::Sender<Result<Ticket, Denial>>>,
}

impl Envelope {
    /// An event that nobody waits for.
    #[must_use]
    pub fn tell(event: Event) -> Self {
        Self { event, accepted: None }
    }

    /// An event and the ear of its sender. [`Handle::ask`] is the way for a running daemon; a simulation that drives [`super::Driver::take`]
    /// itself has no other.
    #[must_use]
    pub fn ask(event: Event) -> (Self, oneshot::Receiver<Result<Ticket, Denial>>) {
        let (accepted, answer) = oneshot::channel();
        (Self { event, accepted: Some(accepted) }, answer)
    }
}

/// What was accepted, and the promise of its end.
#[derive(Debug)]
pub struct Ticket {
    /// As it stands after the first commit.
    pub first: Reply,
    pub(super) settled: Option<oneshot::Receiver<Reply>>,
}

impl Ticket {
    /// What it became, if it has; `None` while the wait goes on, and for ever after a stop.
    pub fn try_settled(&mut self) -> Option<Reply> {
        match &mut self.settled {
            None => Some(self.first.clone()),
            Some(end) => end.try_recv().ok(),
        }
    }

    /// Wait until it is final or in doubt. Has no limit of its own: every step below has one.
    ///
    /// # Errors
    /// [`Denial::ShuttingDown`] when the daemon stops first; what was begun is on disk.
    pub async fn settled(self) -> Result<Reply, Denial> {
        match self.settled {
            None => Ok(self.first),
            Some(end) => end.await.map_err(|_| Denial::ShuttingDown),
        }
    }
}

/// Looks at a sale that has just been asked for and will be charged if nothing speaks against it, and may make ready what that will need. What it
/// returns is dropped with the question's first answer. It carries nothing out and does not wait.
pub type Guess = Box<dyn Fn(&Handle, PaymentId, Method) -> Guessed + Send + Sync>;

/// What was made ready for a question, as long as nobody knows what becomes of it.
pub type Guessed = Option<Box<dyn Send>>;

/// The door to the driver. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    queue: mpsc::Sender<Envelope>,
    pictures: watch::Receiver<Arc<Snapshot>>,
    awaited: watch::Receiver<Option<(PaymentId, Method)>>,
    closing: Arc<AtomicBool>,
    /// Set once, by whoever carries the effects out.
    guess: Arc<OnceLock<Guess>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Handle {
    pub(super) fn new(
        queue: mpsc::Sender<Envelope>,
        pictures: watch::Receiver<Arc<Snapshot>>,
        awaited: watch::Receiver<Option<(PaymentId, Method)>>,
    ) -> Self {
        Self { queue, pictures, awaited, closing: Arc::default(), guess: Arc::default() }
    }

    /// Let `guess` look at each sale that brings its code, while the driver decides on it. Only the first one is heard.
    pub fn guessed_by(&self, guess: Guess) {
        let _ = self.guess.set(guess);
    }

    /// What looks as if it will be charged: a code, an idle counter and nothing that keeps sales from beginning.
    fn guess(&self, sale: Option<(PaymentId, Method)>) -> Guessed {
        let (Some((id, method)), Some(guess)) = (sale, self.guess.get()) else { return None };
        let is_free = {
            let picture = self.pictures.borrow();
            picture.counter.is_none() && picture.closed.is_none() && picture.store == StoreHealth::Good
        };
        is_free.then(|| guess(self, id, method)).flatten()
    }

    /// The end was asked for: whatever would put money in motion is refused from now on, through every copy of this handle.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Ask for something on behalf of a till or a person. Refused at once when the queue is nearly full, so that answers of
    /// providers and devices always find room.
    ///
    /// # Errors
    /// Whatever speaks against it; then nothing was changed and nothing was sent.
    pub async fn ask(&self, event: Event) -> Result<Ticket, Denial> {
        let moves_money = match &event {
            Event::Sell(_) | Event::GiveBack(_) | Event::Settle { .. } => true,
            Event::Ask(ask) => matches!(ask.what, Asked::Accept(_)),
            _ => false,
        };
        if moves_money && self.closing.load(Ordering::SeqCst) {
            return Err(Denial::ShuttingDown);
        }
        if self.queue.capacity() <= limits::EVENT_QUEUE_RESERVE {
            return Err(Denial::Overloaded);
        }
        let sale = match &event {
            Event::Sell(sell) => sell.code.as_ref().map(|_| (sell.id, sell.method)),
            _ => None,
        };
        let (envelope, mut answer) = Envelope::ask(event);
        self.queue.try_send(envelope).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => Denial::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Denial::ShuttingDown,
        })?;
        // The driver is at work by now, or was quicker.
        if let Ok(answered) = answer.try_recv() {
            return answered;
        }
        let _guessed = self.guess(sale);
        answer.await.map_err(|_| Denial::ShuttingDown)?
    }

    /// Report what happened. Waits for room and is never refused; returns when the event is in the queue.
    pub async fn tell(&self, event: Event) {
        // A closed queue means that the daemon stops: what was not told is asked about at the next start.
        let _ = self.queue.send(Envelope::tell(event)).await;
    }

    /// Report something from a place that cannot wait (a dropped connection). Waits in the background for room.
    pub fn tell_later(&self, event: Event) {
        let handle = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { handle.tell(event).await });
        }
    }

    /// Events in the queue, of [`limits::EVENT_QUEUE_LEN`] at most.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// The end was asked for ([`Self::close`]).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// The latest picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.pictures.borrow().clone()
    }

    /// Every picture from now on (the latest one if several came meanwhile).
    #[must_use]
    pub fn pictures(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.pictures.clone()
    }

    /// Whose code is waited for ([`Snapshot::code_awaited`]); told when that changes.
    #[must_use]
    pub fn awaited(&self) -> watch::Receiver<Option<(PaymentId, Method)>> {
        self.awaited.clone()
    }
}
