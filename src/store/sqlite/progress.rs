//! How far one delivery is: for an answer that waits for it.

use super::{
    super::Progress,
    order, rows,
    shared::{Reply, Shared},
    transaction::Undone,
    writer::Writer,
};
use crate::domain::{
    delivery::{DeliveryStatus, Seq},
    name::Name,
};
use rusqlite::{Connection, OptionalExtension, Result, Row};
use std::sync::Arc;

const DELIVERY: &str = "SELECT status, due_at, repeated, order_key FROM delivery WHERE seq = ?1 AND destination = ?2";

impl Writer {
    /// Reads it after all that was settled before is written.
    pub(super) fn progress(&mut self, seq: Seq, destination: &Name, reply: Reply<Progress>) -> Result<(), Undone> {
        self.settle()?;
        match self.connection.as_ref().map(|connection| read(connection, &self.shared, seq, destination)) {
            Some(Ok(progress)) => drop(reply.send(Ok(progress))),
            Some(Err(error)) => self.refuse(reply, Arc::new(error), "read"),
            None => {}
        }
        Ok(())
    }
}

/// What its row says of a delivery.
struct Found {
    status: DeliveryStatus,
    /// When it is due, where that is not yet.
    later: Option<i64>,
    /// It was delivered, and is sent once more.
    was_delivered: bool,
    /// What it is kept in order by.
    key: Option<i64>,
}

/// By its row, or its lease where it has none.
fn read(connection: &Connection, shared: &Shared, seq: Seq, destination: &Name) -> Result<Progress> {
    let Some(number) = shared.names.find(destination) else {
        return Ok(Progress::Over);
    };
    let now = shared.timeline.now();
    let read = |row: &Row<'_>| {
        Ok(Found {
            status: rows::status(row.get(0)?)?,
            later: row.get::<_, Option<i64>>(1)?.filter(|due_at| *due_at > now),
            was_delivered: row.get::<_, i64>(2)? & (rows::REPEATED | rows::DELIVERED) != 0,
            key: row.get(3)?,
        })
    };
    let found = connection.prepare_cached(DELIVERY)?.query_row((seq.0, number), read).optional()?;
    let is_leased = shared.lanes().leased(seq.0, number).is_some();
    let Some(Found { status, later, was_delivered, key }) = found else {
        return Ok(if is_leased { Progress::Open } else { Progress::Over });
    };
    Ok(match status {
        _ if was_delivered => Progress::Delivered,
        DeliveryStatus::Delivered => Progress::Delivered,
        _ if is_leased => Progress::Open,
        DeliveryStatus::Waiting => match later.and(key) {
            Some(key) if order::is_idle(connection, shared, number, key, now)? => Progress::Behind,
            Some(_) | None => Progress::Open,
        },
        DeliveryStatus::Retrying => later.map_or(Progress::Open, |due_at| Progress::RetryAt(shared.timeline.to_wall(due_at))),
        DeliveryStatus::Dead | DeliveryStatus::Parked | DeliveryStatus::Discarded => Progress::Over,
    })
}
