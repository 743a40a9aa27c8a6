//! `hookgate retry`: sends again what is dead or waiting, now.

use super::{Exit, gateway::GatewayOptions, query::Query, streams::print, table::shown};
use crate::domain::{
    id::EventId,
    name::{Name, NameError},
};
use serde_json::{Value, json};

/// Send an event's dead or waiting deliveries again, now, with a fresh run of the retry policy
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Retry {
    /// The event
    id: EventId,

    /// Only to this destination
    #[arg(value_parser = name)]
    destination: Option<Name>,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where there is nothing to send again, or no such event.

Examples:
  hookgate retry evt_01h2xcejqtf2nbrexx3vqjhp41
  hookgate retry evt_01h2xcejqtf2nbrexx3vqjhp41 orders";

impl Retry {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let body = self.destination.map_or_else(|| json!({}), |name| json!({ "destination": name }));
        let query = Query::of(&format!("/api/v1/events/{}/retry", self.id));
        let done = self.gateway.gateway()?.post(&query, &body).await?;
        print(begun(&done))?;
        Ok(Exit::Ok)
    }
}

/// What comes of each delivery that is tried again.
pub(super) fn begun(done: &Value) -> String {
    let told = [
        lines(done, "due", "is due now"),
        lines(done, "held_back", "waits for an earlier event that it is kept in order with"),
        lines(done, "in_flight", "is on its way already"),
    ];
    told.concat()
}

/// A line for each name in a member of an answer.
pub(super) fn lines(done: &Value, member: &str, what: &str) -> String {
    let names = done[member].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| format!("{} {what}\n", shown(name))).collect()
}

fn name(text: &str) -> Result<Name, NameError> {
    Name::of_part(text)
}
