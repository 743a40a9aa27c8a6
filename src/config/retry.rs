//! Checks `retry`: a preset's name, or a schedule.

use super::{diagnostics::Code, interpolate::Value, raw, tree::Scalar, values::Checks};
use crate::deliver::retry::{Jitter, Retry};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The presets by their names.
pub const PRESETS: [(&str, Retry); 4] =
    [("fast", Retry::FAST), ("standard", Retry::STANDARD), ("patient", Retry::PATIENT), ("none", Retry::NONE)];
/// How waits are drawn.
pub const JITTERS: [(&str, Jitter); 3] = [("full", Jitter::Full), ("equal", Jitter::Equal), ("none", Jitter::None)];
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Where a value of a schedule may hold variables.
pub type Read<'c> = for<'t> fn(&mut Checks<'c>, Option<Scalar<'t>>) -> Option<Value<'t>>;

/// What the schedule does not say is as in `base`.
pub fn retry<'c>(raw: Option<&raw::Retry<'_>>, base: Retry, of: &str, read: Read<'c>, checks: &mut Checks<'c>) -> Retry {
    match raw {
        None => base,
        Some(raw::Retry::Preset(scalar)) => {
            let value = read(checks, Some(*scalar));
            value.and_then(|value| checks.word(&value, &format!("`retry` of {of}"), &PRESETS)).unwrap_or(base)
        }
        Some(raw::Retry::Schedule(raw)) => schedule(raw, base, of, read, checks),
    }
}

fn schedule<'c>(raw: &raw::Schedule<'_>, base: Retry, of: &str, read: Read<'c>, checks: &mut Checks<'c>) -> Retry {
    let of = format!("`retry` of {of}");
    let mut time = |scalar, key: &str, default, range| {
        let value = read(checks, scalar);
        value.and_then(|value| checks.duration(&value, &format!("`{key}` in {of}"), range)).unwrap_or(default)
    };
    let shortest = Duration::from_millis(1);
    let initial_interval = time(raw.initial_interval, "initial_interval", base.initial_interval, shortest..=DAY);
    let max_interval = time(raw.max_interval, "max_interval", base.max_interval, shortest..=30 * DAY);
    let max_elapsed = time(raw.max_elapsed, "max_elapsed", base.max_elapsed, SECOND..=LONGEST);
    if let Some(scalar) = raw.max_interval.or(raw.initial_interval).filter(|_| max_interval < initial_interval) {
        let hint = "the intervals grow from the first to the longest".to_owned();
        let message = format!("`max_interval` in {of} is shorter than `initial_interval`");
        checks.say(&Value::literal(scalar), Code::InvalidValue, message, Some(hint));
    }
    let multiplier = read(checks, raw.multiplier).and_then(|value| multiplier(&value, &of, checks));
    let jitter = read(checks, raw.jitter).and_then(|value| checks.word(&value, &format!("`jitter` in {of}"), &JITTERS));
    let attempts = read(checks, raw.max_attempts);
    let attempts = attempts.and_then(|value| checks.whole_number(&value, &format!("`max_attempts` in {of}"), 1..=10_000));
    Retry {
        initial_interval,
        multiplier: multiplier.unwrap_or(base.multiplier),
        max_interval,
        jitter: jitter.unwrap_or(base.jitter),
        max_attempts: attempts.unwrap_or(base.max_attempts),
        max_elapsed,
    }
}

fn multiplier(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<f64> {
    let is_plain = value.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = value.text.parse().ok().filter(|number| is_plain && (1.0..=100.0).contains(number));
    if number.is_none() {
        checks.wrong(value, &format!("`multiplier` in {of}"), "a number from 1 to 100", None);
    }
    number
}
