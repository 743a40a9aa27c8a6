//! A bound on attempts per time: a bucket of leave to start, which fills evenly. Pure.

use crate::domain::{clock::Instant, quantity::Rate};
use std::time::Duration;

/// Beyond one, this much of the rate piles up while nothing starts: as late as a timer may be.
const SLACK: Duration = Duration::from_millis(50);

/// The bucket of one lane. It is measured in the time that it takes to fill.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// When it is full, if nothing starts until then.
    full_at: Instant,
}

impl Bucket {
    /// Full.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// By which rate it fills.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// How many attempts may start now.
    pub(super) fn room(&self, now: Instant) -> usize {
        let interval = self.rate.interval();
        let filled = (interval + SLACK).saturating_sub(self.full_at.saturating_duration_since(now));
        usize::try_from(filled.as_nanos() / interval.as_nanos()).unwrap_or(usize::MAX)
    }

    /// When the next one may start, where there is no room now.
    pub(super) fn next(&self) -> Instant {
        // Before a full bucket lies only the past.
        self.full_at.checked_sub(SLACK).unwrap_or(self.full_at)
    }

    /// One starts.
    pub(super) fn start(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.rate.interval();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    fn now() -> Instant {
        crate::domain::clock::Clock::system().instant()
    }

    #[test]
    fn a_slow_rate_lets_one_start_and_then_the_next_after_its_interval() {
        let start = now();
        for (text, interval) in [("2/s", 500), ("30/m", 2_000), ("1/h", 3_600_000)] {
            let mut bucket = Bucket::new(rate(text), start - Duration::from_millis(interval));
            bucket.start(start - Duration::from_millis(interval));
            assert_eq!(bucket.room(start), 1, "{text}");
            bucket.start(start);
            let next = start + Duration::from_millis(interval) - SLACK;
            assert_eq!((bucket.room(next - Duration::from_nanos(1)), bucket.next()), (0, next), "{text}");
            assert_eq!(bucket.room(next), 1, "{text}");
            assert_eq!(bucket.room(next + Duration::from_secs(86_400)), 1, "{text}: idle time does not pile up");
        }
    }

    proptest! {
        /// Whoever looks often and takes all there is gets the rate, with one and the slack before it.
        #[test]
        fn the_rate_is_kept_over_any_time(count in 1..2_000u32, looks in proptest::collection::vec(0..45u64, 1..300)) {
            let start = now();
            let rate = rate(&format!("{count}/s"));
            let mut bucket = Bucket::new(rate, start);
            let (mut at, mut taken) = (start, 0.0);
            for wait in std::iter::once(0).chain(looks) {
                at += Duration::from_millis(wait);
                while bucket.room(at) > 0 {
                    prop_assert!(bucket.next() <= at);
                    bucket.start(at);
                    taken += 1.0;
                }
                prop_assert!(bucket.next() > at);
                let wanted = 1.0 + (at.duration_since(start) + SLACK).as_secs_f64() / rate.interval().as_secs_f64();
                prop_assert!(taken <= wanted + 0.01 && taken + 1.01 >= wanted, "{taken} of {wanted}");
            }
        }
    }
}
