//! What an operator sees of payloads and of destinations' answers: the shape, and in clear only ids, states, result,
//! operation, amounts, currency, gateway and times.

use crate::domain::json::{Document, Kind, Value as Part};
use bytes::Bytes;
use serde_json::{Map, Value};

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
const MASK: &str = "***";
/// Deeper parts are masked whole.
const DEPTH: usize = 32;

/// A payload.
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
