//! What became of each reading of the rules file, and the one that is in force: in memory, for operators to look at.

use crate::{
    config::{Marks, Shown},
    domain::clock::Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// So many readings are remembered.
const KEPT: usize = 20;

/// So many problems of each: a file that is wrong from end to end has a thousand.
const TOLD: usize = 10;

/// What made the gateway read its rules file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cause {
    /// It started.
    Start,
    /// SIGHUP.
    Signal,
    /// A call of the API, such as `hookgate reload` makes.
    Api,
    /// There was something else in a file.
    Files,
}

/// How one reading ended.
#[derive(Debug, Serialize)]
struct Reading {
    number: u64,
    at: Timestamp,
    by: Cause,
    /// Whether it is in force since then; else what was before it stayed.
    taken: bool,
    hash: String,
    rules: Option<usize>,
    errors: usize,
    warnings: usize,
    problems: Vec<Value>,
}

/// The rules file in force, and the last readings.
#[derive(Debug)]
pub(super) struct History {
    /// What was in the files at the last reading, whatever became of it.
    pub(super) known: Marks,
    in_force: InForce,
    readings: VecDeque<Reading>,
    number: u64,
}

/// What was taken.
#[derive(Debug)]
pub(super) struct InForce {
    /// The files, as they may be shown.
    pub(super) texts: Vec<Shown>,
    /// How many rules there are.
    pub(super) rules: usize,
    /// What is doubtful about it, as `check --format json` shows it.
    pub(super) warnings: Vec<Value>,
    /// Of the files.
    pub(super) hash: String,
    /// When it was taken.
    pub(super) at: Timestamp,
}

impl Cause {
    /// As the log and the API write it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Signal => "signal",
            Self::Api => "api",
            Self::Files => "files",
        }
    }
}

impl History {
    /// Begins with what is in force from the start on.
    pub(super) fn new(in_force: InForce, known: Marks) -> Self {
        let mut history = Self { known, in_force, readings: VecDeque::with_capacity(KEPT), number: 0 };
        history.note_taken(Cause::Start);
        history
    }

    /// The file was taken.
    pub(super) fn taken(&mut self, by: Cause, in_force: InForce, known: Marks) {
        (self.in_force, self.known) = (in_force, known);
        self.note_taken(by);
    }

    /// The file was refused, for these problems, and what is in force stays.
    pub(super) fn refused(&mut self, by: Cause, problems: &[Value], hash: String, at: Timestamp) {
        let warnings = problems.iter().filter(|problem| problem["severity"] == "warning").count();
        let (errors, told) = (problems.len() - warnings, problems.iter().take(TOLD).cloned().collect());
        self.note(|number| Reading { number, at, by, taken: false, hash, rules: None, errors, warnings, problems: told });
    }

    fn note_taken(&mut self, by: Cause) {
        let InForce { rules, warnings, hash, at, .. } = &self.in_force;
        let (at, rules, hash, warnings) = (*at, Some(*rules), hash.clone(), warnings.clone());
        let problems = warnings.iter().take(TOLD).cloned().collect();
        self.note(|number| Reading { number, at, by, taken: true, hash, rules, errors: 0, warnings: warnings.len(), problems });
    }

    fn note(&mut self, reading: impl FnOnce(u64) -> Reading) {
        self.number += 1;
        self.readings.truncate(KEPT - 1);
        self.readings.push_front(reading(self.number));
    }

    /// As the API shows it, the newest reading first.
    pub(super) fn to_json(&self) -> Value {
        let InForce { texts, rules, warnings, hash, at } = &self.in_force;
        json!({ "files": texts, "hash": hash, "taken_at": at, "rules": rules, "lints": warnings, "reloads": self.readings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(hash: &str) -> InForce {
        InForce { texts: Vec::new(), rules: 3, warnings: Vec::new(), hash: hash.to_owned(), at: Timestamp::default() }
    }

    #[test]
    fn the_last_readings_are_remembered_the_newest_first_and_none_without_bounds() {
        let mut history = History::new(in_force("start"), Marks::default());
        let problems: Vec<_> =
            (0..1_000).map(|place| json!({ "severity": if place < 5 { "warning" } else { "error" }, "line": place })).collect();
        for _ in 0..30 {
            history.refused(Cause::Files, &problems, "broken".to_owned(), Timestamp::default());
        }
        history.taken(Cause::Api, in_force("good"), Marks::default());
        let shown = history.to_json();
        assert_eq!(shown["hash"], "good");
        let readings = shown["reloads"].as_array().unwrap();
        assert_eq!(readings.len(), KEPT);
        let told =
            |reading: &Value| (reading["number"].clone(), reading["by"].clone(), reading["taken"].clone(), reading["errors"].clone());
        assert_eq!(told(&readings[0]), (json!(32), json!("api"), json!(true), json!(0)));
        assert_eq!(told(&readings[1]), (json!(31), json!("files"), json!(false), json!(995)));
        assert_eq!((&readings[1]["warnings"], readings[1]["problems"].as_array().map(Vec::len)), (&json!(5), Some(TOLD)));
        for cause in [Cause::Start, Cause::Signal, Cause::Api, Cause::Files] {
            assert_eq!(json!(cause), cause.as_str());
        }
    }
}
