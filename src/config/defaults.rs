//! Checks `defaults`: what holds for every destination that does not say otherwise.

use super::{
    calls::{concurrency, method, statuses, success, timeout},
    diagnostics::Code,
    headers::{self, Headers},
    interpolate::Value,
    lanes, order, payload,
    problem::Problem,
    raw,
    retry::retry,
    tree::Scalar,
    values::Checks,
};
use crate::{
    deliver::{breaker, retry::Retry},
    domain::{field::Field, path::Path, quantity::Rate, status_set::StatusSet},
};
use http::Method;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONCURRENCY: u32 = 32;

/// `defaults`, with what holds where it says nothing.
pub struct Defaults {
    pub method: Method,
    pub timeout: Duration,
    pub concurrency: u32,
    pub retry: Retry,
    pub success: StatusSet,
    pub give_up_on: StatusSet,
    pub headers: Headers,
    /// Nothing, or what is left out of every payload that is not made anew.
    pub remove: Vec<Path>,
    pub breaker: Option<breaker::Settings>,
    pub rate_limit: Option<Rate>,
    pub order_by: Option<Field>,
    pub order_wait: Duration,
}

impl Defaults {
    /// Checks it.
    pub fn check(raw: &raw::Defaults<'_>, checks: &mut Checks<'_>) -> Self {
        let of = "`defaults`";
        let method = literal(checks, raw.method).and_then(|value| method(&value, of, checks));
        let time = literal(checks, raw.timeout).and_then(|value| timeout(&value, of, checks));
        let number = literal(checks, raw.concurrency).and_then(|value| concurrency(&value, of, checks));
        let wait = literal(checks, raw.order_wait).and_then(|value| order::wait(&value, of, checks));
        Self {
            method: method.unwrap_or(Method::POST),
            timeout: time.unwrap_or(TIMEOUT),
            concurrency: number.unwrap_or(CONCURRENCY),
            retry: retry(raw.retry.as_ref(), Retry::STANDARD, of, literal, checks),
            success: success(raw.success.as_ref(), &StatusSet::success(), of, literal, checks),
            give_up_on: statuses(raw.give_up_on.as_ref(), &StatusSet::gone(), "give_up_on", of, literal, checks),
            headers: headers::headers(&raw.headers, of, literal, checks),
            remove: raw.remove.as_ref().map(|remove| payload::paths(remove, of, literal, checks)).unwrap_or_default(),
            breaker: lanes::breaker(raw.breaker.as_ref(), Some(breaker::Settings::STANDARD), of, literal, checks),
            rate_limit: literal(checks, raw.rate_limit).and_then(|value| lanes::rate(&value, of, checks)),
            order_by: literal(checks, raw.order_by).and_then(|value| order::by(&value, of, checks)),
            order_wait: wait.unwrap_or(order::WAIT),
        }
    }
}

/// A value as it is written: what is put in from outside belongs to one destination.
fn literal<'t>(checks: &mut Checks<'_>, scalar: Option<Scalar<'t>>) -> Option<Value<'t>> {
    let scalar = scalar?;
    if scalar.text.contains("${") {
        let found = Problem::error(Code::Interpolation, scalar.span, "variables are not put into `defaults`");
        checks.problems.push(found.help("write the value itself, or say it of each destination, where variables work"));
        return None;
    }
    Some(Value::literal(scalar))
}
