//! Events out of their rows: summaries, deliveries, attempts, bodies.

use super::{
    super::{DeliverySummary, EventDetail, EventSummary},
    append,
    order::{self, HELD},
    rows,
    shared::Shared,
};
use crate::domain::{
    clock::Timestamp,
    delivery::{DeliveryStatus, Seq},
    event::{Fields, Flags, Kept, Reason, Verdict},
    id::EventId,
    plan::Target,
};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, Row};

/// The columns that [`event`] reads, in its order, of a table called `e`.
pub(super) const COLUMNS: &str = "e.seq, e.signature_half, e.body_half, e.source, e.kind, e.received_at, e.verified, e.flags, e.reason,
    e.routing, e.answer, e.duplicates, e.plan, e.content_type, e.state, e.result, e.operation, e.amount, e.currency_code,
    e.reference_number, e.session_id, e.order_no, e.gateway_account, e.gateway_name, e.is_sandbox,
    e.first_body_half";

/// An event's row, with what its plan says beside the summary.
pub(super) struct Read {
    /// Without its deliveries.
    pub(super) summary: EventSummary,
    /// Where it goes.
    pub(super) targets: Vec<Target>,
    /// The content type received.
    pub(super) content_type: Option<Box<str>>,
}

/// Reads a row of [`COLUMNS`].
pub(super) fn event(row: &Row<'_>, shared: &Shared) -> Result<Read> {
    let rows::Unpacked { targets, rules, wait: _ } = rows::unpack_plan(&shared.names, row.get_ref(12)?.as_blob()?)?;
    let verdict = match row.get_ref(8)?.as_str_or_null()? {
        None => Verdict::Accepted,
        Some(text) => {
            let reason = Reason::from_name(text).ok_or_else(|| rows::damaged(format!("no event is kept back for `{text}`")))?;
            Verdict::Quarantined(reason)
        }
    };
    let id = EventId::from_halves(row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
    let summary = EventSummary {
        seq: Seq(row.get(0)?),
        id,
        first: rows::sibling(id, row.get(25)?),
        source: shared.names.name(row.get(3)?)?,
        kind: rows::kind(row.get(4)?)?,
        fields: Fields {
            state: row.get(14)?,
            result: row.get(15)?,
            operation: row.get(16)?,
            amount: row.get(17)?,
            currency_code: row.get(18)?,
            reference_number: row.get(19)?,
            session_id: row.get(20)?,
            order_no: row.get(21)?,
            gateway_account: row.get(22)?,
            gateway_name: row.get(23)?,
            is_sandbox: row.get(24)?,
        },
        received_at: Timestamp::from_millis(row.get(5)?),
        verdict,
        verified: row.get(6)?,
        flags: Flags::from_bits(row.get(7)?),
        routing: rows::routing(row.get(9)?)?,
        answer: Some(row.get(10)?).filter(|code| *code != rows::NOT_ANSWERED),
        rules,
        duplicates: row.get(11)?,
        deliveries: Vec::new(),
    };
    Ok(Read { summary, targets, content_type: rows::content_type(row.get_ref(13)?)? })
}

/// The deliveries of an event, in the order of its plan. One without a row waits in memory.
pub(super) fn deliveries(connection: &Connection, shared: &Shared, seq: Seq, targets: Vec<Target>) -> Result<Vec<DeliverySummary>> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT destination, status, due_at, attempts, at, duration, result, code, response, error, order_key, passes_at
               FROM delivery WHERE seq = ?1";
    let now = shared.timeline.now();
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map([seq.0], |row| {
        let (destination, status, due_at): (i64, _, Option<i64>) = (row.get(0)?, rows::status(row.get(1)?)?, row.get(2)?);
        let (key, passes_at): (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
        let later = due_at.filter(|due_at| status == DeliveryStatus::Retrying || *due_at > now);
        let is_held_back = status == DeliveryStatus::Waiting && passes_at.is_none() && later.is_some();
        let waits_for = match key.filter(|_| is_held_back) {
            Some(key) => order::holder(connection, shared, seq.0, destination, key)?,
            None => None,
        };
        let next_attempt_at = later.filter(|later| *later != HELD).map(|later| shared.timeline.to_wall(later));
        let summary = DeliverySummary {
            destination: shared.names.name(destination)?,
            rules: Vec::new(),
            status,
            attempts: row.get(3)?,
            next_attempt_at,
            waits_for,
            last: rows::attempt(row, 3)?,
        };
        Ok(summary)
    })?;
    let mut found = found.collect::<Result<Vec<DeliverySummary>>>()?;
    let summary = |Target { destination, rules, .. }: Target| match found.iter().position(|one| one.destination == destination) {
        Some(place) => DeliverySummary { rules, ..found.swap_remove(place) },
        None => DeliverySummary::leased(destination, rules),
    };
    Ok(targets.into_iter().map(summary).collect())
}

/// One event with everything but its body.
pub(super) fn detail(connection: &Connection, shared: &Shared, id: EventId) -> Result<Option<EventDetail>> {
    let Some(seq) = find(connection, id)? else {
        return Ok(None);
    };
    let sql = format!("SELECT {COLUMNS} FROM event e WHERE e.seq = ?1");
    let read = connection.prepare_cached(&sql)?.query_row([seq], |row| event(row, shared)).optional()?;
    let Some(Read { mut summary, targets, content_type }) = read else {
        return Ok(None);
    };
    summary.deliveries = deliveries(connection, shared, summary.seq, targets)?;
    let sql = "SELECT destination, number, at, duration, result, code, response, error FROM attempt WHERE seq = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let earlier = statement.query_map([seq], |row| Ok((shared.names.name(row.get(0)?)?, rows::attempt(row, 1)?)))?;
    let mut attempts = Vec::new();
    for row in earlier {
        let (name, attempt) = row?;
        attempts.extend(attempt.map(|attempt| (name, attempt)));
    }
    let last = |delivery: &DeliverySummary| Some((delivery.destination.clone(), delivery.last.clone()?));
    attempts.extend(summary.deliveries.iter().filter_map(last));
    attempts.sort_by_key(|(_, attempt)| (attempt.at, attempt.number));
    Ok(Some(EventDetail { summary, content_type, attempts }))
}

/// What is kept of an event, to make it again.
pub(super) fn kept(connection: &Connection, shared: &Shared, seq: Seq) -> Result<Option<Kept>> {
    let sql = format!("SELECT {COLUMNS} FROM event e WHERE e.seq = ?1");
    let read = connection.prepare_cached(&sql)?.query_row([seq.0], |row| event(row, shared)).optional()?;
    let Some(Read { summary, content_type, .. }) = read else { return Ok(None) };
    let detail = EventDetail { summary, content_type, attempts: Vec::new() };
    Ok(body(connection, seq)?.map(|body| detail.kept(body)))
}

/// The bytes received.
pub(super) fn body(connection: &Connection, seq: Seq) -> Result<Option<Bytes>> {
    let sql = "SELECT body FROM body WHERE seq = ?1";
    let packed: Option<Vec<u8>> = connection.prepare_cached(sql)?.query_row([seq.0], |row| row.get(0)).optional()?;
    packed.map(rows::unpack_body).transpose()
}

/// The key of the event with that id: by the index, or among those that are not in it yet.
fn find(connection: &Connection, id: EventId) -> Result<Option<i64>> {
    let sql = "SELECT seq FROM ids WHERE signature_half = ?1 AND body_half = ?2
               UNION ALL
               SELECT seq FROM event WHERE seq > (SELECT indexed_seq FROM state) AND signature_half = ?1 AND body_half = ?2
               LIMIT 1";
    connection.prepare_cached(sql)?.query_row(append::halves(id), |row| row.get(0)).optional()
}
