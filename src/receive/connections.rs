//! The open connections of the public listener: which of them wait for a head, since when, and which one goes when there
//! are too many. The sockets themselves are in `server.rs`.

use crate::domain::clock::{Clock, Instant};
use std::{
    collections::HashMap,
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
    phase: AtomicU8,
    /// Milliseconds since the start of the listener.
    since: AtomicU64,
    start: Instant,
    clock: Clock,
    ended: Notify,
    room: Arc<Notify>,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
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

    /// Enters a new connection, whose head is waited for from now on.
    pub fn enter(&self) -> Arc<Connection> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            number,
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(0),
            start: self.start,
            clock: self.clock.clone(),
            ended: Notify::new(),
            room: Arc::clone(&self.room),
        });
        connection.since.store(connection.now(), Ordering::Relaxed);
        self.lock().insert(number, Arc::clone(&connection));
        connection
    }

    /// Takes a closed connection out.
    pub fn leave(&self, connection: &Connection) {
        self.lock().remove(&connection.number);
        self.room.notify_one();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Waits until one closes or can be closed.
    pub async fn change(&self) {
        self.room.notified().await;
    }

    /// Ends the connection that has waited longest without a complete head. False: every one is busy.
    pub fn end_longest_waiting(&self) -> bool {
        let open = self.lock();
        let mut waiting: Vec<_> = open.values().filter(|connection| connection.waits()).collect();
        waiting.sort_unstable_by_key(|connection| connection.since.load(Ordering::Relaxed));
        waiting.into_iter().any(|connection| connection.end())
    }

    /// Ends those whose head takes longer than `head`, and those idle for longer than `idle`.
    pub fn end_overdue(&self, head: Duration, idle: Duration) {
        let now = u64::try_from(self.clock.instant().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        for connection in self.lock().values() {
            let waited = Duration::from_millis(now.saturating_sub(connection.since.load(Ordering::Relaxed)));
            let phase = connection.phase.load(Ordering::Acquire);
            let overdue = (phase == Phase::Head as u8 && waited > head) || (phase == Phase::Idle as u8 && waited > idle);
            if overdue {
                connection.end();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Bytes came in: between two requests they begin a head.
    pub fn bytes_came(&self) {
        if self.phase.load(Ordering::Relaxed) == Phase::Idle as u8 {
            self.since.store(self.now(), Ordering::Relaxed);
            self.step(Phase::Idle, Phase::Head);
        }
    }

    /// A head is complete. Gives the time of its first byte (of acceptance, on a new connection);
    /// `None` where the connection is being closed and the request must not be taken.
    pub fn begin(&self) -> Option<Instant> {
        let begun = self.step(Phase::Head, Phase::Busy) || self.step(Phase::Idle, Phase::Busy);
        begun.then(|| self.start + Duration::from_millis(self.since.load(Ordering::Relaxed)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_waited_longest_goes_and_busy_ones_stay() {
        let connections = Connections::new(Clock::system());
        let (first, second, third) = (connections.enter(), connections.enter(), connections.enter());
        for (connection, since) in [(&first, 30), (&second, 20), (&third, 10)] {
            connection.since.store(since, Ordering::Relaxed);
        }
        assert!(third.begin().is_some());
        assert!(connections.end_longest_waiting());
        assert!(second.begin().is_none(), "the second one waited longest of those without a head");
        assert!(first.begin().is_some());
        assert!(!connections.end_longest_waiting(), "all are busy or gone");
    }

    #[test]
    fn heads_and_idle_connections_have_limits_of_their_own() {
        let connections = Connections::new(Clock::system());
        let (new, idle, busy) = (connections.enter(), connections.enter(), connections.enter());
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
