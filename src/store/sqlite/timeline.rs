//! The store's own time: follows the wall clock, but not its jumps, and never starts before where it ended.
//! Order, due times and removal are on it, so a clock that is set wrong for a while holds nothing back and removes nothing.

use crate::domain::clock::{Clock, Instant, Timestamp};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

/// A jump forward up to here is followed: it may be a machine that slept, and an early attempt does no harm.
const FOLLOWED: i64 = 86_400_000;

/// How far the wall clock may lag behind the monotonic one between two looks without being taken for a jump.
const LAG: i64 = 1_000;

/// The store's time.
#[derive(Debug)]
pub(super) struct Timeline {
    clock: Clock,
    offset: AtomicI64,
    last: Mutex<(Instant, Timestamp)>,
}

impl Timeline {
    /// Begins at the wall clock's time, or where it ended if that is later.
    pub(super) fn starting(clock: Clock, ended: i64) -> Self {
        let now = clock.now();
        let offset = AtomicI64::new(ended.saturating_sub(now.millis()).max(0));
        Self { last: Mutex::new((clock.instant(), now)), clock, offset }
    }

    /// Milliseconds on this timeline.
    pub(super) fn now(&self) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (instant, wall) = (self.clock.instant(), self.clock.now());
        let ran = i64::try_from(instant.saturating_duration_since(last.0).as_millis()).unwrap_or(i64::MAX);
        let jump = wall.millis().saturating_sub(last.1.millis()).saturating_sub(ran);
        *last = (instant, wall);
        if !(-LAG..=FOLLOWED).contains(&jump) {
            self.offset.fetch_sub(jump, Ordering::Relaxed);
        }
        wall.millis().saturating_add(self.offset.load(Ordering::Relaxed))
    }

    /// A time of the wall clock on this timeline.
    pub(super) fn of_wall(&self, time: Timestamp) -> i64 {
        self.now();
        time.millis().saturating_add(self.offset.load(Ordering::Relaxed))
    }

    /// A time of this timeline as the wall clock shows it now.
    pub(super) fn to_wall(&self, time: i64) -> Timestamp {
        Timestamp::from_millis(time.saturating_sub(self.offset.load(Ordering::Relaxed)))
    }

    /// A moment to measure durations from.
    pub(super) fn instant(&self) -> Instant {
        self.clock.instant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn jumps_of_the_wall_clock_are_left_out() {
        for jump in [-3_650 * DAY, -DAY, 2 * DAY, 3_650 * DAY] {
            let clock = Clock::system();
            let timeline = Timeline::starting(clock.clone(), 0);
            let before = timeline.now();
            clock.jump(jump);
            let after = timeline.now();
            assert!((0..60_000).contains(&(after - before)), "{jump}: {before} to {after}");
            assert!((timeline.of_wall(clock.now()) - after).abs() < 60_000);
            assert!(timeline.to_wall(after).since(clock.now()).as_secs() < 60);
        }
    }

    #[test]
    fn a_sleep_of_the_machine_is_followed() {
        let clock = Clock::system();
        let timeline = Timeline::starting(clock.clone(), 0);
        let before = timeline.now();
        clock.jump(3_600_000);
        assert!(timeline.now() - before >= 3_600_000);
    }

    #[test]
    fn it_goes_on_where_it_ended() {
        let clock = Clock::system();
        let ended = clock.now().millis() + 5 * DAY;
        assert!(Timeline::starting(clock, ended).now() >= ended);
    }
}
