//! A lint on rules that the tests of the file leave out.

use super::{
    super::{Config, diagnostics::Code, problem::Problems},
    judged::Judged,
};
use crate::rehearse::Coverage;
use std::collections::HashSet;

/// A rule that matches the event of no test, where there are tests.
pub fn untested_rule(rules: &[Judged<'_>], config: &Config, problems: &mut Problems) {
    if config.tests.is_empty() {
        return;
    }
    let stage = config.stage();
    let outcomes: Vec<_> = config.tests.iter().map(|test| stage.run(&test.case)).collect();
    let coverage = Coverage::of(&config.rules, outcomes.iter().flat_map(|outcome| &outcome.matched));
    let untested: HashSet<_> = coverage.untested.iter().collect();
    for rule in rules.iter().filter(|rule| untested.contains(&rule.rule.name)) {
        let message = format!("{} matches the event of no test, so that nobody notices what it does", rule.of);
        rule.say(Code::UntestedRule, rule.raw.at, message, "add a test whose event it matches", problems);
    }
}
