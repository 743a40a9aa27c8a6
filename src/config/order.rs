//! Checks `order_by` and `order_wait`: what a destination gets in order, and how long one that fails holds back the others.

use super::{diagnostics::Code, interpolate::Value, problem::Problem, tree::Scalar, values::Checks, when::no_field};
use crate::domain::field::Field;
use std::time::Duration;

/// Where `order_wait` is not said.
pub const WAIT: Duration = Duration::from_secs(600);

const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// `order_by`: a field, as under `when`.
pub fn by(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Field> {
    let place = format!("`order_by` of {of}");
    let why = match Field::parse(&value.text) {
        Ok(_) if value.text.contains("{{") => "it is written without braces".to_owned(),
        Ok(field) => return Some(field),
        Err(error) => error.to_string(),
    };
    let (message, hint) = no_field(value.written, &place, &why);
    checks.say(value, Code::InvalidName, message, Some(hint.to_owned()));
    None
}

/// `order_wait`.
pub fn wait(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Duration> {
    checks.duration(value, &format!("`order_wait` of {of}"), Duration::ZERO..=LONGEST)
}

/// Says that `order_wait` changes nothing, for that reason.
pub fn is_idle(wait: Scalar<'_>, of: &str, why: &str, checks: &mut Checks<'_>) {
    let message = format!("`order_wait` of {of} has nothing to do, {why}");
    let hint = "say which field's values are kept in order, as in `order_by: session_id`, or leave `order_wait` out";
    checks.problems.push(Problem::error(Code::InvalidValue, wait.span, message).help(hint));
}
