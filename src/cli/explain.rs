//! `hookgate explain`: what would become of an event, and why, without anything becoming of it.

use super::{
    Exit,
    config_file::ConfigFile,
    exit::UsageError,
    explanation::{self, Rules},
    payload::{Ids, Payload, Set},
    streams::{print, tell},
    table::json,
};
use crate::{
    config::{self, Code, Diagnostic, Unset},
    domain::clock::Clock,
    rehearse::Given,
};
use std::path::PathBuf;

/// Say where an event would go and why, which rules do not hold and why, and what would be sent; nothing is sent
///
/// The rules file is read as the gateway reads it, but that variables which are not set do not matter. What may be personal
/// in the event is masked, and so are secrets.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// A sample (see `hookgate sample`), else a file with a payload; `-` for standard input
    #[arg(value_name = "SAMPLE|EVENT.json")]
    event: PathBuf,

    /// The source that it comes in by; without it, the first of the rules file
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,

    /// Set a field first: PATH=TEXT, or PATH:=JSON for anything but text; a path is dotted, a number in it indexes an array
    #[arg(long, value_name = "k=v", value_parser = Set::parse)]
    set: Vec<Set>,

    /// How it is said
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// As `POST /api/v1/explain` answers
    Json,
}

const EXAMPLES: &str = "\
Ends with 0 wherever the event would go, also nowhere; with 1 where the payload can be no event; with 2 where there is no such
event or source; with 78 where the rules file is wrong.

Examples:
  hookgate explain payment.paid
  hookgate explain operation.refund --set amount=900.000 --config rules.yaml
  hookgate explain received.json --from ottu-test --format json
  hookgate explain - < received.json";

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (payload, ids) = Payload::named(&self.event)?;
        let given = if ids == Ids::Fresh || !self.set.is_empty() { Given::Made } else { Given::Received };
        let bytes = payload.edited(&self.set)?;
        let loaded = config::load(&self.config.path(), &|name| std::env::var(name).ok(), Unset::Placeholder)?;
        say_unset(&loaded.warnings);
        let subject = loaded.config.subject();
        let source = subject.source(self.from.as_deref()).map_err(UsageError::from)?;
        let explanation = subject.explain(source, bytes.into(), given, Clock::system().now())?.to_json();
        print(match self.format {
            Format::Text => explanation::text(&explanation, Rules::All),
            Format::Json => json(&explanation),
        })?;
        Ok(Exit::Ok)
    }
}

/// Each variable once: what it stands for looks different here than in the gateway.
fn say_unset(warnings: &[Diagnostic]) {
    let mut said: Vec<&str> = Vec::new();
    for warning in warnings.iter().filter(|warning| warning.code == Code::UnsetVariable) {
        if !said.contains(&&*warning.message) {
            tell(format_args!("note: {}; a placeholder stands in for it", warning.message));
            said.push(&warning.message);
        }
    }
}
