//! `hookgate events`: finds events.

use super::{
    Exit, event_tables, filter,
    gateway::{Gateway, GatewayOptions},
    query::Query,
    streams::{Colours, print, tell},
    table::{self, Format},
};
use serde_json::{Value, json};

const PAGE: usize = 100;

/// List events, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Events {
    /// Only those; KEY is from, kind, state, result, operation, reference, session, order, status, rule or destination
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter::parse)]
    filter: Vec<(&'static str, String)>,

    /// Only those since then: a time like 2026-11-22T22:27:53Z, or a duration back from now like 2h
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<String>,

    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 1 where nothing is found.

Examples:
  hookgate events
  hookgate events --filter status=dead --filter destination=orders --since 2h
  hookgate events --filter order=1042 --format json --limit 500";

impl Events {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let gateway = self.gateway.clone().gateway()?;
        let found = self.pages(&gateway).await?;
        let events = found["events"].as_array().map_or(&[][..], Vec::as_slice);
        match self.format {
            Format::Json => print(table::json(&found))?,
            Format::Table if events.is_empty() => tell("no event found"),
            Format::Table => print(event_tables::events(events).render(Colours::of_stdout()))?,
        }
        Ok(if events.is_empty() { Exit::No } else { Exit::Ok })
    }

    /// As many pages as the limit asks for, as one.
    async fn pages(&self, gateway: &Gateway) -> anyhow::Result<Value> {
        let limit = self.limit as usize;
        let (mut events, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut query = Query::of("/api/v1/events").with("limit", &PAGE.min(limit - events.len()).to_string());
            for (key, value) in &self.filter {
                query = query.with(key, value);
            }
            query = self.since.iter().fold(query, |query, since| query.with("since", since));
            query = cursor.as_str().into_iter().fold(query, |query, cursor| query.with("cursor", cursor));
            let mut page = gateway.get(&query).await?;
            let Value::Array(more) = page["events"].take() else { anyhow::bail!("the answer has no list of events") };
            let is_last = page["next"].is_null();
            events.extend(more);
            cursor = page["next"].take();
            if is_last || events.len() >= limit {
                return Ok(json!({ "events": events, "next": cursor }));
            }
        }
    }
}
