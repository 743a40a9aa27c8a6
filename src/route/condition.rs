//! What has to hold of an event.

use super::field::Field;

/// A condition on an event.
#[derive(Debug, Clone)]
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
    Matches(regex::Regex),
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

/// A text, or one with wildcards, for the whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(());

/// A decimal number of at most 40 digits in plain notation; never a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(());
