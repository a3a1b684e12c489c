//! Each till has its share of the terminal. A till that asks too much at once hears so at once, and no other till notices.
//!
//! A request is at work from the moment it came whole until its answer is there, and every till may have [`limits::TILL_REQUESTS_MAX`] at work.
//! A request that only waits (a long poll, a stream of events) is counted apart, so that it never uses up what a sale needs. Its handler
//! says so by taking a [`Waiting`], and is a waiting one until that value is dropped. One that does its work first, and then waits for the end of
//! what it began, takes the [`Turn`] itself and says so by [`Turn::wait`] when that moment has come.
//!
//! ```text
//! async fn events(State(api): State<Api>, waiting: Waiting) -> Result<Response, Problem> {
//!     // `waiting` moves into what the body is made from: it ends when the stream does, or when the till hangs up.
//!     let stream = Stream { news: api.driver.pictures(), waiting };
//!     // Inside, `waiting.closed().await` is ready when the terminal stops: end the stream then.
//! }
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::crowd::{Busy, Seat};
use super::envelope::{self, Refusal};
use super::guard::{self, Till};
use super::problem::Problem;
use super::{Api, sbp};
use crate::limits;

/// Take a request's body in, then let it work, or refuse it here. A request that is still being sent is no work: whoever sends slowly uses up
/// nothing but a connection, and the first one that is closed to make room.
pub(super) async fn take_turn(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let till = request.extensions().get::<Till>().map(|till| till.0.clone()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let body = match guard::whole_body(body).await {
        Ok(body) => body,
        Err(refusal) => return sbp::refused(&path, refusal),
    };
    match api.fair.begin(&till) {
        Ok(turn) => {
            let _busy = parts.extensions.get::<Arc<Seat>>().map(Seat::begin);
            parts.extensions.insert(turn.clone());
            let answer = next.run(Request::from_parts(parts, body.into())).await;
            // Whatever the handler did with the request, it was at work until now.
            drop(turn);
            answer
        }
        Err(refusal) => {
            tracing::info!(till, reason = refusal.reason(), "a till asks too much at once");
            envelope::come_again(sbp::refused(&path, refusal))
        }
    }
}

/// What every till has under way.
#[derive(Debug, Default)]
pub(super) struct Fair(Mutex<Shares>);

#[derive(Debug, Default)]
struct Shares {
    tills: BTreeMap<String, Share>,
    /// Waiting requests of all tills.
    waiting: usize,
}

/// One till's.
#[derive(Debug, Default)]
struct Share {
    working: usize,
    waiting: usize,
}

impl Shares {
    fn of(&mut self, till: &str) -> &mut Share {
        self.tills.entry(till.to_owned()).or_default()
    }

    /// Tills that have nothing under way are forgotten.
    fn changed(&mut self, till: &str, change: impl FnOnce(&mut Share)) {
        let share = self.of(till);
        change(share);
        if share.working == 0 && share.waiting == 0 {
            self.tills.remove(till);
        }
    }
}

impl Fair {
    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of `till` is at work until the returned value and its clones are dropped.
    ///
    /// # Errors
    /// That till has its share under way already.
    pub(super) fn begin(self: &Arc<Self>, till: &str) -> Result<Turn, Refusal> {
        let most = limits::TILL_REQUESTS_MAX;
        let mut shares = self.lock();
        let share = shares.of(till);
        if share.working >= most {
            return Err(too_many(format!("this till has {most} requests at work")));
        }
        share.working += 1;
        Ok(Turn(Arc::new(Held { fair: self.clone(), till: till.to_owned(), works: AtomicBool::new(true) })))
    }
}

fn too_many(what: String) -> Refusal {
    Refusal::because(envelope::OVERLOADED, what)
}

/// One request at work; it is among the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct Turn(Arc<Held>);

#[derive(Debug)]
struct Held {
    fair: Arc<Fair>,
    till: String,
    /// It counts as working.
    works: AtomicBool,
}

impl Held {
    /// It works no more. Once only.
    fn rest(&self, shares: &mut Shares) {
        if self.works.swap(false, Ordering::Relaxed) {
            shares.changed(&self.till, |share| share.working -= 1);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.rest(&mut self.fair.lock());
    }
}

impl Turn {
    /// From here on the request only waits, until the returned value is dropped.
    ///
    /// # Errors
    /// As many wait already as may. The request is at work as before.
    pub(super) fn wait(&self) -> Result<Place, Refusal> {
        let held = &self.0;
        let mut shares = held.fair.lock();
        let (own, all) = (limits::TILL_WAITING_MAX, limits::WAITING_MAX);
        if shares.waiting >= all {
            return Err(too_many(format!("{all} requests are waiting for news already")));
        }
        let share = shares.of(&held.till);
        if share.waiting >= own {
            return Err(too_many(format!("this till has {own} requests that wait for news")));
        }
        share.waiting += 1;
        shares.waiting += 1;
        held.rest(&mut shares);
        Ok(Place(held.clone()))
    }
}

/// A place among the waiting.
#[derive(Debug)]
pub(super) struct Place(Arc<Held>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.0.fair.lock();
        shares.waiting -= 1;
        shares.changed(&self.0.till, |share| share.waiting -= 1);
    }
}

/// A request that waits for news, until this is dropped. A handler asks for it as an argument, before the one that takes the body.
///
/// Its connection is not closed to make room for others.
#[derive(Debug)]
pub(super) struct Waiting {
    _place: Option<Place>,
    seat: Option<(Arc<Seat>, Busy)>,
}

impl Waiting {
    /// Resolves when the terminal stops: what still waits is to be ended in order, within [`limits::SHUTDOWN_MS`].
    pub(super) async fn closed(&self) {
        match &self.seat {
            Some((seat, _)) => seat.house_closes().await,
            None => std::future::pending().await,
        }
    }
}

impl FromRequestParts<Api> for Waiting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let place = parts.extensions.get::<Turn>().map(Turn::wait).transpose()?;
        let seat = parts.extensions.get::<Arc<Seat>>().cloned();
        Ok(Self { _place: place, seat: seat.map(|seat| (seat.clone(), seat.begin())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_till_past_its_share_is_refused_and_its_neighbour_is_not() {
        let fair = Arc::new(Fair::default());
        let mut turns: Vec<Turn> = (0..limits::TILL_REQUESTS_MAX).map(|_| fair.begin("greedy").unwrap()).collect();
        assert_eq!(fair.begin("greedy").unwrap_err().message(), "OVERLOADED");
        let neighbour = fair.begin("quiet").unwrap();
        let copy = turns[0].clone();
        drop(turns.pop());
        assert!(fair.begin("greedy").is_ok(), "one has ended");
        drop((turns, neighbour));
        assert_eq!(fair.lock().of("greedy").working, 1, "a clone is the same request");
        drop(copy);
        fair.lock().tills.retain(|_, share| share.working > 0);
        assert!(fair.lock().tills.is_empty(), "nobody is remembered");
    }

    #[test]
    fn requests_that_wait_leave_the_share_of_work_alone_and_have_one_of_their_own() {
        let fair = Arc::new(Fair::default());
        let turns: Vec<Turn> = (0..limits::TILL_WAITING_MAX).map(|_| fair.begin("till").unwrap()).collect();
        let waiting: Vec<Place> = turns.iter().map(|turn| turn.wait().unwrap()).collect();
        drop(turns);
        let work: Vec<Turn> = (0..limits::TILL_REQUESTS_MAX).map(|_| fair.begin("till").unwrap()).collect();
        assert_eq!(work[0].wait().unwrap_err().message(), "OVERLOADED");
        assert_eq!(fair.begin("till").unwrap_err().message(), "OVERLOADED", "the refused one still works");
        drop(waiting);
        let place = work[0].wait().unwrap();
        assert!(fair.begin("till").is_ok(), "its place among the working is free");
        drop((work, place));
        assert!(fair.lock().tills.is_empty() && fair.lock().waiting == 0);
    }

    #[test]
    fn all_tills_together_have_so_many_waiting_requests() {
        let fair = Arc::new(Fair::default());
        let tills = limits::WAITING_MAX / limits::TILL_WAITING_MAX;
        let places: Vec<Place> = (0..tills)
            .flat_map(|till| vec![till; limits::TILL_WAITING_MAX])
            .map(|till| fair.begin(&till.to_string()).unwrap().wait().unwrap())
            .collect();
        let one_more = fair.begin("one more").unwrap();
        assert!(one_more.wait().unwrap_err().reason().unwrap().contains("already"));
        drop(places);
        assert!(one_more.wait().is_ok());
    }
}
