//! Deliveries whose destination leaves the rules file, or is there again: a bounded number in one transaction.

use super::{order::HELD, work::Work};
use crate::domain::{name::Name, order::OrderKey};
use rusqlite::{OptionalExtension, Result};
use std::collections::HashSet;

/// Deliveries changed in one step: some milliseconds, for which events wait.
const STEP: usize = 500;

const PENDING: &str = "SELECT seq FROM delivery INDEXED BY pending WHERE destination = ?1 AND status <= 1 ORDER BY due_at, seq LIMIT ?2";

const PARKED: &str = "SELECT seq FROM delivery INDEXED BY parked WHERE destination = ?1 AND status = 4 ORDER BY seq LIMIT ?2";

const NEXT: &str = "SELECT destination FROM delivery INDEXED BY pending
    WHERE status <= 1 AND destination > ?1 ORDER BY destination LIMIT 1";

impl Work<'_> {
    /// One step towards what the book says is served; whether more may be left to do.
    pub(super) fn park(&mut self) -> Result<bool> {
        let mut room = STEP;
        let served: Vec<Name> = self.book.served.iter().flatten().cloned().collect();
        let numbers: HashSet<i64> = served.iter().filter_map(|name| self.shared.names.find(name)).collect();
        for destination in &numbers {
            self.take_up(*destination, &mut room)?;
        }
        for destination in self.waited_for()? {
            if !numbers.contains(&destination) && self.book.served.is_some() {
                self.put_away(destination, &mut room)?;
            }
        }
        Ok(room == 0)
    }

    /// Parks a new delivery.
    pub(super) fn park_new(&mut self, seq: i64, destination: i64, order: Option<OrderKey>) -> Result<()> {
        match order {
            None => self.park_in_row(seq, destination),
            Some(key) => self.line_up_parked(seq, destination, key),
        }
    }

    /// Gives a delivery that was not attempted a row in which it is parked.
    pub(super) fn park_in_row(&mut self, seq: i64, destination: i64) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO delivery (seq, destination, status, attempts, run_attempts, run_elapsed)
                   VALUES (?1, ?2, 4, 0, 0, 0)";
        self.connection.prepare_cached(sql)?.execute((seq, destination))?;
        self.waits_no_more(seq)
    }

    /// The destinations for which deliveries wait, in rows or in leases without one.
    fn waited_for(&self) -> Result<HashSet<i64>> {
        let mut found: HashSet<i64> = self.shared.lanes().in_plan().into_iter().map(|(destination, ..)| destination).collect();
        let mut next = self.connection.prepare_cached(NEXT)?;
        let mut last = 0;
        while let Some(destination) = next.query_row([last], |row| row.get(0)).optional()? {
            found.insert(destination);
            last = destination;
        }
        Ok(found)
    }

    /// Parks what waits, also what is leased: a lease that is never settled is then not lost, and one that is writes over it.
    fn put_away(&mut self, destination: i64, room: &mut usize) -> Result<()> {
        let leased = self.shared.lanes().lacking_row(destination);
        for seq in leased.into_iter().take(*room) {
            self.park_in_row(seq, destination)?;
            self.draft.spilled.push((seq, destination));
            *room -= 1;
        }
        let sql = "UPDATE delivery SET status = 4, due_at = NULL WHERE seq = ?1 AND destination = ?2";
        for seq in self.some(PENDING, destination, room)? {
            self.connection.prepare_cached(sql)?.execute((seq, destination))?;
            self.waits_no_more(seq)?;
        }
        Ok(())
    }

    /// Lets what is parked wait again, due since its event came: so it is ahead of what comes now, in its order. What is in a
    /// line is due in its turn; what is leased is kept as due, so that it is leased again if the lease lapses.
    fn take_up(&mut self, destination: i64, room: &mut usize) -> Result<()> {
        let sql = "UPDATE delivery SET status = 0, due_at = CASE WHEN ?4 OR order_key IS NULL OR passes_at IS NOT NULL THEN ?3 ELSE ?5 END
                   WHERE seq = ?1 AND destination = ?2 RETURNING due_at, order_key";
        let mut lines: HashSet<i64> = HashSet::new();
        for seq in self.some(PARKED, destination, room)? {
            let is_leased = self.shared.lanes().leased(seq, destination).is_some();
            let mut take_up = self.connection.prepare_cached(sql)?;
            let row = (seq, destination, seq >> 20, is_leased, HELD);
            let (due_at, key) = take_up.query_row(row, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
            lines.extend(key);
            if due_at != HELD {
                self.draft.pending.push((destination, due_at, seq));
                self.draft.backlog.insert(destination);
            }
        }
        lines.into_iter().try_for_each(|key| self.arrange(destination, key))
    }

    fn some(&self, sql: &str, destination: i64, room: &mut usize) -> Result<Vec<i64>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let seqs: Vec<i64> = statement.query_map((destination, *room as i64), |row| row.get(0))?.collect::<Result<_>>()?;
        *room -= seqs.len();
        Ok(seqs)
    }
}
