//! Where `normalise` found the fields of an event, and which of them the signature covers.

use super::{
    fields::{NAMES, Top},
    normalise::{is_named, is_said},
};
use crate::{
    domain::{
        event::{Event, Kind, Normal},
        field::Field,
        json,
    },
    provider::Origin,
};

/// Those that the payload decides and that are there.
pub(super) fn origins(event: &Event) -> Vec<Origin> {
    let top = Top::of(event.payload.root());
    Normal::ALL
        .into_iter()
        .filter(|field| *field != Normal::From && event.normal(*field).is_some())
        .map(|field| origin(field, event.kind, &top))
        .collect()
}

/// Whether the signature covers what the event says there, or that it says nothing.
pub(super) fn covers(field: &Field, event: &Event) -> bool {
    match field {
        // It has a key of its own.
        Field::Normal(Normal::From) => true,
        Field::Normal(field) if event.normal(*field).is_some() => origin(*field, event.kind, &Top::of(event.payload.root())).signed,
        // An operation says some of them elsewhere too, where anybody could have taken them out.
        Field::Normal(field) => is_signed(field.as_str()) && (event.kind != Kind::Operation || !has_other_place(*field)),
        Field::Path(path) => {
            let mut steps = path.steps();
            steps.next().is_some_and(is_signed) && steps.next().is_none()
        }
    }
}

fn origin(field: Normal, kind: Kind, top: &Top<'_>) -> Origin {
    let at = |place: &str| Origin { field, place: Some(place.into()), because: None, signed: is_signed(place) };
    let derived = |place: &str, because| Origin { because: Some(because), ..at(place) };
    match (field, kind) {
        (Normal::Kind, Kind::Payment) => derived("state", "it has a `state` of its own"),
        (Normal::Kind, Kind::Operation) => {
            let is_there = |value: Option<json::Value<'_>>| {
                value.is_some_and(|value| !matches!(value.kind(), json::Kind::Null) && value.raw() != b"\"\"")
            };
            match (is_there(top.operation), is_there(top.txn)) {
                (true, _) => derived("operation", "it has no `state` of its own, and an `operation`"),
                (false, true) => derived("txn", "it has no `state` of its own, and a `txn`"),
                (false, false) => derived("success", "it has no `state` of its own, and a `success`"),
            }
        }
        (Normal::Kind, Kind::Other) => {
            let because = Some("it has no `state` that is text, and is no operation either");
            Origin { field, place: None, because, signed: false }
        }
        (Normal::State, Kind::Operation) => at("txn.state"),
        (Normal::Result, Kind::Operation) if !is_said(top, "result") => {
            derived("success", "`success` says how it ended, and `result` nothing")
        }
        (Normal::Operation, Kind::Operation) if !is_named(top) => {
            derived("txn.state", "`operation` says nothing, and this is the operation that leads to that state")
        }
        (Normal::Amount, Kind::Operation) if !is_said(top, "amount") || top.stated("amount").text() == Some("None") => at("txn.amount"),
        (Normal::CurrencyCode, Kind::Operation) if !is_said(top, "currency_code") => at("txn.currency_code"),
        (field, Kind::Payment | Kind::Operation | Kind::Other) => at(field.as_str()),
    }
}

fn is_signed(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether an operation may say it at a place that is not signed.
fn has_other_place(field: Normal) -> bool {
    match field {
        Normal::Kind | Normal::State | Normal::Result | Normal::Operation | Normal::Amount | Normal::CurrencyCode => true,
        Normal::From
        | Normal::ReferenceNumber
        | Normal::SessionId
        | Normal::OrderNo
        | Normal::GatewayAccount
        | Normal::GatewayName
        | Normal::IsSandbox => false,
    }
}
