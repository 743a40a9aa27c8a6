//! Sending again what was sent: how an event's deliveries are chosen, and what came of it.

use super::Retried;
use crate::domain::{
    name::Name,
    plan::{Plan, Target},
};

/// Which deliveries of an event a replay begins anew, be they delivered, dead or still to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All that it has.
    Planned,
    /// One to each of these destinations, also where it never went.
    To(Vec<Target>),
    /// Those of this plan, by its rules.
    Rerouted(Plan),
}

impl Selection {
    /// One to each of these destinations, in order with nothing where there is none yet.
    pub fn to(destinations: &[Name]) -> Self {
        let target = |name: &Name| Target { destination: name.clone(), rules: Vec::new(), order: None };
        Self::To(destinations.iter().map(target).collect())
    }
}

/// What `replay` did with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// What is due now, flagged [`REPLAYED`](crate::domain::event::Flags::REPLAYED), and what is not: a delivery that is leased, or
    /// waits for the first attempt of its run, goes on as it is (`in_flight`), and `removed` are all whose destination is not served.
    Begun(Retried),
    /// It is in quarantine, and nothing is done.
    Quarantined,
    /// It was in quarantine and is closed for good, and nothing is done.
    Discarded,
}

/// Where an operator wants events sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Where each of them went.
    Planned,
    /// To these destinations.
    To(Vec<Name>),
    /// Where the rules in force send each of them.
    Reroute,
}
