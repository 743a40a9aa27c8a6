//! What is leased, per destination, and whether more waits in rows. In memory only; changed after commits.

use super::super::WINDOW;
use std::collections::HashMap;

/// Whether a leased delivery has a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Only the set of destinations in the event's row tells of it.
    InPlan,
    /// It has a row of its own.
    InRow,
}

/// The leases of one destination.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// By the event's key.
    pub(super) leases: HashMap<i64, Kept>,
    /// Whether rows may wait that are due and not leased: new events then wait behind them.
    pub(super) backlog: bool,
    /// All pending rows up to this due time and key are leased: the next search starts behind it.
    pub(super) leased_up_to: Option<(i64, i64)>,
}

/// All destinations, by the number of their name.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<i64, Lane>);

impl Lanes {
    /// The lane of a destination.
    pub(super) fn lane(&mut self, destination: i64) -> &mut Lane {
        self.0.entry(destination).or_default()
    }

    /// Whether a delivery is leased, and how it is kept.
    pub(super) fn leased(&self, seq: i64, destination: i64) -> Option<Kept> {
        self.0.get(&destination)?.leases.get(&seq).copied()
    }

    /// Whether a new delivery has to wait in a row, while `more` leases are on their way.
    pub(super) fn is_full(&self, destination: i64, more: usize) -> bool {
        self.0.get(&destination).map_or(more >= WINDOW, |lane| lane.backlog || lane.leases.len() + more >= WINDOW)
    }

    /// The destinations for which an event has a lease and no row.
    pub(super) fn without_row(&self, seq: i64) -> Vec<i64> {
        let lacking = |lane: &Lane| lane.leases.get(&seq) == Some(&Kept::InPlan);
        self.0.iter().filter(|(_, lane)| lacking(lane)).map(|(destination, _)| *destination).collect()
    }

    /// The events of a destination's leases without a row.
    pub(super) fn lacking_row(&self, destination: i64) -> Vec<i64> {
        let leases = self.0.get(&destination).map(|lane| &lane.leases);
        leases.into_iter().flatten().filter(|(_, kept)| **kept == Kept::InPlan).map(|(seq, _)| *seq).collect()
    }

    /// Per destination that has any: leases without a row, and the oldest of them.
    pub(super) fn in_plan(&self) -> Vec<(i64, u64, i64)> {
        let of = |(destination, lane): (&i64, &Lane)| {
            let lacking = || lane.leases.iter().filter(|(_, kept)| **kept == Kept::InPlan).map(|(seq, _)| *seq);
            Some((*destination, lacking().count() as u64, lacking().min()?))
        };
        self.0.iter().filter_map(of).collect()
    }
}

impl Lane {
    /// A row is pending from now on and not leased: looked for again, and ahead of new events if it is due.
    pub(super) fn pending(&mut self, due_at: i64, seq: i64) {
        if self.leased_up_to.is_some_and(|up_to| (due_at, seq) <= up_to) {
            self.leased_up_to = None;
        }
    }

    /// How many more leases there may be.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.leases.len())
    }
}
