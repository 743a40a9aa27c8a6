//! Checks `rules` and `unmatched`.

use super::{
    Source,
    diagnostics::Code,
    interpolate::Value,
    problem::Problem,
    raw,
    respond::{self, respond},
    text::quote,
    tree::{Position, Scalar},
    values::Checks,
    when::When,
};
use crate::{
    domain::name::Name,
    route::{Action, Rule},
};
use std::collections::{HashMap, HashSet};

/// The names that rules can refer to.
pub struct Known<'t> {
    /// Of the sources, in the order of the file.
    pub sources: Vec<&'t str>,
    /// Of the destinations, in the order of the file.
    pub destinations: Vec<&'t str>,
    lookup: HashSet<&'t str>,
}

impl<'t> Known<'t> {
    /// The names in the file.
    pub fn of(raw: &raw::Raw<'t>) -> Self {
        let destinations: Vec<_> = raw.destinations.iter().map(|destination| destination.name.text).collect();
        Self {
            sources: raw.sources.iter().map(|source| source.name.text).collect(),
            lookup: destinations.iter().copied().collect(),
            destinations,
        }
    }

    /// Whether a destination of that name is defined.
    pub fn has_destination(&self, name: &str) -> bool {
        self.lookup.contains(name)
    }
}

/// Checks all rules.
pub fn rules(raw: &[raw::Rule<'_>], known: &Known<'_>, sources: &[Source], checks: &mut Checks<'_>) -> Vec<Rule> {
    let mut names: HashMap<&str, Position> = HashMap::new();
    let mut rules = Vec::with_capacity(raw.len());
    for raw in raw {
        let of = raw.name.map_or_else(|| format!("rule {}", raw.number), |name| format!("rule {}", quote(name.text)));
        if let Some(name) = raw.name {
            if !(1..=100).contains(&name.text.chars().count()) {
                checks.problems.error(Code::InvalidName, name.span, "the name of a rule has 1 to 100 characters");
            }
            match names.get(name.text) {
                None => drop(names.insert(name.text, name.span.start)),
                Some(first) => {
                    let place = checks.texts.place(*first, name.span.start.file);
                    let message = format!("the rule in {place} is called {} too", quote(name.text));
                    checks.problems.push(Problem::error(Code::DuplicateName, name.span, message).help("every rule has a name of its own"));
                }
            }
        }
        rules.push(rule(raw, &of, known, sources, checks));
    }
    rules
}

/// Where an event goes that no rule matches.
pub fn unmatched(raw: Option<Scalar<'_>>, known: &Known<'_>, checks: &mut Checks<'_>) -> Option<Name> {
    let scalar = raw.filter(|scalar| scalar.text != "keep")?;
    if !known.lookup.contains(scalar.text) {
        let names = known.destinations.iter().copied().chain(["keep"]);
        let near = checks.problems.did_you_mean(scalar.text, names);
        let message = format!("`unmatched` wants `keep` or a destination, and {} is not defined{near}", quote(scalar.text));
        checks.say(&Value::literal(scalar), Code::UnknownDestination, message, None);
    }
    Some(Name::unchecked(scalar.text))
}

fn rule(raw: &raw::Rule<'_>, of: &str, known: &Known<'_>, sources: &[Source], checks: &mut Checks<'_>) -> Rule {
    let when = raw.when.map(|entry| {
        let mut when = When { of, sources: &known.sources, problems: &mut checks.problems };
        when.condition(&entry.value, entry.key.span, "`when`")
    });
    let action = action(raw, of, known, checks);
    let answering = respond::Rule { of, when: when.as_ref(), action: &action, to: raw.to.as_deref() };
    let respond = raw.respond.as_ref().and_then(|raw| respond(raw, &answering, sources, checks));
    Rule { name: Name::unchecked(raw.name.map_or("", |name| name.text)), respond, when, action, stop: switch(raw.stop, "stop", of, checks) }
}

fn action(raw: &raw::Rule<'_>, of: &str, known: &Known<'_>, checks: &mut Checks<'_>) -> Action {
    let is_dropping = switch(raw.drop, "drop", of, checks);
    let is_tap = switch(raw.tap, "tap", of, checks);
    let to = targets(raw, of, known, checks);
    let at = |scalar: Option<Scalar<'_>>| scalar.map_or(raw.at, |scalar| scalar.span);
    if is_dropping && raw.says_to {
        let found = Problem::error(Code::ToOrDrop, at(raw.drop), format!("{of} has both `to` and `drop`"));
        checks.problems.push(found.help("a rule sends an event somewhere or drops it: keep one of them"));
    } else if !raw.says_to && is_tap {
        let found = Problem::error(Code::TapWithoutTo, at(raw.tap), format!("{of} has `tap` but no `to`"));
        checks.problems.push(found.help("a tap sends a copy: say where `to`"));
    } else if !raw.says_to && !is_dropping {
        let found = Problem::error(Code::ToOrDrop, raw.at, format!("{of} has neither `to` nor `drop: true`"));
        checks.problems.push(found.help("say where `to` send the event, or `drop: true` to send it nowhere"));
    }
    match (is_dropping, is_tap) {
        (true, _) => Action::Drop,
        (false, true) => Action::Tap(to),
        (false, false) => Action::Send(to),
    }
}

fn targets(raw: &raw::Rule<'_>, of: &str, known: &Known<'_>, checks: &mut Checks<'_>) -> Vec<Name> {
    let Some(scalars) = &raw.to else { return Vec::new() };
    if scalars.is_empty() {
        let found = Problem::error(Code::ToOrDrop, raw.at, format!("`to` of {of} is an empty list"));
        checks.problems.push(found.help("to send a matched event nowhere, write `drop: true`"));
    }
    let mut seen = HashSet::new();
    let mut targets = Vec::with_capacity(scalars.len());
    for scalar in scalars {
        if !known.lookup.contains(scalar.text) {
            let near = checks.problems.did_you_mean(scalar.text, known.destinations.iter().copied());
            let message = format!("{of} sends to {}, which is not defined{near}", quote(scalar.text));
            let several = scalar.text.contains(',').then(|| "for several write a list: `[orders, ledger]`".to_owned());
            checks.say(&Value::literal(*scalar), Code::UnknownDestination, message, several);
        } else if !seen.insert(scalar.text) {
            checks.problems.error(Code::DuplicateValue, scalar.span, format!("{of} sends to {} twice", quote(scalar.text)));
        } else {
            targets.push(Name::unchecked(scalar.text));
        }
    }
    targets
}

fn switch(scalar: Option<Scalar<'_>>, key: &str, of: &str, checks: &mut Checks<'_>) -> bool {
    scalar.and_then(|scalar| checks.truth(&Value::literal(scalar), &format!("`{key}` of {of}"))).unwrap_or(false)
}
