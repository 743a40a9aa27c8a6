//! Runs the tests of a file: those that fail are problems of it.

use super::{Code, Config, ConfigError, Diagnostic, Loaded, Severity, Test, text::quote};
use crate::rehearse::{Outcome, Stage};

/// More failing tests than anyone reads; what is beyond is only said to be there.
const MAX_SHOWN: usize = 100;

impl Config {
    /// What the tests are run against.
    pub fn stage(&self) -> Stage<'_> {
        let stage = Stage::new(self.sources.iter().map(|source| (&source.receive.name, &source.provider)), &self.rules);
        stage.sending(self.destinations.iter().map(|destination| (&destination.name, &destination.settings)))
    }

    /// Runs all tests. It takes its time where there are many, so it belongs where waiting harms nobody.
    ///
    /// # Errors
    /// Those that fail, each at its place.
    pub fn rehearse(&self) -> Result<(), ConfigError> {
        let stage = self.stage();
        let failed = |test: &Test| Some(stage.run(&test.case)).filter(|outcome| !outcome.is_good()).map(|outcome| test.failed(&outcome));
        let mut problems: Vec<_> = self.tests.iter().filter_map(failed).collect();
        let Some(first) = problems.first() else { return Ok(()) };
        if problems.len() > MAX_SHOWN {
            let message = format!("{} more tests failed", problems.len() - MAX_SHOWN);
            let rest = Diagnostic::of_file(&first.file, Code::TooManyProblems, message);
            problems.truncate(MAX_SHOWN);
            problems.push(rest);
        }
        Err(ConfigError { problems })
    }
}

impl Loaded {
    /// The same once all tests have passed, and without them: nobody needs them any more.
    ///
    /// # Errors
    /// Those that fail; see [`Config::rehearse`].
    pub fn rehearsed(mut self) -> Result<Self, ConfigError> {
        self.config.rehearse()?;
        self.config.tests = Vec::new();
        Ok(self)
    }
}

impl Test {
    /// The file that it stands in.
    pub fn file(&self) -> &str {
        &self.at.file
    }

    /// The line of its name, from 1.
    pub fn line(&self) -> usize {
        self.at.line
    }

    fn failed(&self, outcome: &Outcome) -> Diagnostic {
        let mismatches: Vec<_> = outcome.mismatches.iter().map(ToString::to_string).collect();
        Diagnostic {
            severity: Severity::Error,
            message: format!("the test {} failed: {}", quote(&self.case.name), mismatches.join("; ")),
            hint: Some("`hookgate test` says what each rule makes of the event, and why".to_owned()),
            ..self.at.clone()
        }
    }
}
