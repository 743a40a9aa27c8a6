//! `hookgate test`: runs the tests that a rules file has of itself.

use super::{
    Exit, config_file,
    explanation::{self, Rules},
    junit,
    streams::{print, tell},
    table::{self, shown},
};
use crate::{
    config::{self, Config, Test as Case, Unset},
    domain::clock::Timestamp,
    rehearse::{self, Coverage, Given, Mismatch, Outcome, Subject},
};
use serde_json::{Value, json};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Run the tests of a rules file
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    /// The rules file; without it `$HOOKGATE_CONFIG`, else `rules.yaml`
    file: Option<PathBuf>,

    /// Name the rules that match the event of no test
    #[arg(long)]
    coverage: bool,

    /// How it is said
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people: the tests that failed
    Text,
    /// One document with every test
    Json,
    /// One document with every test, for build servers
    Junit,
}

const EXAMPLES: &str = "\
Needs no secrets: variables that are not set do not matter here.
Ends with 0 (all passed, or there are none), 1 (a test failed) or 78 (problems in the file, or no such file).

Examples:
  hookgate test
  hookgate test rules.yaml --coverage
  hookgate test rules.yaml --format junit > hookgate.xml";

impl Test {
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = config_file::path_or_default(self.file);
        let config = config::load(&path, &|name| std::env::var(name).ok(), Unset::Placeholder)?.config;
        let mut report = Report::of(&config, &path);
        if self.coverage {
            report.measure(&config);
        }
        print(match self.format {
            Format::Text => report.to_string(),
            Format::Json => table::json(&report.to_json()),
            Format::Junit => junit::document(&report),
        })?;
        tell(report.summary());
        Ok(if report.failed() == 0 { Exit::Ok } else { Exit::No })
    }
}

/// What came of all tests of a file.
pub struct Report<'c> {
    /// The rules file, as it was named.
    pub file: &'c Path,
    /// Each test.
    pub ran: Vec<Ran<'c>>,
    /// How much of the rules they try, where that was asked for.
    pub coverage: Option<Coverage>,
}

/// A test that was run.
pub struct Ran<'c> {
    /// What it says.
    pub test: &'c Case,
    /// What came of it.
    pub outcome: Outcome,
    /// Where it failed, what would become of its event and why, as `explain` says it.
    explanation: Option<Value>,
}

impl<'c> Report<'c> {
    fn of(config: &'c Config, file: &'c Path) -> Self {
        let (stage, subject) = (config.stage(), config.subject());
        let ran = config.tests.iter().map(|test| {
            let outcome = stage.run(&test.case);
            let explanation = if outcome.is_good() { None } else { explained(&test.case, &subject) };
            Ran { test, outcome, explanation }
        });
        Self { file, ran: ran.collect(), coverage: None }
    }

    fn measure(&mut self, config: &Config) {
        let matched = self.ran.iter().flat_map(|ran| &ran.outcome.matched);
        self.coverage = Some(Coverage::of(&config.rules, matched));
    }

    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.ran.iter().filter(|ran| !ran.outcome.is_good()).count()
    }

    fn summary(&self) -> String {
        let (file, failed) = (self.file.display(), self.failed());
        let passed = self.ran.len() - failed;
        let tests = if passed == 1 { "test" } else { "tests" };
        match (self.ran.len(), failed) {
            (0, _) => format!("{file}: there are no tests in it; they go under `tests`"),
            (_, 0) => format!("{file}: {passed} {tests} passed"),
            (_, failed) => format!("{file}: {passed} {tests} passed, {failed} failed"),
        }
    }

    fn to_json(&self) -> Value {
        let test = |Ran { test, outcome, explanation }: &Ran<'_>| {
            let mismatch = |mismatch: &Mismatch| json!({ "key": mismatch.key, "wanted": mismatch.wanted, "found": mismatch.found });
            let mismatches: Vec<_> = outcome.mismatches.iter().map(mismatch).collect();
            json!({
                "name": test.case.name, "file": test.file(), "line": test.line(), "passed": outcome.is_good(),
                "mismatches": mismatches, "matched": outcome.matched, "explanation": explanation,
            })
        };
        let coverage = self.coverage.as_ref().map(|coverage| {
            let (rules, tested, percent) = (coverage.rules, coverage.tested(), coverage.percent());
            json!({ "rules": rules, "tested": tested, "percent": percent, "untested": coverage.untested })
        });
        let (tests, failed) = (self.ran.iter().map(test).collect::<Vec<_>>(), self.failed());
        json!({ "file": self.file.display().to_string(), "passed": tests.len() - failed, "failed": failed, "tests": tests, "coverage": coverage })
    }
}

/// The tests that failed, and the rules that are not tried.
impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ran in self.ran.iter().filter(|ran| !ran.outcome.is_good()) {
            let test = ran.test;
            writeln!(f, "failed: {} ({}:{})\n{}", in_quotes(&test.case.name), test.file(), test.line(), ran.why())?;
        }
        let Some(coverage) = &self.coverage else { return Ok(()) };
        let (tested, rules, percent) = (coverage.tested(), coverage.rules, coverage.percent());
        writeln!(f, "coverage: {tested} of {rules} rules ({percent} %) match the event of a test")?;
        coverage.untested.iter().try_for_each(|rule| writeln!(f, "  not tested: {}", in_quotes(rule)))
    }
}

impl Ran<'_> {
    /// What was wanted and found, key by key, and the explanation of the event.
    pub fn why(&self) -> String {
        let mut lines = Vec::new();
        for mismatch in &self.outcome.mismatches {
            lines.push((mismatch.key.as_str(), "wanted: ", mismatch.wanted()));
            lines.push(("", "found:  ", mismatch.found()));
            lines.extend(mismatch.difference().map(|difference| ("", "", difference)));
        }
        let width = lines.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
        let indent = format!("\n{:width$}            ", "");
        let line = |(key, word, told): (&str, &str, String)| format!("  {key:width$}  {word}{}\n", told.trim_end().replace('\n', &indent));
        let mut why: String = lines.into_iter().map(line).collect();
        if let Some(explanation) = &self.explanation {
            why.push('\n');
            let text = explanation::text(explanation, Rules::All);
            text.trim_end().lines().for_each(|line| why += &if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
        }
        why
    }
}

/// As `explain` does, at the time at which tests are run.
fn explained(case: &rehearse::Case, subject: &Subject) -> Option<Value> {
    let source = subject.source(Some(&case.from)).ok()?;
    let explanation = subject.explain(source, case.payload.clone(), Given::Supposed, Timestamp::default()).ok()?;
    Some(explanation.to_json())
}

/// As a name, which may have any letters.
fn in_quotes(name: &str) -> String {
    format!("\"{}\"", shown(name))
}
