//! `hookgate replay`: sends again what was sent, one event or all that a filter finds.

use super::{
    Exit,
    exit::UsageError,
    filter,
    follow::{self, Reader},
    gateway::{Gateway, GatewayOptions},
    pause::name,
    query::Query,
    retry::{begun, lines},
    streams::{Colours, print, tell},
    table::{Cell, Table},
};
use crate::domain::{id::EventId, name::Name};
use clap::ArgGroup;
use serde_json::{Map, Value, json};

/// Send events again, also where they are delivered: with the same webhook-id, flagged `replayed`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group(ArgGroup::new("which").required(true).args(["id", "since"])))]
pub struct Replay {
    /// This event; without it, all that were received since a time
    #[arg(conflicts_with_all = ["until", "filter", "rate", "dry_run"])]
    id: Option<EventId>,

    /// All since then, the oldest first: a time like 2026-11-22T22:27:53Z, or a duration back from now like 24h
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<String>,

    /// Only those before that time; what comes in from now on is always left out
    #[arg(long, value_name = "TIME|DURATION", requires = "since")]
    until: Option<String>,

    /// Only those; KEY is from, kind, state, result, operation, reference, session, order, status, rule or destination
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter::parse, requires = "since")]
    filter: Vec<(&'static str, String)>,

    /// To this destination of the rules file, also where the event never went; as often as you like
    #[arg(long, value_name = "DEST", value_parser = name, conflicts_with = "reroute")]
    to: Vec<Name>,

    /// Where the rules in force send them
    #[arg(long)]
    reroute: bool,

    /// So many events per second, minute or hour at most, such as 20/s, 600/m or 1000/h [default: 50/s]
    #[arg(long, value_name = "N/s|N/m|N/h", requires = "since")]
    rate: Option<String>,

    /// Only say how many events would be sent where
    #[arg(long, requires = "since")]
    dry_run: bool,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Without --to and --reroute each event goes where it went. What is on its way already is not sent twice.
Many are sent in the background: the command shows how far that is, and Ctrl-C ends the show only.
Ends with 1 where there is nothing to send again, or it was cancelled.

Examples:
  hookgate replay evt_01h2xcejqtf2nbrexx3vqjhp41 --to orders --to ledger
  hookgate replay --since 24h --filter destination=erp --to erp --dry-run
  hookgate replay --since 2026-11-22T08:00:00Z --until 2026-11-22T17:30:00Z --to erp --rate 20/s
  hookgate replay --since 7d --filter status=unmatched --reroute";

impl Replay {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let gateway = self.gateway.clone().gateway()?;
        match self.id {
            Some(id) => self.one(&gateway, id).await,
            None => self.many(&gateway).await,
        }
    }

    async fn one(&self, gateway: &Gateway, id: EventId) -> anyhow::Result<Exit> {
        let query = Query::of(&format!("/api/v1/events/{id}/replay"));
        let done = gateway.post(&query, &self.aim().into()).await?;
        print(begun(&done))?;
        let removed = lines(&done, "removed", "is left out: the rules file no longer has it");
        if !removed.is_empty() {
            tell(removed.trim_end());
        }
        Ok(Exit::Ok)
    }

    async fn many(&self, gateway: &Gateway) -> anyhow::Result<Exit> {
        let times = [("since", &self.since), ("until", &self.until)].into_iter().filter_map(|(key, time)| Some((key, time.as_ref()?)));
        let wanted = self.filter.iter().map(|(key, value)| (*key, value)).chain(times);
        let mut filter = Map::new();
        for (key, value) in wanted {
            if filter.insert(key.to_owned(), json!(value)).is_some() {
                return Err(UsageError::FilterTwice(key).into());
            }
        }
        let mut body = self.aim();
        body.insert("filter".to_owned(), filter.into());
        body.insert("dry_run".to_owned(), self.dry_run.into());
        if let Some(rate) = &self.rate {
            body.insert("rate".to_owned(), json!(rate));
        }
        let answer = gateway.post(&Query::of("/api/v1/replays"), &body.into()).await?;
        if self.dry_run { would_do(&answer, Reader::of_stdout()) } else { follow::follow(gateway, answer, Reader::of_stdout()).await }
    }

    /// Where events are to go again, as the API is told.
    fn aim(&self) -> Map<String, Value> {
        let (key, value) = if self.to.is_empty() { ("reroute", json!(self.reroute)) } else { ("to", json!(self.to)) };
        Map::from_iter([(key.to_owned(), value)])
    }
}

/// What a dry run found.
fn would_do(found: &Value, reader: Reader) -> anyhow::Result<Exit> {
    let events = found["events"].as_u64().unwrap_or(0);
    match reader {
        Reader::Program => print(format!("{found}\n"))?,
        Reader::Person if events == 0 => tell("no event found"),
        Reader::Person => {
            let mut table = Table::new(["DESTINATION", "DELIVERIES"]);
            for (name, count) in found["deliveries"].as_object().into_iter().flatten() {
                table.row([Cell::text(name), Cell::value(count)]);
            }
            print(table.render(Colours::of_stdout()))?;
            tell(format_args!("{}{}; nothing is sent by a dry run", follow::events(&found["events"]), follow::left_out(found)));
        }
    }
    if found["complete"] == false {
        tell("there are more: not all could be looked at in time");
    }
    Ok(if events == 0 { Exit::No } else { Exit::Ok })
}
