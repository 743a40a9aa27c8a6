//! Where the fields of an event were found, and what the signature says of them.

use super::*;
use crate::domain::{event::Normal, path::Path};

fn event(payload: &str) -> Event {
    open(signed(payload)).unwrap_or_else(|error| panic!("{payload}: {error}"))
}

fn told(payload: &str) -> Vec<String> {
    let told = |origin: Origin| {
        let place = origin.place.as_deref().unwrap_or("-");
        format!(
            "{}<-{place}{}{}",
            origin.field.as_str(),
            if origin.because.is_some() { "?" } else { "" },
            if origin.signed { "" } else { " unsigned" }
        )
    };
    source(&[KEY], Unsigned::Reject).origins(&event(payload)).into_iter().map(told).collect()
}

#[test]
fn each_field_is_found_where_it_was_said() {
    for (payload, wanted) in [
        (
            r#"{"state":"paid","result":"success","amount":"1","session_id":"s","operation":"payment"}"#,
            &[
                "kind<-state?",
                "state<-state",
                "result<-result",
                "operation<-operation unsigned",
                "amount<-amount",
                "session_id<-session_id unsigned",
            ][..],
        ),
        (
            r#"{"operation":null,"result":"success","amount":"9.000","txn":{"state":"refunded","currency_code":"KWD"}}"#,
            &[
                "kind<-txn? unsigned",
                "state<-txn.state unsigned",
                "result<-result",
                "operation<-txn.state? unsigned",
                "amount<-amount",
                "currency_code<-txn.currency_code unsigned",
            ],
        ),
        (
            r#"{"operation":"void","amount":"None","success":true,"reference_number":"R","txn":{"amount":"2"}}"#,
            &[
                "kind<-operation? unsigned",
                "result<-success? unsigned",
                "operation<-operation unsigned",
                "amount<-txn.amount unsigned",
                "reference_number<-reference_number",
            ],
        ),
        (
            r#"{"reference_number":"R","success":false}"#,
            &["kind<-success? unsigned", "result<-success? unsigned", "reference_number<-reference_number"],
        ),
        (r#"{"reference_number":"R"}"#, &["kind<--? unsigned", "reference_number<-reference_number"]),
    ] {
        assert_eq!(told(payload), wanted, "{payload}");
    }
}

#[test]
fn the_signature_covers_what_nobody_can_change_or_take_out() {
    const PAYMENT: &str = r#"{"state":"paid","result":"success","session_id":"s"}"#;
    const OPERATION: &str = r#"{"reference_number":"R","amount":"1","txn":{"state":"voided"}}"#;
    for (payload, field, covered) in [
        (PAYMENT, "from", true),
        (PAYMENT, "kind", true),
        (PAYMENT, "state", true),
        (PAYMENT, "amount", true),
        (PAYMENT, "order_no", true),
        (PAYMENT, "operation", false),
        (PAYMENT, "session_id", false),
        (PAYMENT, "is_sandbox", false),
        (PAYMENT, "body.state", true),
        (PAYMENT, "customer_email", true),
        (PAYMENT, "customer_email.x", false),
        (PAYMENT, "pg_params.card_type", false),
        (OPERATION, "kind", false),
        (OPERATION, "state", false),
        (OPERATION, "operation", false),
        (OPERATION, "amount", true),
        // It is absent, and anybody could add `success` or `txn.currency_code`.
        (OPERATION, "result", false),
        (OPERATION, "currency_code", false),
        (OPERATION, "reference_number", true),
        (OPERATION, "body.result", true),
        (OPERATION, "txn.state", false),
    ] {
        let field = Field::parse(field).expect(field);
        assert_eq!(source(&[KEY], Unsigned::Reject).covers(&field, &event(payload)), covered, "{field} of {payload}");
    }
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"None\"".to_owned()),
        Just("true".to_owned()),
        "\"[a-z]{1,6}\"",
        "[0-9]"
    ]
}

proptest! {
    #[test]
    fn what_is_said_to_be_somewhere_is_there(values in proptest::collection::vec(proptest::option::of(any_value()), 9)) {
        const PLACES: [&str; 6] = ["state", "result", "operation", "amount", "currency_code", "success"];
        let member = |(name, value): (&str, &Option<String>)| value.as_ref().map(|value| format!("\"{name}\":{value}"));
        let inner: Vec<_> = ["state", "amount", "currency_code"].into_iter().zip(&values[6..]).filter_map(member).collect();
        let outer: Vec<_> = PLACES.into_iter().zip(&values).filter_map(member).collect();
        let payload = format!("{{\"order_no\":\"1\",{}\"txn\":{{{}}}}}", outer.iter().map(|one| format!("{one},")).collect::<String>(), inner.join(","));
        let event = event(&payload);
        for Origin { field, place, because, .. } in source(&[KEY], Unsigned::Reject).origins(&event) {
            let there = place.as_deref().and_then(|place| Path::parse(place).unwrap().find(event.payload.root()));
            prop_assert!(there.is_some() || field == Normal::Kind && event.kind == Kind::Other, "{:?} {}", field, payload);
            if because.is_none() {
                let text = there.and_then(|value| value.scalar_text());
                prop_assert_eq!(text.as_deref(), event.normal(field), "{:?} {}", field, payload);
            }
        }
    }
}
