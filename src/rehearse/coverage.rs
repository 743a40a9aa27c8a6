//! Which rules the tests of a file try: a rule that matches the event of none of them could say anything.

use crate::domain::name::Name;
use crate::route::Rules;
use std::collections::HashSet;

/// How much of the rules is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// How many rules there are.
    pub rules: usize,
    /// Those that matched no event, in the order of the file.
    pub untested: Vec<Name>,
}

impl Coverage {
    /// Of the rules, given those that matched the event of any test.
    pub fn of<'r>(rules: &Rules, matched: impl IntoIterator<Item = &'r Name>) -> Self {
        let matched: HashSet<&Name> = matched.into_iter().collect();
        let untested = rules.rules.iter().map(|rule| &rule.name).filter(|name| !matched.contains(name)).cloned().collect();
        Self { rules: rules.rules.len(), untested }
    }

    /// How many rules matched the event of a test.
    pub fn tested(&self) -> usize {
        self.rules - self.untested.len()
    }

    /// The share of rules that matched, in percent, rounded down: 100 only where none is left out.
    pub fn percent(&self) -> usize {
        (self.tested() * 100).checked_div(self.rules).unwrap_or(100)
    }
}
