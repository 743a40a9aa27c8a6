//! A rule as its lints look at it: what the file says, what it means, and when it can hold.

use super::{
    super::{
        diagnostics::Code,
        keys::{key, scalars},
        problem::{Problem, Problems},
        raw,
        text::quote,
        tree::{Kind, Node, Scalar, Span},
    },
    possible::{Cases, Possible, World},
};
use crate::{domain::field::Field, route::Rule};

/// A rule.
pub struct Judged<'r> {
    /// Its place among the rules.
    pub place: usize,
    /// For messages: `rule "paid"`.
    pub of: String,
    /// As written.
    pub raw: &'r raw::Rule<'r>,
    /// As meant.
    pub rule: &'r Rule,
    /// The lines of its condition.
    pub lines: Vec<Line<'r>>,
    /// The ways in which it can hold.
    pub holds: Cases<'r>,
    /// The ways in which it can fail to.
    pub fails: Cases<'r>,
    /// Those of the worlds in which it can hold.
    pub worlds: Vec<&'r World<'r>>,
}

/// A line of a condition that is about a field.
pub struct Line<'r> {
    /// As the file calls it.
    pub name: &'r str,
    /// What it is.
    pub field: Field,
    /// Where it is named.
    pub at: Span,
    /// What it is to equal, or not to.
    pub values: Vec<Scalar<'r>>,
}

impl<'r> Judged<'r> {
    /// All rules.
    pub fn all(raw: &'r [raw::Rule<'r>], rules: &'r [Rule], worlds: &'r [World<'r>]) -> Vec<Self> {
        let judged = |(place, (raw, rule)): (usize, (&'r raw::Rule<'r>, &'r Rule))| {
            let mut lines = Vec::new();
            raw.when.iter().for_each(|entry| read(&entry.value, &mut lines));
            let holds = Cases::holding(rule.when.as_ref());
            let can_hold = |world: &&World<'_>| holds.possible([*world]) != Possible::Never;
            Self {
                place,
                of: format!("rule {}", quote(&rule.name)),
                raw,
                rule,
                lines,
                worlds: worlds.iter().filter(can_hold).collect(),
                fails: Cases::failing(rule.when.as_ref()),
                holds,
            }
        };
        raw.iter().zip(rules).enumerate().map(judged).collect()
    }

    /// Where its condition is, or else the rule.
    pub fn at(&self) -> Span {
        self.raw.when.map_or(self.raw.at, |when| when.key.span)
    }

    /// Says a lint of it.
    pub fn say(&self, code: Code, at: Span, message: String, hint: impl Into<String>, problems: &mut Problems) {
        problems.push(Problem::warning(code, at, message).help(hint).of_rule(self.place));
    }
}

/// Collects the lines of a condition that was checked before.
fn read<'r>(node: &'r Node, lines: &mut Vec<Line<'r>>) {
    let Kind::Mapping(entries) = &node.kind else { return };
    for entry in entries {
        match (key(entry), &entry.value.kind) {
            (Some("any" | "all"), Kind::Sequence(items)) => items.iter().for_each(|item| read(item, lines)),
            (Some("not"), _) => read(&entry.value, lines),
            (Some(name), kind) => {
                let Ok(field) = Field::parse(name) else { continue };
                // A second `not` of one field is a repeated key, which is an error.
                let compared = if matches!(kind, Kind::Mapping(_)) { entry.value.value("not") } else { Some(&*entry.value) };
                let values = compared.and_then(|node| scalars(name, node, &mut Problems::default())).unwrap_or_default();
                lines.push(Line { name, field, at: entry.key.span, values });
            }
            (None, _) => {}
        }
    }
}
