//! Other bytes under a signature that came before: the provider's own repetition, or somebody's work on what is not signed.
//! (provider-ottu §5, variants)

use super::{
    anomaly::folded,
    fields::{NAMES, Top},
    normalise::{self, operation_of},
};
use crate::domain::{
    event::Fields,
    json::{Document, Kind, Value},
};
use std::borrow::Cow;

/// What is read beside the signed fields, at top level or in `txn`.
const ALSO_READ: [&str; 6] = ["signature", "operation", "txn", "success", "session_id", "is_sandbox"];

/// Whether a body says the same as the first one of its signature, in all that is signed or normalised, in the same types;
/// or is the lawful next step after it. Other fields may differ, also those that only a rule looks at.
pub(super) fn is_harmless(first: &Document, again: &Document) -> bool {
    let (roots, tops) = ((first.root(), again.root()), (Top::of(first.root()), Top::of(again.root())));
    let (first, again) = &tops;
    let kinds = (normalise::kind(first), normalise::kind(again));
    let (before, after) = (normalise::fields(first, kinds.0), normalise::fields(again, kinds.1));
    let in_txn = |name: &str| (first.txn.and_then(|txn| txn.get(name)), again.txn.and_then(|txn| txn.get(name)));
    let typed = [(first.session_id, again.session_id), (first.is_sandbox, again.is_sandbox), in_txn("session_id")];
    kinds.0 == kinds.1
        && first.signed == again.signed
        && typed.into_iter().all(|(before, after)| stated(before) == stated(after))
        && [first.operation, again.operation].into_iter().all(|value| matches!(stated(value), None | Some((Kind::String, _))))
        && look_alikes(Some(roots.0)) == look_alikes(Some(roots.1))
        && look_alikes(first.txn) == look_alikes(again.txn)
        && (before.state == after.state || follows(before.state.as_deref(), after.state.as_deref()))
        && Fields { state: None, ..before } == Fields { state: None, ..after }
}

/// The type and text of a value; `None` where it is absent, null or `""`.
fn stated(value: Option<Value<'_>>) -> Option<(Kind, Cow<'_, [u8]>)> {
    let value = value.filter(|value| !matches!(value.kind(), Kind::Null) && value.raw() != b"\"\"")?;
    let text = value.text().map_or(Cow::Borrowed(value.raw()), |text| Cow::Owned(text.into_owned().into_bytes()));
    Some((value.kind(), text))
}

/// The entries whose key a parser that does not tell upper from lower case would take for one that is read here.
fn look_alikes(object: Option<Value<'_>>) -> Vec<(Cow<'_, str>, &[u8])> {
    let is_read = |key: &str| NAMES.contains(&key) || ALSO_READ.contains(&key);
    let entries = object.into_iter().flat_map(Value::entries);
    let mut found: Vec<_> =
        entries.filter(|(key, _)| !is_read(key) && is_read(&folded(key))).map(|(key, value)| (key, value.raw())).collect();
    found.sort_unstable();
    found
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
            (r#""session_id":"t","amount":"1.000""#, r#""session_id":"t","amount":"1.000","currency_code":"USD""#, false),
            (r#""is_sandbox":false"#, r#""is_sandbox":"false""#, false),
            (r#""session_id":"t""#, r#""session_id":["t"]"#, false),
            (r#""operation":null"#, r#""operation":["refund"]"#, false),
            (r#""operation":null"#, r#""Operation":"void","operation":null"#, false),
            (r#""operation":null,"#, r#""Operation":"void","#, false),
            (r#""message""#, r#""State":"paid","message""#, false),
            (r#""message""#, r#""ſtate":"paid","message""#, false),
            (r#""txn":{"#, r#""txn":{"STATE":"voided","#, false),
            (r#""message""#, r#""Message":"other","message""#, true),
            (r#""message""#, r#""success":true,"message""#, true),
        ] {
            assert_eq!(harmless(FIRST, &FIRST.replacen(from, to, 1)), good, "{from:?} → {to:?}");
        }
    }

    #[test]
    fn what_a_parser_without_case_reads_may_be_there_as_it_was() {
        let first = FIRST.replace(r#""message""#, r#""State":"paid","message""#);
        assert!(harmless(&first, &first.replace("first", "second")));
        assert!(!harmless(&first, &first.replace(r#""State":"paid""#, r#""State":"failed""#)));
    }

    #[test]
    fn what_is_said_only_without_a_signature_may_not_change() {
        let first =
            r#"{"reference_number":"R","signature":"x","success":false,"txn":{"state":"refunded","amount":"1.000","currency_code":"KWD"}}"#;
        assert!(harmless(first, first));
        for (from, to) in [("false", "true"), ("1.000", "9.000"), ("KWD", "USD")] {
            assert!(!harmless(first, &first.replace(from, to)), "{from} → {to}");
        }
    }

    #[test]
    fn where_the_end_came_first_the_queued_state_is_no_step() {
        let ended = FIRST.replace("refund_queued", "refunded");
        assert!(!harmless(&ended, FIRST));
        assert!(!harmless(&ended, &FIRST.replace("refund_queued", "refund_rejected")));
    }
}
