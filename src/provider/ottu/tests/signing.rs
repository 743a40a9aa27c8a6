//! Signing, and saying why a signature does not hold.

use super::*;

#[test]
fn signing_changes_nothing_but_the_signature() {
    let hex = Signature::of(b"statepaid", &Secret::new(KEY)).to_hex();
    for (payload, wanted) in [
        (r#"{"state":"paid"}"#, format!(r#"{{"state":"paid","signature":"{hex}"}}"#)),
        ("{ \"state\" : \"paid\" }\n", format!("{{ \"state\" : \"paid\", \"signature\": \"{hex}\" }}\n")),
        (
            "{\n  \"x\": [1, {}],\n  \"state\": \"paid\"\n}\n",
            format!("{{\n  \"x\": [1, {{}}],\n  \"state\": \"paid\",\n  \"signature\": \"{hex}\"\n}}\n"),
        ),
        (r#"{"signature":"old","state":"paid"}"#, format!(r#"{{"signature":"{hex}","state":"paid"}}"#)),
        (r#"{"state":"paid","signature": null , "x":1.10}"#, format!(r#"{{"state":"paid","signature": "{hex}" , "x":1.10}}"#)),
        ("{\"x\":\"a:b\",\"state\":\"paid\",\"y\":NaN}", format!("{{\"x\":\"a:b\",\"state\":\"paid\",\"y\":NaN,\"signature\":\"{hex}\"}}")),
    ] {
        assert_eq!(String::from_utf8(signed(payload)).expect("it is text"), wanted);
        assert!(open(wanted).is_ok());
    }
    let empty = signed("{ }");
    assert!(empty.starts_with(b"{\"signature\":\"") && empty.ends_with(b"\" }"));
    for (payload, error) in [("[1]", SignError::NotAnObject), ("", SignError::NotAnObject), (r#"{"amount":[1]}"#, SignError::NoText)] {
        assert_eq!(sign(payload.as_bytes(), &Secret::new(KEY)), Err(error), "{payload}");
    }
}

#[test]
fn a_verification_says_what_was_signed_and_what_is_wrong() {
    let secrets = [Secret::new("other"), Secret::new(KEY)];
    let good = signed(r#"{"state":"paid","amount":"1.000","order_no":""}"#);
    let verification = verify(&good, &secrets);
    assert_eq!(verification.check, Check::Holds { key: 1, anomaly: None });
    assert_eq!(verification.fields, [("amount", "1.000".to_owned()), ("state", "paid".to_owned())]);
    assert_eq!(verification.message.as_deref(), Some("amount1.000statepaid"));
    for (payload, wanted) in [
        (&b"[1]"[..], "the payload is not a JSON object"),
        (b"nonsense", "the payload is not a JSON object: a word that is no JSON value at byte 0"),
        (br#"{"state":"paid"}"#, "the payload has no field `signature`"),
        (br#"{"signature":null}"#, "`signature` is no text, not a text of 64 hexadecimal characters"),
        (br#"{"signature":"abc"}"#, "`signature` is a text of 3 characters, not a text of 64 hexadecimal characters"),
        (
            &signed(r#"{"state":"paid"}"#).replace("paid", "cod"),
            "the signature is wrong under every key (2 tried): another key, or a signed field was changed",
        ),
        (
            &signed(r#"{"state":"paid","amount":[]}"#).replace("[]", "[1]"),
            "a signed field is an array, an object or no JSON value: nothing says what was signed",
        ),
    ] {
        let check = verify(payload, &secrets).check;
        assert_eq!(check.to_string(), wanted);
        assert!(!format!("{check:?}").contains(KEY));
    }
    let odd = verify(&signed(r#"{"state":"paid","state":"paid"}"#), &secrets).check;
    assert_eq!(odd, Check::Holds { key: 1, anomaly: Some(Reason::DuplicateKey) });
}

trait Replace {
    fn replace(&self, from: &str, to: &str) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(&self, from: &str, to: &str) -> Vec<u8> {
        String::from_utf8_lossy(self).replace(from, to).into_bytes()
    }
}
