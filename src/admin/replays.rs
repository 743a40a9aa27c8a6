//! The calls about bulk replays: order one, or see what it would do; list them; look at one; cancel one.

use super::{
    Admin, Reply, Request,
    api::{body, limit, only, unavailable},
    bulks,
};
use crate::{
    domain::{
        clock::Instant,
        delivery::{DeliveryStatus, Seq},
        event::{Flags, Verdict},
        name::Name,
        plan::Plan,
        problem::Problem,
        quantity::Rate,
    },
    store::{Aim, BULKS, Bulk, BulkId, BulkOrder, BulkState, EventSummary, Query, Selection, StoreError, Tally, Which},
};
use http::Method;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The rate where the call does not say one: a service that takes a webhook in 20 ms takes these one by one.
const RATE: &str = "50/s";

/// How long a dry run looks; what it has found until then is answered.
const DRY_RUN: Duration = Duration::from_secs(15);
const DRY_PAGE: usize = 500;

const WANTED: &str = r#"`{"filter": {"since": "24h", …}, "to": ["<name>", …], "reroute": true, "rate": "50/s", "dry_run": true}`, of which `filter` is needed"#;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    filter: BTreeMap<String, String>,
    to: Option<Vec<String>>,
    #[serde(default)]
    reroute: bool,
    rate: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

impl Admin {
    /// Answers the calls below `/api/v1/replays`.
    pub(super) async fn replays(&self, id: Option<&str>, request: &Request) -> Result<Reply, Problem> {
        match (id, &request.method) {
            (None, &Method::POST) => self.order(request).await,
            (None, _) => {
                only(request, Method::GET)?;
                self.list_bulks(&request.query).await
            }
            (Some(id), &Method::DELETE) => self.cancel(id).await,
            (Some(id), _) => {
                only(request, Method::GET)?;
                let found = self.store.bulks(Which::One(bulk_id(id)?)).await.map_err(unavailable)?;
                let bulk = found.first().ok_or_else(unknown)?;
                Ok(Reply::json(200, &self.shown(bulk)))
            }
        }
    }

    async fn order(&self, request: &Request) -> Result<Reply, Problem> {
        let asked: Asked = body(request, WANTED)?.unwrap_or_default();
        let mut filter = Query::default();
        for (key, value) in asked.filter {
            match key.as_str() {
                "limit" | "cursor" => return Err(bad(format!("`{key}` is no filter of a replay, which goes through all of its events."))),
                key => self.filter(&mut filter, key, value)?,
            }
        }
        let Some(since) = filter.since else {
            return Err(bad("`filter` has no `since`: say from when on events are sent again, such as \"since\": \"24h\".".to_owned()));
        };
        if let Some(until) = filter.until.filter(|until| *until < since) {
            return Err(bad(format!("`since` is {since}, which is after `until`, {until}: no event is between them.")));
        }
        let text = asked.rate.as_deref().unwrap_or(RATE);
        let rate = Rate::parse(text).map_err(|error| {
            bad(format!(
                "`rate` is {text:?}: {error}; wanted is a number of events per second, minute or hour from 1 to {}, such as {RATE}.",
                Rate::MOST
            ))
        })?;
        let order = BulkOrder { filter, aim: self.aim(asked.to, asked.reroute)?, rate };
        if asked.dry_run {
            let found = self.would_do(&order).await.map_err(unavailable)?;
            return Ok(Reply::json(200, &found));
        }
        let Some(bulk) = self.store.begin_bulk(order).await.map_err(unavailable)? else {
            let detail = format!("{BULKS} bulk replays go on, and no more do at a time: wait until one is done, or cancel one.");
            return Err(Problem::new(409, "Too many replays", detail));
        };
        tracing::info!(replay = %bulk.id, rate = %bulk.order.rate, "a bulk replay begins, ordered by an operator");
        self.bulks.told();
        Ok(Reply::json(202, &self.shown(&bulk)))
    }

    async fn list_bulks(&self, query: &str) -> Result<Reply, Problem> {
        let found = self.store.bulks(Which::Newest(limit(query)?)).await.map_err(unavailable)?;
        let shown: Vec<_> = found.iter().map(|bulk| self.shown(bulk)).collect();
        Ok(Reply::json(200, &json!({ "replays": shown })))
    }

    async fn cancel(&self, id: &str) -> Result<Reply, Problem> {
        let bulk = self.store.cancel(bulk_id(id)?).await.map_err(unavailable)?.ok_or_else(unknown)?;
        if bulk.state == BulkState::Done {
            return Err(Problem::new(409, "Nothing to cancel", "The replay is done."));
        }
        self.bulks.told();
        tracing::info!(replay = %bulk.id, events = bulk.tally.events, deliveries = bulk.tally.due, "a bulk replay is cancelled by an operator");
        Ok(Reply::json(200, &self.shown(&bulk)))
    }

    /// What an order would do now, as far as can be seen within [`DRY_RUN`].
    async fn would_do(&self, order: &BulkOrder) -> Result<Value, StoreError> {
        let until: Instant = self.clock.instant() + DRY_RUN;
        let served = self.lanes.names();
        let mut deliveries: BTreeMap<Name, u64> = match &order.aim {
            Aim::To(names) => names.iter().map(|name| (name.clone(), 0)).collect(),
            Aim::Planned | Aim::Reroute => BTreeMap::new(),
        };
        let mut tally = Tally::default();
        let mut cursor = None;
        let is_complete = loop {
            let page = self.store.search(bulks::query(order, cursor, Seq(i64::MAX), DRY_PAGE)).await?;
            tally.damaged += page.damaged;
            for event in &page.events {
                tally.events += 1;
                if event.flags.contains(Flags::DISCARDED) {
                    tally.discarded += 1;
                } else if event.verdict != Verdict::Accepted {
                    tally.quarantined += 1;
                } else {
                    let Some(goes_to) = self.goes_to(&order.aim, event).await? else {
                        tally.damaged += 1;
                        continue;
                    };
                    tally.nowhere += u64::from(goes_to.is_empty());
                    for name in goes_to {
                        if event.deliveries.iter().any(|known| known.destination == name && known.status == DeliveryStatus::Waiting) {
                            tally.in_flight += 1;
                        } else if served.contains(&name) {
                            tally.due += 1;
                            *deliveries.entry(name).or_default() += 1;
                        } else {
                            tally.removed += 1;
                        }
                    }
                }
                if self.clock.instant() >= until {
                    break;
                }
            }
            cursor = page.next;
            if self.clock.instant() >= until || cursor.is_none() {
                break cursor.is_none() && self.clock.instant() < until;
            }
        };
        Ok(json!({
            "dry_run": true,
            "complete": is_complete,
            "events": tally.events,
            "deliveries": deliveries.iter().map(|(name, count)| (name.to_string(), json!(count))).collect::<Map<_, _>>(),
            "in_flight": tally.in_flight,
            "removed": tally.removed,
            "skipped": skipped(&tally),
        }))
    }

    async fn goes_to(&self, aim: &Aim, event: &EventSummary) -> Result<Option<Vec<Name>>, StoreError> {
        Ok(self.bulks.choose(aim, event).await?.map(|selection| match selection {
            Selection::Planned => event.deliveries.iter().map(|delivery| delivery.destination.clone()).collect(),
            Selection::To(targets) | Selection::Rerouted(Plan { targets, .. }) => {
                targets.into_iter().map(|target| target.destination).collect()
            }
        }))
    }

    fn shown(&self, bulk: &Bulk) -> Value {
        let Bulk { id, order, state, created_at, ended_at, total, tally, .. } = bulk;
        json!({
            "id": id.to_string(),
            "state": state.as_str(),
            "filter": filter(&order.filter),
            "to": match &order.aim { Aim::To(names) => json!(names), Aim::Planned | Aim::Reroute => Value::Null },
            "reroute": order.aim == Aim::Reroute,
            "rate": order.rate.to_string(),
            "created_at": created_at,
            "ended_at": ended_at,
            "total": total,
            "done": tally.events,
            "deliveries": { "due": tally.due, "in_flight": tally.in_flight, "removed": tally.removed },
            "skipped": skipped(tally),
            "held_by": self.bulks.held_by(*id),
        })
    }
}

fn skipped(tally: &Tally) -> Value {
    json!({
        "quarantined": tally.quarantined,
        "discarded": tally.discarded,
        "no_destination": tally.nowhere,
        "expired": tally.gone,
        "damaged": tally.damaged,
    })
}

/// What a filter says, by the keys of the API.
fn filter(query: &Query) -> Value {
    let texts = [
        ("from", &query.from),
        ("state", &query.state),
        ("result", &query.result),
        ("operation", &query.operation),
        ("reference", &query.reference),
        ("session", &query.session),
        ("order", &query.order),
        ("rule", &query.rule),
        ("destination", &query.destination),
    ];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, json!(text.as_ref()?))));
    let kind = query.kind.map(|kind| ("kind", json!(kind.as_str())));
    let status = query.status.map(|status| ("status", json!(status.as_str())));
    let times = [("since", query.since), ("until", query.until)].into_iter().filter_map(|(key, time)| Some((key, json!(time?))));
    texts.chain(kind).chain(status).chain(times).map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn bulk_id(text: &str) -> Result<BulkId, Problem> {
    text.parse().map(BulkId).map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::new(404, "Replay not found", "There is no bulk replay with this number; one that has ended is forgotten after `store.keep`.")
}

fn bad(detail: String) -> Problem {
    Problem::new(400, "Bad request", detail)
}
