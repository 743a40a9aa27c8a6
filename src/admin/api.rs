//! The calls of the API: `GET` never changes anything, and a bad filter is named.

use super::{Admin, Reply, Request, view};
use crate::{
    domain::{
        clock::Timestamp,
        delivery::Seq,
        event::{Flags, Kind},
        id::EventId,
        name::Name,
        problem::Problem,
        quantity,
    },
    store::{Discarded, EventStatus, Query, Released, StoreError},
};
use http::{Method, header};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::str::FromStr;

/// Events in one answer, where the call does not say.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

impl Admin {
    /// Answers a call of the API; `call` is the path below `/api/v1/`.
    pub(super) async fn call(&self, call: &str, request: &Request) -> Result<Reply, Problem> {
        let steps: Vec<&str> = call.split('/').collect();
        match steps[..] {
            ["events"] => {
                only(request, Method::GET)?;
                self.events(&request.query).await
            }
            ["events", id] => {
                only(request, Method::GET)?;
                self.event(id).await
            }
            ["events", id, "retry"] => {
                only(request, Method::POST)?;
                self.retry(id, request).await
            }
            ["events", id, "replay"] => {
                only(request, Method::POST)?;
                self.replay(id, request).await
            }
            ["events", id, "release"] => {
                only(request, Method::POST)?;
                self.release(id, request).await
            }
            ["events", id, "discard"] => {
                only(request, Method::POST)?;
                self.discard(id, request).await
            }
            ["explain"] => {
                only(request, Method::POST)?;
                self.explain(request).await
            }
            ["destinations"] => {
                only(request, Method::GET)?;
                self.destinations().await
            }
            ["destinations", name, "pause"] => {
                only(request, Method::POST)?;
                self.pause(name, request).await
            }
            ["destinations", name, "resume"] => {
                only(request, Method::POST)?;
                self.resume(name, request).await
            }
            ["replays"] => self.replays(None, request).await,
            ["replays", id] => self.replays(Some(id), request).await,
            ["config"] => {
                only(request, Method::GET)?;
                Ok(Reply::json(200, &self.gateway.config()))
            }
            ["rejected"] => {
                only(request, Method::GET)?;
                self.rejected(&request.query)
            }
            _ => Err(Problem::new(404, "Not found", "The API has no such call.")),
        }
    }

    async fn events(&self, query: &str) -> Result<Reply, Problem> {
        let query = self.query(query)?;
        let page = self.store.search(query).await.map_err(unavailable)?;
        Ok(Reply::json(200, &view::page(&page)))
    }

    async fn event(&self, id: &str) -> Result<Reply, Problem> {
        let id = event_id(id)?;
        let Some(event) = self.store.event(id).await.map_err(unavailable)? else { return Err(unknown_event()) };
        let body = self.store.body(event.summary.seq).await.map_err(unavailable)?;
        let now = self.explained_now(&event, body.as_ref()).await;
        let mut view = view::detail(&event, body.as_ref());
        view["explanation"]["now"] = now;
        Ok(Reply::json(200, &view))
    }

    async fn retry(&self, id: &str, request: &Request) -> Result<Reply, Problem> {
        let id = event_id(id)?;
        let destination = retry_destination(request)?;
        let retried = self.store.retry(id, destination.clone()).await.map_err(unavailable)?;
        let Some(retried) = retried else { return Err(unknown_event()) };
        for name in retried.due.iter().chain(&retried.held_back) {
            self.lanes.wake(name);
        }
        let code = match (retried.due.is_empty(), retried.held_back.is_empty() && retried.in_flight.is_empty()) {
            (false, _) => 200,
            (true, false) => 202,
            (true, true) if !retried.removed.is_empty() => {
                let detail = format!("Its deliveries go to {}, which the rules file no longer has.", retried.removed.join(", "));
                return Err(Problem::new(409, "Nothing to retry", detail));
            }
            (true, true) => {
                let of = destination.map(|name| format!(" to {name:?}")).unwrap_or_default();
                let detail = format!("The event has no delivery{of} that is dead or waiting.");
                return Err(Problem::new(409, "Nothing to retry", detail));
            }
        };
        let destinations = [&retried.due[..], &retried.held_back].concat().join(", ");
        tracing::info!(event = %id, destinations, "retry by an operator");
        Ok(Reply::json(code, &json!({ "due": retried.due, "held_back": retried.held_back, "in_flight": retried.in_flight })))
    }

    async fn release(&self, id: &str, request: &Request) -> Result<Reply, Problem> {
        let id = event_id(id)?;
        body::<Nothing>(request, "`{}`")?;
        let not_quarantined = || Problem::new(409, "Nothing to release", "The event is not in quarantine.");
        let Some(event) = self.store.event(id).await.map_err(unavailable)? else { return Err(unknown_event()) };
        if event.summary.status() != EventStatus::Quarantined {
            return Err(not_quarantined());
        }
        if event.summary.flags.contains(Flags::TRUNCATED) {
            return Err(truncated());
        }
        let Some(body) = self.store.body(event.summary.seq).await.map_err(unavailable)? else { return Err(unknown_event()) };
        let plan = self.gateway.plan(event.kept(body));
        let (routing, rules) = (plan.routing.as_str(), plan.rules.clone());
        match self.store.release(id, plan).await.map_err(unavailable)? {
            None => Err(unknown_event()),
            Some(Released::NotQuarantined) => Err(not_quarantined()),
            Some(Released::Truncated) => Err(truncated()),
            Some(Released::Released { due }) => {
                for name in &due {
                    self.lanes.wake(name);
                }
                tracing::info!(event = %id, routing, rules = rules.join(", "), destinations = due.join(", "), "released by an operator");
                Ok(Reply::json(200, &json!({ "routing": routing, "rules": rules, "due": due })))
            }
        }
    }

    async fn discard(&self, id: &str, request: &Request) -> Result<Reply, Problem> {
        let id = event_id(id)?;
        body::<Nothing>(request, "`{}`")?;
        let Some(done) = self.store.discard(id).await.map_err(unavailable)? else { return Err(unknown_event()) };
        if done == Discarded::default() {
            return Err(Problem::new(409, "Nothing to discard", "The event is not in quarantine and has no dead delivery."));
        }
        for name in &done.deliveries {
            if let Some(metrics) = self.metrics.destination(name) {
                metrics.discarded();
            }
        }
        tracing::info!(event = %id, quarantined = done.was_quarantined, destinations = done.deliveries.join(", "), "discarded by an operator");
        Ok(Reply::json(200, &json!({ "quarantined": done.was_quarantined, "discarded": done.deliveries })))
    }

    async fn destinations(&self) -> Result<Reply, Problem> {
        let stats = self.store.stats().await.map_err(unavailable)?;
        Ok(Reply::json(200, &view::destinations(&self.lanes.states(), &stats, self.clock.now())))
    }

    fn rejected(&self, query: &str) -> Result<Reply, Problem> {
        let (kept, rejected) = self.gateway.rejected(limit(query)?);
        Ok(Reply::json(200, &view::rejected(kept, &rejected)))
    }

    fn query(&self, text: &str) -> Result<Query, Problem> {
        let mut query = Query { limit: LIMIT, ..Query::default() };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "limit" => query.limit = number("limit", &value, 1, MAX_LIMIT)?,
                "cursor" => query.cursor = Some(Seq(number("cursor", &value, 0, i64::MAX)?)),
                key => self.filter(&mut query, key, value.into_owned())?,
            }
        }
        Ok(query)
    }

    /// Adds to what is asked for that a field has this value.
    pub(super) fn filter(&self, query: &mut Query, key: &str, value: String) -> Result<(), Problem> {
        match key {
            "from" => once(&mut query.from, key, value)?,
            "kind" => once(&mut query.kind, key, one_of("kind", &value, &Kind::ALL, |kind| kind.as_str())?)?,
            "state" => once(&mut query.state, key, value)?,
            "result" => once(&mut query.result, key, value)?,
            "operation" => once(&mut query.operation, key, value)?,
            "reference" => once(&mut query.reference, key, value)?,
            "session" => once(&mut query.session, key, value)?,
            "order" => once(&mut query.order, key, value)?,
            "status" => once(&mut query.status, key, one_of("status", &value, &EventStatus::ALL, |status| status.as_str())?)?,
            "rule" => once(&mut query.rule, key, value)?,
            "destination" => once(&mut query.destination, key, value)?,
            "since" => once(&mut query.since, key, self.time("since", &value)?)?,
            "until" => once(&mut query.until, key, self.time("until", &value)?)?,
            _ => return Err(bad_filter(format!("There is no filter {key:?}."))),
        }
        Ok(())
    }

    /// A time, or a duration back from now.
    fn time(&self, key: &str, value: &str) -> Result<Timestamp, Problem> {
        let back = || quantity::duration(value).ok().map(|back| self.clock.now().minus(back));
        Timestamp::parse(value).or_else(back).ok_or_else(|| {
            bad_filter(format!(
                "`{key}` is {value:?}; wanted is a time such as 2026-11-22T22:27:53Z or a duration back from now such as 2h."
            ))
        })
    }
}

pub(super) fn only(request: &Request, method: Method) -> Result<(), Problem> {
    if request.method == method {
        return Ok(());
    }
    Err(Problem::new(405, "Method not allowed", format!("This call is made by {method}.")))
}

/// The body of a call that takes none but `{}`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The body of a call; `None` where it has none, which counts as `{}`. `wanted` is how it has to look.
pub(super) fn body<T: DeserializeOwned>(request: &Request, wanted: &str) -> Result<Option<T>, Problem> {
    if request.body.is_empty() {
        return Ok(None);
    }
    is_json(request)?;
    let read = serde_json::from_slice(&request.body);
    read.map(Some).map_err(|_| Problem::new(400, "Bad request", format!("The body is not {wanted}.")))
}

/// Whether the body of a call is said to be JSON: what a browser sends by itself is not.
pub(super) fn is_json(request: &Request) -> Result<(), Problem> {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(415, "Not JSON", "The body of a call must be application/json."))
}

fn retry_destination(request: &Request) -> Result<Option<Name>, Problem> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Retry {
        destination: Option<String>,
    }
    let named = body::<Retry>(request, r#"`{"destination": "<name>"}` or `{}`"#)?.and_then(|retry| retry.destination);
    named
        .map(|text| Name::of_part(&text).map_err(|error| Problem::new(400, "Bad request", format!("{text:?} is no destination: {error}."))))
        .transpose()
}

pub(super) fn event_id(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| unknown_event())
}

fn one_of<T: Copy>(key: &str, value: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, Problem> {
    all.iter().copied().find(|one| name(*one) == value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        bad_filter(format!("`{key}` is {value:?}; wanted is one of {}.", names.join(", ")))
    })
}

pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(key: &str, value: &str, low: T, high: T) -> Result<T, Problem> {
    match value.parse::<T>() {
        Ok(number) if number >= low && number <= high => Ok(number),
        Ok(_) | Err(_) => Err(bad_filter(format!("`{key}` is {value:?}; wanted is a whole number from {low} to {high}."))),
    }
}

/// How many a list has at most, of a query that can say nothing else.
pub(super) fn limit(query: &str) -> Result<usize, Problem> {
    let mut limit = LIMIT;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "limit" => limit = number("limit", &value, 1, MAX_LIMIT)?,
            _ => return Err(bad_filter(format!("There is no filter {key:?}."))),
        }
    }
    Ok(limit)
}

/// A filter that is there twice could mean either value, or both.
fn once<T>(place: &mut Option<T>, key: &str, value: T) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad_filter(format!("The filter {key:?} is there twice, and takes one value."))),
    }
}

fn bad_filter(detail: String) -> Problem {
    Problem::new(400, "Bad filter", detail)
}

fn truncated() -> Problem {
    let detail = "Only a part of the event is kept, since quarantine had used its share of the disk when it came. \
        Have the provider send it again once there is room, and the whole of it is kept; or discard it.";
    Problem::new(409, "Cannot be released", detail)
}

pub(super) fn unknown_event() -> Problem {
    Problem::new(404, "Event not found", "There is no event with this id; it may have been removed after its time.")
}

pub(super) fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "the store could not answer the API");
    Problem::new(503, "Store not available", "The store cannot answer now; see /readyz and the log.")
}
