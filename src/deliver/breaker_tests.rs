//! The breaker step by step, and its laws under any order of steps.

use super::*;
use crate::{deliver::retry::Retry, domain::status_set::StatusSet};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const OPEN_AFTER: u32 = 3;
const CONCURRENCY: usize = 8;

fn start() -> Instant {
    crate::domain::clock::Clock::system().instant()
}

fn breaker() -> Breaker {
    Breaker::new(Some(Settings { open_after: OPEN_AFTER, probe_every: 30 * SECOND }))
}

/// One attempt, from its start to its end.
fn attempt(breaker: &mut Breaker, heard: Heard, now: Instant) {
    assert!(breaker.room(now) > 0, "no attempt may start");
    let pass = breaker.start();
    breaker.ended(&pass, heard, CONCURRENCY, now);
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = breaker();
    (0..OPEN_AFTER).for_each(|_| attempt(&mut breaker, Heard::Fails, now));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn only_failures_in_a_row_open_it() {
    let now = start();
    let mut breaker = breaker();
    for heard in [Heard::Fails, Heard::Fails, Heard::Lives, Heard::Fails, Heard::Fails, Heard::Busy, Heard::Nothing] {
        attempt(&mut breaker, heard, now);
        assert_eq!(breaker.state(), BreakerState::Closed, "{heard:?}");
    }
    attempt(&mut breaker, Heard::Fails, now);
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Open, 0));
}

#[test]
fn what_an_answer_says_of_its_destination() {
    let give_up_on = StatusSet::parse(["403", "500"]).unwrap();
    let policy = Policy {
        concurrency: 1,
        retry: Retry::FAST,
        give_up_on,
        breaker: None,
        order_wait: Duration::ZERO,
        rate_limit: None,
        paused: false,
    };
    let of = |status, hold| heard(&policy, Some(&SendError::Status { status, response: "".into(), retry_after: None }), hold);
    for (status, hold, wanted) in [
        (400, Duration::ZERO, Heard::Lives),
        (404, Duration::ZERO, Heard::Lives),
        (422, Duration::ZERO, Heard::Lives),
        (403, Duration::ZERO, Heard::Lives),
        (401, Duration::ZERO, Heard::Fails),
        (408, Duration::ZERO, Heard::Fails),
        (429, Duration::ZERO, Heard::Fails),
        (429, SECOND, Heard::Busy),
        (503, SECOND, Heard::Fails),
        (500, Duration::ZERO, Heard::Fails),
        (302, Duration::ZERO, Heard::Fails),
    ] {
        assert_eq!(of(status, hold), wanted, "{status} {hold:?}");
    }
    assert_eq!(heard(&policy, None, Duration::ZERO), Heard::Lives);
    assert_eq!(heard(&policy, Some(&SendError::Timeout(SECOND)), Duration::ZERO), Heard::Fails);
}

#[test]
fn an_open_one_is_probed_by_one_at_a_time_and_seldomer_each_time() {
    let mut now = start();
    let mut breaker = opened(now);
    for seconds in [30, 60, 120, 240, 300, 300] {
        assert_eq!(breaker.probe_at(), Some(now + seconds * SECOND));
        assert_eq!(breaker.room(now + seconds * SECOND - Duration::from_millis(1)), 0);
        now += seconds * SECOND;
        assert_eq!(breaker.room(now), 1);
        let pass = breaker.start();
        assert!(pass.is_probe());
        assert_eq!((breaker.state(), breaker.room(now), breaker.probe_at()), (BreakerState::Probing, 0, None));
        breaker.ended(&pass, Heard::Fails, CONCURRENCY, now);
    }
}

#[test]
fn a_destination_that_is_back_gets_twice_as_many_with_each_round() {
    let began = start();
    let (mut breaker, now) = (opened(began), began + 30 * SECOND);
    attempt(&mut breaker, Heard::Lives, now);
    for allowed in [2, 4] {
        assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Ramping, allowed));
        let round: Vec<_> = (0..allowed).map(|_| breaker.start()).collect();
        assert_eq!(breaker.room(now), 0);
        assert!(round.iter().all(|pass| breaker.ended(pass, Heard::Lives, CONCURRENCY, now)));
    }
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Closed, usize::MAX));
}

#[test]
fn failures_that_follow_the_probe_open_it_again_before_they_are_many() {
    let began = start();
    let (mut breaker, now) = (opened(began), began + 30 * SECOND);
    attempt(&mut breaker, Heard::Lives, now);
    (0..OPEN_AFTER - OPEN_AFTER / 2).for_each(|_| attempt(&mut breaker, Heard::Fails, now));
    assert_eq!((breaker.state(), breaker.probe_at()), (BreakerState::Open, Some(now + 30 * SECOND)));
}

#[test]
fn a_destination_that_is_back_and_stumbles_now_and_then_is_taken_up_all_the_same() {
    let began = start();
    let (mut breaker, now) = (opened(began), began + 30 * SECOND);
    attempt(&mut breaker, Heard::Lives, now);
    for allowed in [2, 4, 4] {
        assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Ramping, allowed));
        attempt(&mut breaker, Heard::Lives, now);
        attempt(&mut breaker, Heard::Fails, now);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn what_began_before_it_opened_changes_nothing() {
    let now = start();
    let mut breaker = breaker();
    let before: Vec<_> = (0..4).map(|_| breaker.start()).collect();
    (0..OPEN_AFTER).for_each(|_| attempt(&mut breaker, Heard::Fails, now));
    for (pass, heard) in before.iter().zip([Heard::Lives, Heard::Fails, Heard::Busy, Heard::Nothing]) {
        breaker.ended(pass, heard, CONCURRENCY, now);
        assert_eq!((breaker.state(), breaker.probe_at()), (BreakerState::Open, Some(now + 30 * SECOND)), "{heard:?}");
    }
}

#[test]
fn after_a_hold_there_is_one_at_first_and_a_failure_counts_as_one() {
    let now = start();
    let mut breaker = breaker();
    attempt(&mut breaker, Heard::Busy, now);
    breaker.slow();
    assert_eq!(breaker.room(now), 1);
    attempt(&mut breaker, Heard::Lives, now);
    assert_eq!(breaker.room(now), 2);
    (0..2).for_each(|_| attempt(&mut breaker, Heard::Fails, now));
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Ramping, 1));
    attempt(&mut breaker, Heard::Fails, now);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn without_settings_it_never_opens_but_slows_down() {
    let now = start();
    let mut breaker = Breaker::new(None);
    (0..1000).for_each(|_| attempt(&mut breaker, Heard::Fails, now));
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Off, usize::MAX));
    breaker.slow();
    assert_eq!(breaker.room(now), 1);
}

#[test]
fn changed_settings_and_a_changed_destination_bring_the_next_probe_forward() {
    let now = start();
    let mut breaker = opened(now);
    breaker.change(Some(Settings { open_after: 1, probe_every: 5 * SECOND }), now);
    assert_eq!(breaker.probe_at(), Some(now + 5 * SECOND));
    breaker.change(Some(Settings { open_after: 1, probe_every: 60 * SECOND }), now);
    assert_eq!(breaker.probe_at(), Some(now + 5 * SECOND));
    breaker.doubt(now);
    assert_eq!(breaker.room(now), 1);
    let probe = breaker.start();
    breaker.doubt(now);
    assert_eq!(breaker.room(now), 1, "whatever comes of a probe in flight");
    breaker.ended(&probe, Heard::Fails, 8, now);
    assert_eq!(breaker.room(now), 1);
    breaker.change(None, now);
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Ramping, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Start,
    End(usize, Heard),
    Pass(u64),
    Slow,
}

fn any_step() -> impl Strategy<Value = Step> {
    let heard = prop_oneof![4 => Just(Heard::Fails), 3 => Just(Heard::Lives), 1 => Just(Heard::Busy), 1 => Just(Heard::Nothing)];
    prop_oneof![
        8 => Just(Step::Start),
        8 => (0..CONCURRENCY, heard).prop_map(|(which, heard)| Step::End(which, heard)),
        3 => (1..200u64).prop_map(Step::Pass),
        1 => Just(Step::Slow),
    ]
}

/// What is told to a breaker, written down and read anew at each question.
#[derive(Debug, Default)]
struct Book {
    /// Since it opened last: the probes that failed; `None` while it is not open.
    open: Option<(u32, Instant)>,
    probing: bool,
    /// While it is taken up again: how many were allowed at first, and what came of each.
    ramp: Option<(usize, Vec<Heard>)>,
    failures: u32,
    in_flight: usize,
}

impl Book {
    /// Cut into rounds from the beginning.
    fn allowed((first, outcomes): &(usize, Vec<Heard>)) -> usize {
        let (mut allowed, mut rest) = (*first, &outcomes[..]);
        while rest.len() >= allowed {
            let (round, after) = rest.split_at(allowed);
            let successes = round.iter().filter(|heard| **heard == Heard::Lives).count();
            allowed = if 2 * successes >= allowed { 2 * allowed } else { (allowed / 2).max(1) };
            rest = after;
        }
        allowed
    }

    fn room(&self, now: Instant) -> usize {
        match (self.open, &self.ramp) {
            (Some(_), _) if self.probing => 0,
            (Some((failed, since)), _) => usize::from(now >= since + (30 * 2u32.pow(failed.min(8))).min(300) * SECOND),
            (None, Some(ramp)) => Self::allowed(ramp).saturating_sub(self.in_flight),
            (None, None) => usize::MAX,
        }
    }

    fn opens(&mut self, failed: u32, now: Instant) {
        *self = Self { open: Some((failed, now)), failures: self.failures, ..Self::default() };
    }

    /// Whether what is in flight does not count any more.
    fn end(&mut self, heard: Heard, now: Instant) -> bool {
        self.in_flight -= 1;
        let Some((failed, since)) = self.open else {
            match (&mut self.ramp, heard) {
                (_, Heard::Busy | Heard::Nothing) => return false,
                (None, Heard::Lives) => self.failures = 0,
                (None, Heard::Fails) => self.failures += 1,
                (Some(ramp), Heard::Lives | Heard::Fails) => {
                    ramp.1.push(heard);
                    if heard == Heard::Lives {
                        self.failures /= 2;
                    }
                    if Self::allowed(ramp) >= CONCURRENCY {
                        (self.ramp, self.failures) = (None, 0);
                    }
                    self.failures += u32::from(heard == Heard::Fails);
                }
            }
            if self.failures >= OPEN_AFTER {
                self.opens(0, now);
                return true;
            }
            return false;
        };
        match heard {
            Heard::Fails => self.opens(failed + 1, now),
            // The probe is still due.
            Heard::Nothing => (self.open, self.probing) = (Some((failed, since)), false),
            Heard::Lives => *self = Self { ramp: Some((2, Vec::new())), failures: OPEN_AFTER / 2, ..Self::default() },
            Heard::Busy => *self = Self { ramp: Some((1, Vec::new())), failures: self.failures, ..Self::default() },
        }
        heard != Heard::Nothing && heard != Heard::Fails
    }
}

proptest! {
    #[test]
    fn it_gives_room_as_a_plain_record_of_what_happened_says(steps in proptest::collection::vec(any_step(), 0..300)) {
        let mut now = start();
        let mut breaker = breaker();
        let mut book = Book::default();
        let (mut counted, mut old): (Vec<Pass>, Vec<Pass>) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Start if breaker.room(now) > 0 && counted.len() < CONCURRENCY => {
                    counted.push(breaker.start());
                    book.in_flight += 1;
                    book.probing = book.open.is_some();
                }
                Step::End(which, heard) if which < counted.len() => {
                    breaker.ended(&counted.remove(which), heard, CONCURRENCY, now);
                    if book.end(heard, now) {
                        old.append(&mut counted);
                    }
                }
                // Of an era that is over: nothing changes.
                Step::End(_, heard) => {
                    if let Some(pass) = old.pop() {
                        breaker.ended(&pass, heard, CONCURRENCY, now);
                    }
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Slow => {
                    breaker.slow();
                    if book.open.is_none() {
                        book = Book { ramp: Some((1, Vec::new())), failures: book.failures, ..Book::default() };
                        old.append(&mut counted);
                    }
                }
                Step::Start => {}
            }
            prop_assert_eq!(breaker.room(now), book.room(now));
            prop_assert_eq!(breaker.state().is_open(), book.open.is_some());
        }
    }
}
