//! STAGE 2, rules: which destinations an event goes to and what the provider is answered. Pure: no I/O, no clock.

use crate::domain::{event::Event, name::Name, plan::Plan};
use std::collections::HashMap;

pub mod condition;
pub mod field;

/// The rules in force, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// All of them.
    pub rules: Vec<Rule>,
    /// Where an event goes that no rule but taps matched; `None`: it is kept for a human.
    pub unmatched: Option<Name>,
    /// Per source, the answer where no matching rule says otherwise.
    pub answers: HashMap<Name, u16>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique.
    pub name: Name,
    /// When it holds; `None`: always.
    pub when: Option<condition::Condition>,
    /// What then happens.
    pub action: Action,
    /// Whether later rules are tried after a match.
    pub stop: bool,
    /// The answer to the provider, where this is the first match that has one.
    pub respond: Option<u16>,
}

/// What a rule does with an event that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends it to these destinations.
    Send(Vec<Name>),
    /// Sends a copy; does not count as a match.
    Tap(Vec<Name>),
    /// Sends it nowhere, on purpose.
    Drop,
}

impl Rules {
    /// What the rules say to an event.
    pub fn plan(&self, event: &Event) -> Plan {
        let _ = event;
        todo!("route")
    }
}
