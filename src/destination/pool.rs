//! Idle connections to one destination: the one used last is used next, so that the others can grow old and go.

use super::connection::Connection;
use crate::domain::clock::Instant;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Idle connections kept.
const MOST: usize = 64;

/// How long one is kept without use.
const OLDEST: Duration = Duration::from_secs(60);

/// How long one is used at all: so names are looked up, and certificates shown, anew.
const LIFE: Duration = Duration::from_secs(300);

/// The idle connections, the longest idle first.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Instant, Connection)>>);

impl Pool {
    /// One that can take a request.
    pub(super) fn take(&self, now: Instant) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.idle().pop()?;
            if is_fresh(since, now) && is_young(&connection, now) && connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Keeps it for the next request.
    pub(super) fn put(&self, connection: Connection, now: Instant) {
        let mut idle = self.idle();
        if idle.len() < MOST {
            idle.push((now, connection));
        }
    }

    /// Lets go of those that are old or that the destination has closed.
    pub(super) fn tidy(&self, now: Instant) {
        self.idle().retain_mut(|(since, connection)| is_fresh(*since, now) && is_young(connection, now) && connection.is_ready());
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < OLDEST
}

fn is_young(connection: &Connection, now: Instant) -> bool {
    connection.born.is_none_or(|born| now.saturating_duration_since(born) < LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Clock;
    use tokio::io::{DuplexStream, duplex};

    async fn connection() -> (Connection, DuplexStream) {
        let (near, far) = duplex(1024);
        let mut connection = Connection::new(Box::new(near)).await.unwrap();
        assert!(connection.is_ready());
        (connection, far)
    }

    #[tokio::test]
    async fn a_connection_is_kept_a_minute_and_no_longer() {
        let (pool, now) = (Pool::default(), Clock::system().instant());
        let (_first, _second) = {
            let ((first, far), (second, other)) = (connection().await, connection().await);
            pool.put(first, now);
            pool.put(second, now);
            (far, other)
        };
        assert!(pool.take(now + Duration::from_secs(59)).is_some());
        assert!(pool.take(now + Duration::from_secs(60)).is_none());
        assert!(pool.idle().is_empty(), "the old one is gone");
    }

    #[tokio::test]
    async fn one_that_is_used_all_the_time_is_made_anew_after_five_minutes() {
        let (pool, born) = (Pool::default(), Clock::system().instant());
        let (mut connection, _far) = connection().await;
        connection.born = Some(born);
        for seconds in (0..300).step_by(30) {
            pool.put(connection, born + Duration::from_secs(seconds));
            connection = pool.take(born + Duration::from_secs(seconds + 29)).expect("it is young");
        }
        pool.put(connection, born + Duration::from_secs(299));
        assert!(pool.take(born + Duration::from_secs(300)).is_none());
    }

    #[tokio::test]
    async fn one_that_the_other_side_closed_is_not_given_out_and_let_go() {
        let (pool, now) = (Pool::default(), Clock::system().instant());
        for _ in 0..2 {
            let (connection, far) = connection().await;
            pool.put(connection, now);
            drop(far);
        }
        pool.tidy(now);
        assert!(pool.idle().is_empty());
        let (connection, far) = connection().await;
        pool.put(connection, now);
        drop(far);
        assert!(pool.take(now).is_none());
    }

    #[tokio::test]
    async fn no_more_are_kept_than_the_bound() {
        let (pool, now) = (Pool::default(), Clock::system().instant());
        let mut far_sides = Vec::new();
        for _ in 0..MOST + 5 {
            let (connection, far) = connection().await;
            pool.put(connection, now);
            far_sides.push(far);
        }
        assert_eq!(pool.idle().len(), MOST);
        pool.tidy(now);
        assert_eq!(pool.idle().len(), MOST, "all of them still live");
    }
}
