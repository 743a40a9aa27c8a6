//! `hookgate test`: runs the tests that a rules file has of itself.

use super::{
    Exit, config_file, junit,
    streams::{print, tell},
    table::{self, shown},
};
use crate::{
    config::{self, Config, Test as Case, Unset},
    domain::event::{Event, Normal},
    rehearse::{Coverage, Mismatch, Outcome},
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
    /// Each test with what came of it.
    pub ran: Vec<(&'c Case, Outcome)>,
    /// How much of the rules they try, where that was asked for.
    pub coverage: Option<Coverage>,
}

impl<'c> Report<'c> {
    fn of(config: &'c Config, file: &'c Path) -> Self {
        let stage = config.stage();
        Self { file, ran: config.tests.iter().map(|test| (test, stage.run(&test.case))).collect(), coverage: None }
    }

    fn measure(&mut self, config: &Config) {
        let matched = self.ran.iter().flat_map(|(_, outcome)| &outcome.matched);
        self.coverage = Some(Coverage::of(&config.rules, matched));
    }

    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.ran.iter().filter(|(_, outcome)| !outcome.is_good()).count()
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
        let test = |(test, outcome): &(&Case, Outcome)| {
            let mismatch = |mismatch: &Mismatch| json!({ "key": mismatch.key, "wanted": mismatch.wanted, "found": mismatch.found });
            json!({
                "name": test.case.name, "file": test.file(), "line": test.line(), "passed": outcome.is_good(),
                "mismatches": outcome.mismatches.iter().map(mismatch).collect::<Vec<_>>(), "matched": outcome.matched,
            })
        };
        let coverage = self.coverage.as_ref().map(|coverage| {
            let (rules, tested, percent) = (coverage.rules, coverage.tested(), coverage.percent());
            json!({ "rules": rules, "tested": tested, "percent": percent, "untested": coverage.untested })
        });
        let (tests, failed) = (self.ran.iter().map(test).collect::<Vec<_>>(), self.failed());
        json!({ "file": self.file.display().to_string(), "tests": tests, "passed": tests.len() - failed, "failed": failed, "coverage": coverage })
    }
}

/// The tests that failed, and the rules that are not tried.
impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (test, outcome) in self.ran.iter().filter(|(_, outcome)| !outcome.is_good()) {
            write!(f, "failed: {} ({}:{})\n{}", in_quotes(&test.case.name), test.file(), test.line(), why(outcome))?;
        }
        let Some(coverage) = &self.coverage else { return Ok(()) };
        let (tested, rules, percent) = (coverage.tested(), coverage.rules, coverage.percent());
        writeln!(f, "coverage: {tested} of {rules} rules ({percent} %) match the event of a test")?;
        coverage.untested.iter().try_for_each(|rule| writeln!(f, "  not tested: {}", in_quotes(rule)))
    }
}

/// What was wanted and found, key by key, and what the event is to the rules.
pub fn why(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for mismatch in &outcome.mismatches {
        lines.push((mismatch.key.as_str(), "wanted: ", mismatch.wanted()));
        lines.push(("", "found:  ", mismatch.found()));
        lines.extend(mismatch.difference().map(|difference| ("", "", difference)));
    }
    if let Some(event) = &outcome.event {
        let matched: Vec<_> = outcome.matched.iter().map(|rule| in_quotes(rule)).collect();
        lines.push(("event", "", seen(event)));
        lines.push(("matched by", "", if matched.is_empty() { "no rule".to_owned() } else { matched.join(", ") }));
    }
    let width = lines.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let indent = format!("\n{:width$}            ", "");
    lines.iter().map(|(key, word, told)| format!("  {key:width$}  {word}{}\n", told.trim_end().replace('\n', &indent))).collect()
}

/// The event as rules see it.
fn seen(event: &Event) -> String {
    let fields = [("operation", Normal::Operation), ("state", Normal::State), ("result", Normal::Result), ("amount", Normal::Amount)];
    let said = fields.iter().filter_map(|(name, field)| Some(format!("{name} {}", shown(event.normal(*field)?))));
    let said: Vec<_> = [format!("{} from {}", event.kind.as_str(), event.source)].into_iter().chain(said).collect();
    said.join(", ")
}

/// As a name, which may have any letters.
fn in_quotes(name: &str) -> String {
    format!("\"{}\"", shown(name))
}
