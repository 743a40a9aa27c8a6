//! `hookgate pause`: nothing more is sent to a destination.

use super::{Exit, gateway::GatewayOptions, query::Query, streams::print, table::shown};
use crate::domain::name::{Name, NameError};
use serde_json::json;

/// Send nothing more to a destination, until `resume`: what is for it waits
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Pause {
    /// The destination
    #[arg(value_parser = name)]
    destination: Name,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Attempts in flight go on. The pause outlasts restarts and changes of the rules file.
Ends with 1 where the rules file has no such destination.

Examples:
  hookgate destinations
  hookgate pause orders";

impl Pause {
    pub async fn run(self) -> anyhow::Result<Exit> {
        act(self.gateway, &self.destination, "pause", "is paused").await
    }
}

/// Makes that call about a destination, and says what came of it.
pub(super) async fn act(gateway: GatewayOptions, destination: &Name, call: &str, what: &str) -> anyhow::Result<Exit> {
    let query = Query::of(&format!("/api/v1/destinations/{destination}/{call}"));
    let done = gateway.gateway()?.post(&query, &json!({})).await?;
    print(format!("{} {what}\n", shown(done["destination"].as_str().unwrap_or_default())))?;
    Ok(Exit::Ok)
}

/// A destination as an argument.
pub(super) fn name(text: &str) -> Result<Name, NameError> {
    Name::of_part(text)
}
