//! The same bytes again: their sender means that something did not get through, so what helps is done.
//! (provider-ottu §5, duplicates)

use super::{super::NewEvent, append::Placed, lanes::Kept, lease, order, rows, work::Work};
use crate::domain::{
    delivery::{DeliveryStatus, Lease, Seq},
    event::{Flags, Verdict},
    name::Name,
    plan::{Plan, Respond, Routing, Target},
};
use rusqlite::{OptionalExtension, Result};

/// A delivery that waits for its next attempt is not hurried more often, in milliseconds.
const REST: i64 = 30_000;

const SEEN: &str = "UPDATE event SET duplicates = duplicates + 1 WHERE seq = ?1 RETURNING source, reason IS NOT NULL, flags, routing, answer, plan, weight";

impl Work<'_> {
    /// Counts a duplicate on the first event, and helps it. Where its answer waits for a delivery that is due and that nobody
    /// has, that is leased: so it is not behind what waits for longer.
    pub(super) fn repeat(&mut self, seq: i64, new: &NewEvent) -> Result<Placed> {
        let (answer, due) = self.see_again(seq, new)?;
        let lease = match answer.wait() {
            Some(wait) => self.take(seq, &wait.destination)?,
            None => None,
        };
        Ok(Placed::Duplicate { seq: Seq(seq), answer, lease: lease.map(Box::new), due })
    }

    /// At the same source it helps every delivery, and an event that went nowhere is planned anew; at another source it adds,
    /// and helps, the destinations that the rules have for that source. Gives the answer, and what is due.
    fn see_again(&mut self, seq: i64, new: &NewEvent) -> Result<(Respond, Vec<Name>)> {
        let read = self.connection.prepare_cached(SEEN)?.query_row([seq], |row| {
            let plan = rows::plan(&self.shared.names, row.get_ref(5)?.as_blob()?, row.get(3)?, row.get(4)?)?;
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, Flags::from_bits(row.get(2)?), row.get(6)?, plan))
        });
        let (source, is_quarantined, flags, weight, mut plan) = match read {
            Ok(read) => read,
            Err(error) if error.sqlite_error_code().is_some() => return Err(error),
            Err(error) => {
                // It is stored, and its sender is told so; what it says cannot be helped.
                self.shared.pass_over(seq, "append", &error);
                return Ok((Respond::Now(new.plan.answer.without_wait()), Vec::new()));
            }
        };
        if is_quarantined && flags.contains(Flags::TRUNCATED) {
            self.complete(seq, &new.event, weight)?;
        }
        let is_doubtful = new.event.verdict != Verdict::Accepted && !flags.contains(Flags::RELEASED);
        if is_quarantined || is_doubtful || flags.contains(Flags::DISCARDED) {
            return Ok((plan.answer, Vec::new()));
        }
        let is_same_source = self.shared.names.find(&new.event.source) == Some(source);
        let went_nowhere = plan.routing != Routing::Routed;
        let known: Vec<Name> = plan.targets.iter().map(|target| target.destination.clone()).collect();
        let mut due = Vec::new();
        if is_same_source {
            for name in &known {
                self.help(seq, name, new, Absorb::Lately, &mut due)?;
            }
        }
        if is_same_source && !went_nowhere {
            return Ok((plan.answer, due));
        }
        for target in &new.plan.targets {
            if known.contains(&target.destination) {
                if is_same_source {
                    continue;
                }
                self.help(seq, &target.destination, new, Absorb::Always, &mut due)?;
            } else {
                self.add(seq, target, &mut due)?;
                plan.targets.push(target.clone());
            }
        }
        if went_nowhere && (is_same_source || new.plan.routing == Routing::Routed) {
            (plan.rules, plan.routing, plan.answer) = (new.plan.rules.clone(), new.plan.routing, new.plan.answer.clone());
        } else {
            let added: Vec<_> = new.plan.rules.iter().filter(|rule| !plan.rules.contains(rule)).cloned().collect();
            plan.rules.extend(added);
        }
        self.write_plan(seq, &plan)?;
        Ok((plan.answer, due))
    }

    /// Makes due what did not get through, and what was delivered longer ago than such repeats are absorbed.
    fn help(&mut self, seq: i64, name: &Name, new: &NewEvent, absorb: Absorb, due: &mut Vec<Name>) -> Result<()> {
        let destination = self.shared.names.id(self.connection, name)?;
        if self.is_leased(seq, destination) || !self.book.serves(name) {
            return Ok(());
        }
        let sql = "SELECT status, at FROM delivery WHERE seq = ?1 AND destination = ?2";
        let read = |row: &rusqlite::Row<'_>| Ok((rows::status(row.get(0)?)?, row.get::<_, Option<i64>>(1)?));
        let Some((status, at)) = self.connection.prepare_cached(sql)?.query_row((seq, destination), read).optional()? else {
            return Ok(());
        };
        let rested = at.map_or(i64::MAX, |at| new.event.received_at.millis().saturating_sub(at));
        match status {
            DeliveryStatus::Dead => drop(self.again(seq, destination)?),
            DeliveryStatus::Retrying if rested >= REST => self.hurry(seq, destination)?,
            DeliveryStatus::Delivered if absorb == Absorb::Lately && i128::from(rested) >= new.dedupe.as_millis() as i128 => {
                self.again(seq, destination)?;
                self.flag(seq, destination, rows::REPEATED)?;
            }
            DeliveryStatus::Waiting
            | DeliveryStatus::Retrying
            | DeliveryStatus::Delivered
            | DeliveryStatus::Parked
            | DeliveryStatus::Discarded => return Ok(()),
        }
        due.push(name.clone());
        Ok(())
    }

    /// Gives the event a delivery to a destination that it did not have.
    pub(super) fn add(&mut self, seq: i64, target: &Target, due: &mut Vec<Name>) -> Result<()> {
        let destination = self.shared.names.id(self.connection, &target.destination)?;
        if !self.book.serves(&target.destination) {
            return self.park_new(seq, destination, target.order);
        }
        due.push(target.destination.clone());
        match target.order {
            None => self.wait_in_row(seq, destination),
            Some(key) => self.line_up_late(seq, destination, key).map(drop),
        }
    }

    /// Where the answer waits, the code that was given the last time stays.
    pub(super) fn write_plan(&self, seq: i64, plan: &Plan) -> Result<()> {
        let packed = rows::pack_plan(self.connection, &self.shared.names, plan)?;
        let sql = "UPDATE event SET plan = ?2, routing = ?3, answer = ifnull(?4, answer) WHERE seq = ?1";
        let answer = plan.answer.wait().is_none().then(|| rows::answer_code(&plan.answer));
        let routing = rows::routing_code(plan.routing);
        self.connection.prepare_cached(sql)?.execute((seq, packed, routing, answer)).map(drop)
    }

    /// Leases a delivery, where it is due and nobody has it, nor one that is ahead of it in its line.
    fn take(&mut self, seq: i64, name: &Name) -> Result<Option<Lease>> {
        let Some(destination) = self.shared.names.find(name).filter(|number| !self.is_leased(seq, *number)) else {
            return Ok(None);
        };
        if !self.book.serves(name) || !self.is_next(seq, destination)? {
            return Ok(None);
        }
        match lease::read(self.connection, self.shared, seq, destination, name) {
            Ok(lease) => {
                let kept = lease.order.map_or(Kept::InRow, |key| Kept::Ordered(key.bits()));
                self.draft.lease(destination, seq, kept);
                Ok(Some(lease))
            }
            Err(error) if error.sqlite_error_code().is_some() => Err(error),
            Err(error) => {
                self.shared.pass_over(seq, "lease", &error);
                Ok(None)
            }
        }
    }

    fn is_next(&self, seq: i64, destination: i64) -> Result<bool> {
        let sql = "SELECT order_key FROM delivery WHERE seq = ?1 AND destination = ?2 AND status <= 1 AND due_at <= ?3";
        let row = (seq, destination, self.now);
        match self.connection.prepare_cached(sql)?.query_row(row, |row| row.get::<_, Option<i64>>(0)).optional()? {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(key)) => {
                let ahead = order::due_ahead(self.connection, destination, key, self.now)?;
                Ok(!self.is_busy(destination, key) && ahead.is_none_or(|ahead| ahead == seq))
            }
        }
    }

    /// Whether somebody attempts the delivery, or is about to.
    pub(super) fn is_leased(&self, seq: i64, destination: i64) -> bool {
        let was_leased = || self.shared.lanes().leased(seq, destination).is_some() && !self.draft.freed.contains(&(seq, destination));
        self.draft.leases(destination, seq) || was_leased()
    }

    /// Makes due now what waits for its next attempt; its run goes on.
    fn hurry(&mut self, seq: i64, destination: i64) -> Result<()> {
        let sql = "UPDATE delivery SET due_at = ?3 WHERE seq = ?1 AND destination = ?2";
        self.connection.prepare_cached(sql)?.execute((seq, destination, self.now))?;
        self.draft.pending.push((destination, self.now, seq));
        Ok(())
    }
}

/// Which repeats of a delivered event its destination does not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absorb {
    /// Those within the source's `dedupe` time.
    Lately,
    /// All of them.
    Always,
}
