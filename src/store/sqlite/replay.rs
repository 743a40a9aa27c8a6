//! Events that an operator wants sent again, also what was delivered.

use super::{
    super::{Replayed, Retried, Selection},
    order::Turn,
    rows,
    work::Work,
};
use crate::domain::{
    delivery::DeliveryStatus,
    event::Flags,
    id::EventId,
    name::Name,
    order::OrderKey,
    plan::{Plan, Routing, Target},
};
use rusqlite::{OptionalExtension, Result, Row};

const READ: &str = "SELECT reason IS NOT NULL, flags, plan, routing, answer FROM event WHERE seq = ?1";

/// What a replay would do with an event.
pub(super) enum Looked {
    /// Nothing: it is in quarantine.
    Quarantined,
    /// Nothing: it was discarded from there.
    Discarded,
    /// This.
    Open(Open),
}

/// An event that may be sent again.
pub(super) struct Open {
    before: Plan,
    /// The deliveries that can begin anew, with the rules that each is sent by.
    pub(super) due: Vec<Target>,
    in_flight: Vec<Name>,
    removed: Vec<Name>,
}

impl Work<'_> {
    /// Begins the chosen deliveries anew. `None`: there is no such event.
    pub(super) fn replay(&mut self, id: EventId, selection: &Selection) -> Result<Option<Replayed>> {
        let Some(seq) = self.find(id)? else { return Ok(None) };
        Ok(match self.look_at(seq, selection)? {
            None => None,
            Some(Looked::Quarantined) => Some(Replayed::Quarantined),
            Some(Looked::Discarded) => Some(Replayed::Discarded),
            Some(Looked::Open(open)) => Some(Replayed::Begun(self.begin_anew(seq, selection, open)?)),
        })
    }

    /// Changes nothing yet.
    pub(super) fn look_at(&self, seq: i64, selection: &Selection) -> Result<Option<Looked>> {
        let read = |row: &Row<'_>| {
            let plan = rows::plan(&self.shared.names, row.get_ref(2)?.as_blob()?, row.get(3)?, row.get(4)?)?;
            Ok((row.get::<_, bool>(0)?, Flags::from_bits(row.get(1)?), plan))
        };
        let Some((is_quarantined, flags, before)) = self.connection.prepare_cached(READ)?.query_row([seq], read).optional()? else {
            return Ok(None);
        };
        if is_quarantined {
            return Ok(Some(Looked::Quarantined));
        }
        if flags.contains(Flags::DISCARDED) {
            return Ok(Some(Looked::Discarded));
        }
        let (mut due, mut in_flight, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for target in chosen(selection, &before) {
            let destination = self.shared.names.find(&target.destination);
            if destination.is_some_and(|destination| self.is_leased(seq, destination)) {
                in_flight.push(target.destination);
            } else if !self.book.serves(&target.destination) {
                removed.push(target.destination);
            } else if self.is_queued(seq, &target.destination)? {
                in_flight.push(target.destination);
            } else {
                due.push(target);
            }
        }
        Ok(Some(Looked::Open(Open { before, due, in_flight, removed })))
    }

    /// Begins anew what was looked at in this transaction.
    pub(super) fn begin_anew(&mut self, seq: i64, selection: &Selection, open: Open) -> Result<Retried> {
        let Open { before, due: targets, in_flight, removed } = open;
        let mut plan = before.clone();
        let (mut due, mut held_back) = (Vec::new(), Vec::new());
        for target in targets {
            let destination = self.shared.names.id(self.connection, &target.destination)?;
            match self.begin(seq, destination, target.order)? {
                Turn::Free | Turn::Now => due.push(target.destination.clone()),
                Turn::Later => held_back.push(target.destination.clone()),
            }
            put(&mut plan, target);
        }
        if !due.is_empty() || !held_back.is_empty() {
            say_what_decided(&mut plan, selection, &before);
            if plan != before {
                self.write_plan(seq, &plan)?;
            }
        }
        Ok(Retried { due, held_back, in_flight, removed })
    }

    /// Begins a delivery anew, or for the first time. One that has a row stays in the line that it is in, if in any.
    fn begin(&mut self, seq: i64, destination: i64, order: Option<OrderKey>) -> Result<Turn> {
        let before = self.status(seq, destination)?;
        let turn = match (order, before) {
            (Some(key), None) => self.line_up_late(seq, destination, key)?,
            (Some(_) | None, _) => self.again(seq, destination)?,
        };
        let was_delivered = if before == Some(DeliveryStatus::Delivered) { rows::DELIVERED } else { 0 };
        self.flag(seq, destination, rows::REPLAYED | was_delivered)?;
        Ok(turn)
    }

    /// Whether the delivery is yet to be attempted in its run: it keeps its place.
    fn is_queued(&self, seq: i64, name: &Name) -> Result<bool> {
        let Some(destination) = self.shared.names.find(name) else { return Ok(false) };
        Ok(self.status(seq, destination)? == Some(DeliveryStatus::Waiting))
    }
}

/// The deliveries to begin anew, with the rules that each is sent by.
fn chosen(selection: &Selection, before: &Plan) -> Vec<Target> {
    let known = |name: &Name| before.targets.iter().find(|target| target.destination == *name).cloned();
    match selection {
        Selection::Planned => before.targets.clone(),
        Selection::To(targets) => targets.iter().map(|target| known(&target.destination).unwrap_or_else(|| target.clone())).collect(),
        Selection::Rerouted(plan) => plan.targets.clone(),
    }
}

/// Puts a target in the place of the one that goes to the same destination, or behind the others.
fn put(plan: &mut Plan, target: Target) {
    match plan.targets.iter_mut().find(|known| known.destination == target.destination) {
        Some(known) => *known = target,
        None => plan.targets.push(target),
    }
}

/// What sends the event now has matched it as well; and one that went nowhere goes somewhere, where an operator or a rule says so.
fn say_what_decided(plan: &mut Plan, selection: &Selection, before: &Plan) {
    let went_nowhere = before.routing != Routing::Routed;
    match selection {
        Selection::To(_) if went_nowhere && plan.targets.len() > before.targets.len() => plan.routing = Routing::Routed,
        Selection::Rerouted(new) if went_nowhere => (plan.routing, plan.rules) = (new.routing, new.rules.clone()),
        Selection::Rerouted(new) => {
            let added: Vec<_> = new.rules.iter().filter(|rule| !plan.rules.contains(rule)).cloned().collect();
            plan.rules.extend(added);
        }
        Selection::Planned | Selection::To(_) => {}
    }
}
