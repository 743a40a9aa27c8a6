//! Other bytes under a signature that came before: the provider's own repetition, or somebody's work on what is not signed.
//! (provider-ottu §5, variants)

use super::{
    fields::Top,
    normalise::{self, operation_of},
};
use crate::domain::json::Document;

/// Whether a body says the same as the first one of its signature, in all that decides where it goes and what it means;
/// or is the lawful next step after it.
pub(super) fn is_harmless(first: &Document, again: &Document) -> bool {
    let (first, again) = (Top::of(first.root()), Top::of(again.root()));
    let kinds = (normalise::kind(&first), normalise::kind(&again));
    let (before, after) = (normalise::fields(&first, kinds.0), normalise::fields(&again, kinds.1));
    let session = |top: &Top<'_>| normalise::text(top.txn.and_then(|txn| txn.get("session_id")));
    kinds.0 == kinds.1
        && first.signed == again.signed
        && before.session_id == after.session_id
        && session(&first) == session(&again)
        && before.is_sandbox == after.is_sandbox
        && before.operation == after.operation
        && (before.state == after.state || follows(before.state.as_deref(), after.state.as_deref()))
}

/// `X_queued` becomes `X_rejected`, or the state in which X ends.
fn follows(before: Option<&str>, after: Option<&str>) -> bool {
    let (Some(operation), Some(after)) = (before.and_then(|state| state.strip_suffix("_queued")), after) else { return false };
    !after.ends_with("_queued") && operation_of(after) == Some(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"amount":"1.000","result":"success","session_id":"s","is_sandbox":false,"operation":null,
        "signature":"x","message":"first","txn":{"state":"refund_queued","session_id":"t","amount":"1.000"}}"#;

    fn harmless(first: &str, again: &str) -> bool {
        is_harmless(&Document::read(first.to_owned().into()), &Document::read(again.to_owned().into()))
    }

    #[test]
    fn only_what_decides_nothing_may_differ() {
        for (from, to, good) in [
            ("", "", true),
            ("first", "second", true),
            (r#""message":"first","#, r#""timestamp_utc":"2026-11-22 22:27:53","pg_response":{"code":1},"#, true),
            ("refund_queued", "refunded", true),
            ("refund_queued", "refund_rejected", true),
            ("refund_queued", "voided", false),
            ("refund_queued", "paid", false),
            ("refund_queued", "void_rejected", false),
            ("refund_queued", "capture_queued", false),
            (r#""state":"refund_queued","#, "", false),
            (r#""session_id":"s""#, r#""session_id":"other""#, false),
            (r#""session_id":"t""#, r#""session_id":"other""#, false),
            (r#""session_id":"t","#, "", false),
            ("false", "true", false),
            (r#""operation":null"#, r#""operation":"void""#, false),
            (r#""operation":null"#, r#""operation":"refund""#, true),
            (r#""amount":"1.000","result""#, r#""amount":"2.000","result""#, false),
            (r#""result":"success""#, r#""result":"success","state":"paid""#, false),
            (r#""result":"success""#, r#""result":"success","order_no":"7""#, false),
        ] {
            assert_eq!(harmless(FIRST, &FIRST.replacen(from, to, 1)), good, "{from:?} → {to:?}");
        }
    }

    #[test]
    fn a_state_that_went_on_does_not_come_back() {
        let ended = FIRST.replace("refund_queued", "refunded");
        assert!(!harmless(&ended, FIRST));
        assert!(!harmless(&ended, &FIRST.replace("refund_queued", "refund_rejected")));
    }
}
