//! What an operator sees of payloads and of destinations' answers: the shape, and in clear only ids, states, result,
//! operation, amounts, currency, gateway and times.

use super::{
    field::Field,
    json::{Document, Kind, Value as Part},
};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::ops::Range;

const CLEAR: [&str; 22] = [
    "amount",
    "currency_code",
    "fee",
    "gateway_account",
    "gateway_name",
    "id",
    "is_sandbox",
    "operation",
    "order_no",
    "paid_amount",
    "payment_type",
    "pg_code",
    "pymt_txn_pk",
    "reference_number",
    "refunded_amount",
    "result",
    "session_id",
    "settled_amount",
    "state",
    "success",
    "timestamp_utc",
    "total",
];
/// What stands in the place of what is not shown.
pub const MASK: &str = "***";
/// Deeper parts are masked whole.
const DEPTH: usize = 32;

/// What is called so, a header or a parameter, likely has a secret.
const SECRET_WORDS: [&str; 11] =
    ["authorization", "cookie", "token", "secret", "passw", "credential", "api-key", "apikey", "access-key", "bearer", "hmac"];

/// Whether the value of a header, or of a parameter, of that name likely is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a field is shown in clear; of a path, its last part decides.
pub fn is_clear(field: &Field) -> bool {
    match field {
        Field::Normal(_) => true,
        Field::Path(path) => path.steps().last().is_some_and(|key| CLEAR.contains(&key)),
    }
}

/// The payload with every value masked that is not in clear, all else byte for byte: what is made of it shows no more than it.
/// `None`: it is no strict JSON, so that nothing tells what it holds.
pub fn payload(document: &Document) -> Option<Bytes> {
    if document.flaw().is_some() {
        return None;
    }
    let mut hidden = Vec::new();
    hide(document.root(), false, 0, &mut hidden);
    let (text, mut at) = (document.bytes(), 0);
    let mut masked = Vec::with_capacity(text.len());
    for Range { start, end } in hidden {
        masked.extend_from_slice(&text[at..start]);
        masked.extend_from_slice(format!("\"{MASK}\"").as_bytes());
        at = end;
    }
    masked.extend_from_slice(&text[at..]);
    Some(masked.into())
}

/// Notes where a value has to be masked.
fn hide(value: Part<'_>, is_clear: bool, depth: usize, hidden: &mut Vec<Range<usize>>) {
    match value.kind() {
        Kind::Object if depth < DEPTH => {
            value.entries().for_each(|(key, value)| hide(value, CLEAR.contains(&&*key), depth + 1, hidden));
        }
        Kind::Array if depth < DEPTH => value.elements().for_each(|item| hide(item, is_clear, depth + 1, hidden)),
        Kind::Null => {}
        Kind::String | Kind::Number | Kind::Bool if is_clear => {}
        Kind::Object | Kind::Array | Kind::String | Kind::Number | Kind::Bool | Kind::Word => hidden.push(value.range()),
    }
}

/// A payload, for people.
pub fn document(document: &Document) -> Value {
    part(document.root(), false, 0)
}

/// The beginning of a destination's answer: masked like a payload where it is whole JSON, else all of it.
pub fn response(text: &str) -> Value {
    let read = Document::read(Bytes::copy_from_slice(text.as_bytes()));
    if read.flaw().is_some() { Value::from(format!("{MASK} ({} bytes)", text.len())) } else { document(&read) }
}

fn part(value: Part<'_>, is_clear: bool, depth: usize) -> Value {
    match value.kind() {
        Kind::Object if depth < DEPTH => {
            let entry = |(key, value): (std::borrow::Cow<'_, str>, Part<'_>)| {
                let is_clear = CLEAR.contains(&&*key);
                (key.into_owned(), part(value, is_clear, depth + 1))
            };
            Value::Object(value.entries().map(entry).collect::<Map<_, _>>())
        }
        Kind::Array if depth < DEPTH => Value::Array(value.elements().map(|item| part(item, is_clear, depth + 1)).collect()),
        Kind::Null => Value::Null,
        Kind::String | Kind::Number | Kind::Bool if is_clear => {
            value.scalar_text().map_or(Value::Null, |text| Value::from(text.into_owned()))
        }
        Kind::Object | Kind::Array | Kind::String | Kind::Number | Kind::Bool | Kind::Word => Value::from(MASK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_payload_keeps_its_layout_and_what_is_in_clear() {
        let text = r#"{ "state":"paid",  "amount": 10.50, "customer_email":"payer@example.com", "txn":{"state":"x","token":"t"},
            "card":{"number":"4111"}, "total":[1,"2"], "flag":true, "none":null, "extra":[1,{"id":7}] }"#;
        let masked = payload(&Document::read(text.into())).expect("strict JSON");
        let wanted = r#"{ "state":"paid",  "amount": 10.50, "customer_email":"***", "txn":{"state":"x","token":"***"},
            "card":{"number":"***"}, "total":[1,"2"], "flag":"***", "none":null, "extra":["***",{"id":7}] }"#;
        assert_eq!(std::str::from_utf8(&masked), Ok(wanted));
        assert_eq!(payload(&Document::read(r#"{"state":NaN}"#.into())), None);
        let deep = format!("{}\"secret\"{}", r#"{"state":"#.repeat(40), "}".repeat(40));
        assert!(!String::from_utf8_lossy(&payload(&Document::read(deep.into())).expect("strict JSON")).contains("secret"));
    }

    #[test]
    fn the_last_part_of_a_path_says_whether_it_is_in_clear() {
        for (field, clear) in [
            ("state", true),
            ("from", true),
            ("txn.state", true),
            ("body.amount", true),
            ("customer_email", false),
            ("state.email", false),
            ("total.0", false),
        ] {
            assert_eq!(is_clear(&Field::parse(field).expect(field)), clear, "{field}");
        }
    }
}
