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
    /// It has a row, in the line of that order key.
    Ordered(i64),
}

/// An order key of which a delivery is leased.
#[derive(Debug)]
struct Line {
    /// That delivery.
    holder: i64,
    /// Of those that were due meanwhile and not leased the first: due time and key.
    skipped: Option<(i64, i64)>,
}

/// The leases of one destination.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// By the event's key.
    leases: HashMap<i64, Kept>,
    /// By the order key.
    lines: HashMap<i64, Line>,
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

    /// The delivery of an order key that is leased.
    pub(super) fn holder(&self, destination: i64, key: i64) -> Option<i64> {
        Some(self.0.get(&destination)?.lines.get(&key)?.holder)
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
    /// Notes a lease.
    pub(super) fn lease(&mut self, seq: i64, kept: Kept) {
        if let Kept::Ordered(key) = kept {
            let skipped = self.lines.remove(&key).and_then(|line| line.skipped);
            self.lines.insert(key, Line { holder: seq, skipped });
        }
        self.leases.insert(seq, kept);
    }

    /// Notes that a lease has ended. What could not be leased beside it is looked for again.
    pub(super) fn free(&mut self, seq: i64) -> Option<Kept> {
        let kept = self.leases.remove(&seq)?;
        if let Kept::Ordered(key) = kept
            && self.lines.get(&key).is_some_and(|line| line.holder == seq)
            && let Some(Line { skipped: Some((due_at, skipped)), .. }) = self.lines.remove(&key)
        {
            self.pending(due_at, skipped);
            self.backlog = true;
        }
        Some(kept)
    }

    /// Notes that a leased delivery has got a row. Whether it had none.
    pub(super) fn has_row(&mut self, seq: i64) -> bool {
        let kept = self.leases.get_mut(&seq).filter(|kept| **kept == Kept::InPlan);
        kept.map(|kept| *kept = Kept::InRow).is_some()
    }

    /// Whether the delivery is leased.
    pub(super) fn is_leased(&self, seq: i64) -> bool {
        self.leases.contains_key(&seq)
    }

    /// Whether a delivery of some order key is leased.
    pub(super) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Notes that a delivery is due and not leased, where another one of its order key is leased. Whether that is so.
    pub(super) fn skip(&mut self, key: i64, due_at: i64, seq: i64) -> bool {
        let Some(line) = self.lines.get_mut(&key) else { return false };
        line.skipped = Some(line.skipped.map_or((due_at, seq), |first| first.min((due_at, seq))));
        true
    }

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
