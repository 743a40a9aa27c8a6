//! When a destination that fails is left alone, how it is probed, and how it is taken up again. Pure.

use super::Policy;
use crate::{destination::SendError, domain::clock::Instant};
use std::time::Duration;

/// However long a destination is away, it is probed this often, unless the rules file says seldomer.
const LONGEST: Duration = Duration::from_secs(300);

/// By which answers a destination says that it lives and will not have this one event.
const OF_THIS_EVENT: [u16; 9] = [400, 404, 409, 410, 413, 414, 415, 422, 431];

/// When the breaker opens, and how often it is probed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// After so many failures in a row.
    pub open_after: u32,
    /// The time to the first probe; after each that fails it doubles, up to 5 minutes.
    pub probe_every: Duration,
}

impl Settings {
    /// What a destination gets unless it says otherwise.
    pub const STANDARD: Self = Self { open_after: 10, probe_every: Duration::from_secs(30) };
}

/// A breaker as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// The rules file switches it off.
    Off,
    /// Deliveries flow.
    Closed,
    /// None is attempted until the next probe.
    Open,
    /// One is attempted, and shows whether the destination is back.
    Probing,
    /// It is back, and gets more at a time with each round that goes well.
    Ramping,
}

impl BreakerState {
    /// As the API and the log write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
            Self::Ramping => "ramping",
        }
    }

    /// Whether only probes are made.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Open | Self::Probing => true,
            Self::Off | Self::Closed | Self::Ramping => false,
        }
    }
}

/// What an attempt says about its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It took the delivery, or refused this one event.
    Lives,
    /// It lives, and said for how long it wants no more.
    Busy,
    /// Anything else.
    Fails,
    /// Nothing: no attempt was made.
    Nothing,
}

/// What the outcome of an attempt says; `hold` is how long the answer asks us to stay away.
pub(super) fn heard(policy: &Policy, failure: Option<&SendError>, hold: Duration) -> Heard {
    let Some(failure) = failure else { return Heard::Lives };
    if let SendError::Unsendable(_) = failure {
        return Heard::Nothing;
    }
    match failure.status() {
        Some(429) if !hold.is_zero() => Heard::Busy,
        Some(status) if OF_THIS_EVENT.contains(&status) => Heard::Lives,
        Some(status @ 400..500) if policy.give_up_on.contains(status) => Heard::Lives,
        Some(_) | None => Heard::Fails,
    }
}

/// The breaker of one lane.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: Option<Settings>,
    state: State,
    /// In a row while closed. In the ramp a success halves them, and after a probe they are half of what opens:
    /// a destination that is back and stumbles is not given up, and one that is not back is found out soon.
    failures: u32,
    /// Attempts of this era that have not ended.
    active: usize,
    /// What began in an earlier one says nothing about now.
    era: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        interval: Duration,
        probe_at: Instant,
    },
    Probing {
        interval: Duration,
    },
    /// So many at a time. A round is as many outcomes; by its majority the next one is twice as wide or half.
    Ramping {
        allowed: usize,
        succeeded: usize,
        failed: usize,
    },
}

/// The leave to make one attempt. It ends with [`Breaker::ended`].
#[derive(Debug)]
#[must_use]
pub(super) struct Pass {
    era: u64,
    is_probe: bool,
}

impl Pass {
    /// Whether it is there to see how the destination is.
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }
}

impl Breaker {
    /// Closed; without settings it never opens.
    pub(super) fn new(settings: Option<Settings>) -> Self {
        Self { settings, state: State::Closed, failures: 0, active: 0, era: 0 }
    }

    /// Works by other settings from now on.
    pub(super) fn change(&mut self, settings: Option<Settings>, now: Instant) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        match (settings, self.state) {
            (None, State::Open { .. } | State::Probing { .. }) => self.ramp(1),
            (Some(Settings { probe_every, .. }), State::Open { probe_at, .. }) => {
                self.state = State::Open { interval: probe_every, probe_at: probe_at.min(now + probe_every) };
            }
            (Some(Settings { probe_every, .. }), State::Probing { .. }) => self.state = State::Probing { interval: probe_every },
            (_, State::Closed | State::Ramping { .. }) => {}
        }
    }

    /// The destination is another one now: what was learnt of it is worth a probe at once, whatever comes of one in flight.
    pub(super) fn doubt(&mut self, now: Instant) {
        match self.state {
            State::Open { interval, .. } | State::Probing { interval } => self.new_era(State::Open { interval, probe_at: now }),
            State::Closed | State::Ramping { .. } => {}
        }
    }

    /// How many attempts may start now.
    pub(super) fn room(&self, now: Instant) -> usize {
        match self.state {
            State::Closed => usize::MAX,
            State::Open { probe_at, .. } => usize::from(probe_at <= now),
            State::Probing { .. } => 0,
            State::Ramping { allowed, .. } => allowed.saturating_sub(self.active),
        }
    }

    /// When there is room by the time alone.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { probe_at, .. } => Some(probe_at),
            State::Closed | State::Probing { .. } | State::Ramping { .. } => None,
        }
    }

    /// An attempt starts, for which there is room.
    pub(super) fn start(&mut self) -> Pass {
        self.active += 1;
        let mut is_probe = false;
        if let State::Open { interval, .. } = self.state {
            self.state = State::Probing { interval };
            is_probe = true;
        }
        Pass { era: self.era, is_probe }
    }

    /// An attempt has ended. `concurrency` is what the lane may do when all is well. Whether it says anything about now.
    pub(super) fn ended(&mut self, pass: &Pass, heard: Heard, concurrency: usize, now: Instant) -> bool {
        if pass.era != self.era {
            return false;
        }
        self.active -= 1;
        match (self.state, heard) {
            (State::Closed, Heard::Lives) => self.failures = 0,
            (State::Closed, Heard::Fails) => self.failed(now),
            (State::Probing { .. }, Heard::Lives) => {
                self.failures = self.settings.map_or(0, |settings| settings.open_after / 2);
                self.ramp(2);
                self.close_at(concurrency);
            }
            (State::Probing { .. }, Heard::Busy) => self.ramp(1),
            (State::Probing { interval }, Heard::Fails) => {
                let longest = self.settings.map_or(LONGEST, |settings| settings.probe_every.max(LONGEST));
                let interval = (interval * 2).min(longest);
                self.state = State::Open { interval, probe_at: now + interval };
            }
            (State::Probing { interval }, Heard::Nothing) => self.state = State::Open { interval, probe_at: now },
            (State::Ramping { allowed, succeeded, failed }, Heard::Lives) => {
                self.failures /= 2;
                self.state = round(allowed, succeeded + 1, failed);
                self.close_at(concurrency);
            }
            (State::Ramping { allowed, succeeded, failed }, Heard::Fails) => {
                self.state = round(allowed, succeeded, failed + 1);
                self.close_at(concurrency);
                self.failed(now);
            }
            // An attempt of the open breaker's era is its probe.
            (State::Open { .. }, Heard::Lives | Heard::Busy | Heard::Fails | Heard::Nothing)
            | (State::Closed | State::Ramping { .. }, Heard::Busy | Heard::Nothing) => {}
        }
        true
    }

    /// The destination wants no more for a while; after it there is one attempt at first.
    pub(super) fn slow(&mut self) {
        match self.state {
            State::Closed | State::Ramping { .. } => self.ramp(1),
            State::Open { .. } | State::Probing { .. } => {}
        }
    }

    /// As operators see it.
    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed if self.settings.is_none() => BreakerState::Off,
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Probing { .. } => BreakerState::Probing,
            State::Ramping { .. } => BreakerState::Ramping,
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(Settings { open_after, probe_every }) = self.settings
            && self.failures >= open_after
        {
            self.new_era(State::Open { interval: probe_every, probe_at: now + probe_every });
        }
    }

    fn ramp(&mut self, allowed: usize) {
        self.new_era(State::Ramping { allowed, succeeded: 0, failed: 0 });
    }

    fn new_era(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.active = 0;
    }

    fn close_at(&mut self, concurrency: usize) {
        if matches!(self.state, State::Ramping { allowed, .. } if allowed >= concurrency) {
            self.state = State::Closed;
            self.failures = 0;
        }
    }
}

/// The ramp after one more outcome.
fn round(allowed: usize, succeeded: usize, failed: usize) -> State {
    let allowed = match succeeded + failed >= allowed {
        false => return State::Ramping { allowed, succeeded, failed },
        true if succeeded >= failed => allowed.saturating_mul(2),
        true => (allowed / 2).max(1),
    };
    State::Ramping { allowed, succeeded: 0, failed: 0 }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
