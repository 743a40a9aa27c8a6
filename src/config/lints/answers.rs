//! A lint on rules that answer one event differently: the first of them decides.

use super::{
    super::{diagnostics::Code, problem::Problems},
    judged::Judged,
    possible::Possible,
    reach::PAIRS,
};

/// A rule whose answer an earlier one always gives, or gives for some events by the order of the rules alone. A special case
/// before the general one is no conflict: that is what the order is for.
pub fn respond_conflict(rules: &[Judged<'_>], problems: &mut Problems) {
    let mut answering: Vec<&Judged<'_>> = Vec::new();
    let mut left = PAIRS;
    for rule in rules.iter().filter(|rule| rule.rule.respond.is_some() && !rule.worlds.is_empty()) {
        let compared = answering.len().min(left);
        left -= compared;
        let others = answering[..compared].iter().filter(|other| other.rule.respond != rule.rule.respond);
        let found = others.clone().find(|other| rule.holds.beside(&other.fails, rule.worlds.iter().copied()) == Possible::Never);
        let at = rule.raw.respond.as_ref().map_or(rule.raw.at, |respond| respond.at());
        if let Some(other) = found {
            let message =
                format!("{} never gives its answer: {} before it matches the same events, and answers otherwise", rule.of, other.of);
            let hint =
                format!("the first rule that matches and has `respond` decides: put it before {}, or leave its `respond` out", other.of);
            rule.say(Code::RespondConflict, at, message, hint, problems);
        } else if let Some(other) = others.clone().find(|other| is_overlap(other, rule)) {
            let message = format!("{} and {} before it can match one event, and answer it differently", rule.of, other.of);
            let hint = format!("{} decides, since it comes first: make them exclude each other", other.of);
            rule.say(Code::RespondConflict, at, message, hint, problems);
        }
        // What a rule that stops takes is not seen by later ones, on purpose.
        if !rule.rule.stop {
            answering.push(rule);
        }
    }
}

/// Whether they surely share an event, and neither is a special case of the other.
fn is_overlap(earlier: &Judged<'_>, later: &Judged<'_>) -> bool {
    let is_shared = later.holds.beside(&earlier.holds, later.worlds.iter().copied()) == Possible::Surely;
    is_shared && earlier.holds.beside(&later.fails, earlier.worlds.iter().copied()) != Possible::Never
}
