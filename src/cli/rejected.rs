//! `hookgate rejected`: what was refused for its signature lately.

use super::{
    Exit,
    gateway::GatewayOptions,
    query::Query,
    streams::{Colours, print, tell},
    table::{Cell, Format, Table, json},
};
use serde_json::Value;

/// List the requests that were refused for their signature, newest first; nothing in them is verified
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Rejected {
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,

    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
The gateway keeps them in memory only. When a reload changes the keys they are verified again,
and those that hold then are accepted, flagged `late`. Ends with 1 where there are none.

Examples:
  hookgate rejected
  hookgate rejected --format json --limit 500";

impl Rejected {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let query = Query::of("/api/v1/rejected").with("limit", &self.limit.to_string());
        let found = self.gateway.gateway()?.get(&query).await?;
        let rejected = found["rejected"].as_array().map_or(&[][..], Vec::as_slice);
        match self.format {
            Format::Json => print(json(&found))?,
            Format::Table if rejected.is_empty() => tell("nothing that was refused for its signature is kept"),
            Format::Table => print(table(rejected).render(Colours::of_stdout()))?,
        }
        let kept = found["kept"].as_u64().unwrap_or(0);
        if kept > rejected.len() as u64 {
            tell(format!("{} of {kept}; --limit shows more", rejected.len()));
        }
        Ok(if rejected.is_empty() { Exit::No } else { Exit::Ok })
    }
}

fn table(rejected: &[Value]) -> Table {
    let mut table = Table::new(["RECEIVED", "SOURCE", "PEER", "REASON", "KEYS TRIED", "STATE", "ORDER", "REFERENCE"]);
    for one in rejected {
        let keys: Vec<_> = one["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        table.row([
            Cell::of(one, "received_at"),
            Cell::of(one, "source"),
            Cell::of(one, "peer"),
            Cell::of(one, "reason"),
            Cell::text(&keys.join(", ")),
            Cell::of(&one["claims"], "state"),
            Cell::of(&one["claims"], "order_no"),
            Cell::of(&one["claims"], "reference_number"),
        ]);
    }
    table
}
