//! From texts to durations, numbers and the like. What a value is for is its caller's matter.

use super::{
    diagnostics::Code,
    interpolate::{Interpolator, Origin, Purpose, Value},
    problem::{Problem, Problems},
    text::{Texts, quote},
    tree::{Scalar, Style},
};
use crate::domain::{
    quantity::{self, QuantityError, show_duration},
    status_set::StatusSet,
};
use std::{ops::RangeInclusive, time::Duration};

/// What checking needs: where variables come from, and where problems go.
pub struct Checks<'e> {
    /// All problems so far.
    pub problems: Problems,
    /// Where variables come from.
    pub interpolator: Interpolator<'e>,
    /// The files, for messages that name a place.
    pub texts: &'e Texts,
}

impl Checks<'_> {
    /// A value of `server`, `sources` or `destinations`, with its variables.
    pub fn setting<'t>(&mut self, scalar: Option<Scalar<'t>>) -> Option<Value<'t>> {
        self.interpolator.value(scalar?, Purpose::Setting, &mut self.problems)
    }

    /// Values of `server`, `sources` or `destinations`, with their variables.
    pub fn settings<'t>(&mut self, scalars: &[Scalar<'t>]) -> Vec<Value<'t>> {
        scalars.iter().filter_map(|scalar| self.setting(Some(*scalar))).collect()
    }

    /// Says that the value is not what is wanted, unless nothing is known of it.
    pub fn wrong(&mut self, value: &Value<'_>, of: &str, wanted: &str, hint: Option<String>) {
        self.say(value, Code::InvalidValue, format!("{of} wants {wanted}, found {}", quote(value.written)), hint);
    }

    /// Adds an error about a value, unless nothing is known of it because a variable is unset.
    pub fn say(&mut self, value: &Value<'_>, code: Code, message: impl Into<String>, hint: Option<String>) {
        if value.origin == Origin::Unset {
            return;
        }
        let is_stray = matches!(value.origin, Origin::Written(_)) && value.written.contains("${");
        let stray = is_stray.then(|| "variables are put in only under `server`, `sources` and `destinations`".to_owned());
        self.problems.push(Problem::error(code, value.span, message).maybe_help(stray.or(hint)));
    }

    /// A duration within the range.
    pub fn duration(&mut self, value: &Value<'_>, of: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let hint = match quantity::duration(&value.text) {
            Ok(duration) if range.contains(&duration) => return Some(duration),
            Ok(_) => {
                let wanted = format!("a duration from {} to {}", show_duration(*range.start()), show_duration(*range.end()));
                self.wrong(value, of, &wanted, None);
                return None;
            }
            Err(QuantityError::NoUnit) => Some(format!("add its unit: `{0}s` for seconds, `{0}m` for minutes", value.written)),
            Err(QuantityError::Malformed) => Some("a duration is a whole number and one of ms, s, m, h, d: `90s`".to_owned()),
            Err(QuantityError::TooLarge) => None,
        };
        let hint = hint.filter(|_| matches!(value.origin, Origin::Written(_)));
        self.wrong(value, of, "a duration such as `10s`", hint);
        None
    }

    /// A whole number within the range.
    pub fn whole_number(&mut self, value: &Value<'_>, of: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let is_plain = value.text.bytes().all(|byte| byte.is_ascii_digit()) && !is_quoted(value);
        let number = value.text.parse().ok().filter(|number| is_plain && range.contains(number));
        if number.is_none() {
            let hint = is_quoted(value).then(|| "write it without quotes".to_owned());
            self.wrong(value, of, &format!("a whole number from {} to {}", range.start(), range.end()), hint);
        }
        number
    }

    /// `true` or `false`.
    pub fn truth(&mut self, value: &Value<'_>, of: &str) -> Option<bool> {
        let truth = match &*value.text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        };
        let truth = truth.filter(|_| !is_quoted(value));
        if truth.is_none() {
            let hint = match value.written.to_lowercase().as_str() {
                "yes" | "on" | "y" => Some("write `true`".to_owned()),
                "no" | "off" | "n" => Some("write `false`".to_owned()),
                _ => is_quoted(value).then(|| "write it without quotes".to_owned()),
            };
            self.wrong(value, of, "`true` or `false`", hint);
        }
        truth
    }

    /// One of some words.
    pub fn word<T: Clone>(&mut self, value: &Value<'_>, of: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == value.text).map(|(_, meaning)| meaning.clone());
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let near = self.problems.did_you_mean(value.written, names.iter().copied());
            let message = format!("{of} wants one of {}, found {}{near}", names.join(", "), quote(value.written));
            self.say(value, Code::InvalidValue, message, None);
        }
        found
    }

    /// A set of status codes.
    pub fn status_set(&mut self, values: &[Value<'_>], of: &str) -> Option<StatusSet> {
        for value in values {
            if StatusSet::parse([&*value.text]).is_err() {
                self.wrong(value, &format!("each of {of}"), "a status code (`410`), a class (`4xx`) or a range (`200-204`)", None);
            }
        }
        StatusSet::parse(values.iter().map(|value| &*value.text)).ok()
    }
}

fn is_quoted(value: &Value<'_>) -> bool {
    value.origin == Origin::Written(Style::Quoted)
}
