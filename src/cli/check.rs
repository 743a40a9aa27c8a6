//! `hookgate check`: all problems and lints of a rules file.

use super::{
    Exit, config_file,
    streams::{print, tell},
};
use crate::config::{self, Diagnostic, Severity, Unset};
use serde_json::json;
use std::{fmt::Write, path::PathBuf};

/// Say all that is wrong with a rules file, and what is doubtful
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// The rules file; without it `$HOOKGATE_CONFIG`, else `rules.yaml`
    file: Option<PathBuf>,

    /// End with 3 where there are warnings
    #[arg(long)]
    deny_warnings: bool,

    /// Variables that are not set are warnings
    #[arg(long)]
    allow_unset: bool,

    /// How it is said
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One document with `problems` and `warnings`
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

const EXAMPLES: &str = "\
Ends with 0 (good), 3 (warnings, with --deny-warnings) or 78 (problems, or no such file).

Examples:
  hookgate check
  hookgate check rules.yaml --deny-warnings
  hookgate check rules.yaml --allow-unset --format github";

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = config_file::path_or_default(self.file);
        let unset = if self.allow_unset { Unset::Placeholder } else { Unset::Error };
        let found =
            config::load(&path, &|name| std::env::var(name).ok(), unset).map_or_else(|error| error.problems, |loaded| loaded.warnings);
        let (warnings, problems): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.severity == Severity::Warning);
        print(self.format.render(&problems, &warnings)?)?;
        tell(format_args!("{}: {}, {}", path.display(), count(problems.len(), "problem"), count(warnings.len(), "warning")));
        Ok(match (problems.is_empty(), warnings.is_empty()) {
            (false, _) => Exit::Configuration,
            (true, false) if self.deny_warnings => Exit::WarningsDenied,
            (true, _) => Exit::Ok,
        })
    }
}

impl Format {
    fn render(self, problems: &[Diagnostic], warnings: &[Diagnostic]) -> anyhow::Result<String> {
        let mut text = String::new();
        for diagnostic in problems.iter().chain(warnings) {
            match self {
                Self::Text => writeln!(text, "{diagnostic}")?,
                Self::Github => writeln!(text, "{}", diagnostic.github())?,
                Self::Json => {}
            }
        }
        if let Self::Json = self {
            writeln!(text, "{:#}", json!({ "problems": problems, "warnings": warnings }))?;
        }
        Ok(text)
    }
}

fn count(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}
