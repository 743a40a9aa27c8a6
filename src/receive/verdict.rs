//! What follows a finding about a request: the answer, the count. (provider-ottu §5; accepted, duplicate, variant and
//! quarantined look alike from outside, and a 401 does not say which check failed.)

use super::{answer::Answer, in_force::Source};
use crate::{
    domain::{
        event::{Event, Verdict},
        id::EventId,
        name::Name,
        plan::Routing,
        problem::Problem,
    },
    metrics::{Metrics, Outcome},
    store::Appended,
};

/// What a stored (or known) event counts as, and the code of its answer where nobody waits. A duplicate is answered as the
/// stored event was.
pub fn of_stored(stored: &Appended, verdict: Verdict, planned: u16) -> (Outcome, u16) {
    match (stored, verdict) {
        (Appended::Stored { is_variant: true, .. } | Appended::Variant { .. }, _) => (Outcome::Variant, planned),
        (Appended::Stored { .. }, Verdict::Accepted) => (Outcome::Accepted, planned),
        (Appended::Stored { .. }, Verdict::Quarantined(_)) => (Outcome::Quarantined, planned),
        (Appended::Duplicate { answer, .. }, _) => (Outcome::Duplicate, answer.without_wait()),
    }
}

/// Counts what was stored: by what it says where it was accepted, and which rules matched.
pub fn count(metrics: &Metrics, source: &Source, event: &Event, stored: &Appended, rules: &[Name], routing: Routing) {
    match stored {
        Appended::Stored { .. } if event.verdict == Verdict::Accepted => {}
        Appended::Variant { stored: false } => return source.metrics.variant_refused(),
        Appended::Stored { .. } | Appended::Duplicate { .. } | Appended::Variant { stored: true } => return,
    }
    let known = |value: Option<&str>, words: &'static [&'static str]| match value {
        None | Some("") => "none",
        Some(value) => words.iter().copied().find(|word| *word == value).unwrap_or("other"),
    };
    let (fields, vocabulary) = (&event.fields, source.vocabulary);
    let state = known(fields.state.as_deref(), vocabulary.states);
    let result = known(fields.result.as_deref(), vocabulary.results);
    let operation = known(fields.operation.as_deref(), vocabulary.operations);
    metrics.event(&event.source, event.kind, state, result, operation);
    for rule in rules {
        metrics.rule_matched(rule);
    }
    match routing {
        Routing::Unmatched => source.metrics.unmatched(),
        Routing::Routed | Routing::Dropped => {}
    }
}

/// The answer to everything whose signature holds.
pub fn accepted(code: u16, id: EventId) -> Answer {
    Answer::json(code, format!(r#"{{"status":"accepted","event":"{id}"}}"#))
}

/// 400.
pub fn malformed() -> Answer {
    Answer::problem(&Problem::new(400, "Not a webhook", "The body is not a JSON object."))
}

/// 401; one and the same for all that can be wrong with a signature.
pub fn unauthorized() -> Answer {
    Answer::problem(&Problem::new(401, "Signature refused", "The request is not signed with a key of this source."))
}

/// 503; only after a request has waited for the store as long as its source allows.
pub fn held_out() -> Answer {
    Answer::problem(&Problem::new(503, "Not stored", "The event could not be stored in time; send it again."))
}
