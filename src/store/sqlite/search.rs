//! Lists of events by what is asked for: an index where one serves, else the events themselves, a bounded number per call.

use super::{
    super::{Direction, EventStatus, EventSummary, Page, Query},
    book::State,
    read::{self, COLUMNS, Read},
    rows,
    shared::Shared,
};
use crate::domain::{
    delivery::{DeliveryStatus, Seq},
    event::Kind,
};
use rusqlite::{Connection, Result, Row};

/// Events looked at in one call; a cursor leads on from there.
const SCAN: usize = 20_000;

/// Events in one page at most.
const PAGE: usize = 1_000;

/// A part of the keys, and how it is looked through: all of it, in the order of the list.
struct Part {
    sql: String,
    value: i64,
    low: i64,
    high: i64,
}

/// Looks through the parts, in the order of the list.
pub(super) fn search(connection: &Connection, shared: &Shared, query: &Query) -> Result<Page> {
    let state = State::load(connection)?;
    let limit = query.limit.clamp(1, PAGE);
    let mut page = Page::default();
    let mut looked = 0;
    let mut last = None;
    for part in parts(query, &state) {
        let mut statement = connection.prepare_cached(&part.sql)?;
        let mut found = statement.query((part.value, part.low, part.high))?;
        while let Some(row) = found.next()? {
            let seq = Seq(row.get(0)?);
            if last == Some(seq) {
                continue;
            }
            if page.events.len() == limit || looked == SCAN {
                page.next = last;
                return Ok(page);
            }
            last = Some(seq);
            looked += 1;
            match wanted(row, connection, shared, query) {
                Ok(summary) => page.events.extend(summary),
                Err(error) if error.sqlite_error_code().is_some() => return Err(error),
                Err(error) => {
                    shared.pass_over(seq.0, "read", &error);
                    page.damaged += 1;
                }
            }
        }
    }
    Ok(page)
}

/// The event of a row, if it is wanted.
fn wanted(row: &Row<'_>, connection: &Connection, shared: &Shared, query: &Query) -> Result<Option<EventSummary>> {
    if !has_fields(row, shared, query)? {
        return Ok(None);
    }
    let Read { mut summary, targets, .. } = read::event(row, shared)?;
    summary.deliveries = read::deliveries(connection, shared, summary.seq, targets)?;
    Ok(is_wanted(&summary, query).then_some(summary))
}

/// The parts in which everything wanted is.
fn parts(query: &Query, state: &State) -> Vec<Part> {
    // Keys and times of reception differ by at most the skew.
    let key = |millis: i64, skew: i64| millis.saturating_add(skew).saturating_mul(1 << 20);
    let low = query.since.map_or(i64::MIN, |since| key(since.millis(), state.skew.0));
    let until = query.until.map_or(i64::MAX, |until| key(until.millis().saturating_add(1), state.skew.1));
    let until = query.last.map_or(until, |last| until.min(last.0.saturating_add(1)));
    let (low, high, order) = match (query.direction, query.cursor) {
        (Direction::NewestFirst, cursor) => (low, cursor.map_or(until, |cursor| until.min(cursor.0)), "DESC"),
        (Direction::OldestFirst, cursor) => (cursor.map_or(low, |cursor| low.max(cursor.0.saturating_add(1))), until, "ASC"),
    };
    let part = |from: &str, wanted: &str, value: i64, low: i64, high: i64| {
        let sql = format!("SELECT {COLUMNS} FROM {from} WHERE {wanted} AND e.seq >= ?2 AND e.seq < ?3 ORDER BY e.seq {order}");
        Part { sql, value, low, high }
    };
    let through = |index: &str, wanted: &str, value: i64, high: i64| {
        let sql = format!(
            "SELECT {COLUMNS} FROM {index} CROSS JOIN event e ON e.seq = i.seq
             WHERE {wanted} AND i.seq >= ?2 AND i.seq < ?3 ORDER BY i.seq {order}"
        );
        Part { sql, value, low, high }
    };
    let by_field = [(b'r', &query.reference), (b's', &query.session), (b'o', &query.order)]
        .into_iter()
        .find_map(|(field, value)| Some(rows::field_hash(field, value.as_deref()?)));
    if let Some(hash) = by_field {
        let indexed = state.indexed_seq.saturating_add(1);
        return in_order(
            query.direction,
            vec![part("event e", "1", 0, low.max(indexed), high), through("field_index i", "i.value = ?1", hash, high.min(indexed))],
        );
    }
    let newest_first = match query.status {
        Some(EventStatus::Quarantined) => vec![part("event e INDEXED BY quarantined", "e.reason IS NOT NULL", 0, low, high)],
        Some(EventStatus::Dead) => vec![through("delivery i INDEXED BY dead", "i.status = 3", 0, high)],
        Some(EventStatus::Waiting) => vec![
            part("event e", "1", 0, low.max(state.low_seq), high),
            through("delivery i INDEXED BY waiting", "(i.status <= 1 OR i.status = 4)", 0, high.min(state.low_seq)),
        ],
        Some(EventStatus::Unmatched | EventStatus::Dropped | EventStatus::Delivered) | None => vec![part("event e", "1", 0, low, high)],
    };
    in_order(query.direction, newest_first)
}

fn in_order(direction: Direction, mut newest_first: Vec<Part>) -> Vec<Part> {
    match direction {
        Direction::NewestFirst => {}
        Direction::OldestFirst => newest_first.reverse(),
    }
    newest_first
}

/// What can be told from the event's row, before its plan is read.
fn has_fields(row: &Row<'_>, shared: &Shared, query: &Query) -> Result<bool> {
    let texts =
        [(14, &query.state), (15, &query.result), (16, &query.operation), (19, &query.reference), (20, &query.session), (21, &query.order)];
    for (column, wanted) in texts {
        if let Some(wanted) = wanted
            && row.get_ref(column)?.as_str_or_null()? != Some(wanted)
        {
            return Ok(false);
        }
    }
    let is_kind = |kind: Kind| Ok::<_, rusqlite::Error>(row.get::<_, i64>(4)? == rows::kind_code(kind));
    if let Some(kind) = query.kind
        && !is_kind(kind)?
    {
        return Ok(false);
    }
    if let Some(from) = &query.from
        && shared.names.find(from) != Some(row.get(3)?)
    {
        return Ok(false);
    }
    let received_at: i64 = row.get(5)?;
    let is_late = query.since.is_none_or(|since| received_at >= since.millis());
    Ok(is_late && query.until.is_none_or(|until| received_at <= until.millis()))
}

/// What needs the plan and the deliveries.
fn is_wanted(event: &EventSummary, query: &Query) -> bool {
    let has_rule = query.rule.as_ref().is_none_or(|rule| event.rules.iter().any(|name| **name == **rule));
    let is_it = match (&query.destination, query.status) {
        (None, None) => true,
        (None, Some(status)) => event.status() == status,
        (Some(destination), status) => event.deliveries.iter().filter(|delivery| *delivery.destination == **destination).any(|delivery| {
            status.is_none_or(|status| of_delivery(delivery.status) == status || event.status() == status && is_of_event(status))
        }),
    };
    has_rule && is_it
}

/// The statuses that only a whole event has.
fn is_of_event(status: EventStatus) -> bool {
    match status {
        EventStatus::Quarantined | EventStatus::Unmatched | EventStatus::Dropped => true,
        EventStatus::Waiting | EventStatus::Dead | EventStatus::Delivered => false,
    }
}

/// The status of an event that had only this delivery.
fn of_delivery(status: DeliveryStatus) -> EventStatus {
    match status {
        DeliveryStatus::Waiting | DeliveryStatus::Retrying | DeliveryStatus::Parked => EventStatus::Waiting,
        DeliveryStatus::Dead => EventStatus::Dead,
        DeliveryStatus::Delivered | DeliveryStatus::Discarded => EventStatus::Delivered,
    }
}
