//! What rules see of a payload.

use super::*;

#[test]
fn operations_are_derived_where_they_are_not_said() {
    for (state, operation) in [
        ("voided", Some("void")),
        ("refunded", Some("refund")),
        ("paid", Some("capture")),
        ("canceled", Some("cancel")),
        ("expired", Some("expire")),
        ("refund_queued", Some("refund")),
        ("void_rejected", Some("void")),
        ("partial_refund_queued", Some("partial_refund")),
        ("_queued", None),
        ("queued", None),
        ("authorized", None),
    ] {
        for unsaid in ["", r#""operation":null,"#, r#""operation":"","#, r#""operation":{},"#] {
            let (kind, fields) = fields(&format!(r#"{{{unsaid}"reference_number":"R","txn":{{"state":"{state}"}}}}"#));
            assert_eq!(
                (kind, fields.operation.as_deref(), fields.state.as_deref()),
                (Kind::Operation, operation, Some(state)),
                "{unsaid}{state}"
            );
        }
        let (_, said) = fields(&format!(r#"{{"operation":"said","reference_number":"R","txn":{{"state":"{state}"}}}}"#));
        assert_eq!(said.operation.as_deref(), Some("said"));
        let (kind, payment) = fields(&format!(r#"{{"reference_number":"R","state":"{state}"}}"#));
        assert_eq!((kind, payment.operation), (Kind::Payment, None));
    }
}

#[test]
fn an_operation_event_falls_back_to_success_and_to_its_transaction() {
    let (kind, all) = fields(
        r#"{"success":false,"amount":"None","reference_number":"R","is_sandbox":true,"txn":{"amount":"9.000","currency_code":"KWD","reference_number":"T","order_no":"O","state":"voided"}}"#,
    );
    let text = |text: &str| Some(text.into());
    let wanted = Fields {
        state: text("voided"),
        result: text("failed"),
        operation: text("void"),
        amount: text("9.000"),
        currency_code: text("KWD"),
        reference_number: text("R"),
        is_sandbox: text("true"),
        ..Fields::default()
    };
    assert_eq!((kind, all), (Kind::Operation, wanted));
    let (_, said) =
        fields(r#"{"success":true,"result":"queued","amount":"1","currency_code":"SAR","txn":{"amount":"2","currency_code":"KWD"}}"#);
    assert_eq!((said.result, said.amount, said.currency_code), (text("queued"), text("1"), text("SAR")));
    let (kind, payment) =
        fields(r#"{"state":"paid","success":true,"amount":"","txn":{"amount":"2","state":"voided"},"operation":"payment"}"#);
    let wanted = Fields { state: text("paid"), operation: text("payment"), ..Fields::default() };
    assert_eq!((kind, payment), (Kind::Payment, wanted));
}

#[test]
fn kinds_follow_what_is_there() {
    for (payload, wanted) in [
        (r#"{"state":"paid","operation":"refund","txn":{}}"#, Kind::Payment),
        (r#"{"reference_number":"R","state":"","txn":{}}"#, Kind::Operation),
        (r#"{"reference_number":"R","state":null,"success":false}"#, Kind::Operation),
        (r#"{"reference_number":"R","operation":"refund"}"#, Kind::Operation),
        (r#"{"reference_number":"R","operation":null}"#, Kind::Other),
        (r#"{"reference_number":"R","operation":""}"#, Kind::Other),
        (r#"{"reference_number":"R","state":7,"txn":{}}"#, Kind::Other),
        (r#"{"reference_number":"R"}"#, Kind::Other),
    ] {
        assert_eq!(fields(payload).0, wanted, "{payload}");
    }
}
