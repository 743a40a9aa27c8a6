//! The JSON of the API. Absent values are null, times RFC 3339 in UTC, ids text.

use crate::{
    deliver::LaneState,
    domain::{
        attempt::Attempt,
        clock::Timestamp,
        event::{Fields, Verdict},
        json::Document,
        mask,
        name::Name,
        rejected::Rejected,
        text::clipped,
    },
    store::{DeliverySummary, DestinationStats, EventDetail, EventSummary, Page, Stats},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::borrow::Cow;

/// So many characters of a field are shown.
const SHOWN: usize = 256;

/// A page of events.
pub fn page(page: &Page) -> Value {
    let events: Vec<_> = page.events.iter().map(summary).collect();
    json!({ "events": events, "next": page.next.map(|seq| seq.0.to_string()) })
}

/// An event with its attempts, how it was routed, and its payload with everything masked that is personal.
pub fn detail(event: &EventDetail, body: Option<&Bytes>) -> Value {
    let mut view = summary(&event.summary);
    let attempts: Vec<_> = event.attempts.iter().map(|(destination, one)| attempt(Some(destination), one)).collect();
    view["first_event"] = json!(event.summary.first);
    view["content_type"] = json!(event.content_type);
    view["duplicates"] = json!(event.summary.duplicates);
    view["verified"] = json!(event.summary.verified);
    view["attempts"] = json!(attempts);
    view["explanation"] = explanation(&event.summary);
    view["payload"] = body.map_or(Value::Null, |body| mask::document(&Document::read(body.clone())));
    view
}

/// The destinations with what waits for them; then those that the rules file no longer has, with what is parked.
pub fn destinations(lanes: &[LaneState], stats: &Stats, now: Timestamp) -> Value {
    let view = |lane: &LaneState| {
        let stats = stats.destinations.iter().find(|stats| stats.destination == lane.destination);
        let count = |of: fn(&DestinationStats) -> u64| stats.map_or(0, of);
        json!({
            "destination": lane.destination,
            "removed": false,
            "paused": lane.is_paused(),
            "paused_by": paused_by(lane),
            "held_until": lane.held_until,
            "breaker": lane.breaker.as_str(),
            "next_probe_at": lane.next_probe_at,
            "ready": count(|stats| stats.ready).saturating_sub(lane.in_flight as u64),
            "retrying": count(|stats| stats.retrying),
            "held_back": count(|stats| stats.held_back),
            "in_flight": lane.in_flight,
            "dead": count(|stats| stats.dead),
            "parked": count(|stats| stats.parked),
            "oldest_age_seconds": stats.and_then(|stats| stats.oldest).map(|oldest| now.since(oldest).as_secs()),
            "latency_ms": lane.latency_ms,
        })
    };
    let is_removed = |stats: &&DestinationStats| stats.parked > 0 && lanes.iter().all(|lane| lane.destination != stats.destination);
    let removed = stats.destinations.iter().filter(is_removed).map(|stats| {
        json!({
            "destination": stats.destination,
            "removed": true,
            "paused": null,
            "paused_by": [],
            "held_until": null,
            "breaker": null,
            "next_probe_at": null,
            "ready": stats.ready,
            "retrying": stats.retrying,
            "held_back": stats.held_back,
            "in_flight": 0,
            "dead": stats.dead,
            "parked": stats.parked,
            "oldest_age_seconds": stats.oldest.map(|oldest| now.since(oldest).as_secs()),
            "latency_ms": null,
        })
    });
    json!({ "destinations": lanes.iter().map(view).chain(removed).collect::<Vec<_>>() })
}

/// Who pauses a destination.
pub fn paused_by(lane: &LaneState) -> Vec<&'static str> {
    let by = [("file", lane.paused_by_file), ("operator", lane.paused_by_operator)];
    by.into_iter().filter(|(_, pauses)| *pauses).map(|(who, _)| who).collect()
}

/// What was refused for its signature, newest first, and how many there are.
pub fn rejected(kept: usize, rejected: &[Rejected]) -> Value {
    let view = |rejected: &Rejected| {
        json!({
            "received_at": rejected.at,
            "source": rejected.source,
            "peer": rejected.peer,
            "reason": rejected.reason,
            "keys": rejected.keys,
            "bytes": rejected.bytes,
            "claims": fields(&rejected.claims),
        })
    };
    json!({ "rejected": rejected.iter().map(view).collect::<Vec<_>>(), "kept": kept })
}

fn summary(event: &EventSummary) -> Value {
    let mut view = fields(&event.fields);
    view["id"] = json!(event.id);
    view["source"] = json!(event.source);
    view["kind"] = json!(event.kind.as_str());
    view["received_at"] = json!(event.received_at);
    view["status"] = json!(event.status().as_str());
    view["answer"] = json!(event.answer);
    view["rules"] = json!(event.rules);
    view["flags"] = json!(event.flags.names().collect::<Vec<_>>());
    view["deliveries"] = json!(event.deliveries.iter().map(delivery).collect::<Vec<_>>());
    view
}

/// What an event says of itself, as far as operators see it.
fn fields(fields: &Fields) -> Value {
    json!({
        "state": field(&fields.state),
        "result": field(&fields.result),
        "operation": field(&fields.operation),
        "reference_number": field(&fields.reference_number),
        "session_id": field(&fields.session_id),
        "order_no": field(&fields.order_no),
        "amount": field(&fields.amount),
        "currency_code": field(&fields.currency_code),
    })
}

/// A field may be as long as the payload, and a list has many.
fn field(field: &Option<Box<str>>) -> Option<Cow<'_, str>> {
    field.as_deref().map(|text| clipped(text, SHOWN))
}

fn delivery(delivery: &DeliverySummary) -> Value {
    json!({
        "destination": delivery.destination,
        "status": delivery.status.as_str(),
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "waits_for": delivery.waits_for,
        "last": delivery.last.as_ref().map(|last| attempt(None, last)),
    })
}

fn attempt(destination: Option<&Name>, attempt: &Attempt) -> Value {
    let mut view = json!({
        "n": attempt.number,
        "at": attempt.at,
        "duration_ms": u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        "result": attempt.result.as_str(),
        "status": attempt.status,
        "response": attempt.response.as_deref().map(mask::response),
        "error": attempt.error,
    });
    if let Some(destination) = destination {
        view["destination"] = json!(destination);
    }
    view
}

fn explanation(event: &EventSummary) -> Value {
    let reason = match event.verdict {
        Verdict::Accepted => None,
        Verdict::Quarantined(reason) => Some(reason.as_str()),
    };
    let found = match (event.verdict, event.routing) {
        (Verdict::Quarantined(_), _) => "quarantined",
        (Verdict::Accepted, of_rules) => of_rules.as_str(),
    };
    let targets = event.deliveries.iter().map(|delivery| json!({ "destination": delivery.destination, "rules": delivery.rules }));
    json!({ "routing": found, "quarantine_reason": reason, "rules": event.rules, "destinations": targets.collect::<Vec<_>>() })
}
