//! `hookgate destinations`: what waits where.

use super::{
    Exit,
    gateway::GatewayOptions,
    query::Query,
    streams::{Colours, print},
    table::{Cell, Format, Table, json, shown},
};
use crate::domain::quantity::show_duration;
use serde_json::Value;
use std::time::Duration;

/// List the destinations: what waits, how old it is, what was given up
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Destinations {
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Examples:
  hookgate destinations
  hookgate destinations --format json";

impl Destinations {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let found = self.gateway.gateway()?.get(&Query::of("/api/v1/destinations")).await?;
        print(match self.format {
            Format::Json => json(&found),
            Format::Table => table(&found).render(Colours::of_stdout()),
        })?;
        Ok(Exit::Ok)
    }
}

fn table(found: &Value) -> Table {
    let head = ["DESTINATION", "READY", "RETRYING", "HELD BACK", "IN FLIGHT", "DEAD", "PARKED", "OLDEST", "LATENCY", "PAUSED", "BREAKER"];
    let mut table = Table::new(head);
    for lane in found["destinations"].as_array().into_iter().flatten() {
        let by: Vec<_> = lane["paused_by"].as_array().into_iter().flatten().filter_map(Value::as_str).map(shown).collect();
        let paused = match (lane["removed"].as_bool(), lane["paused"].as_bool()) {
            (Some(true), _) => "removed".to_owned(),
            (_, Some(true)) if by.is_empty() => "yes".to_owned(),
            (_, Some(true)) => format!("by {}", by.join(" and ")),
            (_, Some(false)) => "no".to_owned(),
            (_, None) => "-".to_owned(),
        };
        let held = lane["held_until"].as_str().map(|until| format!("held until {}", shown(until)));
        let oldest = lane["oldest_age_seconds"].as_f64().map(|seconds| show_duration(Duration::from_secs(seconds.max(0.0) as u64)));
        let latency = lane["latency_ms"].as_f64().map(|millis| format!("{millis} ms"));
        table.row([
            Cell::of(lane, "destination"),
            Cell::of(lane, "ready"),
            Cell::of(lane, "retrying"),
            Cell::of(lane, "held_back"),
            Cell::of(lane, "in_flight"),
            Cell::of(lane, "dead"),
            Cell::of(lane, "parked"),
            Cell::text(&oldest.unwrap_or_default()),
            Cell::text(&latency.unwrap_or_default()),
            Cell::text(&paused),
            held.map_or_else(|| Cell::of(lane, "breaker"), |held| Cell::text(&held)),
        ]);
    }
    table
}
