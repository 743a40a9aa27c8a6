//! What operators decide of an event: it goes on from quarantine, or it is closed.

use super::{
    super::{Discarded, Released},
    rows,
    work::Work,
};
use crate::domain::{event::Flags, id::EventId, plan::Plan, plan::Routing};
use rusqlite::{OptionalExtension, Result, Row};

const KEPT_BACK: &str = "SELECT flags, weight FROM event WHERE seq = ?1 AND reason IS NOT NULL";
const RELEASE: &str = "UPDATE event SET reason = NULL, weight = 0, flags = flags | ?2, plan = ?3, routing = ?4 WHERE seq = ?1";
const CLOSE: &str = "UPDATE event SET reason = NULL, weight = 0, flags = flags | ?2, routing = ?3 WHERE seq = ?1";
const DISCARD: &str = "UPDATE delivery SET status = 5, due_at = NULL WHERE seq = ?1 AND status = 3 RETURNING destination";

impl Work<'_> {
    /// Takes an event out of quarantine, with the deliveries of the plan. Its answer was given, and stays.
    pub(super) fn release(&mut self, id: EventId, plan: &Plan) -> Result<Option<Released>> {
        let Some(seq) = self.find(id)? else {
            return Ok(None);
        };
        let Some((flags, weight)) = self.kept_back(seq)? else {
            return Ok(Some(Released::NotQuarantined));
        };
        if flags.contains(Flags::TRUNCATED) {
            return Ok(Some(Released::Truncated));
        }
        let packed = rows::pack_plan(self.connection, &self.shared.names, plan)?;
        let mut release = self.connection.prepare_cached(RELEASE)?;
        release.execute((seq, Flags::RELEASED.bits(), packed, rows::routing_code(plan.routing)))?;
        self.no_longer_kept_back(weight);
        let mut due = Vec::new();
        for target in &plan.targets {
            self.add(seq, target, &mut due)?;
        }
        self.waits_no_more(seq)?;
        Ok(Some(Released::Released { due }))
    }

    /// Closes an event that is in quarantine, for good: the same bytes again do not bring it back. Closes its dead deliveries.
    pub(super) fn discard(&mut self, id: EventId) -> Result<Option<Discarded>> {
        let Some(seq) = self.find(id)? else {
            return Ok(None);
        };
        let kept_back = self.kept_back(seq)?;
        if let Some((_, weight)) = kept_back {
            let mut close = self.connection.prepare_cached(CLOSE)?;
            close.execute((seq, Flags::DISCARDED.bits(), rows::routing_code(Routing::Dropped)))?;
            self.no_longer_kept_back(weight);
        }
        let mut discard = self.connection.prepare_cached(DISCARD)?;
        let destinations: Vec<i64> = discard.query_map([seq], |row| row.get(0))?.collect::<Result<_>>()?;
        let deliveries = destinations.into_iter().map(|destination| self.shared.names.name(destination)).collect::<Result<_>>()?;
        self.waits_no_more(seq)?;
        Ok(Some(Discarded { was_quarantined: kept_back.is_some(), deliveries }))
    }

    /// The flags of an event in quarantine, and what it counts against the budget.
    fn kept_back(&self, seq: i64) -> Result<Option<(Flags, i64)>> {
        let read = |row: &Row<'_>| Ok((Flags::from_bits(row.get(0)?), row.get(1)?));
        self.connection.prepare_cached(KEPT_BACK)?.query_row([seq], read).optional()
    }
}
