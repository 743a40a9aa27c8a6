//! Which reason to stand still goes before which, and what is waited for.

use super::*;
use crate::{
    deliver::{breaker::Settings, retry::Retry},
    domain::{quantity::Rate, status_set::StatusSet},
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Instant {
    crate::domain::clock::Clock::system().instant()
}

fn policy(rate: Option<&str>) -> Policy {
    let rate_limit = rate.map(|text| Rate::parse(text).unwrap());
    let breaker = Some(Settings { open_after: 1, probe_every: 30 * SECOND });
    Policy {
        concurrency: 4,
        retry: Retry::FAST,
        give_up_on: StatusSet::gone(),
        breaker,
        order_wait: Duration::ZERO,
        rate_limit,
        paused: false,
    }
}

fn attempt(gate: &mut Gate, heard: Heard, hold: Duration, now: Instant) {
    let pass = gate.start(now);
    gate.ended(&pass, heard, hold, 4, now);
}

#[test]
fn without_any_key_nothing_waits() {
    let now = start();
    let gate = Gate::new(&policy(None), now);
    assert_eq!((gate.room(now), gate.wait(now)), (usize::MAX, None));
}

#[test]
fn a_pause_by_either_stands_until_both_are_over() {
    let now = start();
    let mut gate = Gate::new(&Policy { paused: true, ..policy(None) }, now);
    gate.pause();
    gate.change(&policy(None), now);
    assert_eq!((gate.room(now), gate.wait(now)), (0, None));
    assert_eq!((gate.is_paused_by_file(), gate.is_paused_by_operator()), (false, true));
    gate.resume(now);
    assert_eq!(gate.room(now), usize::MAX);
    gate.drain();
    assert_eq!((gate.room(now), gate.stands(), gate.is_paused()), (0, true, false));
}

#[test]
fn the_longest_hold_counts_and_then_there_is_one_at_first() {
    let now = start();
    let mut gate = Gate::new(&policy(None), now);
    let passes = [gate.start(now), gate.start(now)];
    for (pass, seconds) in passes.iter().zip([7, 5]) {
        gate.ended(pass, Heard::Busy, seconds * SECOND, 4, now);
    }
    let until = now + 7 * SECOND;
    assert_eq!((gate.room(now), gate.wait(now)), (0, Some(Wait { until, cause: Cause::Destination })));
    assert_eq!((gate.held_until(now), gate.held_until(until)), (Some(until), None));
    assert_eq!((gate.room(until), gate.wait(until)), (1, None));
}

#[test]
fn a_probe_waits_for_the_end_of_a_hold_too() {
    let now = start();
    let mut gate = Gate::new(&policy(None), now);
    attempt(&mut gate, Heard::Fails, 90 * SECOND, now);
    assert_eq!(gate.wait(now).unwrap().until, now + 90 * SECOND);
    attempt(&mut gate, Heard::Fails, Duration::ZERO, now + 90 * SECOND);
    assert_eq!(gate.wait(now + 90 * SECOND).unwrap().until, now + 150 * SECOND);
}

#[test]
fn only_what_waits_for_the_rate_alone_is_said_to_wait_for_it() {
    let now = start();
    let mut gate = Gate::new(&policy(Some("1/s")), now);
    attempt(&mut gate, Heard::Lives, Duration::ZERO, now);
    assert_eq!(gate.wait(now).unwrap().cause, Cause::Rate);
    attempt(&mut gate, Heard::Busy, 3 * SECOND, now + SECOND);
    assert_eq!(gate.wait(now + SECOND).unwrap().cause, Cause::Destination);
    gate.pause();
    assert_eq!(gate.wait(now + SECOND), None);
}

#[test]
fn a_destination_that_is_called_another_way_is_tried_at_once() {
    let now = start();
    let mut gate = Gate::new(&policy(None), now);
    attempt(&mut gate, Heard::Fails, 90 * SECOND, now);
    gate.doubt(now);
    assert_eq!(gate.room(now), 1);
}

#[test]
fn a_rate_that_stays_goes_on_over_a_change_of_policy() {
    let now = start();
    let mut gate = Gate::new(&policy(Some("1/m")), now);
    attempt(&mut gate, Heard::Lives, Duration::ZERO, now);
    gate.change(&policy(Some("1/m")), now);
    assert_eq!(gate.room(now), 0);
    gate.change(&policy(Some("2/m")), now);
    assert_eq!(gate.room(now), 1);
}

proptest! {
    /// Nothing is waited for in vain: at the end of a wait there is room, or something else to wait for.
    #[test]
    fn the_end_of_a_wait_is_no_earlier_than_it_has_to_be(
        rate in prop_oneof![Just(None), Just(Some("3/s")), Just(Some("2/m"))],
        steps in proptest::collection::vec((0..4u8, 0..40u64), 1..100),
    ) {
        let mut now = start();
        let mut gate = Gate::new(&policy(rate), now);
        for (kind, seconds) in steps {
            if gate.room(now) > 0 {
                match kind {
                    0 => attempt(&mut gate, Heard::Fails, Duration::ZERO, now),
                    1 => attempt(&mut gate, Heard::Busy, Duration::from_secs(seconds), now),
                    _ => attempt(&mut gate, Heard::Lives, Duration::ZERO, now),
                }
            }
            let wait = gate.wait(now);
            prop_assert_eq!(wait.is_some(), gate.room(now) == 0, "each attempt has ended, so time alone makes room");
            if let Some(Wait { until, .. }) = wait {
                prop_assert!(until > now);
                prop_assert_eq!(gate.room(until - Duration::from_nanos(1)), 0);
                now = until;
            }
        }
    }
}
