//! Whether an attempt may start now, and if not, when: pause, hold, breaker and rate in one place. Pure.

use super::{
    Policy,
    breaker::{Breaker, Heard, Pass},
    rate::Bucket,
};
use crate::domain::{clock::Instant, waited::NotNow};
use std::time::Duration;

/// The gate of one lane.
#[derive(Debug)]
pub(super) struct Gate {
    /// Nothing starts any more.
    is_draining: bool,
    is_paused_by_file: bool,
    is_paused_by_operator: bool,
    /// The destination asked us to stay away until then.
    held_until: Option<Instant>,
    breaker: Breaker,
    rate: Option<Bucket>,
}

/// Why nothing starts now, where time alone changes that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// When it does.
    pub(super) until: Instant,
    /// What is waited for.
    pub(super) cause: Cause,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The rate, and nothing else.
    Rate,
    /// The end of a hold, or the next probe.
    Destination,
}

impl Gate {
    /// Open, unless the policy pauses it.
    pub(super) fn new(policy: &Policy, now: Instant) -> Self {
        Self {
            is_draining: false,
            is_paused_by_file: policy.paused,
            is_paused_by_operator: false,
            held_until: None,
            breaker: Breaker::new(policy.breaker),
            rate: policy.rate_limit.map(|rate| Bucket::new(rate, now)),
        }
    }

    /// Works by another policy from now on.
    pub(super) fn change(&mut self, policy: &Policy, now: Instant) {
        self.is_paused_by_file = policy.paused;
        self.breaker.change(policy.breaker, now);
        if self.rate.as_ref().map(Bucket::rate) != policy.rate_limit {
            self.rate = policy.rate_limit.map(|rate| Bucket::new(rate, now));
        }
    }

    /// The destination is called another way now, so what it said does not hold any more.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.held_until = None;
        self.breaker.doubt(now);
    }

    /// An operator pauses it.
    pub(super) fn pause(&mut self) {
        self.is_paused_by_operator = true;
    }

    /// An operator's pause is over. Who lets it go on knows better than what the destination said before.
    pub(super) fn resume(&mut self, now: Instant) {
        self.unpause();
        self.doubt(now);
    }

    /// No operator pauses it any more; what the destination said before still holds.
    pub(super) fn unpause(&mut self) {
        self.is_paused_by_operator = false;
    }

    /// Until it is reopened, if ever.
    pub(super) fn drain(&mut self) {
        self.is_draining = true;
    }

    /// It was drained, and goes on once it has heard its policy.
    pub(super) fn reopen(&mut self) {
        self.is_draining = false;
        self.is_paused_by_file = true;
    }

    /// How many attempts may start now.
    pub(super) fn room(&self, now: Instant) -> usize {
        if self.stands() || self.held_until(now).is_some() {
            return 0;
        }
        let rate = self.rate.as_ref().map_or(usize::MAX, |rate| rate.room(now));
        self.breaker.room(now).min(rate)
    }

    /// What has to pass before there is room; `None` where there is room, or time alone does not make any.
    pub(super) fn wait(&self, now: Instant) -> Option<Wait> {
        if self.stands() {
            return None;
        }
        let held = self.held_until(now);
        let probe = match self.breaker.room(now) {
            0 => Some(self.breaker.probe_at()?),
            _ => None,
        };
        match held.max(probe) {
            Some(until) => Some(Wait { until, cause: Cause::Destination }),
            None => self.rate.as_ref().map(Bucket::next).filter(|next| *next > now).map(|until| Wait { until, cause: Cause::Rate }),
        }
    }

    /// Why nobody waits until then for an attempt that has not started; `None`: it may start now, or has its turn to come.
    pub(super) fn refusal(&self, until: Instant, now: Instant) -> Option<NotNow> {
        if self.is_draining {
            return Some(NotNow::NotServed);
        }
        if self.is_paused() {
            return Some(NotNow::Paused);
        }
        if self.held_until(now).is_some_and(|held| held > until) {
            return Some(NotNow::Held);
        }
        (self.breaker.state().is_open() && self.breaker.room(now) == 0).then_some(NotNow::BreakerOpen)
    }

    /// An attempt starts, for which there is room.
    pub(super) fn start(&mut self, now: Instant) -> Pass {
        if let Some(rate) = &mut self.rate {
            rate.start(now);
        }
        self.breaker.start()
    }

    /// An attempt has ended, by an answer that asks us to stay away for `hold`.
    pub(super) fn ended(&mut self, pass: &Pass, heard: Heard, hold: Duration, concurrency: usize, now: Instant) {
        let is_of_now = self.breaker.ended(pass, heard, concurrency, now);
        if !hold.is_zero() {
            self.held_until = self.held_until.max(Some(now + hold));
            // Of many answers that say so at once the first one slows the lane down.
            if is_of_now {
                self.breaker.slow();
            }
        }
    }

    /// Whether nothing starts, whatever the time.
    pub(super) fn stands(&self) -> bool {
        self.is_draining || self.is_paused()
    }

    /// Whether it may be long until anything starts, but for a probe. A rate does not shut it: there the next is soon.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        self.stands() || self.held_until(now).is_some() || self.breaker.state().is_open()
    }

    /// Whether it is at its end.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether anybody pauses it.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused_by_file || self.is_paused_by_operator
    }

    /// Whether the rules file pauses it.
    pub(super) fn is_paused_by_file(&self) -> bool {
        self.is_paused_by_file
    }

    /// Whether an operator pauses it.
    pub(super) fn is_paused_by_operator(&self) -> bool {
        self.is_paused_by_operator
    }

    /// Until when the destination asked us to stay away.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.held_until.filter(|until| *until > now)
    }

    /// What is learnt of the destination.
    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
