//! Deliveries that an operator wants tried again now.

use super::{super::Retried, order::Turn, rows, work::Work};
use crate::domain::{delivery::DeliveryStatus, id::EventId, name::Name};
use rusqlite::{OptionalExtension, Result, Row};

const AGAIN: &str = "UPDATE delivery SET status = 0, due_at = ?3, run_attempts = 0, run_elapsed = 0 WHERE seq = ?1 AND destination = ?2";

impl Work<'_> {
    /// Makes what is dead or waiting due now, and begins its run anew.
    pub(super) fn retry(&mut self, id: EventId, only: Option<&Name>) -> Result<Option<Retried>> {
        let Some(seq) = self.find(id)? else {
            return Ok(None);
        };
        let plan: Vec<u8> = self.connection.prepare_cached("SELECT plan FROM event WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
        let mut retried = Retried::default();
        for destination in rows::destinations(&plan)? {
            let name = self.shared.names.name(destination)?;
            if only.is_some_and(|only| *only != name) {
                continue;
            }
            if self.shared.lanes().leased(seq, destination).is_some() {
                retried.in_flight.push(name);
            } else if !self.book.serves(&name) {
                if self.is_open(seq, destination)? {
                    retried.removed.push(name);
                }
            } else if self.is_open(seq, destination)? {
                match self.again(seq, destination)? {
                    Turn::Free | Turn::Now => retried.due.push(name),
                    Turn::Later => retried.held_back.push(name),
                }
            }
        }
        Ok(Some(retried))
    }

    /// Makes a delivery due now, or when its turn in its line comes, and begins its run anew.
    pub(super) fn again(&mut self, seq: i64, destination: i64) -> Result<Turn> {
        let sql = "SELECT order_key, status FROM delivery WHERE seq = ?1 AND destination = ?2 AND order_key IS NOT NULL";
        let read = |row: &Row<'_>| Ok((row.get(0)?, rows::status(row.get(1)?)?));
        match self.connection.prepare_cached(sql)?.query_row((seq, destination), read).optional()? {
            None => {}
            Some((key, DeliveryStatus::Waiting | DeliveryStatus::Retrying | DeliveryStatus::Parked)) => {
                return self.hurry_in_line(seq, destination, key);
            }
            Some((key, DeliveryStatus::Delivered | DeliveryStatus::Dead | DeliveryStatus::Discarded)) => {
                return self.line_up_again(seq, destination, key);
            }
        }
        self.wait_in_row(seq, destination)?;
        self.connection.prepare_cached(AGAIN)?.execute((seq, destination, self.now))?;
        self.draft.pending.push((destination, self.now, seq));
        Ok(Turn::Now)
    }

    /// Whether a delivery waits, is parked, or was given up.
    fn is_open(&self, seq: i64, destination: i64) -> Result<bool> {
        Ok(match self.status(seq, destination)? {
            None | Some(DeliveryStatus::Waiting | DeliveryStatus::Retrying | DeliveryStatus::Dead | DeliveryStatus::Parked) => true,
            Some(DeliveryStatus::Delivered | DeliveryStatus::Discarded) => false,
        })
    }

    /// The state of a delivery; `None`: it has no row.
    pub(super) fn status(&self, seq: i64, destination: i64) -> Result<Option<DeliveryStatus>> {
        let sql = "SELECT status FROM delivery WHERE seq = ?1 AND destination = ?2";
        let code = self.connection.prepare_cached(sql)?.query_row((seq, destination), |row| row.get(0)).optional()?;
        code.map(rows::status).transpose()
    }
}
