//! The open connections of the public listener: which of them wait for a head, since when, and which one goes when there
//! are too many. Whoever connects chooses how many there are, so nothing here looks at them one by one but the sweep.
//! The sockets themselves are in `server.rs`.

use crate::domain::{
    address::origin,
    clock::{Clock, Instant},
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Between two requests.
    Idle,
    /// A head has begun, or the connection is new.
    Head,
    /// A request is being read or answered.
    Busy,
    /// It is being closed.
    Ended,
}

/// One connection. Its phase and since when it is in it are read at any time, and written under the lock.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    origin: IpAddr,
    phase: AtomicU8,
    /// Milliseconds since the start of the listener.
    since: AtomicU64,
    ended: Notify,
    all: Arc<Connections>,
}

/// Who has waited longest comes first; of two since the same millisecond the older one.
type Turn = (u64, u64);

#[derive(Debug, Default)]
struct Open {
    count: usize,
    /// Those without a complete head.
    waiting: BTreeMap<Turn, Arc<Connection>>,
    /// The same, of each origin.
    of_origin: HashMap<IpAddr, BTreeMap<Turn, Arc<Connection>>>,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<Open>,
    next: AtomicU64,
    start: Instant,
    clock: Clock,
    /// Woken when one closes, or waits for its next request and so can be closed.
    room: Notify,
}

impl Connections {
    /// None yet.
    pub fn new(clock: Clock) -> Arc<Self> {
        let start = clock.instant();
        Arc::new(Self { open: Mutex::default(), next: AtomicU64::new(0), start, clock, room: Notify::new() })
    }

    /// Enters a new connection from that address, whose head is waited for from now on.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            origin: origin(peer),
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(self.now()),
            ended: Notify::new(),
            all: Arc::clone(self),
        });
        let mut open = self.lock();
        open.count += 1;
        open.wait(&connection);
        drop(open);
        connection
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Waits until one closes or can be closed.
    pub async fn change(&self) {
        self.room.notified().await;
    }

    /// Ends the connection that has waited longest without a complete head, and for `grace` at least. False: there is none.
    pub fn end_longest_waiting(&self, grace: Duration) -> bool {
        let mut open = self.lock();
        let longest = open.waiting.values().next().cloned();
        self.end_if_it_waited(&mut open, longest, grace)
    }

    /// Makes room for one more that waits for its head, where there are `most` of this address: the one goes that has waited
    /// longest, and for `grace` at least.
    pub fn make_room_of(&self, peer: IpAddr, most: usize, grace: Duration) {
        let mut open = self.lock();
        let longest = open.of_origin.get(&origin(peer)).filter(|waiting| waiting.len() >= most);
        let longest = longest.and_then(|waiting| waiting.values().next()).cloned();
        self.end_if_it_waited(&mut open, longest, grace);
    }

    /// Ends those whose head takes longer than `head` by now, and those idle for longer than `idle`.
    pub fn end_overdue(&self, now: Instant, head: Duration, idle: Duration) {
        let mut open = self.lock();
        let waited = |connection: &Connection| now.saturating_duration_since(connection.since());
        let longest_first = open.waiting.values().take_while(|connection| waited(connection) > head.min(idle));
        let limit = |connection: &Connection| if connection.expects_a_head() { head } else { idle };
        let overdue: Vec<_> = longest_first.filter(|connection| waited(connection) > limit(connection)).cloned().collect();
        overdue.iter().for_each(|connection| open.end(connection));
    }

    fn end_if_it_waited(&self, open: &mut Open, connection: Option<Arc<Connection>>, grace: Duration) -> bool {
        let now = self.now();
        let waited = |connection: &Arc<Connection>| Duration::from_millis(now.saturating_sub(connection.turn().0));
        let ended = connection.filter(|connection| waited(connection) >= grace);
        ended.iter().for_each(|connection| open.end(connection));
        ended.is_some()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.instant().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn wait(&mut self, connection: &Arc<Connection>) {
        self.waiting.insert(connection.turn(), Arc::clone(connection));
        self.of_origin.entry(connection.origin).or_default().insert(connection.turn(), Arc::clone(connection));
    }

    /// It waits no more, if it did.
    fn remove(&mut self, connection: &Connection) {
        self.waiting.remove(&connection.turn());
        if let Entry::Occupied(mut waiting) = self.of_origin.entry(connection.origin) {
            waiting.get_mut().remove(&connection.turn());
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
    }

    fn end(&mut self, connection: &Connection) {
        self.remove(connection);
        connection.step(Phase::Ended);
        connection.ended.notify_one();
    }
}

impl Connection {
    /// Bytes came in: between two requests they begin a head. Whether they did.
    pub fn bytes_came(self: &Arc<Self>) -> bool {
        // Most bytes are of a body, and take no lock.
        if !self.is(Phase::Idle) {
            return false;
        }
        let mut open = self.all.lock();
        let is_first = self.is(Phase::Idle);
        if is_first {
            open.remove(self);
            self.since.store(self.all.now(), Ordering::Relaxed);
            self.step(Phase::Head);
            open.wait(self);
        }
        is_first
    }

    /// A head is complete. Gives the time of its first byte (of acceptance, on a new connection);
    /// `None` where the connection is being closed and the request must not be taken.
    pub fn begin(&self) -> Option<Instant> {
        let mut open = self.all.lock();
        let begun = self.is(Phase::Head) || self.is(Phase::Idle);
        if begun {
            open.remove(self);
            self.step(Phase::Busy);
        }
        begun.then(|| self.since())
    }

    /// When what it does now began: its head, its request, or its wait.
    pub fn since(&self) -> Instant {
        self.all.start + Duration::from_millis(self.turn().0)
    }

    /// The request is answered.
    pub fn finish(self: &Arc<Self>) {
        let mut open = self.all.lock();
        if self.is(Phase::Busy) {
            self.since.store(self.all.now(), Ordering::Relaxed);
            self.step(Phase::Idle);
            open.wait(self);
        }
        drop(open);
        self.all.room.notify_one();
    }

    /// It is closed.
    pub fn leave(&self) {
        let mut open = self.all.lock();
        open.remove(self);
        open.count -= 1;
        drop(open);
        self.all.room.notify_one();
    }

    /// Whether its next request is on its way, as it is on a new connection.
    pub fn expects_a_head(&self) -> bool {
        self.is(Phase::Head)
    }

    /// Waits until the connection is to be closed.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    fn turn(&self) -> Turn {
        (self.since.load(Ordering::Relaxed), self.number)
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) == phase as u8
    }

    fn step(&self, to: Phase) {
        self.phase.store(to as u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Step = fn(&Arc<Connection>);

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// It waits since then, in milliseconds.
    fn wait_since(connection: &Arc<Connection>, since: u64) {
        let mut open = connection.all.lock();
        open.remove(connection);
        connection.since.store(since, Ordering::Relaxed);
        open.wait(connection);
    }

    #[test]
    fn the_one_that_waited_longest_goes_and_busy_ones_stay() {
        let connections = Connections::new(Clock::system());
        let (first, second, third) = (connections.enter(PEER), connections.enter(PEER), connections.enter(PEER));
        for (connection, since) in [(&first, 30), (&second, 20), (&third, 10)] {
            wait_since(connection, since);
        }
        assert!(third.begin().is_some());
        assert!(connections.end_longest_waiting(Duration::ZERO));
        assert!(second.begin().is_none(), "the second one waited longest of those without a head");
        assert!(first.begin().is_some());
        assert!(!connections.end_longest_waiting(Duration::ZERO), "all are busy or gone");
        let young = connections.enter(PEER);
        assert!(!connections.end_longest_waiting(Duration::from_secs(60)), "its head may lie unread");
        assert!(young.begin().is_some());
    }

    #[test]
    fn an_address_has_so_many_without_a_head_and_busy_ones_do_not_count() {
        let connections = Connections::new(Clock::system());
        let [one, near, far] = ["2001:db8::1", "2001:db8::2", "2001:db9::1"].map(|peer| peer.parse().expect(peer));
        let (other, busy) = (connections.enter(far), connections.enter(one));
        assert!(busy.begin().is_some());
        let waiting: Vec<_> = [10, 20, 30]
            .map(|since| {
                connections.make_room_of(one, 2, Duration::ZERO);
                let connection = connections.enter(if since == 10 { one } else { near });
                wait_since(&connection, since);
                connection
            })
            .into();
        assert_eq!([0, 1, 2].map(|index: usize| waiting[index].begin().is_some()), [false, true, true], "the oldest of three went");
        assert!(other.begin().is_some(), "others are let be");
        connections.make_room_of(one, 2, Duration::ZERO);
        waiting.iter().chain([&busy, &other]).for_each(|connection| connection.leave());
    }

    #[test]
    fn heads_and_idle_connections_have_limits_of_their_own() {
        let connections = Connections::new(Clock::system());
        let (new, idle, busy) = (connections.enter(PEER), connections.enter(PEER), connections.enter(PEER));
        assert!(idle.begin().is_some() && busy.begin().is_some());
        idle.finish();
        wait_since(&new, 0);
        wait_since(&idle, 0);
        busy.since.store(0, Ordering::Relaxed);
        let (head, is_idle, second) = (Duration::from_secs(5), Duration::from_secs(75), Duration::from_secs(1));
        let sweep = |after: Duration| {
            connections.end_overdue(connections.start + after, head, is_idle);
            [&new, &idle, &busy].map(|connection| connection.is(Phase::Ended))
        };
        assert_eq!(sweep(head), [false, false, false]);
        assert_eq!(sweep(head + second), [true, false, false], "its head is late");
        assert!(new.begin().is_none());
        assert_eq!(sweep(is_idle), [true, false, false], "another one may be idle for longer");
        assert_eq!(sweep(is_idle + second), [true, true, false]);
        assert_eq!(sweep(Duration::from_secs(3_600)), [true, true, false], "a busy one has its own limit");
    }

    #[test]
    fn whatever_a_connection_did_nothing_is_left_of_it() {
        let connections = Connections::new(Clock::system());
        let lives: [&[Step]; 7] = [
            &[],
            &[|it| assert!(it.begin().is_some())],
            &[|it| assert!(it.begin().is_some()), |it| it.finish()],
            &[|it| assert!(it.begin().is_some()), |it| it.finish(), |it| assert!(it.bytes_came())],
            &[|it| assert!(it.begin().is_some()), |it| it.finish(), |it| assert!(it.bytes_came() && !it.bytes_came())],
            &[|it| assert!(it.all.end_longest_waiting(Duration::ZERO) && it.begin().is_none())],
            &[
                |it| assert!(it.begin().is_some()),
                |it| it.finish(),
                |it| assert!(it.all.end_longest_waiting(Duration::ZERO)),
                |it| it.finish(),
            ],
        ];
        for steps in lives {
            let connection = connections.enter(PEER);
            steps.iter().for_each(|step| step(&connection));
            connection.leave();
            let open = connections.lock();
            assert_eq!((open.count, open.waiting.len(), open.of_origin.len()), (0, 0, 0));
        }
    }
}
