//! Removal of what is older than the settings say, a small step at a time.

use super::{
    super::{Expired, Settings},
    rows,
    work::Work,
};
use crate::domain::{delivery::DeliveryStatus, plan::Routing};
use rusqlite::{OptionalExtension, Result};
use std::time::Duration;

/// Events looked at in one step.
const STEP: usize = 200;

/// Removal's time goes at most so many times as fast as the process runs: a day per hour.
const PACE: i64 = 24;

/// How long events are kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    finished: i64,
    unresolved: i64,
}

impl Keep {
    /// As the settings say.
    pub(super) fn new(settings: &Settings) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { finished: millis(settings.keep), unresolved: millis(settings.keep_unresolved) }
    }
}

/// How far an event has come, as removal sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Something is still to be tried.
    Waiting,
    /// It needs a look by somebody.
    Unresolved,
    /// All is done.
    Finished,
}

/// Keys below these are old enough to go.
struct Limits {
    finished: i64,
    unresolved: i64,
}

impl Limits {
    fn allow(&self, seq: i64, stage: Stage) -> bool {
        match stage {
            Stage::Waiting => false,
            Stage::Unresolved => seq < self.unresolved,
            Stage::Finished => seq < self.finished,
        }
    }
}

impl Work<'_> {
    /// One step, after the process ran for `ran` since the last one.
    pub(super) fn expire(&mut self, keep: Keep, ran: Duration) -> Result<Expired> {
        let ran = i64::try_from(ran.as_millis()).unwrap_or(i64::MAX);
        let state = &mut self.draft.state;
        state.removal_time = state.removal_time.max(self.now.min(state.removal_time.saturating_add(ran.saturating_mul(PACE))));
        let time = state.removal_time;
        // What is not indexed yet is younger than removal ever gets, but for `keep: 0s`.
        let below = |age: i64| time.saturating_sub(age).saturating_mul(1 << 20).min(self.book.state.indexed_seq + 1);
        let limits = Limits { finished: below(keep.finished), unresolved: below(keep.unresolved) };
        self.forget_bulks(time.saturating_sub(keep.finished))?;
        let mut room = STEP;
        let mut removed = 0;
        for seq in self.seqs("SELECT seq FROM overdue ORDER BY seq LIMIT ?1", room)? {
            self.connection.prepare_cached("DELETE FROM overdue WHERE seq = ?1")?.execute([seq])?;
            removed += self.look(seq, &limits)?;
            room -= 1;
        }
        let (finished, first) = self.walk(self.draft.state.finished_cursor, limits.finished, &limits, &mut room)?;
        let (unresolved, second) = self.walk(self.draft.state.unresolved_cursor, limits.unresolved, &limits, &mut room)?;
        self.draft.state.finished_cursor = finished;
        self.draft.state.unresolved_cursor = unresolved;
        Ok(Expired { removed: removed + first + second, more: room == 0 })
    }

    /// Looks at the events from a cursor up to a limit, and gives the new cursor. What it leaves behind is not looked at
    /// again, unless it is settled: then it is `overdue`.
    fn walk(&mut self, cursor: i64, limit: i64, limits: &Limits, room: &mut usize) -> Result<(i64, u64)> {
        let mut removed = 0;
        if cursor >= limit || *room == 0 {
            return Ok((cursor, 0));
        }
        let sql = format!("SELECT seq FROM event WHERE seq >= {cursor} AND seq < {limit} ORDER BY seq LIMIT ?1");
        let seqs = self.seqs(&sql, *room)?;
        let reached = if seqs.len() < *room { limit } else { seqs.last().map_or(limit, |last| last + 1) };
        *room -= seqs.len();
        for seq in seqs {
            removed += self.look(seq, limits)?;
        }
        Ok((reached, removed))
    }

    fn seqs(&self, sql: &str, limit: usize) -> Result<Vec<i64>> {
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map([limit as i64], |row| row.get(0))?.collect()
    }

    /// Removes an event if it may go, and gives how many went.
    fn look(&mut self, seq: i64, limits: &Limits) -> Result<u64> {
        let stage = match self.stage(seq) {
            Ok(Some(stage)) => stage,
            Ok(None) => return Ok(0),
            Err(error) if error.sqlite_error_code().is_some() => return Err(error),
            Err(error) => {
                self.shared.pass_over(seq, "expire", &error);
                return Ok(0);
            }
        };
        if limits.allow(seq, stage) { self.remove(seq).map(|()| 1) } else { Ok(0) }
    }

    fn stage(&self, seq: i64) -> Result<Option<Stage>> {
        let sql = "SELECT plan, routing, reason IS NOT NULL FROM event WHERE seq = ?1";
        let event = self
            .connection
            .prepare_cached(sql)?
            .query_row([seq], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get::<_, bool>(2)?)));
        let Some((plan, routing, is_quarantined)) = event.optional()? else {
            return Ok(None);
        };
        let targets = rows::destinations(&plan)?.len();
        let mut statement = self.connection.prepare_cached("SELECT status FROM delivery WHERE seq = ?1")?;
        let found = statement.query_map([seq], |row| rows::status(row.get(0)?))?.collect::<Result<Vec<_>>>()?;
        let any = |wanted: &[DeliveryStatus]| found.iter().any(|status| wanted.contains(status));
        if found.len() < targets || any(&[DeliveryStatus::Waiting, DeliveryStatus::Retrying]) {
            return Ok(Some(Stage::Waiting));
        }
        let is_unresolved = is_quarantined
            || any(&[DeliveryStatus::Dead, DeliveryStatus::Parked])
            || match rows::routing(routing)? {
                Routing::Unmatched => true,
                Routing::Dropped | Routing::Routed => false,
            };
        Ok(Some(if is_unresolved { Stage::Unresolved } else { Stage::Finished }))
    }

    fn remove(&mut self, seq: i64) -> Result<()> {
        let sql = "DELETE FROM event WHERE seq = ?1 RETURNING signature_half, body_half, reference_number, session_id, order_no,
                   weight";
        let (id, fields, weight) = self.connection.prepare_cached(sql)?.query_row([seq], |row| {
            let id: (i64, i64) = (row.get(0)?, row.get(1)?);
            let fields: [Option<Box<str>>; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((id, fields, row.get(5)?))
        })?;
        self.no_longer_kept_back(weight);
        self.connection.prepare_cached("DELETE FROM ids WHERE signature_half = ?1 AND body_half = ?2")?.execute(id)?;
        for (field, text) in [b'r', b's', b'o'].into_iter().zip(fields) {
            if let Some(text) = text {
                let sql = "DELETE FROM field_index WHERE value = ?1 AND seq = ?2";
                self.connection.prepare_cached(sql)?.execute((rows::field_hash(field, &text), seq))?;
            }
        }
        for sql in ["DELETE FROM body WHERE seq = ?1", "DELETE FROM attempt WHERE seq = ?1"] {
            self.connection.prepare_cached(sql)?.execute([seq])?;
        }
        let sql = "DELETE FROM delivery WHERE seq = ?1 RETURNING destination, CASE WHEN status = 4 THEN order_key END";
        let mut delete = self.connection.prepare_cached(sql)?;
        let left = delete.query_map([seq], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))?.collect::<Result<Vec<_>>>()?;
        for (destination, key) in left {
            // What comes next in its line may be back already, while this one was still parked.
            key.map_or(Ok(()), |key| self.arrange(destination, key))?;
        }
        Ok(())
    }
}
