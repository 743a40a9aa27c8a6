//! `hookgate discard`: closes what will not be sent.

use super::{Exit, gateway::GatewayOptions, query::Query, streams::print, table::shown};
use crate::domain::id::EventId;
use serde_json::{Value, json};

/// Close an event: out of quarantine without being forwarded, its dead deliveries given up for good
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Discard {
    /// The event
    id: EventId,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where the event is not in quarantine and has no dead delivery, or there is no such event.

Examples:
  hookgate events --filter status=dead
  hookgate discard evt_01h2xcejqtf2nbrexx3vqjhp41";

impl Discard {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let query = Query::of(&format!("/api/v1/events/{}/discard", self.id));
        let done = self.gateway.gateway()?.post(&query, &json!({})).await?;
        let discarded = done["discarded"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut lines: String = discarded.map(|name| format!("{} is discarded\n", shown(name))).collect();
        if done["quarantined"] == true {
            lines.push_str("the event is dropped\n");
        }
        print(lines)?;
        Ok(Exit::Ok)
    }
}
