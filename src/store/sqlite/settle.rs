//! The ends of leases: settlements, and leases that come back unused.

use super::{lanes::Kept, order::InLine, rows, timeline::Timeline, work::Work};
use crate::domain::{
    attempt::Next,
    delivery::{DeliveryStatus, Seq, Settlement},
    name::Name,
};
use rusqlite::Result;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Settlements on their way to the disk at the same time: an event that comes waits behind no more of them.
/// Whoever has one more waits, and with it the next attempt of its worker, which is slower only where the disk is.
pub(super) const UNDER_WAY: usize = 128;

/// Without an event that takes them along, so many are committed by themselves; the next ones come in meanwhile.
pub(super) const GROUP: usize = UNDER_WAY / 2;

/// How long room for one more is waited for before the disk is asked how it is.
pub(super) const WAIT: Duration = Duration::from_millis(500);

/// What is written with the next commit.
#[derive(Debug)]
pub(super) enum Settled {
    /// What came of an attempt.
    Attempt(Ended),
    /// The code that an event was answered with, of an answer that had waited.
    Answer(Seq, u16),
}

/// A settlement, with the times that follow from it. Those are of the store's timeline, and taken when the
/// settlement comes: until it is written, the wall clock may jump.
#[derive(Debug)]
pub(super) struct Ended {
    settlement: Settlement,
    due_at: Option<i64>,
    /// When those behind it may pass, of one that failed and is kept in order.
    passes_at: Option<i64>,
    _under_way: Option<OwnedSemaphorePermit>,
}

impl Settled {
    /// As it comes in.
    pub(super) fn new(settlement: Settlement, timeline: &Timeline) -> Self {
        let due_at = match settlement.next {
            Next::RetryAt(time) => Some(timeline.of_wall(time)),
            Next::Delivered | Next::Dead => None,
        };
        let wait = i64::try_from(settlement.order_wait.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
        let passes_at = due_at.map(|_| timeline.now().saturating_add(wait));
        Self::Attempt(Ended { settlement, due_at, passes_at, _under_way: None })
    }

    /// With its part of the room for those that are under way, until it is committed.
    pub(super) fn with_room(self, room: OwnedSemaphorePermit) -> Self {
        match self {
            Self::Attempt(ended) => Self::Attempt(Ended { _under_way: Some(room), ..ended }),
            Self::Answer(..) => self,
        }
    }
}

/// The last attempt is in the row of its delivery; an earlier one moves out when it is written over.
const KEEP_EARLIER: &str = "INSERT OR IGNORE INTO attempt
    SELECT seq, destination, attempts, at, duration, result, code, response, error
    FROM delivery WHERE seq = ?1 AND destination = ?2 AND at IS NOT NULL AND attempts < ?3";

const WRITE: &str = "INSERT OR REPLACE INTO delivery
    (seq, destination, status, attempts, run_attempts, run_elapsed, due_at, at, duration, result, code, response, error, repeated,
     order_key, place, passes_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

impl Work<'_> {
    /// Writes it.
    pub(super) fn settle(&mut self, settled: &Settled) -> Result<()> {
        match settled {
            Settled::Attempt(ended) => self.settle_attempt(ended),
            Settled::Answer(seq, code) => {
                let sql = "UPDATE event SET answer = ?2 WHERE seq = ?1";
                self.connection.prepare_cached(sql)?.execute((seq.0, code)).map(drop)
            }
        }
    }

    /// Writes what came of an attempt. One that nobody has a lease for is left out: it was settled before.
    fn settle_attempt(&mut self, ended: &Ended) -> Result<()> {
        let Ended { settlement, due_at, passes_at, .. } = ended;
        let seq = settlement.seq.0;
        let Some((destination, kept)) = self.leased(seq, &settlement.destination) else {
            return Ok(());
        };
        let attempt = &settlement.attempt;
        let mut in_line = InLine::default();
        if kept != Kept::InPlan {
            let Some(found) = self.in_line(seq, destination)? else {
                // It was parked under its lease, and its event removed since: nobody asks what came of it.
                return self.free(seq, destination, kept);
            };
            in_line = found;
            self.connection.prepare_cached(KEEP_EARLIER)?.execute((seq, destination, attempt.number))?;
        }
        if let (Some(key), None) = (in_line.key, in_line.passes_at) {
            self.has_passed(destination, key)?;
        }
        let passes_at = in_line.passes_at.or(passes_at.filter(|_| in_line.key.is_some()));
        let status = match settlement.next {
            Next::Delivered => DeliveryStatus::Delivered,
            Next::RetryAt(_) if !self.book.serves(&settlement.destination) => DeliveryStatus::Parked,
            Next::RetryAt(_) => DeliveryStatus::Retrying,
            Next::Dead => DeliveryStatus::Dead,
        };
        let due_at = due_at.filter(|_| status == DeliveryStatus::Retrying);
        let response = attempt.response.as_deref().filter(|_| settlement.next != Next::Delivered);
        self.connection.prepare_cached(WRITE)?.execute(rusqlite::params![
            seq,
            destination,
            rows::status_code(status),
            attempt.number,
            settlement.run.attempts,
            i64::try_from(settlement.run.elapsed.as_millis()).unwrap_or(i64::MAX),
            due_at,
            attempt.at.millis(),
            i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX),
            attempt.result.as_str(),
            attempt.status,
            response,
            attempt.error.as_deref(),
            in_line.flags,
            in_line.key,
            in_line.place,
            passes_at,
        ])?;
        if let (Some(key), DeliveryStatus::Dead) = (in_line.key, status) {
            self.has_died(seq, destination, key, in_line)?;
        }
        match due_at {
            Some(due_at) => self.draft.pending.push((destination, due_at, seq)),
            None => self.waits_no_more(seq)?,
        }
        self.free(seq, destination, kept)
    }

    /// Ends a lease. The next of its line may go.
    fn free(&mut self, seq: i64, destination: i64, kept: Kept) -> Result<()> {
        self.draft.freed.insert((seq, destination));
        match kept {
            Kept::InPlan | Kept::InRow => Ok(()),
            Kept::Ordered(key) => self.arrange(destination, key),
        }
    }

    /// Lets removal look at an event again that it passed while it waited.
    pub(super) fn waits_no_more(&self, seq: i64) -> Result<()> {
        if seq < self.draft.state.finished_cursor.max(self.draft.state.unresolved_cursor) {
            self.connection.prepare_cached("INSERT OR IGNORE INTO overdue VALUES (?1)")?.execute([seq])?;
        }
        Ok(())
    }

    /// Ends a lease that nobody works on: the delivery waits in a row again.
    pub(super) fn give_back(&mut self, seq: Seq, destination: &Name) -> Result<()> {
        let is_served = self.book.serves(destination);
        let Some((destination, kept)) = self.leased(seq.0, destination) else {
            return Ok(());
        };
        match kept {
            Kept::InPlan if !is_served => self.park_in_row(seq.0, destination)?,
            Kept::InPlan => self.wait_in_row(seq.0, destination)?,
            Kept::InRow | Kept::Ordered(_) => {
                self.draft.pending.push((destination, i64::MIN, seq.0));
                self.draft.backlog.insert(destination);
            }
        }
        self.free(seq.0, destination, kept)
    }

    fn leased(&self, seq: i64, destination: &Name) -> Option<(i64, Kept)> {
        let destination = self.shared.names.find(destination)?;
        let kept = self.shared.lanes().leased(seq, destination)?;
        (!self.draft.freed.contains(&(seq, destination))).then_some((destination, kept))
    }
}
