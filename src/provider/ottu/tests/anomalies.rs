//! Each anomaly is found, in its order, and what is only unusual is not.

use super::*;

#[test]
fn each_anomaly_is_found() {
    for (payload, wanted) in [
        (r#"{"state":"paid","gateway_response":NaN}"#, Reason::NotStrictJson),
        (r#"{"state":"paid","gateway_response":{"raw":"\ud83d"}}"#, Reason::NotStrictJson),
        (r#"{"state":"paid","n":1e999}"#, Reason::NotStrictJson),
        (r#"{"gateway_response":{}}"#, Reason::EmptyMessage),
        (r#"{"state":"","amount":null,"session_id":"s"}"#, Reason::EmptyMessage),
        (r#"{"state":"failed","reference_number":"R","state":"paid"}"#, Reason::DuplicateKey),
        (r#"{"state":"failed","st\u0061te":"paid"}"#, Reason::DuplicateKey),
        (r#"{"result":"success","txn":{"state":"voided","sta\u0074e":"refunded"}}"#, Reason::DuplicateKey),
        (r#"{"state":"paid","a":1,"a":1}"#, Reason::DuplicateKey),
        (r#"{"state":"failed","State":"paid"}"#, Reason::CaseTwin),
        (r#"{"state":"failed","ſtate":"paid"}"#, Reason::CaseTwin),
        (r#"{"state":"paid","Extra":1,"extra":2}"#, Reason::CaseTwin),
        (r#"{"state":"paid","amount":10}"#, Reason::SignedType),
        (r#"{"state":"paid","amount":10.5}"#, Reason::SignedType),
        (r#"{"state":"paid","order_no":1.5}"#, Reason::SignedType),
        (r#"{"state":"paid","order_no":true}"#, Reason::SignedType),
        (r#"{"state":"paid","order_no":false}"#, Reason::SignedType),
        (r#"{"state":"paid","order_no":[]}"#, Reason::SignedType),
        (r#"{"state":"paid","order_no":{}}"#, Reason::SignedType),
        (r#"{"state":"paid","amount":0}"#, Reason::SignedType),
        (r#"{"state":5}"#, Reason::SignedType),
        (r#"{"state":"paid","customer_first_name":"a\u0000b"}"#, Reason::ControlCharacter),
        (r#"{"state":"paid","order_no":"1\n2"}"#, Reason::ControlCharacter),
        (r#"{"state":"paid","gateway_name":"a\u007f"}"#, Reason::ControlCharacter),
        (r#"{"state":"paid","amount":"10.000 KWD"}"#, Reason::Amount),
        (r#"{"state":"paid","amount":"1e3"}"#, Reason::Amount),
        (r#"{"state":"paid","amount":"10,00"}"#, Reason::Amount),
        (r#"{"state":"paid","amount":"None"}"#, Reason::Amount),
        (r#"{"state":"paid","currency_code":"KWDX"}"#, Reason::Currency),
        (r#"{"state":"paid","currency_code":"K1D"}"#, Reason::Currency),
        (r#"{"state":"paid!"}"#, Reason::StateOrResult),
        (r#"{"state":"مدفوع"}"#, Reason::StateOrResult),
        (r#"{"state":"paid","result":"a/b"}"#, Reason::StateOrResult),
        (r#"{"state":"paid","result":"12345678901234567890123456789012345678901234567890123456789012345"}"#, Reason::StateOrResult),
        // (a): a name that sorts after its own, up to the next field present.
        (r#"{"reference_number":"R1resultsuccess","state":"paid"}"#, Reason::Ambiguous),
        (r#"{"reference_number":"R1","result":"failedstatepaid"}"#, Reason::Ambiguous),
        (r#"{"order_no":"7reference_number8","reference_number":"R1","state":"paid"}"#, Reason::Ambiguous),
        (r#"{"customer_first_name":"A","customer_last_name":"Bresult","result":"failed","state":"paid"}"#, Reason::Ambiguous),
        // (b): a name with an underscore of a field that is missing.
        (r#"{"customer_first_name":"xorder_nox","reference_number":"R","state":"paid"}"#, Reason::Ambiguous),
        (r#"{"order_no":"","gateway_name":"g","reference_number":"R","result":"order_no","state":"paid"}"#, Reason::Ambiguous),
    ] {
        assert_eq!(reason(payload), Some(wanted), "{payload}");
    }
}

#[test]
fn what_breaks_the_text_only_is_an_anomaly_where_the_signature_holds() {
    let payload = signed(r#"{"state":"paid","x":"_","deep":0}"#);
    let text = String::from_utf8(payload).expect("it is text");
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for broken in [
        format!("\u{feff}{text}").into_bytes(),
        format!("{text} trailing").into_bytes(),
        text.replace("\"deep\":0", &format!("\"deep\":{}", deep(128))).into_bytes(),
        text.replace("\"deep\":0", &format!("\"deep\":{}", deep(300_000))).into_bytes(),
        text.replace('_', "\n").into_bytes(),
        text.trim_end_matches('}').as_bytes().to_vec(),
        text.bytes().map(|byte| if byte == b'_' { 0xff } else { byte }).collect(),
    ] {
        let event = open(&broken).expect("the signature holds");
        assert_eq!((event.verdict, event.verified), (Verdict::Quarantined(Reason::NotStrictJson), true));
        assert_eq!(event.payload.bytes(), &broken);
    }
    let shallow = text.replace("\"deep\":0", &format!("\"deep\":{}", deep(127)));
    assert_eq!(open(shallow).map(|event| event.verdict), Ok(Verdict::Accepted));
}

#[test]
fn anomalies_are_named_in_the_order_of_the_contract() {
    let all = r#"{"state":"a/b","amount":"x","currency_code":"x","order_no":"1\n","reference_number":"result","gateway_name":1,"A":1,"a":1,"b":1,"b":1,"n":NaN}"#;
    let steps = [
        ("", "", Reason::NotStrictJson),
        (r#","n":NaN"#, "", Reason::DuplicateKey),
        (r#","b":1,"b":1"#, "", Reason::CaseTwin),
        (r#","A":1"#, "", Reason::SignedType),
        (r#","gateway_name":1"#, "", Reason::ControlCharacter),
        (r#"1\n"#, "1", Reason::Amount),
        (r#""amount":"x""#, r#""amount":"1""#, Reason::Currency),
        (r#""currency_code":"x""#, r#""currency_code":"KWD""#, Reason::StateOrResult),
        ("a/b", "paid", Reason::Ambiguous),
    ];
    let mut payload = all.to_owned();
    for (from, to, wanted) in steps {
        payload = payload.replace(from, to);
        assert_eq!(reason(&payload), Some(wanted), "{payload}");
    }
    assert_eq!(reason(payload.replace(r#":"result""#, r#":"R""#)), None);
}

#[test]
fn genuine_payloads_that_are_unusual_are_accepted() {
    for payload in [
        r#"{"state":"paid","amount":"1,234,567.000","currency_code":"KWD"}"#,
        r#"{"state":"paid","amount":"-5.00","currency_code":"kwd"}"#,
        r#"{"state":"paid","customer_first_name":"محمد","customer_last_name":"العلي","amount":"1.000"}"#,
        r#"{"state":"paid","customer_address_line1":"Block 4\r\nStreet 2\tHouse 1","customer_email":"a@example.com"}"#,
        r#"{"state":"paid","customer_address_line1":"12 State street, order 5 result","customer_email":"a@example.com","reference_number":"R1"}"#,
        r#"{"state":"paid","customer_last_name":"result","order_no":"5","reference_number":"R1","result":"success"}"#,
        r#"{"state":"paid","customer_first_name":"amount","customer_last_name":"","customer_email":null,"order_no":"","reference_number":"R"}"#,
        r#"{"state":"something_new","result":"brand new.result-1","reference_number":"R"}"#,
        r#"{"state":"paid","customer_first_name":"{{ x }} ../ \" </script>","reference_number":"R"}"#,
        r#"{"operation":"void","amount":"None","reference_number":"R","result":"success","success":true}"#,
        r#"{"reference_number":"R","customer_first_name":"{\"state\":\"paid\"}"}"#,
        r#"{"state":"paid","signature":null}"#,
        r#"{"state":"paid","txn":{"State":1,"state":2},"EXTRA":{"a":1,"a":2}}"#,
    ] {
        assert_eq!(verdict(payload), Verdict::Accepted, "{payload}");
    }
}

#[test]
fn an_integer_where_one_is_usual_is_accepted_and_flagged() {
    let payload = r#"{"state":"paid","order_no":12345,"customer_phone":96512345678,"customer_address_postal_code":13001}"#;
    let event = open(signed(payload)).expect("it is signed");
    assert_eq!((event.verdict, event.flags), (Verdict::Accepted, Flags::TYPED));
    assert_eq!(event.fields.order_no.as_deref(), Some("12345"));
    let untyped = open(signed(r#"{"state":"paid","order_no":"12345"}"#)).expect("it is signed");
    assert!(untyped.flags.is_empty());
}

#[test]
fn a_zero_is_not_signed_and_so_not_believed() {
    let genuine = String::from_utf8(signed(r#"{"state":"paid"}"#)).expect("it is text");
    let event = open(genuine.replace("{\"", "{\"order_no\":0,\"")).expect("zero is no part of the message");
    assert_eq!((event.verdict, event.flags, event.fields.order_no), (Verdict::Accepted, Flags::TYPED, None));
}
