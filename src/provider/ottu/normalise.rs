//! What rules see of a payload: its kind and its normalised fields.

use super::fields::{Stated, Top};
use crate::domain::{
    event::{Fields, Kind},
    json::{self, Value},
};
use std::borrow::Cow;

/// Which of the two families it is of. An empty or null field is none.
pub(super) fn kind(top: &Top<'_>) -> Kind {
    let is_there =
        |value: Option<Value<'_>>| value.is_some_and(|value| !matches!(value.kind(), json::Kind::Null) && value.raw() != b"\"\"");
    match top.stated("state") {
        Stated::Text(_) => Kind::Payment,
        Stated::Missing if is_there(top.operation) || is_there(top.txn) || is_there(top.success) => Kind::Operation,
        Stated::Missing | Stated::Integer(_) | Stated::Other(_) | Stated::Unknown => Kind::Other,
    }
}

/// The fields that rules call by name.
pub(super) fn fields(top: &Top<'_>, kind: Kind) -> Fields {
    let mut fields = Fields {
        state: signed(top, "state"),
        result: signed(top, "result"),
        operation: text(top.operation),
        amount: signed(top, "amount"),
        currency_code: signed(top, "currency_code"),
        reference_number: signed(top, "reference_number"),
        session_id: text(top.session_id),
        order_no: signed(top, "order_no"),
        gateway_account: signed(top, "gateway_account"),
        gateway_name: signed(top, "gateway_name"),
        is_sandbox: text(top.is_sandbox),
    };
    match kind {
        Kind::Payment | Kind::Other => {}
        Kind::Operation => complete(&mut fields, top),
    }
    fields
}

/// What an operation event says elsewhere than a payment event.
fn complete(fields: &mut Fields, top: &Top<'_>) {
    let inner = |name: &str| text(top.txn.and_then(|txn| txn.get(name)));
    fields.state = inner("state");
    if fields.result.is_none() {
        fields.result = top.success.and_then(outcome).map(Into::into);
    }
    fields.operation = if is_named(top) { text(top.operation) } else { fields.state.as_deref().and_then(operation_of).map(Into::into) };
    fields.amount =
        fields.amount.take().filter(|amount| &**amount != "None").or_else(|| inner("amount").filter(|amount| &**amount != "None"));
    if fields.currency_code.is_none() {
        fields.currency_code = inner("currency_code");
    }
}

/// Whether an operation says itself which one it is.
pub(super) fn is_named(top: &Top<'_>) -> bool {
    top.operation.and_then(Value::text).is_some_and(|text| !text.is_empty())
}

/// Whether a signed field says something that counts.
pub(super) fn is_said(top: &Top<'_>, name: &str) -> bool {
    signed(top, name).is_some()
}

fn outcome(success: Value<'_>) -> Option<&'static str> {
    match success.raw() {
        b"true" => Some("success"),
        b"false" => Some("failed"),
        _other => None,
    }
}

/// The operation that leads to a state of the transaction.
pub(super) fn operation_of(state: &str) -> Option<&str> {
    match state {
        "voided" => Some("void"),
        "refunded" => Some("refund"),
        "paid" => Some("capture"),
        "canceled" => Some("cancel"),
        "expired" => Some("expire"),
        _other => state.strip_suffix("_queued").or_else(|| state.strip_suffix("_rejected")).filter(|operation| !operation.is_empty()),
    }
}

/// A signed field: its JSON text, and only where it is part of what was signed.
fn signed(top: &Top<'_>, name: &str) -> Option<Box<str>> {
    let stated = top.stated(name);
    match stated {
        Stated::Text(_) | Stated::Integer(_) => stated.text().map(Into::into),
        Stated::Missing | Stated::Other(_) | Stated::Unknown => None,
    }
}

/// A field that is not signed; absent where it is empty.
pub(super) fn text(value: Option<Value<'_>>) -> Option<Box<str>> {
    value?.scalar_text().filter(|text| !text.is_empty()).map(Cow::into_owned).map(Into::into)
}
