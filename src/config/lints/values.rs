//! Lints on what the fields of an event are compared with.

use super::{
    super::{
        Source,
        diagnostics::Code,
        problem::{Problem, Problems},
        text::quote,
    },
    judged::{Judged, Line},
    possible::{Claim, Possible, World},
};
use crate::{
    domain::{
        event::{Kind, Normal},
        field::{Field, Found},
    },
    provider::Vocabulary,
    route::condition::Pattern,
};
use std::borrow::Cow;

const KINDS: [&str; 3] = [Kind::ALL[0].as_str(), Kind::ALL[1].as_str(), Kind::ALL[2].as_str()];

/// A word that no sender of the rule's events has. Gives whether there was one.
pub fn unknown_value(rule: &Judged<'_>, sources: &[Source], problems: &mut Problems) -> bool {
    let mut found = false;
    for (line, words) in rule.lines.iter().filter_map(|line| Some((line, words(rule, &line.field, sources)?))) {
        for value in &line.values {
            let pattern = Pattern::parse(value.text);
            if words.iter().any(|word| pattern.matches(word)) {
                continue;
            }
            found = true;
            let (of, name, text) = (&rule.of, line.name, quote(value.text));
            let near = problems.did_you_mean(value.text, words.iter().copied());
            let (message, hint) = match line.field {
                Field::Normal(Normal::Kind) => (format!("{of} compares `kind` with {text}, which none is called{near}"), "the kinds are"),
                Field::Normal(_) | Field::Path(_) => {
                    (format!("{of} compares `{name}` with {text}, which the provider never sends{near}"), "it sends")
                }
            };
            let hint = near.is_empty().then(|| format!("{hint} {}", words.join(", ")));
            problems.push(Problem::warning(Code::UnknownValue, value.span, message).maybe_help(hint).of_rule(rule.place));
        }
    }
    found
}

/// The words that a field can be; `None` where nobody can list them, for one of the sources at least.
fn words(rule: &Judged<'_>, field: &Field, sources: &[Source]) -> Option<Vec<&'static str>> {
    let of: fn(&'static Vocabulary) -> &'static [&'static str] = match field {
        Field::Normal(Normal::Kind) => return Some(KINDS.to_vec()),
        Field::Normal(Normal::State) => |vocabulary| vocabulary.states,
        Field::Normal(Normal::Result) => |vocabulary| vocabulary.results,
        Field::Normal(Normal::Operation) => |vocabulary| vocabulary.operations,
        Field::Normal(_) | Field::Path(_) => return None,
    };
    let mut all: Vec<&str> = Vec::new();
    let can_hold = |source: &&Source| rule.rule.when.as_ref().is_none_or(|when| when.can_hold(&source.receive.name));
    let has_world = |source: &&Source| rule.worlds.is_empty() || rule.worlds.iter().any(|world| *world.source == *source.receive.name);
    for source in sources.iter().filter(can_hold).filter(has_world) {
        let words = of(source.provider.scheme.vocabulary());
        if words.is_empty() {
            return None;
        }
        all.extend(words.iter().filter(|word| !all.contains(word)).copied().collect::<Vec<_>>());
    }
    (!all.is_empty()).then_some(all)
}

/// A pattern that means one word and takes others.
pub fn loose_pattern(rule: &Judged<'_>, sources: &[Source], problems: &mut Problems) {
    let operations = words(rule, &Field::Normal(Normal::Operation), sources).unwrap_or_default();
    for line in &rule.lines {
        let Field::Normal(field @ (Normal::State | Normal::Result | Normal::Operation)) = line.field else { continue };
        let words = words(rule, &line.field, sources).unwrap_or_default();
        let families = if field == Normal::State { &operations[..] } else { &[] };
        for value in &line.values {
            let pattern = Pattern::parse(value.text);
            if pattern.exact().is_some() {
                continue;
            }
            let matched: Vec<_> = words.iter().copied().filter(|word| pattern.matches(word)).collect();
            let Some(loose) = looseness(value.text, families, &words, &matched) else { continue };
            let message = format!("{} in `{}` of {} {loose}", quote(value.text), line.name, rule.of);
            let hint = if matched.is_empty() {
                format!("name the values that you mean, as in `{}: [paid, cod]`", line.name)
            } else {
                format!("name the values that you mean, of `{}: [{}]`", line.name, matched.join(", "))
            };
            rule.say(Code::LoosePattern, value.span, message, hint, problems);
        }
    }
}

/// In what way a pattern is loose; `None`: it is not. All states of one operation (`refund*`), or all of one ending
/// (`*_queued`), are a family that somebody may well mean.
fn looseness(text: &str, families: &[&str], words: &[&str], matched: &[&str]) -> Option<String> {
    let stem = text.trim_matches(['*', '?']);
    if stem.is_empty() {
        return None;
    }
    let listed = || matched.iter().map(|word| quote(word)).collect::<Vec<_>>().join(", ");
    if text.starts_with(['*', '?']) {
        if !stem.starts_with(char::is_alphanumeric) {
            return None;
        }
        let also = if matched.is_empty() { String::new() } else { format!("matches {}, and ", listed()) };
        let other =
            if stem.contains(['*', '?']) { "what is put before it to mean the opposite".to_owned() } else { quote(&format!("un{stem}")) };
        return Some(format!("{also}would match {other} too"));
    }
    let start = text.split(['*', '?']).next().unwrap_or_default();
    if families.contains(&start.trim_end_matches('_')) || words.is_empty() || matched.is_empty() {
        return None;
    }
    if words.contains(&start) {
        return Some(format!("matches {}, and whatever else starts with {}", listed(), quote(start)));
    }
    (matched.len() > 1).then(|| format!("matches {}, which do not mean the same", listed()))
}

/// A state that a payment and an operation on it can both be in.
pub fn state_without_kind(rule: &Judged<'_>, problems: &mut Problems) {
    let Some((word, operation)) = shared_state(rule) else { return };
    let is_it = |line: &&Line<'_>| {
        line.field == Field::Normal(Normal::State) && line.values.iter().any(|value| Pattern::parse(value.text).matches(word))
    };
    let at = rule.lines.iter().find(is_it).map_or_else(|| rule.at(), |line| line.at);
    let message = format!(
        "{} does not say of which `kind` it is, and {} is the state of a payment and of an operation ({operation}) alike",
        rule.of,
        quote(word)
    );
    rule.say(Code::StateWithoutKind, at, message, "add `kind: payment`, or `kind: operation`", problems);
}

/// The first state, with its operation, by which a case takes events of both kinds.
fn shared_state(rule: &Judged<'_>) -> Option<(&'static str, &'static str)> {
    let is_on = |claim: &Claim<'_>, field: Normal| *claim.field == Field::Normal(field);
    for case in rule.holds.all() {
        if case.iter().any(|claim| is_on(claim, Normal::Kind) || is_on(claim, Normal::Operation)) {
            continue;
        }
        // `*` stands for any state, whoever it is of.
        let named = |claim: &&Claim<'_>| is_on(claim, Normal::State) && claim.one_of().is_some_and(|patterns| !patterns.iter().any(is_any));
        if !case.iter().any(|claim| named(&claim)) {
            continue;
        }
        let can_be = |world: &World<'_>, word: &str| {
            let found = Found::Text(Cow::Borrowed(word));
            world.lets(case, &[]) != Possible::Never
                && case.iter().filter(|claim| is_on(claim, Normal::State)).all(|claim| claim.agrees(&found))
        };
        for world in rule.worlds.iter().filter(|world| world.kind == Kind::Payment) {
            let operation = world.of_kind(Kind::Operation);
            let shared = world.scheme.shared_states().iter().find(|(word, _)| can_be(world, word) && can_be(&operation, word));
            if let Some(shared) = shared {
                return Some(*shared);
            }
        }
    }
    None
}

fn is_any(pattern: &Pattern) -> bool {
    pattern.covers(&Pattern::parse("?*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Scheme;

    #[test]
    fn a_pattern_is_loose_where_it_takes_more_than_a_family_of_states() {
        let Vocabulary { states: words, operations: families, .. } = Scheme::Ottu.vocabulary();
        for (text, loose) in [
            ("*paid*", true),
            ("*paid", true),
            ("?aid", true),
            ("paid*", true),
            ("p*", true),
            ("c*", true),
            ("ref*", true),
            ("refund*", false),
            ("refund_*", false),
            ("void*", false),
            ("*_queued", false),
            ("auth*", false),
            ("*", false),
            ("?*", false),
            ("zzz*", false),
        ] {
            let pattern = Pattern::parse(text);
            let matched: Vec<_> = words.iter().copied().filter(|word| pattern.matches(word)).collect();
            assert_eq!(looseness(text, families, words, &matched).is_some(), loose, "{text}");
        }
    }

    #[test]
    fn without_a_vocabulary_only_what_can_turn_a_word_round_is_loose() {
        for (text, loose) in [("*paid", true), ("*.paid", false), ("payment.*", false), ("c*", false)] {
            assert_eq!(looseness(text, &[], &[], &[]).is_some(), loose, "{text}");
        }
    }
}
