//! `hookgate replay`: sends again what was sent.

use super::{
    Exit,
    gateway::GatewayOptions,
    pause::name,
    query::Query,
    retry::lines,
    streams::{print, tell},
};
use crate::domain::{id::EventId, name::Name};
use serde_json::{Value, json};

/// Send an event again, also where it is delivered: with the same webhook-id, flagged `replayed`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Replay {
    /// The event
    id: EventId,

    /// To this destination of the rules file, also where the event never went; as often as you like
    #[arg(long, value_name = "DEST", value_parser = name, conflicts_with = "reroute")]
    to: Vec<Name>,

    /// Where the rules in force send it
    #[arg(long)]
    reroute: bool,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Without --to and --reroute it goes where it went. What is on its way already is not sent twice.
Ends with 1 where there is nothing to send again, or no such event.

Examples:
  hookgate replay evt_01h2xcejqtf2nbrexx3vqjhp41
  hookgate replay evt_01h2xcejqtf2nbrexx3vqjhp41 --to orders --to ledger
  hookgate replay evt_01h2xcejqtf2nbrexx3vqjhp41 --reroute";

impl Replay {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let query = Query::of(&format!("/api/v1/events/{}/replay", self.id));
        let body = aim(&self.to, self.reroute);
        let done = self.gateway.gateway()?.post(&query, &body).await?;
        print(lines(&done, "due", "is due now") + &lines(&done, "in_flight", "is on its way already"))?;
        let removed = lines(&done, "removed", "is left out: the rules file no longer has it");
        if !removed.is_empty() {
            tell(removed.trim_end());
        }
        Ok(Exit::Ok)
    }
}

/// Where events are to go again, as the API is told.
fn aim(to: &[Name], reroute: bool) -> Value {
    if to.is_empty() { json!({ "reroute": reroute }) } else { json!({ "to": to }) }
}
