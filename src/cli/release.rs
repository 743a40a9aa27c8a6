//! `hookgate release`: lets a quarantined event go on.

use super::{Exit, gateway::GatewayOptions, query::Query, streams::print, table::shown};
use crate::domain::id::EventId;
use serde_json::{Value, json};

/// Take an event out of quarantine: it is matched against the rules in force and forwarded
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Release {
    /// The event
    id: EventId,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where the event is not in quarantine, or there is no such event.

Examples:
  hookgate events --filter status=quarantined
  hookgate release evt_01h2xcejqtf2nbrexx3vqjhp41";

impl Release {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let query = Query::of(&format!("/api/v1/events/{}/release", self.id));
        let done = self.gateway.gateway()?.post(&query, &json!({})).await?;
        let due = done["due"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let lines: String = due.map(|name| format!("{} is due now\n", shown(name))).collect();
        let nowhere = || format!("released, and {}\n", done["routing"].as_str().map_or_else(|| "it goes nowhere".into(), shown));
        print(if lines.is_empty() { nowhere() } else { lines })?;
        Ok(Exit::Ok)
    }
}
