//! `hookgate event`: one event with its deliveries and attempts.

use super::{
    Exit, event_tables, explanation,
    gateway::GatewayOptions,
    query::Query,
    streams::{Colours, print},
    table::{Cell, Format, Table, json},
};
use crate::domain::id::EventId;
use serde_json::Value;

const FIELDS: [&str; 18] = [
    "id",
    "source",
    "received_at",
    "kind",
    "state",
    "result",
    "operation",
    "amount",
    "currency_code",
    "reference_number",
    "session_id",
    "order_no",
    "status",
    "verified",
    "duplicates",
    "answer",
    "rules",
    "flags",
];

/// Show one event: what it says, where it went, every attempt
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Event {
    /// The event, like evt_01h2xcejqtf2nbrexx3vqjhp41
    id: EventId,

    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Examples:
  hookgate event evt_01h2xcejqtf2nbrexx3vqjhp41
  hookgate event evt_01h2xcejqtf2nbrexx3vqjhp41 --format json";

impl Event {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let event = self.gateway.gateway()?.get(&Query::of(&format!("/api/v1/events/{}", self.id))).await?;
        print(match self.format {
            Format::Json => json(&event),
            Format::Table => describe(&event, Colours::of_stdout()),
        })?;
        Ok(Exit::Ok)
    }
}

fn describe(event: &Value, colours: Colours) -> String {
    let mut fields = Table::new(["EVENT", ""]);
    for field in FIELDS.into_iter().filter(|field| !event[field].is_null()) {
        let cell = if field == "status" { Cell::status(event, field) } else { Cell::of(event, field) };
        fields.row([Cell::text(field), cell]);
    }
    let mut text = fields.render(colours);
    for table in [event_tables::deliveries(&event["deliveries"]), event_tables::attempts(&event["attempts"])].into_iter().flatten() {
        text.push('\n');
        text.push_str(&table.render(colours));
    }
    text.push_str(&explanation::of_event(&event["explanation"]));
    if !event["payload"].is_null() {
        text.push_str(&format!("\nPAYLOAD\n{}", json(&event["payload"])));
    }
    text
}
