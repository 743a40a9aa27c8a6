//! How far one delivery is: for an answer that waits for it.

use super::{
    super::Progress,
    rows,
    shared::{Reply, Shared},
    transaction::Undone,
    writer::Writer,
};
use crate::domain::{
    delivery::{DeliveryStatus, Seq},
    event::Flags,
    name::Name,
};
use rusqlite::{Connection, OptionalExtension, Result};
use std::sync::Arc;

const DELIVERY: &str = "SELECT status, due_at, repeated FROM delivery WHERE seq = ?1 AND destination = ?2";

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

/// By its row, or its lease where it has none.
fn read(connection: &Connection, shared: &Shared, seq: Seq, destination: &Name) -> Result<Progress> {
    let Some(number) = shared.names.find(destination) else {
        return Ok(Progress::Over);
    };
    let read = |row: &rusqlite::Row<'_>| Ok((rows::status(row.get(0)?)?, row.get::<_, Option<i64>>(1)?, rows::delivery_flags(row.get(2)?)));
    let row = connection.prepare_cached(DELIVERY)?.query_row((seq.0, number), read).optional()?;
    let is_leased = shared.lanes().leased(seq.0, number).is_some();
    Ok(match row {
        // It is sent once more to a destination that has taken it.
        Some((_, _, flags)) if flags.contains(Flags::REPEATED) => Progress::Delivered,
        Some((DeliveryStatus::Delivered, _, _)) => Progress::Delivered,
        _ if is_leased => Progress::Open,
        Some((DeliveryStatus::Retrying, Some(due_at), _)) if due_at > shared.timeline.now() => {
            Progress::RetryAt(shared.timeline.to_wall(due_at))
        }
        Some((DeliveryStatus::Waiting | DeliveryStatus::Retrying, _, _)) => Progress::Open,
        Some((DeliveryStatus::Dead | DeliveryStatus::Parked | DeliveryStatus::Discarded, _, _)) | None => Progress::Over,
    })
}
