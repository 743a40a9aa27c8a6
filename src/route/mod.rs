//! STAGE 2, rules: which destinations an event goes to and what the provider is answered. Pure: no I/O, no clock.

use crate::domain::{
    event::Event,
    field::Field,
    name::Name,
    order::OrderKey,
    plan::{Plan, Respond, Routing, Target},
};
use std::collections::HashMap;

#[cfg(test)]
mod any_tests;
pub mod condition;
pub mod diff;
mod explain;
mod list;
pub mod pattern;
mod words;

pub use explain::{Explained, Finding, Refusal, Seen, Sight};
pub use list::RuleList;

/// The answer of a source that says nothing else.
const ANSWER: u16 = 200;

/// The rules in force, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// All of them.
    pub rules: RuleList,
    /// Where an event goes that no rule but taps matched; `None`: it is kept for a human.
    pub unmatched: Option<Name>,
    /// Per source, the answer where no matching rule says otherwise.
    pub answers: HashMap<Name, u16>,
    /// Per destination that keeps an order, the field by whose values it does.
    pub orders: HashMap<Name, Field>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
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
    pub respond: Option<Respond>,
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
        let mut targets = Vec::new();
        let mut rules = Vec::new();
        let mut routing = Routing::Unmatched;
        let mut answer = None;
        for rule in self.matching(event) {
            rules.push(rule.name.clone());
            answer = answer.or(rule.respond.as_ref());
            match &rule.action {
                Action::Send(to) => {
                    routing = Routing::Routed;
                    send(&mut targets, to, &rule.name);
                }
                Action::Tap(to) => send(&mut targets, to, &rule.name),
                Action::Drop if routing == Routing::Unmatched => routing = Routing::Dropped,
                Action::Drop => {}
            }
        }
        if routing == Routing::Unmatched
            && let Some(destination) = &self.unmatched
        {
            target(&mut targets, destination);
        }
        for target in &mut targets {
            target.order = self.order(&target.destination, event);
        }
        let of_source = || Respond::Now(self.answers.get(&event.source).copied().unwrap_or(ANSWER));
        Plan { targets, rules, routing, answer: answer.cloned().unwrap_or_else(of_source) }
    }

    /// The event's deliveries to these destinations, wherever the rules send it.
    pub fn targets(&self, destinations: &[Name], event: &Event) -> Vec<Target> {
        let target = |name: &Name| Target { destination: name.clone(), rules: Vec::new(), order: self.order(name, event) };
        destinations.iter().map(target).collect()
    }

    /// What an event is kept in order by at a destination: the text of its field, as conditions see it.
    fn order(&self, destination: &Name, event: &Event) -> Option<OrderKey> {
        OrderKey::of(self.orders.get(destination)?.find(event).text()?)
    }

    /// The rules that hold of an event, in order, to the first that stops.
    pub fn matching<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Rule> {
        let mut left = Some(self.rules.candidates(event));
        std::iter::from_fn(move || {
            let rule = left.as_mut()?.find(|rule| rule.holds(event))?;
            if rule.stop {
                left = None;
            }
            Some(rule)
        })
    }
}

impl Rule {
    /// Whether it holds of the event.
    pub fn holds(&self, event: &Event) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(event))
    }
}

fn send(targets: &mut Vec<Target>, to: &[Name], rule: &Name) {
    for destination in to {
        let rules = &mut target(targets, destination).rules;
        if rules.last() != Some(rule) {
            rules.push(rule.clone());
        }
    }
}

/// The target for a destination, which an event has once.
fn target<'a>(targets: &'a mut Vec<Target>, destination: &Name) -> &'a mut Target {
    let known = targets.iter().position(|target| target.destination == *destination);
    let place = known.unwrap_or_else(|| {
        targets.push(Target { destination: destination.clone(), rules: Vec::new(), order: None });
        targets.len() - 1
    });
    &mut targets[place]
}
