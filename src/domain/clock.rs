//! The only place that reads the time. Everything else gets it as an argument.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use std::time::Instant;

/// Wall-clock time in milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by a duration; stops at the end of time.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by a duration; stops at the start of time.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// From RFC 3339 in UTC (`2026-11-22T22:27:53.123Z`); `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let time = humantime::parse_rfc3339(text).ok()?;
        Some(Self::from_system(time))
    }

    fn from_system(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Self(millis)
    }
}

/// RFC 3339, UTC, with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0).unwrap_or(0).min(253_402_300_799_999);
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).fmt(f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the running gateway reads the time. Clones share one clock, so a test can move it under a running gateway.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift: Arc<AtomicI64>,
    /// Where the wall clock goes by the timers: a moment, and what it showed then.
    by_timers: Option<(Instant, Timestamp)>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// One whose wall clock shows `start` and goes on as the timers do: where a test makes these stand still and leap, so does it.
    pub fn by_timers(start: Timestamp) -> Self {
        let system = Self::system();
        Self { by_timers: Some((system.instant(), start)), ..system }
    }

    /// Wall-clock time now.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        let wall = match self.by_timers {
            None => Timestamp::from_system(SystemTime::now()),
            Some((begun, start)) => start.plus(self.instant().saturating_duration_since(begun)),
        };
        Timestamp(wall.0.saturating_add(self.shift.load(Ordering::Relaxed)))
    }

    /// A moment to measure durations from; never goes back. It is of the clock that timers run by.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the monotonic clock")]
    pub fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Moves the wall clock by milliseconds, as a step of the system's clock would.
    pub fn jump(&self, millis: i64) {
        self.shift.fetch_add(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_in_utc_with_milliseconds() {
        let time = Timestamp::from_millis(1_795_386_473_123);
        assert_eq!(time.to_string(), "2026-11-22T22:27:53.123Z");
        assert_eq!(Timestamp::parse("2026-11-22T22:27:53.123Z"), Some(time));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
    }

    #[test]
    fn a_jump_moves_all_clones() {
        let clock = Clock::system();
        let twin = clock.clone();
        let before = clock.now();
        twin.jump(-86_400_000);
        assert!(clock.now() < before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_by_the_timers_stands_still_and_leaps_with_them() {
        let start = Timestamp::from_millis(1_000_000);
        let clock = Clock::by_timers(start);
        assert_eq!(clock.now(), start);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now().since(start), Duration::from_secs(3_600));
        clock.jump(-1_000);
        assert_eq!(clock.now().since(start), Duration::from_secs(3_599));
    }
}
