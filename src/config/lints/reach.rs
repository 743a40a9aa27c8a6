//! Lints on which events reach a rule: none at all, none that an earlier one leaves, or every one.

use super::{
    super::{diagnostics::Code, problem::Problems, text::quote},
    judged::Judged,
    possible::{Case, Claim, Possible, World},
};
use crate::{
    domain::{event::Normal, field::Field},
    provider::{Scheme, Texts},
    route::Action,
};

/// How many pairs of rules are compared, so that no file is slow to check: a thousand rules that all stop have half as many.
pub const PAIRS: usize = 1_000_000;

/// A condition that contradicts itself, or the provider.
pub fn never_matches(rule: &Judged<'_>, worlds: &[World<'_>], problems: &mut Problems) {
    if !rule.worlds.is_empty() {
        return;
    }
    let [case] = rule.holds.all() else {
        let message = format!("{} never matches: none of its {} alternatives can hold", rule.of, rule.holds.all().len());
        return rule.say(Code::NeverMatches, rule.at(), message, "each of them wants of an event what no event can be", problems);
    };
    // The world that lets most of it hold says best what is wrong with it.
    let at_fault = |world: &World<'_>| {
        let fields = case.iter().map(|claim| claim.field);
        fields.filter(|field| world.lets(&of_field(case, field), &[]) == Possible::Never).collect::<Vec<_>>()
    };
    let faults: Vec<_> = worlds.iter().map(|world| (world, at_fault(world))).collect();
    let is_of_world = |field: &&Field| matches!(field, Field::Normal(Normal::From | Normal::Kind));
    let Some((world, fields)) =
        faults.iter().min_by_key(|(_, fields)| (fields.iter().filter(|field| is_of_world(field)).count(), fields.len()))
    else {
        return;
    };
    let Some(field) = fields.first() else { return };
    let line = rule.lines.iter().find(|line| line.field == **field);
    let (name, at) = line.map_or(("when", rule.at()), |line| (line.name, line.at));
    let is_everywhere = faults.iter().all(|(_, fields)| fields.contains(field));
    let of = &rule.of;
    match field {
        Field::Normal(Normal::From) => {
            let message = format!("{of} never matches: no source is called as its `from` says");
            rule.say(Code::NeverMatches, at, message, "name a source that is defined, or a pattern that matches one", problems);
        }
        Field::Normal(normal) if is_unmapped(world, *normal) => {
            let source = quote(world.source);
            let message = format!("{of} never matches: an event from source {source} has no `{name}`");
            let hint = "where the payload has something of the kind, say so under `fields` of the source";
            rule.say(Code::NeverMatches, at, message, hint, problems);
        }
        Field::Normal(normal) if !is_everywhere => {
            let (kind, source) = (world.kind.as_str(), quote(world.source));
            let message = format!("{of} never matches: an event of kind {kind} from source {source} never has such a value of `{name}`");
            let hint = match world.scheme.expected(world.kind, *normal).texts {
                Texts::Nothing => format!("it has no `{name}` at all"),
                Texts::Anything => format!("it always has `{name}`"),
                Texts::Only(texts) => format!("it has no `{name}`, or {}", texts.join(" or ")),
                Texts::AnythingBut(texts) => format!("{} are values of events of other kinds", texts.join(" and ")),
            };
            rule.say(Code::NeverMatches, at, message, hint, problems);
        }
        Field::Normal(_) | Field::Path(_) => {
            let message = format!("{of} never matches: nothing that `{name}` can be fulfils all that is said of it");
            rule.say(
                Code::NeverMatches,
                at,
                message,
                "two of the tests exclude each other, or a value is none that can be compared",
                problems,
            );
        }
    }
}

fn of_field<'r>(case: &[Claim<'r>], field: &Field) -> Case<'r> {
    case.iter().filter(|claim| claim.field == field).copied().collect()
}

/// Whether the source does not say where the field is.
fn is_unmapped(world: &World<'_>, field: Normal) -> bool {
    match world.scheme {
        Scheme::Ottu => false,
        Scheme::StandardWebhooks(mapping) | Scheme::Hmac(_, mapping) => !mapping.has(field),
    }
}

/// A rule all of whose events an earlier one takes away. So many pairs are compared, and of the rest nothing is said.
pub fn shadowed(rules: &[Judged<'_>], problems: &mut Problems) {
    let mut stops: Vec<&Judged<'_>> = Vec::new();
    let mut left = PAIRS;
    for rule in rules.iter().filter(|rule| !rule.worlds.is_empty()) {
        let takes_all = |stop: &&&Judged<'_>| rule.holds.beside(&stop.fails, rule.worlds.iter().copied()) == Possible::Never;
        let compared = stops.len().min(left);
        left -= compared;
        if let Some(stop) = stops[..compared].iter().find(takes_all) {
            let message = format!("{} is never asked: {} before it takes every event that it could match, and stops", rule.of, stop.of);
            let hint = format!("put it before {}, or leave it out", stop.of);
            rule.say(Code::Shadowed, rule.raw.at, message, hint, problems);
        } else if rule.rule.stop {
            // One that is shadowed itself shadows no more than what shadows it.
            stops.push(rule);
        }
    }
}

/// A rule that takes everything, so that nothing is ever unmatched.
pub fn catch_all(rule: &Judged<'_>, worlds: &[World<'_>], problems: &mut Problems) {
    if rule.fails.possible(worlds) != Possible::Never {
        return;
    }
    let (what, hint) = match &rule.rule.action {
        Action::Tap(_) => return,
        Action::Send(to) => {
            let to = to.first().map_or_else(String::new, |name| format!("; or leave it out and write `unmatched: {name}`"));
            ("takes", format!("add `tap: true` if it sends a copy, which is no match{to}, if it is for what no other rule takes"))
        }
        Action::Drop => ("drops", "say under `when` what is to be dropped: what nobody thought of is kept then".to_owned()),
    };
    let message = format!("{} {what} every event, so that none is ever unmatched and a new sort of event goes unnoticed", rule.of);
    rule.say(Code::CatchAllHidesUnmatched, rule.raw.at, message, hint, problems);
}
