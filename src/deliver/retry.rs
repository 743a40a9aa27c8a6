//! When a failed delivery is tried again, and when no more. Pure.

use super::Policy;
use crate::{
    destination::SendError,
    domain::{attempt::Next, clock::Timestamp, delivery::Run, order::OrderKey},
};
use std::time::{Duration, UNIX_EPOCH};

/// However long a destination asks us to stay away, we are back after this.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3600);

/// The answers by which a destination refuses an event for what it says, and is unlikely to change its mind.
const REFUSALS: [u16; 4] = [400, 404, 409, 422];

/// So many attempts of a run it takes to believe such an answer, where others wait behind the delivery.
const BELIEVED_AFTER: u32 = 3;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The schedule of a delivery's attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The delay after the first failure, before jitter.
    pub initial_interval: Duration,
    /// Each delay is this many times the one before.
    pub multiplier: f64,
    /// No delay is longer.
    pub max_interval: Duration,
    /// How the delays of many deliveries are spread.
    pub jitter: Jitter,
    /// Attempts in one run, the first included.
    pub max_attempts: u32,
    /// Once a run has lasted so long, by its attempts and delays, its next failure is its last.
    pub max_elapsed: Duration,
}

/// How a delay is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Anywhere from zero to the delay.
    Full,
    /// Anywhere from half the delay to the delay.
    Equal,
    /// The delay itself.
    None,
}

impl Retry {
    /// For a destination that is back soon or never: a quarter of an hour.
    pub const FAST: Self = Self::preset(1, 2.0, MINUTE, 10, 15 * MINUTE);
    /// What a destination gets unless it says otherwise: three days.
    pub const STANDARD: Self = Self::preset(5, 3.0, HOUR, 30, 72 * HOUR);
    /// For a destination that may be away for long: a week.
    pub const PATIENT: Self = Self::preset(30, 2.0, 6 * HOUR, 50, 7 * 24 * HOUR);
    /// One attempt.
    pub const NONE: Self = Self { max_attempts: 1, ..Self::STANDARD };

    const fn preset(initial: u64, multiplier: f64, max: u64, attempts: u32, elapsed: u64) -> Self {
        Self {
            initial_interval: Duration::from_secs(initial),
            multiplier,
            max_interval: Duration::from_secs(max),
            jitter: Jitter::Full,
            max_attempts: attempts,
            max_elapsed: Duration::from_secs(elapsed),
        }
    }

    /// The delay after that many failed attempts of a run. `random` is from 0 to 1.
    pub fn delay(&self, failed: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_interval.as_secs_f64() * self.multiplier.powi(exponent);
        // Zero times infinity is no number: a schedule that starts at zero stays there.
        let full = if grown.is_nan() { Duration::ZERO } else { seconds(grown).min(self.max_interval) };
        let random = random.clamp(0.0, 1.0);
        let drawn = match self.jitter {
            Jitter::Full => seconds(full.as_secs_f64() * random),
            Jitter::Equal => seconds(full.as_secs_f64() * (0.5 + random / 2.0)),
            Jitter::None => full,
        };
        drawn.min(full)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The cause.
    pub error: &'a SendError,
    /// How long it took.
    pub took: Duration,
    /// What of it its delivery answers for.
    pub counts: Counts,
    /// What its delivery is kept in order by, so that it holds back others.
    pub order: Option<OrderKey>,
}

/// What of a failed attempt counts against the policy of its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// The attempt, and the delay that follows.
    All,
    /// The attempt. The breaker is open, and the time until it closes is nobody's fault.
    Attempt,
    /// Nothing: it was a probe of an open breaker, made for all that wait.
    Nothing,
}

/// What follows a failed attempt, and the run with what counts of that attempt and of the delay to the next in it.
/// `run` is as it was before the attempt, which ended `now`; `random` is from 0 to 1.
pub fn after(policy: &Policy, failure: &Failure<'_>, run: Run, now: Timestamp, random: f64) -> (Next, Run) {
    let Failure { error, took, counts, order } = *failure;
    let tried = with_attempt(run, took);
    let given_up = match error {
        // The next request would be the same one.
        SendError::Unsendable(_) => true,
        error => error.status().is_some_and(|status| policy.give_up_on.contains(status)),
    };
    let is_last = match counts {
        Counts::All | Counts::Attempt => {
            let is_refused = order.is_some() && error.status().is_some_and(|status| REFUSALS.contains(&status));
            let most = policy.retry.max_attempts.min(if is_refused { BELIEVED_AFTER } else { u32::MAX });
            tried.attempts >= most || tried.elapsed >= policy.retry.max_elapsed
        }
        // Who wants one attempt gets no second one.
        Counts::Nothing => policy.retry.max_attempts == 1,
    };
    if given_up || is_last {
        return (Next::Dead, tried);
    }
    let delay = policy.retry.delay(tried.attempts, random).max(asked_for(error, now));
    let run = match counts {
        Counts::All => Run { elapsed: tried.elapsed.saturating_add(delay.saturating_sub(hold(error, now))), ..tried },
        Counts::Attempt => tried,
        Counts::Nothing => run,
    };
    (Next::RetryAt(now.plus(delay)), run)
}

/// How long the answer asks us to stay away from the destination, with whatever: on 429 and 503. At most an hour.
pub fn hold(error: &SendError, now: Timestamp) -> Duration {
    match error.status() {
        Some(429 | 503) => asked_for(error, now),
        Some(_) | None => Duration::ZERO,
    }
}

/// The run with one more attempt in it.
pub fn with_attempt(run: Run, took: Duration) -> Run {
    Run { attempts: run.attempts.saturating_add(1), elapsed: run.elapsed.saturating_add(took) }
}

/// How long the answer asks us to stay away: `retry-after` in seconds or as a date.
fn asked_for(error: &SendError, now: Timestamp) -> Duration {
    let SendError::Status { retry_after: Some(text), .. } = error else { return Duration::ZERO };
    let text = text.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are more seconds than count.
        text.parse().map_or(RETRY_AFTER_LIMIT, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(text).ok().and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        date.map_or(Duration::ZERO, |date| Timestamp::default().plus(date).since(now))
    };
    asked.min(RETRY_AFTER_LIMIT)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
