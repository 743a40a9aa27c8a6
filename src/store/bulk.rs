//! Bulk replays: all events that a filter finds are sent again, from the oldest to the newest, step by step.

use super::{Aim, Query, Selection};
use crate::domain::{clock::Timestamp, delivery::Seq, name::Name, quantity::Rate};
use std::fmt;

/// So many bulk replays run at the same time at most.
pub const BULKS: usize = 8;

/// A bulk replay waits while so many deliveries are due to a destination of its: what comes in waits behind no more than these.
pub const BULK_AHEAD: usize = 512;

/// The number of a bulk replay; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BulkId(pub i64);

impl fmt::Display for BulkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an operator wants sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkOrder {
    /// Which events; its limit, direction and ends are not looked at.
    pub filter: Query,
    /// Where each of them goes.
    pub aim: Aim,
    /// So many events per time at most.
    pub rate: Rate,
}

/// A bulk replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// Its number.
    pub id: BulkId,
    /// What is wanted.
    pub order: BulkOrder,
    /// Whether it goes on.
    pub state: BulkState,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When it was done, or cancelled.
    pub ended_at: Option<Timestamp>,
    /// The newest event when it was ordered: what is newer is left out.
    pub last: Seq,
    /// It has gone through all events up to this one.
    pub cursor: Seq,
    /// How many events the filter found, where they are counted.
    pub total: Option<u64>,
    /// What came of those that it has gone through.
    pub tally: Tally,
}

/// How far a bulk replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BulkState {
    /// It goes on, also after a restart.
    Running,
    /// It has gone through all of its events.
    Done,
    /// An operator ended it; what it began goes on.
    Cancelled,
}

impl BulkState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Cancelled];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What came of the events of a bulk replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Events that it has gone through.
    pub events: u64,
    /// Deliveries begun anew.
    pub due: u64,
    /// Deliveries left alone, since they were on their way: leased, or waiting for the first attempt of their run.
    pub in_flight: u64,
    /// Deliveries left out, since the rules file no longer has their destination.
    pub removed: u64,
    /// Events left out, since they are in quarantine.
    pub quarantined: u64,
    /// Events left out, since they were discarded from quarantine.
    pub discarded: u64,
    /// Events that go to no destination.
    pub nowhere: u64,
    /// Events that were removed after their time before their turn came.
    pub gone: u64,
    /// Events that cannot be read, since the store holds a damaged row.
    pub damaged: u64,
}

/// Which bulk replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That one.
    One(BulkId),
    /// Those that go on, the oldest first.
    Running,
    /// The newest, as many at most; newest first.
    Newest(usize),
}

/// The next step of a bulk replay, which is made whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkStep {
    /// Which one.
    pub id: BulkId,
    /// Where the last step ended. Where it is elsewhere now, nothing is done.
    pub from: Seq,
    /// The events that the filter found from there on, oldest first, each with what is wanted of it; `None`: it cannot be read.
    pub events: Vec<(Seq, Option<Selection>)>,
    /// How many rows there could not even be looked at by the filter.
    pub damaged: u64,
    /// Where it ends; `None`: there are no more events.
    pub to: Option<Seq>,
    /// How many events there are in all, where that was counted since the last step.
    pub total: Option<u64>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// As it is now. It may not have come as far as the step was to lead.
    pub bulk: Bulk,
    /// How many deliveries are due now, or in their turn, per destination. Their lanes have to ask for leases.
    pub due: Vec<(Name, u64)>,
    /// The destination that has [so many](BULK_AHEAD) deliveries due that the step ended before the first event for it.
    pub held_by: Option<Name>,
}
