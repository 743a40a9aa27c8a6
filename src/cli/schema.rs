//! `hookgate schema`: the JSON Schema of the rules file.

use super::{Exit, streams::print};
use crate::config;

/// Print the JSON Schema of the rules file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Schema {}

const EXAMPLES: &str = "\
An editor with a YAML language server completes, explains and underlines by it, where the rules file starts with
`# yaml-language-server: $schema=./rules.schema.json`. `hookgate init` writes both.

Examples:
  hookgate schema > rules.schema.json
  hookgate schema | jq .properties.rules";

impl Schema {
    pub fn run(self) -> anyhow::Result<Exit> {
        print(text())?;
        Ok(Exit::Ok)
    }
}

/// As it is written to a file.
pub(super) fn text() -> String {
    format!("{:#}\n", config::json_schema())
}
