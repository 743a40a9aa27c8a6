//! `hookgate resume`: ends an operator's pause.

use super::{
    Exit,
    gateway::GatewayOptions,
    pause::{line, name},
    query::Query,
    streams::print,
};
use crate::domain::name::Name;
use serde_json::json;

/// Send again to a destination that was paused by `pause`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Resume {
    /// The destination
    #[arg(value_parser = name)]
    destination: Name,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where the rules file pauses the destination too, or has no such destination.

Examples:
  hookgate destinations
  hookgate resume orders";

impl Resume {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let query = Query::of(&format!("/api/v1/destinations/{}/resume", self.destination));
        let done = self.gateway.gateway()?.post(&query, &json!({})).await?;
        print(line(&done, "goes on"))?;
        Ok(Exit::Ok)
    }
}
