//! The open connections of the public listener: which of them wait for a head, since when, and which one goes when there
//! are too many. The sockets themselves are in `server.rs`.

use crate::domain::clock::{Clock, Instant};
use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
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

/// One connection.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    origin: IpAddr,
    phase: AtomicU8,
    /// Milliseconds since the start of the listener.
    since: AtomicU64,
    start: Instant,
    clock: Clock,
    ended: Notify,
    room: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Open {
    all: HashMap<u64, Arc<Connection>>,
    /// How many there are of each origin.
    of_origin: HashMap<IpAddr, usize>,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<Open>,
    next: AtomicU64,
    start: Instant,
    clock: Clock,
    /// Woken when one closes, or waits for its next request and so can be closed.
    room: Arc<Notify>,
}

impl Connections {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { open: Mutex::default(), next: AtomicU64::new(0), start: clock.instant(), clock, room: Arc::default() }
    }

    /// Enters a new connection from that address, whose head is waited for from now on.
    pub fn enter(&self, peer: IpAddr) -> Arc<Connection> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            number,
            origin: origin(peer),
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(0),
            start: self.start,
            clock: self.clock.clone(),
            ended: Notify::new(),
            room: Arc::clone(&self.room),
        });
        connection.since.store(connection.now(), Ordering::Relaxed);
        let mut open = self.lock();
        open.all.insert(number, Arc::clone(&connection));
        *open.of_origin.entry(connection.origin).or_default() += 1;
        drop(open);
        connection
    }

    /// Takes a closed connection out.
    pub fn leave(&self, connection: &Connection) {
        let mut open = self.lock();
        open.all.remove(&connection.number);
        if let Entry::Occupied(mut count) = open.of_origin.entry(connection.origin) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        drop(open);
        self.room.notify_one();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().all.len()
    }

    /// Waits until one closes or can be closed.
    pub async fn change(&self) {
        self.room.notified().await;
    }

    /// Ends the connection that has waited longest without a complete head, and for `grace` at least. False: there is none.
    pub fn end_longest_waiting(&self, grace: Duration) -> bool {
        let open = self.lock();
        end_longest(|| open.all.values().filter(|connection| connection.waits()), self.now(), grace)
    }

    /// Makes room for one more that waits for its head, where there are `most` of this address: the one goes that has waited
    /// longest, and for `grace` at least.
    pub fn make_room_of(&self, peer: IpAddr, most: usize, grace: Duration) {
        let origin = origin(peer);
        let open = self.lock();
        if open.of_origin.get(&origin).is_none_or(|count| *count < most) {
            return;
        }
        let waiting = || open.all.values().filter(|connection| connection.origin == origin && connection.waits());
        if waiting().count() >= most {
            end_longest(waiting, self.now(), grace);
        }
    }

    /// Ends those whose head takes longer than `head`, and those idle for longer than `idle`.
    pub fn end_overdue(&self, head: Duration, idle: Duration) {
        let now = self.now();
        for connection in self.lock().all.values() {
            let waited = Duration::from_millis(now.saturating_sub(connection.since.load(Ordering::Relaxed)));
            let phase = connection.phase.load(Ordering::Acquire);
            let overdue = (phase == Phase::Head as u8 && waited > head) || (phase == Phase::Idle as u8 && waited > idle);
            if overdue {
                connection.end();
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.instant().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Bytes came in: between two requests they begin a head. Whether they did.
    pub fn bytes_came(&self) -> bool {
        let is_idle = self.phase.load(Ordering::Relaxed) == Phase::Idle as u8;
        if is_idle {
            self.since.store(self.now(), Ordering::Relaxed);
        }
        is_idle && self.step(Phase::Idle, Phase::Head)
    }

    /// A head is complete. Gives the time of its first byte (of acceptance, on a new connection);
    /// `None` where the connection is being closed and the request must not be taken.
    pub fn begin(&self) -> Option<Instant> {
        let begun = self.step(Phase::Head, Phase::Busy) || self.step(Phase::Idle, Phase::Busy);
        begun.then(|| self.since())
    }

    /// When what it does now began: its head, its request, or its wait.
    pub fn since(&self) -> Instant {
        self.start + Duration::from_millis(self.waits_since())
    }

    /// The request is answered.
    pub fn finish(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.step(Phase::Busy, Phase::Idle);
        self.room.notify_one();
    }

    /// Whether its next request is on its way, as it is on a new connection.
    pub fn expects_a_head(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Head as u8
    }

    /// Waits until the connection is to be closed.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    fn waits_since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    fn waits(&self) -> bool {
        let phase = self.phase.load(Ordering::Acquire);
        phase == Phase::Head as u8 || phase == Phase::Idle as u8
    }

    /// A request that begins at the same moment wins.
    fn end(&self) -> bool {
        let ended = self.step(Phase::Head, Phase::Ended) || self.step(Phase::Idle, Phase::Ended);
        if ended {
            self.ended.notify_one();
        }
        ended
    }

    fn step(&self, from: Phase, to: Phase) -> bool {
        self.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.instant().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Ends the one of those that wait that has waited longest, and for `grace` at least.
fn end_longest<'c, I: Iterator<Item = &'c Arc<Connection>>>(waiting: impl Fn() -> I, now: u64, grace: Duration) -> bool {
    loop {
        let longest = waiting().map(|connection| (connection.waits_since(), connection));
        let longest = longest.min_by_key(|(since, connection)| (*since, connection.number));
        match longest.filter(|(since, _)| Duration::from_millis(now.saturating_sub(*since)) >= grace) {
            None => return false,
            Some((_, connection)) if connection.end() => return true,
            Some(_begun_meanwhile) => {}
        }
    }
}

/// Whose connections count together: whoever has an IPv6 address has the 2^64 around it.
fn origin(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_one_that_waited_longest_goes_and_busy_ones_stay() {
        let connections = Connections::new(Clock::system());
        let (first, second, third) = (connections.enter(PEER), connections.enter(PEER), connections.enter(PEER));
        for (connection, since) in [(&first, 30), (&second, 20), (&third, 10)] {
            connection.since.store(since, Ordering::Relaxed);
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
                connection.since.store(since, Ordering::Relaxed);
                connection
            })
            .into();
        assert_eq!([0, 1, 2].map(|index: usize| waiting[index].begin().is_some()), [false, true, true], "the oldest of three went");
        assert!(other.begin().is_some(), "others are let be");
        connections.make_room_of(one, 2, Duration::ZERO);
        waiting.iter().chain([&busy, &other]).for_each(|connection| connections.leave(connection));
        assert!(connections.lock().of_origin.is_empty());
    }

    #[test]
    fn heads_and_idle_connections_have_limits_of_their_own() {
        let connections = Connections::new(Clock::system());
        let (new, idle, busy) = (connections.enter(PEER), connections.enter(PEER), connections.enter(PEER));
        assert!(idle.begin().is_some() && busy.begin().is_some());
        idle.finish();
        connections.end_overdue(Duration::from_secs(5), Duration::from_secs(75));
        assert_eq!(connections.count(), 3);
        for connection in [&new, &idle, &busy] {
            connection.since.store(0, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(3));
        connections.end_overdue(Duration::from_millis(1), Duration::from_secs(75));
        assert!(new.begin().is_none());
        idle.bytes_came();
        assert!(idle.begin().is_some(), "it waited for less than its limit");
        connections.leave(&new);
        assert_eq!(connections.count(), 2);
    }
}
