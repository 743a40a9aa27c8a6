//! How a destination is called, as `defaults` and a destination both can say it: method, time, number, and what an answer means.

use super::{diagnostics::Code, interpolate::Value, problem::Problem, raw::Statuses, retry::Read, values::Checks};
use crate::domain::status_set::StatusSet;
use http::Method;
use std::time::Duration;

/// The methods a destination can be called by.
pub const METHODS: [(&str, Method); 3] = [("POST", Method::POST), ("PUT", Method::PUT), ("PATCH", Method::PATCH)];
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(600);
const MAX_CONCURRENCY: u32 = 1024;

/// `method`.
pub fn method(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Method> {
    checks.word(value, &format!("`method` of {of}"), &METHODS)
}

/// `timeout`.
pub fn timeout(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Duration> {
    checks.duration(value, &format!("`timeout` of {of}"), SHORTEST..=LONGEST)
}

/// `concurrency`.
pub fn concurrency(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<u32> {
    checks.whole_number(value, &format!("`concurrency` of {of}"), 1..=MAX_CONCURRENCY)
}

/// `success`; what is not said is as in `base`.
pub fn success<'c>(raw: Option<&Statuses<'_>>, base: &StatusSet, of: &str, read: Read<'c>, checks: &mut Checks<'c>) -> StatusSet {
    if let Some(empty) = raw.filter(|raw| raw.codes.is_empty()) {
        let message = format!("`success` of {of} is empty, so that no delivery could ever succeed");
        checks.problems.push(Problem::error(Code::InvalidValue, empty.at, message));
    }
    statuses(raw, base, "success", of, read, checks)
}

/// `success` or `give_up_on`; what is not said is as in `base`.
pub fn statuses<'c>(
    raw: Option<&Statuses<'_>>,
    base: &StatusSet,
    key: &str,
    of: &str,
    read: Read<'c>,
    checks: &mut Checks<'c>,
) -> StatusSet {
    let Some(raw) = raw else { return base.clone() };
    let values: Vec<_> = raw.codes.iter().filter_map(|code| read(checks, Some(*code))).collect();
    checks.status_set(&values, &format!("`{key}` of {of}")).unwrap_or_else(|| base.clone())
}
