//! `hookgate resume`: ends an operator's pause.

use super::{
    Exit,
    gateway::GatewayOptions,
    pause::{act, name},
};
use crate::domain::name::Name;

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
        act(self.gateway, &self.destination, "resume", "goes on").await
    }
}
