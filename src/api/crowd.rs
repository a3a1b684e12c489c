//! Everybody who is connected. When the house is full, somebody idle goes, so that no number of idle connections can keep the next till waiting:
//! of the address that holds most of them, the one that has been idle longest. So whoever opens too many loses his own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// The connections, by number.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    places: Mutex<Places>,
    /// A place became idle or free.
    changed: Notify,
    closes: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Places {
    taken: BTreeMap<u64, Place>,
    /// Counts up with everything that happens here: numbers connections, and orders them by their last request.
    turn: u64,
}

#[derive(Debug)]
struct Place {
    /// Who sits there.
    from: IpAddr,
    /// Since which turn it has nothing to do; `None` while a request is served.
    idle_since: Option<u64>,
    /// What goes on here: a request at work, and a wait that may outlast it.
    busy: usize,
    leave: Arc<Notify>,
}

impl Places {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn has_idle(&self) -> bool {
        self.taken.values().any(|place| place.idle_since.is_some())
    }

    /// Who makes room for the next one.
    fn next_to_leave(&self) -> Option<u64> {
        let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for place in self.taken.values() {
            *held.entry(place.from).or_default() += 1;
        }
        let idle = self.taken.iter().filter_map(|(number, place)| Some((place.idle_since?, place.from, *number)));
        idle.min_by_key(|(since, from, _)| (Reverse(held.get(from).copied()), *since)).map(|(_, _, number)| number)
    }
}

impl Crowd {
    /// A house with so many places.
    pub(super) fn of(most: usize) -> Self {
        Self { most, places: Mutex::default(), changed: Notify::new(), closes: watch::Sender::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wait until a connection can be taken: at once, unless as many requests as there are places are being served.
    pub(super) async fn has_room(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let places = self.lock();
                if places.taken.len() < self.most || places.has_idle() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Take a connection from an address in; in a full house somebody idle is asked to leave.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Seat {
        let mut places = self.lock();
        if places.taken.len() >= self.most
            && let Some(number) = places.next_to_leave()
            && let Some(place) = places.taken.remove(&number)
        {
            place.leave.notify_one();
        }
        let number = places.next_turn();
        let leave = Arc::new(Notify::new());
        places.taken.insert(number, Place { from, idle_since: Some(number), busy: 0, leave: leave.clone() });
        Seat { crowd: self.clone(), number, leave }
    }

    /// Ask everybody to leave.
    pub(super) fn close(&self) {
        self.closes.send_replace(true);
        for place in self.lock().taken.values() {
            place.leave.notify_one();
        }
    }
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    leave: Arc<Notify>,
}

impl Seat {
    /// Wait to be asked to leave.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Wait until nobody is served any more but those whose answer is under way.
    pub(super) async fn house_closes(&self) {
        // The sender is this seat's own house.
        let _ = self.crowd.closes.subscribe().wait_for(|closes| *closes).await;
    }

    /// Whether a request is being served.
    pub(super) fn is_busy(&self) -> bool {
        self.crowd.lock().taken.get(&self.number).is_some_and(|place| place.idle_since.is_none())
    }

    /// A request's head came: whoever asks is not the next to leave.
    pub(super) fn touch(&self) {
        let mut places = self.crowd.lock();
        let turn = places.next_turn();
        if let Some(place) = places.taken.get_mut(&self.number) {
            place.idle_since = place.idle_since.map(|_| turn);
        }
    }

    /// A request is whole and work on it begins, until the returned value is dropped. A request that is still being sent is no work: a slow
    /// sender has to make room like everybody who is idle.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        if let Some(place) = self.crowd.lock().taken.get_mut(&self.number) {
            place.idle_since = None;
            place.busy += 1;
        }
        Busy(self.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.lock().taken.remove(&self.number);
        self.crowd.changed.notify_one();
    }
}

/// A request is being served.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        let seat = &self.0;
        let mut places = seat.crowd.lock();
        let turn = places.next_turn();
        if let Some(place) = places.taken.get_mut(&seat.number) {
            place.busy -= 1;
            place.idle_since = (place.busy == 0).then_some(turn);
        }
        drop(places);
        seat.crowd.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ready(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn in_a_full_house_the_longest_idle_goes_and_the_busy_stay() {
        let crowd = Arc::new(Crowd::of(limits::HTTP_CONNECTIONS_MAX));
        let seats: Vec<Arc<Seat>> = (0..limits::HTTP_CONNECTIONS_MAX).map(|_| Arc::new(crowd.enter(HOME))).collect();
        let busy = seats[0].begin();
        drop(seats[1].begin());
        seats[3].touch();

        let newcomer = crowd.enter(HOME);
        assert!(ready(seats[2].asked_to_leave()), "it has been idle longest");
        assert!(!ready(seats[0].asked_to_leave()), "a request is being served there");
        assert!(!ready(seats[1].asked_to_leave()), "it was busy a moment ago");
        assert!(!ready(newcomer.asked_to_leave()));
        let another = crowd.enter(HOME);
        assert!(!ready(seats[3].asked_to_leave()), "it has just begun to ask");
        assert!(ready(seats[4].asked_to_leave()));
        drop(another);
        assert!(seats[0].is_busy());
        let outlasts = seats[0].begin();
        drop(busy);
        assert!(seats[0].is_busy(), "something else goes on there");
        drop(outlasts);
        assert!(!seats[0].is_busy());
    }

    #[test]
    fn whoever_holds_most_connections_makes_room_and_no_neighbour_does() {
        let crowd = Arc::new(Crowd::of(4));
        let neighbour = crowd.enter(HOME);
        let greedy = IpAddr::from([192, 168, 1, 20]);
        let mut seats: Vec<Seat> = (0..3).map(|_| crowd.enter(greedy)).collect();
        for _ in 0..100 {
            seats.push(crowd.enter(greedy));
        }
        assert!(!ready(neighbour.asked_to_leave()), "idle longest, and still there");
        assert!(seats[..100].iter().all(|seat| ready(seat.asked_to_leave())));
        assert!(!ready(seats[0].house_closes()));
        crowd.close();
        assert!(ready(neighbour.asked_to_leave()) && ready(neighbour.house_closes()));
    }

    #[test]
    fn a_house_full_of_requests_takes_the_next_one_when_one_of_them_ends() {
        let crowd = Arc::new(Crowd::of(limits::HTTP_CONNECTIONS_MAX));
        let mut seats: Vec<Arc<Seat>> =
            (0..limits::HTTP_CONNECTIONS_MAX).map(|_| Arc::new(crowd.enter(HOME))).collect();
        let mut requests: Vec<Busy> = seats.iter().map(Seat::begin).collect();
        assert!(!ready(crowd.has_room()));
        requests.pop();
        assert!(ready(crowd.has_room()));
        requests.push(seats[0].begin());
        let last = seats.pop();
        drop(last);
        assert!(ready(crowd.has_room()));
    }
}
