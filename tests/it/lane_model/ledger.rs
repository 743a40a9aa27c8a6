//! What must be true of each delivery by itself, when all is over: read from what was tried and what was settled.

use super::{
    reference::Counts,
    witness::{Answer, Ended, Record, Tried},
};
use hookgate::{
    deliver::retry::{Jitter, Retry},
    domain::{
        attempt::Next,
        clock::Timestamp,
        delivery::{Run, Seq, Settlement},
    },
};
use std::{collections::BTreeSet, time::Duration};

/// Delays are told in whole milliseconds.
const MILLI: Duration = Duration::from_millis(1);

/// `crashed`: the processes that ended without a word.
pub fn audit(record: &Record, settlements: &[Settlement], crashed: &BTreeSet<usize>) {
    for seq in record.accepted.keys() {
        let tried = record.tried.get(seq).map(Vec::as_slice).unwrap_or_default();
        let settled: Vec<_> = settlements.iter().filter(|settlement| settlement.seq == *seq).collect();
        Delivery { seq: *seq, tried, settled: &settled }.audit(crashed);
    }
}

struct Delivery<'a> {
    seq: Seq,
    tried: &'a [Tried],
    settled: &'a [&'a Settlement],
}

impl Delivery<'_> {
    fn audit(&self, crashed: &BTreeSet<usize>) {
        let Self { seq, tried, settled } = self;
        let (mut run, mut due, mut open) = (Run::default(), Timestamp::default(), settled.iter());
        for attempt in *tried {
            let numbered = settled.len() - open.len() + 1;
            assert_eq!(attempt.number as usize, numbered, "attempts count on: {seq:?}");
            assert!(attempt.began >= due, "{seq:?} is due at {due}, and tried at {}", attempt.began);
            let settlement = open.as_slice().first().filter(|settlement| settlement.attempt.at == attempt.began);
            match (settlement, attempt.ended) {
                (Some(settlement), Some(ended)) => {
                    open.next();
                    due = self.settle(attempt, ended, settlement, &mut run);
                }
                (Some(_), None) => panic!("{seq:?} was settled before its attempt had ended"),
                // Made again, since nobody knows what came of it.
                (None, _) => assert!(crashed.contains(&attempt.life), "{seq:?}: the outcome of {attempt:?} is lost"),
            }
        }
        assert_eq!(open.len(), 0, "{seq:?} has settlements of attempts that nobody saw");
        assert!(settled.last().is_some_and(|last| !matches!(last.next, Next::RetryAt(_))), "{seq:?} is neither delivered nor dead: lost");
    }

    /// Checks what follows an attempt; gives when the next one is due.
    fn settle(&self, attempt: &Tried, ended: Ended, settlement: &Settlement, run: &mut Run) -> Timestamp {
        let seq = self.seq;
        let Ended { at, answer, counts } = ended;
        let took = at.since(attempt.began);
        assert_eq!((settlement.attempt.result, settlement.attempt.duration), (answer.result(), took), "{seq:?}");
        let retry = &attempt.policy.retry;
        let tried = Run { attempts: run.attempts + 1, elapsed: run.elapsed + took };
        if let Answer::Takes(_) = answer {
            assert_eq!(settlement.next, Next::Delivered, "{seq:?} was taken");
            return NEVER;
        }
        let given_up = answer.refusal().is_some_and(|status| attempt.policy.give_up_on.contains(status));
        let used_up = match counts {
            Counts::Nothing => retry.max_attempts == 1,
            Counts::Attempt | Counts::AttemptAndDelay => tried.attempts >= retry.max_attempts || tried.elapsed >= retry.max_elapsed,
        };
        match settlement.next {
            Next::Delivered => panic!("{seq:?} was not taken: {answer:?}"),
            Next::Dead => {
                assert!(given_up || used_up, "{seq:?} is dead for no reason: {attempt:?}, {run:?}");
                NEVER
            }
            Next::RetryAt(due) => {
                assert!(!given_up && !used_up, "{seq:?} has used up what it has: {attempt:?}, {run:?}");
                let delay = due.since(at);
                let (shortest, longest) = bounds(retry, tried.attempts);
                let bounds = shortest.max(answer.asked())..=longest.max(answer.asked()) + MILLI;
                assert!(bounds.contains(&(delay + MILLI)) || bounds.contains(&delay), "{seq:?}: {delay:?} is not within {bounds:?}");
                *run = match counts {
                    Counts::AttemptAndDelay => Run { elapsed: tried.elapsed + delay.saturating_sub(answer.hold()), ..tried },
                    Counts::Attempt => tried,
                    Counts::Nothing => *run,
                };
                let near = settlement.run.elapsed.abs_diff(run.elapsed) <= MILLI;
                assert!(settlement.run.attempts == run.attempts && near, "{seq:?}: {:?} is not {run:?}", settlement.run);
                *run = settlement.run;
                due
            }
        }
    }
}

/// No attempt begins that late.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Between which the delay lies after so many failed attempts.
fn bounds(retry: &Retry, failed: u32) -> (Duration, Duration) {
    let mut full = retry.initial_interval.min(retry.max_interval);
    for _ in 1..failed {
        full = full.mul_f64(retry.multiplier).min(retry.max_interval);
    }
    match retry.jitter {
        Jitter::Full => (Duration::ZERO, full),
        Jitter::Equal => (full / 2, full),
        Jitter::None => (full, full),
    }
}
