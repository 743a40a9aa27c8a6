//! Lines: the deliveries of one destination that have one order key, of which one at a time is leased, each at its place.
//!
//! In a line are the rows that are not at their end. At its head are those that failed: each is due again in its own time, and
//! has in `passes_at` when those behind it may go. Of the others the first is due, and all behind it are [`HELD`], until
//! [`Work::arrange`] finds that one is the first: it is called wherever a line has changed. A line that has rows has one that
//! is due some time, also on the disk alone, so that no line stands still after a crash.

use super::{rows, shared::Shared, work::Work};
use crate::domain::{delivery::DeliveryStatus, id::EventId, order::OrderKey};
use rusqlite::{Connection, OptionalExtension, Result, Row};

/// When a delivery is due whose turn is not known: never, as lanes see it.
pub(super) const HELD: i64 = i64::MAX;

/// When the turn of a delivery comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now, and as usual: it may be leased by whoever stored it.
    Free,
    /// Now.
    Now,
    /// When those before it are at their end, or have failed for long enough.
    Later,
}

/// What the row of a delivery says of its line, while it is leased.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InLine {
    /// See `rows::delivery_flags`.
    pub(super) flags: i64,
    /// `None`: it is in no line.
    pub(super) key: Option<i64>,
    /// Where it is in the line.
    pub(super) place: Option<i64>,
    /// When those behind it may go, of one that failed.
    pub(super) passes_at: Option<i64>,
}

const IN_LINE: &str = "SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4))";

/// The first that has not failed.
const FIRST: &str = "SELECT seq, status, due_at FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4) AND passes_at IS NULL ORDER BY place, seq LIMIT 1";

/// The last that has failed: all that failed are ahead of it, since it could not be tried before they let it pass.
const LAST_FAILED: &str = "SELECT seq, passes_at FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4) AND passes_at >= 0 ORDER BY passes_at DESC, place DESC LIMIT 1";

const NEXT_FAILED: &str = "SELECT seq FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4) AND (passes_at, place) > (?3, ?4) ORDER BY passes_at, place LIMIT 1";

/// Dead letters behind which nobody was let go yet.
const PASS_DEAD: &str = "UPDATE delivery INDEXED BY unpassed SET repeated = repeated | ?3
    WHERE destination = ?1 AND order_key = ?2 AND status = 3 AND repeated & 8 = 0";

const STAND: &str = "INSERT OR IGNORE INTO delivery
    (seq, destination, status, attempts, run_attempts, run_elapsed, due_at, repeated, order_key, place)
    VALUES (?1, ?2, ?3, 0, 0, 0, ?4, ?5, ?6, ?7)";

const FLAG: &str = "UPDATE delivery SET repeated = repeated | ?3 WHERE seq = ?1 AND destination = ?2";

/// The first that has failed.
const FIRST_FAILED: &str = "SELECT place FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4) AND passes_at >= 0 ORDER BY passes_at, place LIMIT 1";

/// Whether a delivery that is to be tried now has an earlier one in its line.
pub(super) fn is_ahead(connection: &Connection, destination: i64, key: i64, place: i64) -> Result<bool> {
    let first: Option<i64> = connection.prepare_cached(FIRST_FAILED)?.query_row((destination, key), |row| row.get(0)).optional()?;
    Ok(first.is_some_and(|first| first < place))
}

/// Of what has failed and is due again the first: of the first some, since those that failed for long may be many.
const DUE_AHEAD: &str = "SELECT seq FROM (SELECT seq, due_at, status FROM delivery INDEXED BY line
    WHERE destination = ?1 AND order_key = ?2 AND (status <= 1 OR status = 4) AND passes_at >= 0 ORDER BY passes_at, place LIMIT 64)
    WHERE status <= 1 AND due_at <= ?3 LIMIT 1";

/// The first of a line that has failed and is due again.
pub(super) fn due_ahead(connection: &Connection, destination: i64, key: i64, now: i64) -> Result<Option<i64>> {
    connection.prepare_cached(DUE_AHEAD)?.query_row((destination, key, now), |row| row.get(0)).optional()
}

/// Whether nothing of a line is attempted, or about to be: then what is not due waits for a retry.
pub(super) fn is_idle(connection: &Connection, shared: &Shared, destination: i64, key: i64, now: i64) -> Result<bool> {
    if shared.lanes().holder(destination, key).is_some() || due_ahead(connection, destination, key, now)?.is_some() {
        return Ok(false);
    }
    let due_at = |row: &Row<'_>| row.get::<_, Option<i64>>(2);
    let first = connection.prepare_cached(FIRST)?.query_row((destination, key), due_at).optional()?.flatten();
    Ok(first.is_none_or(|due_at| due_at > now))
}

/// The event for which one that is held back waits: the one of its line that is leased, else the last that failed, else the first.
pub(super) fn holder(connection: &Connection, shared: &Shared, seq: i64, destination: i64, key: i64) -> Result<Option<EventId>> {
    let mut ahead: Option<i64> = shared.lanes().holder(destination, key);
    for sql in [LAST_FAILED, FIRST] {
        if ahead.is_none() {
            ahead = connection.prepare_cached(sql)?.query_row((destination, key), |row| row.get(0)).optional()?;
        }
    }
    let Some(ahead) = ahead.filter(|ahead| *ahead != seq) else {
        return Ok(None);
    };
    let sql = "SELECT signature_half, body_half FROM event WHERE seq = ?1";
    let id = |row: &Row<'_>| Ok(EventId::from_halves(row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
    connection.prepare_cached(sql)?.query_row([ahead], id).optional()
}

impl Work<'_> {
    /// Gives a new delivery a row at the end of its line.
    pub(super) fn line_up(&mut self, seq: i64, destination: i64, key: OrderKey) -> Result<Turn> {
        let is_alone = !self.has_line(destination, key.bits())?;
        let due_at = if is_alone { seq >> 20 } else { HELD };
        let flags = self.stand(seq, destination, key, DeliveryStatus::Waiting, Some(due_at))?;
        if !is_alone {
            return self.turn(seq, destination, key.bits());
        }
        if flags == 0 && !self.is_busy(destination, key.bits()) {
            return Ok(Turn::Free);
        }
        self.falls_due(destination, due_at, seq);
        Ok(Turn::Now)
    }

    /// The same for one that is not leased by whoever stores it.
    pub(super) fn line_up_late(&mut self, seq: i64, destination: i64, key: OrderKey) -> Result<Turn> {
        let turn = self.line_up(seq, destination, key)?;
        if turn == Turn::Free {
            self.falls_due(destination, seq >> 20, seq);
        }
        Ok(turn)
    }

    /// Parks a new delivery at the end of its line.
    pub(super) fn line_up_parked(&mut self, seq: i64, destination: i64, key: OrderKey) -> Result<()> {
        self.stand(seq, destination, key, DeliveryStatus::Parked, None)?;
        self.waits_no_more(seq)
    }

    /// Gives a delivery that was at its end a place at the end of its line, with a fresh run.
    pub(super) fn line_up_again(&mut self, seq: i64, destination: i64, key: i64) -> Result<Turn> {
        let sql = "UPDATE delivery SET status = 0, run_attempts = 0, run_elapsed = 0, due_at = ?3, place = ?4, passes_at = NULL,
                   repeated = repeated & ~8 WHERE seq = ?1 AND destination = ?2";
        let due_at = if self.has_line(destination, key)? { HELD } else { self.now };
        let place = self.place(seq);
        self.connection.prepare_cached(sql)?.execute((seq, destination, due_at, place))?;
        if due_at == HELD {
            return self.turn(seq, destination, key);
        }
        self.falls_due(destination, due_at, seq);
        Ok(Turn::Now)
    }

    /// Begins the run of one that is in its line anew, at its place. One that failed is due now; any other has to wait for its turn.
    pub(super) fn hurry_in_line(&mut self, seq: i64, destination: i64, key: i64) -> Result<Turn> {
        let sql = "UPDATE delivery SET status = 0, run_attempts = 0, run_elapsed = 0,
                   due_at = CASE WHEN passes_at IS NULL THEN ifnull(due_at, ?4) ELSE ?3 END WHERE seq = ?1 AND destination = ?2
                   RETURNING passes_at IS NOT NULL";
        let mut hurry = self.connection.prepare_cached(sql)?;
        let failed: bool = hurry.query_row((seq, destination, self.now, HELD), |row| row.get(0))?;
        if !failed {
            return self.turn(seq, destination, key);
        }
        self.falls_due(destination, self.now, seq);
        Ok(if self.is_busy(destination, key) { Turn::Later } else { Turn::Now })
    }

    /// Lets the first of a line that has not failed go when its turn comes: now, or when the one that failed before it lets it
    /// pass. Nobody goes while one of the line is leased, nor while the first is parked.
    pub(super) fn arrange(&mut self, destination: i64, key: i64) -> Result<()> {
        if self.is_busy(destination, key) {
            return Ok(());
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, rows::status(row.get(1)?)?, row.get::<_, Option<i64>>(2)?));
        let first = self.connection.prepare_cached(FIRST)?.query_row((destination, key), read).optional()?;
        let Some((seq, DeliveryStatus::Waiting | DeliveryStatus::Retrying, before)) = first else {
            return Ok(());
        };
        let due_at = self.last_failed(destination, key)?.map_or(self.now, |(_, passes_at)| passes_at.max(self.now));
        if before.is_none_or(|before| before > due_at) {
            let sql = "UPDATE delivery SET due_at = ?3 WHERE seq = ?1 AND destination = ?2";
            self.connection.prepare_cached(sql)?.execute((seq, destination, due_at))?;
            self.falls_due(destination, due_at, seq);
        }
        Ok(())
    }

    /// Lets those behind a row that is damaged pass it, which stays as it is. Whether it is in a line.
    pub(super) fn step_aside(&mut self, seq: i64, destination: i64) -> Result<bool> {
        let sql = "UPDATE delivery SET passes_at = ?3, due_at = ?4
                   WHERE seq = ?1 AND destination = ?2 AND order_key IS NOT NULL AND passes_at IS NULL RETURNING order_key";
        let row = (seq, destination, self.now, HELD);
        let key = self.connection.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
        key.map_or(Ok(()), |key| self.arrange(destination, key))?;
        Ok(key.is_some())
    }

    /// What the row of a leased delivery says of its line; `None`: it has no row any more.
    pub(super) fn in_line(&self, seq: i64, destination: i64) -> Result<Option<InLine>> {
        let sql = "SELECT repeated, order_key, place, passes_at FROM delivery WHERE seq = ?1 AND destination = ?2";
        let read = |row: &Row<'_>| Ok(InLine { flags: row.get(0)?, key: row.get(1)?, place: row.get(2)?, passes_at: row.get(3)? });
        self.connection.prepare_cached(sql)?.query_row((seq, destination), read).optional()
    }

    /// Notes that a delivery was tried for the first time: it has passed the one before it, if that is still in the line.
    /// Those before that one were passed by it.
    pub(super) fn has_passed(&self, destination: i64, key: i64) -> Result<()> {
        match self.last_failed(destination, key)? {
            Some((passed, _)) => self.flag(passed, destination, rows::OUT_OF_ORDER),
            None => Ok(()),
        }
    }

    /// Notes that a delivery died: the next in the line goes without it. Where there is none that is the next one to come.
    pub(super) fn has_died(&self, seq: i64, destination: i64, key: i64, of: InLine) -> Result<()> {
        let behind = (destination, key, of.passes_at, of.place);
        let mut next: Option<i64> = self.connection.prepare_cached(NEXT_FAILED)?.query_row(behind, |row| row.get(0)).optional()?;
        if next.is_none() {
            next = self.connection.prepare_cached(FIRST)?.query_row((destination, key), |row| row.get(0)).optional()?;
        }
        if let Some(next) = next {
            self.flag(next, destination, rows::OUT_OF_ORDER)?;
            self.flag(seq, destination, rows::OUT_OF_ORDER | rows::PASSED)?;
        }
        Ok(())
    }

    fn turn(&mut self, seq: i64, destination: i64, key: i64) -> Result<Turn> {
        self.arrange(destination, key)?;
        let sql = "SELECT due_at FROM delivery WHERE seq = ?1 AND destination = ?2";
        let due_at: Option<i64> = self.connection.prepare_cached(sql)?.query_row((seq, destination), |row| row.get(0))?;
        let is_due = due_at.is_some_and(|due_at| due_at <= self.now);
        Ok(if is_due && !self.is_busy(destination, key) { Turn::Now } else { Turn::Later })
    }

    /// The end of all lines. What comes now has its own key there; what came earlier, and is let go now, gets another.
    fn place(&mut self, seq: i64) -> i64 {
        if seq == self.draft.last_seq { seq } else { self.next_seq() }
    }

    /// The row of a new delivery, with its flags.
    fn stand(&mut self, seq: i64, destination: i64, key: OrderKey, status: DeliveryStatus, due_at: Option<i64>) -> Result<i64> {
        let passed = (destination, key.bits(), rows::OUT_OF_ORDER | rows::PASSED);
        let is_behind_dead = self.connection.prepare_cached(PASS_DEAD)?.execute(passed)? > 0;
        let flags = if is_behind_dead { rows::OUT_OF_ORDER } else { 0 };
        let row = (seq, destination, rows::status_code(status), due_at, flags, key.bits(), self.place(seq));
        self.connection.prepare_cached(STAND)?.execute(row)?;
        Ok(flags)
    }

    fn has_line(&self, destination: i64, key: i64) -> Result<bool> {
        self.connection.prepare_cached(IN_LINE)?.query_row((destination, key), |row| row.get(0))
    }

    fn last_failed(&self, destination: i64, key: i64) -> Result<Option<(i64, i64)>> {
        self.connection.prepare_cached(LAST_FAILED)?.query_row((destination, key), |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    /// Adds to what its row says of a delivery beside its state.
    pub(super) fn flag(&self, seq: i64, destination: i64, flags: i64) -> Result<()> {
        self.connection.prepare_cached(FLAG)?.execute((seq, destination, flags)).map(drop)
    }

    /// Whether one of the line is leased.
    pub(super) fn is_busy(&self, destination: i64, key: i64) -> bool {
        let holder = self.shared.lanes().holder(destination, key);
        self.draft.holders.contains(&(destination, key)) || holder.is_some_and(|holder| !self.draft.freed.contains(&(holder, destination)))
    }

    /// A delivery waits in its line, and falls due then.
    pub(super) fn falls_due(&mut self, destination: i64, due_at: i64, seq: i64) {
        self.draft.pending.push((destination, due_at, seq));
        if due_at <= self.now {
            self.draft.backlog.insert(destination);
        }
    }
}
