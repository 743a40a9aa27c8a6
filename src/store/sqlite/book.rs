//! What the writer knows beside the disk, and the draft of what a transaction changes in it.
//! A draft is thrown away with its transaction, and taken over after its commit.

use super::{filter::Filter, lanes::Kept, shared::Shared};
use crate::domain::name::Name;
use rusqlite::{Connection, Result};
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    mem,
};

/// After so many newer events a delivery gets a row, so that a start reads a bounded number of events.
pub(super) const TRACKED: usize = 10_000;

/// The one row of the table `state`.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Counts transactions: tells whether one whose commit failed is on the disk all the same.
    pub(super) turn: i64,
    /// A destination without a row waits only if its event is at or above this key; below it every one has a row.
    pub(super) low_seq: i64,
    /// Events up to here are in the indexes `ids` and `field_index`.
    pub(super) indexed_seq: i64,
    /// The store's time at the last transaction.
    pub(super) time: i64,
    /// How far removal believes that time has gone.
    pub(super) removal_time: i64,
    /// Removal of finished events has looked at all events below.
    pub(super) finished_cursor: i64,
    /// Removal of unresolved events has looked at all events below.
    pub(super) unresolved_cursor: i64,
    /// How far keys are before and behind the times of reception, in milliseconds: at most 0, at least 0.
    pub(super) skew: (i64, i64),
    /// What events in quarantine count against their budget.
    pub(super) quarantine_bytes: i64,
}

impl State {
    /// Reads the row.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let sql =
            "SELECT turn, low_seq, indexed_seq, time, removal_time, finished_cursor, unresolved_cursor, skew_low, skew_high, quarantine_bytes
             FROM state";
        connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                turn: row.get(0)?,
                low_seq: row.get(1)?,
                indexed_seq: row.get(2)?,
                time: row.get(3)?,
                removal_time: row.get(4)?,
                finished_cursor: row.get(5)?,
                unresolved_cursor: row.get(6)?,
                skew: (row.get(7)?, row.get(8)?),
                quarantine_bytes: row.get(9)?,
            })
        })
    }

    /// Writes the row.
    pub(super) fn save(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE state SET turn = ?1, low_seq = ?2, indexed_seq = ?3, time = ?4, removal_time = ?5, finished_cursor = ?6,
                   unresolved_cursor = ?7, skew_low = ?8, skew_high = ?9, quarantine_bytes = ?10";
        connection.prepare_cached(sql)?.execute((
            self.turn,
            self.low_seq,
            self.indexed_seq,
            self.time,
            self.removal_time,
            self.finished_cursor,
            self.unresolved_cursor,
            self.skew.0,
            self.skew.1,
            self.quarantine_bytes,
        ))?;
        Ok(())
    }
}

/// What the writer knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// As on disk.
    pub(super) state: State,
    /// The key of the newest event.
    pub(super) last_seq: i64,
    /// Ids that are not all in the index yet, with their events.
    pub(super) recent: BTreeMap<(i64, i64), i64>,
    /// Entries of the field index that are not all in it yet.
    pub(super) fields: Vec<(i64, i64)>,
    /// Signatures that may be in the index; asked only when `is_complete`.
    pub(super) filter: Filter,
    /// Whether the filter has all signatures of the index.
    pub(super) is_complete: bool,
    /// The destinations of the rules file; `None`: nobody has said.
    pub(super) served: Option<HashSet<Name>>,
    /// Whether the last event that came into quarantine was kept in part.
    is_truncating: bool,
    /// Events from `low_seq` on, with the number of their destinations that have no row.
    tracked: VecDeque<(i64, usize)>,
}

/// What a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// As it will be on disk.
    pub(super) state: State,
    /// The key of its newest event.
    pub(super) last_seq: i64,
    /// Ids of its events.
    pub(super) new: BTreeMap<(i64, i64), i64>,
    /// Entries of the field index of its events.
    pub(super) fields: Vec<(i64, i64)>,
    /// Its events, with the number of their destinations that have no row.
    pub(super) tracked: Vec<(i64, usize)>,
    /// Deliveries that it leases.
    pub(super) leased: HashMap<i64, Vec<(i64, Kept)>>,
    /// Those of them that are in a line: destination and order key.
    pub(super) holders: HashSet<(i64, i64)>,
    /// Leases that it ends.
    pub(super) freed: HashSet<(i64, i64)>,
    /// Rows that are pending after it and not leased: destination, due time, event.
    pub(super) pending: Vec<(i64, i64, i64)>,
    /// Destinations for which rows wait that are due now.
    pub(super) backlog: HashSet<i64>,
    /// Leased deliveries that get a row.
    pub(super) spilled: Vec<(i64, i64)>,
    /// Its events of which only a part is kept.
    pub(super) truncated: u64,
    /// Whether it wrote nothing: then there is nothing to sync, and its turn need not be on the disk.
    pub(super) is_empty: bool,
    /// All events up to this one are in the indexes now.
    pub(super) indexed: Option<i64>,
}

impl Draft {
    /// Leases a delivery.
    pub(super) fn lease(&mut self, destination: i64, seq: i64, kept: Kept) {
        self.leased.entry(destination).or_default().push((seq, kept));
        if let Kept::Ordered(key) = kept {
            self.holders.insert((destination, key));
        }
    }

    /// Whether it leases the delivery.
    pub(super) fn leases(&self, destination: i64, seq: i64) -> bool {
        self.leased.get(&destination).is_some_and(|leased| leased.iter().any(|(known, _)| *known == seq))
    }
}

impl Book {
    /// From what is on disk.
    pub(super) fn new(state: State, last_seq: i64) -> Self {
        Self { state, last_seq, ..Self::default() }
    }

    /// A draft that changes nothing but the turn and the position of what is done.
    pub(super) fn draft(&self, now: i64) -> Draft {
        let mut state = self.state.clone();
        state.turn += 1;
        state.low_seq = self.low_seq();
        state.time = now.max(state.time);
        Draft { state, last_seq: self.last_seq, ..Draft::default() }
    }

    /// Whether deliveries to that destination are tried.
    pub(super) fn serves(&self, destination: &str) -> bool {
        self.served.as_ref().is_none_or(|served| served.contains(destination))
    }

    /// All committed events below have rows for all their destinations.
    fn low_seq(&self) -> i64 {
        self.tracked.front().map_or(self.last_seq + 1, |(seq, _)| *seq)
    }

    /// The oldest events that have to get rows now that `new` more come.
    pub(super) fn overflow(&self, new: usize) -> impl Iterator<Item = i64> {
        let surplus = (self.tracked.len() + new).saturating_sub(TRACKED);
        self.tracked.iter().take(surplus).filter(|(_, lacking)| *lacking > 0).map(|(seq, _)| *seq)
    }

    /// Takes over what a committed transaction changed, here and in the lanes.
    pub(super) fn commit(&mut self, mut draft: Draft, shared: &Shared) {
        self.watch_quarantine(&draft, shared);
        self.state = draft.state;
        self.last_seq = draft.last_seq;
        if let Some(upto) = draft.indexed {
            self.recent.retain(|_, seq| *seq > upto);
            self.fields.retain(|(_, seq)| *seq > upto);
        }
        draft.new.keys().for_each(|(signature, _)| self.filter.add(*signature));
        self.recent.extend(draft.new);
        self.fields.append(&mut draft.fields);
        self.tracked.extend(mem::take(&mut draft.tracked));
        let mut lanes = shared.lanes();
        for (seq, destination) in draft.freed {
            if lanes.lane(destination).free(seq) == Some(Kept::InPlan) {
                self.has_row(seq);
            }
        }
        // What was freed may be leased again in the same transaction: for a duplicate whose answer waits.
        for (destination, events) in draft.leased {
            let lane = lanes.lane(destination);
            events.into_iter().for_each(|(seq, kept)| lane.lease(seq, kept));
        }
        for (seq, destination) in draft.spilled {
            if lanes.lane(destination).has_row(seq) {
                self.has_row(seq);
            }
        }
        for (destination, due_at, seq) in draft.pending {
            lanes.lane(destination).pending(due_at, seq);
        }
        for destination in draft.backlog {
            lanes.lane(destination).backlog = true;
        }
        while self.tracked.front().is_some_and(|(_, lacking)| *lacking == 0) {
            self.tracked.pop_front();
        }
    }

    /// Counts what is kept in part, and tells of it where that begins and ends.
    fn watch_quarantine(&mut self, draft: &Draft, shared: &Shared) {
        let (bytes, budget) = (draft.state.quarantine_bytes, shared.quarantine_budget);
        shared.metrics.truncated(draft.truncated);
        if draft.truncated > 0 && !self.is_truncating {
            tracing::error!(bytes, budget, "quarantine has used its share of the disk: of what comes in there only a part is kept");
            self.is_truncating = true;
        } else if draft.truncated == 0 && self.is_truncating && bytes <= budget - budget / 10 {
            tracing::info!(bytes, budget, "quarantine has room again");
            self.is_truncating = false;
        }
    }

    fn has_row(&mut self, seq: i64) {
        if let Ok(place) = self.tracked.binary_search_by_key(&seq, |(seq, _)| *seq) {
            self.tracked[place].1 -= 1;
        }
    }
}
