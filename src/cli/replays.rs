//! `hookgate replays`: how far what is sent again in bulk is, and the end of it.

use super::{
    Exit,
    follow::{self, Reader},
    gateway::GatewayOptions,
    query::Query,
    streams::{Colours, print, tell},
    table::{Cell, Format, Table, json},
};
use serde_json::Value;

/// List the replays of many events, newest first; or look at one, follow it, cancel it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Replays {
    /// Only this one
    #[arg(value_name = "NUMBER")]
    id: Option<u64>,

    /// Show how far it is until it has ended
    #[arg(long, requires = "id", conflicts_with = "cancel")]
    follow: bool,

    /// Send no more of its events again; what is begun goes on
    #[arg(long, requires = "id")]
    cancel: bool,

    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500), conflicts_with = "id")]
    limit: u32,

    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "follow")]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where there is none, or it is done and cannot be cancelled.

Examples:
  hookgate replays
  hookgate replays 3 --format json
  hookgate replays 3 --follow
  hookgate replays 3 --cancel";

impl Replays {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let gateway = self.gateway.gateway()?;
        let Some(id) = self.id else {
            let found = gateway.get(&Query::of("/api/v1/replays").with("limit", &self.limit.to_string())).await?;
            let list = found["replays"].as_array().map_or(&[][..], Vec::as_slice);
            match self.format {
                Format::Json => print(json(&found))?,
                Format::Table if list.is_empty() => tell("no replay found"),
                Format::Table => print(table(list).render(Colours::of_stdout()))?,
            }
            return Ok(if list.is_empty() { Exit::No } else { Exit::Ok });
        };
        let query = Query::of(&format!("/api/v1/replays/{id}"));
        let replay = if self.cancel { gateway.delete(&query).await? } else { gateway.get(&query).await? };
        if self.follow {
            return follow::follow(&gateway, replay, Reader::of_stdout()).await;
        }
        match self.format {
            Format::Json => print(json(&replay))?,
            Format::Table if self.cancel => print(follow::summary(&replay) + "\n")?,
            Format::Table => {
                print(table(std::slice::from_ref(&replay)).render(Colours::of_stdout()))?;
                print(format!("\n{}\n", follow::summary(&replay)))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn table(list: &[Value]) -> Table {
    let mut table = Table::new(["NUMBER", "ORDERED", "STATE", "DONE", "OF", "DELIVERIES", "RATE", "TO", "WAITS FOR", "FILTER"]);
    for replay in list {
        let of = |member: &str| Cell::of(replay, member);
        let filter = replay["filter"].as_object().into_iter().flatten();
        let filter: Vec<Value> = filter.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()).into()).collect();
        let to = if replay["reroute"] == true { Cell::text("by the rules in force") } else { of("to") };
        table.row([
            of("id"),
            of("created_at"),
            Cell::status(replay, "state"),
            of("done"),
            of("total"),
            Cell::of(&replay["deliveries"], "due"),
            of("rate"),
            to,
            of("held_by"),
            Cell::value(&filter.into()),
        ]);
    }
    table
}
