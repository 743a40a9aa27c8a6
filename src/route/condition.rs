//! What has to hold of an event.

use crate::domain::event::{Event, Normal};
use crate::domain::field::{Field, Found};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;

pub use super::pattern::Pattern;
pub use crate::domain::decimal::Decimal;

/// A condition on an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one of them; true where there is none.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
    /// Not this one.
    Not(Box<Condition>),
    /// All of these tests of one field.
    Field(Field, Vec<Test>),
}

/// What has to hold of one field. An absent field fulfils only `NotEquals` and `Exists(false)`.
#[derive(Debug, Clone)]
pub enum Test {
    /// It equals one of these.
    Equals(Vec<Pattern>),
    /// It equals none of these.
    NotEquals(Vec<Pattern>),
    /// It is a decimal that compares so.
    Compare(Comparison, Decimal),
    /// Whether it is there.
    Exists(bool),
    /// The whole value matches.
    Matches(Regex),
}

/// How two decimals compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the rules file")]
pub enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Condition {
    /// Whether it holds of the event.
    pub fn holds(&self, event: &Event) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Not(condition) => !condition.holds(event),
            Self::Field(field, tests) => {
                let found = field.find(event);
                tests.iter().all(|test| test.holds(&found))
            }
        }
    }

    /// Whether it can hold of some event of that source, as far as `from` tells.
    pub fn can_hold(&self, source: &str) -> bool {
        self.of_source(source) != Some(false)
    }

    /// What the source alone decides; `None`: it depends on the event.
    fn of_source(&self, source: &str) -> Option<bool> {
        let all_of = |conditions: &[Self], decisive: bool| {
            let found: Vec<_> = conditions.iter().map(|condition| condition.of_source(source)).collect();
            let is_undecided = found.contains(&None) && !found.contains(&Some(decisive));
            (!is_undecided).then(|| found.contains(&Some(decisive)) == decisive)
        };
        match self {
            Self::All(conditions) => all_of(conditions, false),
            Self::Any(conditions) => all_of(conditions, true),
            Self::Not(condition) => condition.of_source(source).map(|holds| !holds),
            Self::Field(Field::Normal(Normal::From), tests) => {
                let found = Found::Text(Cow::Borrowed(source));
                Some(tests.iter().all(|test| test.holds(&found)))
            }
            Self::Field(Field::Normal(_) | Field::Path(_), _) => None,
        }
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(one), Self::Equals(two)) | (Self::NotEquals(one), Self::NotEquals(two)) => one == two,
            (Self::Compare(how, one), Self::Compare(other_how, two)) => how == other_how && one == two,
            (Self::Exists(one), Self::Exists(two)) => one == two,
            // Equal texts: the least that says that both match the same.
            (Self::Matches(one), Self::Matches(two)) => one.as_str() == two.as_str(),
            (Self::Equals(_) | Self::NotEquals(_) | Self::Compare(..) | Self::Exists(_) | Self::Matches(_), _) => false,
        }
    }
}

impl Test {
    /// Whether it holds of what a field was found to be.
    pub fn holds(&self, found: &Found<'_>) -> bool {
        match self {
            Self::Equals(patterns) => found.text().is_some_and(|text| is_one_of(patterns, text)),
            Self::NotEquals(patterns) => !found.text().is_some_and(|text| is_one_of(patterns, text)),
            Self::Compare(comparison, limit) => found.text().and_then(Decimal::parse).is_some_and(|value| comparison.holds(&value, limit)),
            Self::Exists(wanted) => found.is_there() == *wanted,
            Self::Matches(regex) => found.text().is_some_and(|text| regex.is_match(text)),
        }
    }
}

impl Comparison {
    fn holds(self, value: &Decimal, limit: &Decimal) -> bool {
        match self {
            Self::Gt => value > limit,
            Self::Gte => value >= limit,
            Self::Lt => value < limit,
            Self::Lte => value <= limit,
        }
    }
}

fn is_one_of(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// The regular expression, for the whole value. As everywhere in regular expressions, `.` is no line break unless `(?s)` says so.
///
/// # Errors
/// It is none, or it would take more than 1 MiB.
pub fn whole_value(pattern: &str) -> Result<Regex, regex::Error> {
    // Alone first, so that `a)|(b` is an error and not an expression that escapes the anchors.
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(1 << 20).build();
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, test: Test) -> Condition {
        Condition::Field(Field::parse(name).expect(name), vec![test])
    }

    fn from(pattern: &str) -> Condition {
        field("from", Test::Equals(vec![Pattern::parse(pattern)]))
    }

    fn not(condition: Condition) -> Condition {
        Condition::Not(Box::new(condition))
    }

    #[test]
    fn a_condition_can_hold_of_a_source_unless_from_rules_it_out() {
        let state = || field("state", Test::Equals(vec![Pattern::parse("paid")]));
        for (condition, of_shop, of_test) in [
            (state(), true, true),
            (not(state()), true, true),
            (from("shop"), true, false),
            (from("*"), true, true),
            (not(from("shop")), false, true),
            (field("from", Test::NotEquals(vec![Pattern::parse("sh*")])), false, true),
            (field("from", Test::Exists(false)), false, false),
            (field("body.from", Test::Equals(vec![Pattern::parse("test")])), true, true),
            (Condition::All(vec![]), true, true),
            (Condition::Any(vec![]), false, false),
            (Condition::All(vec![state(), from("shop")]), true, false),
            (Condition::Any(vec![state(), from("shop")]), true, true),
            (Condition::Any(vec![from("test"), from("shop")]), true, true),
            (Condition::Any(vec![from("test"), from("other")]), false, true),
            (not(Condition::All(vec![state(), from("shop")])), true, true),
            (not(Condition::Any(vec![state(), from("shop")])), false, true),
            (Condition::All(vec![not(from("shop")), not(from("test"))]), false, false),
        ] {
            assert_eq!((condition.can_hold("shop"), condition.can_hold("test")), (of_shop, of_test), "{condition:?}");
        }
    }
}
