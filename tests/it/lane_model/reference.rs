//! When a lane may start an attempt, by the words of `docs/rules.md`: asked at each attempt that is made, told what came of it.

use super::witness::Answer;
use hookgate::{
    deliver::{
        Policy,
        breaker::{BreakerState, Settings},
    },
    domain::clock::Timestamp,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const LONGEST_PROBE: Duration = Duration::from_secs(300);

/// As late as a timer may be.
const SLACK: Duration = Duration::from_millis(50);

/// What of a failed attempt its delivery answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    AttemptAndDelay,
    Attempt,
    Nothing,
}

/// What is known of one lane.
#[derive(Debug)]
pub struct Gate {
    pub policy: Policy,
    /// Whether the rules file has the destination.
    pub is_there: bool,
    pub is_paused_by_operator: bool,
    pub is_stopping: bool,
    pub in_flight: usize,
    /// When it was last touched by anything but an attempt.
    pub touched: Timestamp,
    held_until: Timestamp,
    /// What began under the present rate.
    starts: Vec<Timestamp>,
    breaker: Breaker,
}

/// An attempt that may start.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    chapter: usize,
    is_probe: bool,
}

/// The story of the breaker, in chapters: what began in an earlier one says nothing about the present one.
#[derive(Debug)]
struct Breaker {
    chapter: usize,
    mode: Mode,
    failures: u32,
    in_flight: usize,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Closed,
    Open { probe_at: Timestamp, wait: Duration, is_probed: bool },
    Ramp { width: usize, successes: usize, failures: usize },
}

impl Gate {
    /// At the start of the process nothing is known of the destination.
    pub fn new(policy: Policy, now: Timestamp) -> Self {
        Self {
            policy,
            is_there: true,
            is_paused_by_operator: false,
            is_stopping: false,
            in_flight: 0,
            touched: now,
            held_until: Timestamp::default(),
            starts: Vec::new(),
            breaker: Breaker { chapter: 0, mode: Mode::Closed, failures: 0, in_flight: 0 },
        }
    }

    /// A new process: the rules file and the operator's word stay.
    pub fn forgets(&mut self, now: Timestamp) {
        let Self { is_there, is_paused_by_operator, .. } = *self;
        *self = Self { is_there, is_paused_by_operator, ..Self::new(self.policy.clone(), now) };
    }

    /// An attempt starts; fails where it must not.
    pub fn starts(&mut self, now: Timestamp) -> Pass {
        assert!(self.is_there, "an attempt at a destination that is not in the rules file");
        assert!(!self.is_stopping, "an attempt starts after the orderly stop has begun");
        assert!(!self.is_paused(), "an attempt starts while the lane is paused");
        assert!(self.held_until <= now, "an attempt starts while the lane is held until {}, at {now}", self.held_until);
        assert!(self.in_flight < self.policy.concurrency, "{} in flight, and one more starts: {:?}", self.in_flight, self.policy);
        self.in_flight += 1;
        self.keep_rate(now);
        self.breaker.starts(now)
    }

    fn keep_rate(&mut self, now: Timestamp) {
        let Some(rate) = self.policy.rate_limit else { return };
        self.starts.push(now);
        for (count, began) in self.starts.iter().rev().take(200).enumerate() {
            let leave = 1.0 + (now.since(*began) + SLACK).as_secs_f64() / rate.interval().as_secs_f64();
            assert!((count + 1) as f64 <= leave + 0.01, "{} attempts since {began}, at {now}, for {rate:?}", count + 1);
        }
    }

    /// It has ended so, under the policy that it was made by.
    pub fn ends(&mut self, pass: Pass, policy: &Policy, answer: Answer, now: Timestamp) -> Counts {
        self.in_flight -= 1;
        let hold = answer.hold();
        let is_present = self.breaker.ends(pass, policy, answer, &self.policy, now);
        if !hold.is_zero() {
            self.held_until = self.held_until.max(now.plus(hold));
            self.touched = now;
            if is_present && !self.breaker.is_open() {
                self.breaker.ramps(1);
            }
        }
        match (pass.is_probe, self.breaker.is_open()) {
            (true, true) => Counts::Nothing,
            (false, true) => Counts::Attempt,
            (true | false, false) => Counts::AttemptAndDelay,
        }
    }

    /// A reload that gives the lane this policy.
    pub fn follows(&mut self, policy: Policy, now: Timestamp) {
        if policy.rate_limit != self.policy.rate_limit {
            self.starts.clear();
        }
        if policy.breaker != self.policy.breaker {
            self.breaker.follows(policy.breaker, now);
        }
        self.policy = policy;
        self.touched = now;
    }

    /// An operator lets it go on; of a destination that is not there nobody can.
    pub fn is_resumed(&mut self, now: Timestamp) {
        self.touched = now;
        if self.is_there {
            self.is_paused_by_operator = false;
            self.is_doubted(now);
        }
    }

    /// A reload that changes how the destination is called, too.
    pub fn is_another(&mut self, policy: &Policy, now: Timestamp) {
        self.follows(policy.clone(), now);
        self.is_doubted(now);
    }

    fn is_doubted(&mut self, now: Timestamp) {
        self.held_until = Timestamp::default();
        if let Mode::Open { wait, .. } = self.breaker.mode {
            self.breaker.begins(Mode::Open { probe_at: now, wait, is_probed: false });
        }
    }

    pub fn is_paused(&self) -> bool {
        self.policy.paused || self.is_paused_by_operator
    }

    /// Whether nothing keeps what is due since then from being started, as far as there are workers.
    pub fn is_free_since(&self, then: Timestamp) -> bool {
        let closed = matches!(self.breaker.mode, Mode::Closed);
        let flows = self.is_there && !self.is_stopping && !self.is_paused() && self.policy.rate_limit.is_none() && closed;
        flows && self.touched <= then && self.held_until <= then
    }

    /// What operators have to see.
    pub fn breaker_state(&self) -> BreakerState {
        match self.breaker.mode {
            Mode::Closed if self.policy.breaker.is_none() => BreakerState::Off,
            Mode::Closed => BreakerState::Closed,
            Mode::Open { is_probed: false, .. } => BreakerState::Open,
            Mode::Open { is_probed: true, .. } => BreakerState::Probing,
            Mode::Ramp { .. } => BreakerState::Ramping,
        }
    }
}

impl Breaker {
    fn is_open(&self) -> bool {
        matches!(self.mode, Mode::Open { .. })
    }

    fn begins(&mut self, mode: Mode) {
        *self = Self { chapter: self.chapter + 1, mode, failures: self.failures, in_flight: 0 };
    }

    fn ramps(&mut self, width: usize) {
        self.begins(Mode::Ramp { width, successes: 0, failures: 0 });
    }

    fn follows(&mut self, settings: Option<Settings>, now: Timestamp) {
        if let Mode::Open { probe_at, is_probed, .. } = self.mode {
            match settings {
                None => self.ramps(1),
                Some(Settings { probe_every: wait, .. }) => {
                    self.mode = Mode::Open { probe_at: probe_at.min(now.plus(wait)), wait, is_probed };
                }
            }
        }
    }

    fn starts(&mut self, now: Timestamp) -> Pass {
        let mut is_probe = false;
        match &mut self.mode {
            Mode::Closed => {}
            Mode::Open { probe_at, is_probed, .. } => {
                assert!(!*is_probed, "an attempt beside the probe of an open breaker");
                assert!(*probe_at <= now, "an attempt at {now}, and the open breaker is to be probed at {probe_at}");
                (*is_probed, is_probe) = (true, true);
            }
            Mode::Ramp { width, .. } => assert!(self.in_flight < *width, "{} in flight in a ramp of {width}", self.in_flight),
        }
        self.in_flight += 1;
        Pass { chapter: self.chapter, is_probe }
    }

    /// Whether it is of the present chapter.
    fn ends(&mut self, pass: Pass, policy: &Policy, answer: Answer, present: &Policy, now: Timestamp) -> bool {
        if pass.chapter != self.chapter {
            return false;
        }
        self.in_flight -= 1;
        let lives = answer.shows_life(policy);
        let asks = answer.asks_for_time_only();
        match &mut self.mode {
            Mode::Open { wait, .. } if !lives => {
                let longest = present.breaker.map_or(LONGEST_PROBE, |settings| settings.probe_every.max(LONGEST_PROBE));
                let wait = (*wait * 2).min(longest);
                self.mode = Mode::Open { probe_at: now.plus(wait), wait, is_probed: false };
            }
            Mode::Open { .. } if asks => self.ramps(1),
            Mode::Open { .. } => {
                self.failures = present.breaker.map_or(0, |settings| settings.open_after / 2);
                self.ramps(2);
                self.widen(present.concurrency);
            }
            Mode::Closed | Mode::Ramp { .. } if asks => {}
            Mode::Closed => self.failures = if lives { 0 } else { self.failures + 1 },
            Mode::Ramp { successes, failures, .. } => {
                *(if lives { &mut *successes } else { &mut *failures }) += 1;
                self.failures /= if lives { 2 } else { 1 };
                self.widen(present.concurrency);
                self.failures += u32::from(!lives);
            }
        }
        if let Some(Settings { open_after, probe_every: wait }) = present.breaker
            && !lives
            && !self.is_open()
            && self.failures >= open_after
        {
            self.begins(Mode::Open { probe_at: now.plus(wait), wait, is_probed: false });
        }
        true
    }

    /// At the end of a round the next one is twice as wide, or half; as wide as all of the lane, it is over.
    fn widen(&mut self, concurrency: usize) {
        let Mode::Ramp { width, successes, failures } = &mut self.mode else { return };
        if *successes + *failures >= *width {
            *width = if successes >= failures { *width * 2 } else { (*width / 2).max(1) };
            (*successes, *failures) = (0, 0);
        }
        if *width >= concurrency {
            (self.mode, self.failures) = (Mode::Closed, 0);
        }
    }
}

/// How long an answer may keep its destination from being called.
pub fn at_most_an_hour(asked: Duration) -> Duration {
    asked.min(HOUR)
}
