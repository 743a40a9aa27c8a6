//! Runs a test: makes the event, asks the rules, and compares with what is expected. Exactly what is expected is looked at.

use super::{
    case::{Answer, Case, Expect, Wait},
    sent,
};
use crate::{
    destination,
    domain::{
        clock::Timestamp,
        event::Event,
        name::Name,
        plan::{Plan, Respond, Routing},
        quantity::show_duration,
        received::Received,
    },
    provider::{self, Provider},
    route::Rules,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What events meet: the sources and the rules of one file.
#[derive(Debug)]
pub struct Stage<'c> {
    providers: HashMap<&'c Name, Box<dyn Provider>>,
    destinations: HashMap<&'c Name, &'c destination::Settings>,
    rules: &'c Rules,
}

/// What came of a test.
#[derive(Debug)]
pub struct Outcome {
    /// The event; `None`: the source's provider makes none of the payload.
    pub event: Option<Event>,
    /// The rules that match it.
    pub matched: Vec<Name>,
    /// What is not as expected; nothing: the test passed.
    pub mismatches: Vec<Mismatch>,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The key under `expect`, with its path where it is deeper.
    pub key: String,
    /// As the test says.
    pub wanted: Value,
    /// As it is.
    pub found: Value,
}

impl<'c> Stage<'c> {
    /// Of the sources and rules of a file.
    pub fn new(sources: impl IntoIterator<Item = (&'c Name, &'c provider::Settings)>, rules: &'c Rules) -> Self {
        let providers = sources.into_iter().map(|(name, settings)| (name, provider::build(name, settings))).collect();
        Self { providers, destinations: HashMap::new(), rules }
    }

    /// With its destinations, for what is said of requests.
    #[must_use]
    pub fn sending(self, destinations: impl IntoIterator<Item = (&'c Name, &'c destination::Settings)>) -> Self {
        Self { destinations: destinations.into_iter().collect(), ..self }
    }

    /// Runs a test, by the rules alone: nothing is verified, and nothing keeps the event back.
    pub fn run(&self, case: &Case) -> Outcome {
        // The same event at every run: no part of it is of now.
        let received = Received::supposed(&case.from, case.payload.clone(), Timestamp::default());
        let event = self.providers.get(&case.from).and_then(|provider| provider.suppose(&received).ok());
        let Some(event) = event else {
            let mismatch = Mismatch::new("event", json!("an event"), json!("a payload of which the source's provider makes none"));
            return Outcome { event: None, matched: Vec::new(), mismatches: vec![mismatch] };
        };
        let plan = self.rules.plan(&event);
        let mut mismatches = judge(&case.expect, &plan);
        for (name, wanted) in &case.expect.requests {
            let target = plan.targets.iter().find(|target| target.destination == *name);
            mismatches.extend(sent::judge(name, wanted, target, self.destinations.get(name).copied(), &event));
        }
        Outcome { event: Some(event), matched: plan.rules, mismatches }
    }
}

impl Outcome {
    /// Whether all is as expected.
    pub fn is_good(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl Mismatch {
    pub(super) fn new(key: impl Into<String>, wanted: Value, found: Value) -> Self {
        Self { key: key.into(), wanted, found }
    }
}

fn judge(expect: &Expect, plan: &Plan) -> Vec<Mismatch> {
    let Expect { to, not_to, unmatched, drop, respond, rules, requests: _ } = expect;
    let goes: Vec<&Name> = plan.targets.iter().map(|target| &target.destination).collect();
    let mut mismatches = Vec::new();
    let mut differ = |key: &str, wanted: Value, found: Value| mismatches.push(Mismatch::new(key, wanted, found));
    if let Some(to) = to
        && !is_same_set(to, &goes)
    {
        differ("to", json!(to), json!(goes));
    }
    if not_to.iter().any(|name| goes.contains(&name)) {
        differ("not_to", json!(not_to), json!(goes));
    }
    for (key, wanted, routing) in [("unmatched", unmatched, Routing::Unmatched), ("drop", drop, Routing::Dropped)] {
        let found = plan.routing == routing;
        if wanted.is_some_and(|wanted| wanted != found) {
            differ(key, json!(wanted), json!(found));
        }
    }
    if let Some(answer) = respond
        && !answer.is(&plan.answer)
    {
        differ("respond", answer.to_json(), shown(&plan.answer));
    }
    if let Some(rules) = rules
        && !is_same_set(rules, &plan.rules.iter().collect::<Vec<_>>())
    {
        differ("rules", json!(rules), json!(plan.rules));
    }
    mismatches
}

/// Neither has a name twice.
fn is_same_set(wanted: &[Name], found: &[&Name]) -> bool {
    wanted.len() == found.len() && wanted.iter().all(|name| found.contains(&name))
}

impl Answer {
    fn is(&self, found: &Respond) -> bool {
        match (self, found) {
            (Self::Code(wanted), Respond::Now(found)) => wanted == found,
            (Self::Wait(Wait { wait_for, within, ok, otherwise }), Respond::After(found)) => {
                wait_for.as_ref().is_none_or(|wanted| *wanted == found.destination)
                    && within.is_none_or(|wanted| wanted == found.within)
                    && ok.is_none_or(|wanted| wanted == found.ok)
                    && otherwise.is_none_or(|wanted| wanted == found.otherwise)
            }
            (Self::Code(_), Respond::After(_)) | (Self::Wait(_), Respond::Now(_)) => false,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Code(code) => json!(code),
            Self::Wait(Wait { wait_for, within, ok, otherwise }) => {
                let within = within.map(show_duration);
                let said = [("wait_for", json!(wait_for)), ("within", json!(within)), ("ok", json!(ok)), ("otherwise", json!(otherwise))];
                said.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect()
            }
        }
    }
}

fn shown(answer: &Respond) -> Value {
    match answer {
        Respond::Now(code) => json!(code),
        Respond::After(wait) => json!({
            "wait_for": wait.destination, "within": show_duration(wait.within), "ok": wait.ok, "otherwise": wait.otherwise,
        }),
    }
}
