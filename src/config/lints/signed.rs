//! A lint on rules that rest on what the signature does not cover.

use super::{
    super::{diagnostics::Code, problem::Problems, text::quote},
    judged::{Judged, Line},
    possible::{Case, Possible, World},
};
use crate::domain::{event::Kind, field::Field};

/// What is not signed, anybody can change who has one signed event.
pub fn unsigned_field(rule: &Judged<'_>, problems: &mut Problems) {
    let mut said: Vec<&Line<'_>> = Vec::new();
    for line in rule.lines.iter() {
        if said.iter().any(|before| before.field == line.field) {
            continue;
        }
        let found = rule.worlds.iter().map(|world| (world, changeable(rule, line, world))).find(|(_, places)| !places.is_empty());
        let Some((world, places)) = found else { continue };
        said.push(line);
        let (name, source, kind) = (line.name, quote(world.source), world.kind.as_str());
        let is_itself = matches!(line.field, Field::Path(_)) || places.iter().any(|place| place == name);
        let places = places.join("` or `");
        let message = if is_itself {
            format!("{} rests on `{name}`, which the signature of source {source} does not cover", rule.of)
        } else {
            format!(
                "{} rests on `{name}`; an event of kind {kind} has it in `{places}`, which the signature of source {source} does not cover",
                rule.of
            )
        };
        let is_signed = |other: &&World<'_>| {
            other.kind == Kind::Payment && other.source == world.source && other.scheme.changeable(other.kind, &line.field).is_empty()
        };
        let remedy =
            if rule.worlds.iter().any(is_signed) { "; in payments it is signed: if you mean those, add `kind: payment`" } else { "" };
        let hint = format!(
            "who gets hold of one signed event can change `{places}` and send it in its place, so that this rule takes it, or does not{remedy}"
        );
        rule.say(Code::UnsignedField, line.at, message, hint, problems);
    }
}

/// The places of the field that are not signed, where the rule looks at it in that world.
fn changeable(rule: &Judged<'_>, line: &Line<'_>, world: &World<'_>) -> Vec<String> {
    let rests = |case: &&Case<'_>| case.iter().any(|claim| *claim.field == line.field);
    let is_looked_at = rule.holds.all().iter().filter(rests).any(|case| world.lets(case, &[]) != Possible::Never);
    if is_looked_at { world.scheme.changeable(world.kind, &line.field) } else { Vec::new() }
}
