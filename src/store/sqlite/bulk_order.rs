//! What is wanted of a bulk replay, as its row has it: JSON, so that whoever opens the file can read it.

use super::{
    super::{Aim, BulkOrder, EventStatus, Query},
    rows::damaged,
};
use crate::domain::{clock::Timestamp, event::Kind, name::Name, quantity::Rate};
use rusqlite::Result;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    from: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    result: Option<String>,
    operation: Option<String>,
    reference: Option<String>,
    session: Option<String>,
    order: Option<String>,
    status: Option<String>,
    rule: Option<String>,
    destination: Option<String>,
    /// Unix milliseconds, here and below.
    since: Option<i64>,
    until: Option<i64>,
    to: Option<Vec<String>>,
    reroute: bool,
    rate: String,
}

/// As text.
pub(super) fn pack(order: &BulkOrder) -> String {
    let Query {
        from, kind, state, result, operation, reference, session, order: order_no, status, rule, destination, since, until, ..
    } = order.filter.clone();
    let (to, reroute) = match &order.aim {
        Aim::Planned => (None, false),
        Aim::To(names) => (Some(names.iter().map(|name| name.as_str().to_owned()).collect()), false),
        Aim::Reroute => (None, true),
    };
    let packed = Packed {
        from,
        kind: kind.map(|kind| kind.as_str().to_owned()),
        state,
        result,
        operation,
        reference,
        session,
        order: order_no,
        status: status.map(|status| status.as_str().to_owned()),
        rule,
        destination,
        since: since.map(Timestamp::millis),
        until: until.map(Timestamp::millis),
        to,
        reroute,
        rate: order.rate.to_string(),
    };
    serde_json::to_string(&packed).expect("it has text keys and finite numbers")
}

/// Out of the text.
pub(super) fn unpack(text: &str) -> Result<BulkOrder> {
    let unreadable = || damaged("a bulk replay does not say what is wanted in a way that this version of hookgate knows");
    let packed: Packed = serde_json::from_str(text).map_err(|_| unreadable())?;
    let kind = |text: String| Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(unreadable);
    let status = |text: String| EventStatus::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(unreadable);
    let filter = Query {
        from: packed.from,
        kind: packed.kind.map(kind).transpose()?,
        state: packed.state,
        result: packed.result,
        operation: packed.operation,
        reference: packed.reference,
        session: packed.session,
        order: packed.order,
        status: packed.status.map(status).transpose()?,
        rule: packed.rule,
        destination: packed.destination,
        since: packed.since.map(Timestamp::from_millis),
        until: packed.until.map(Timestamp::from_millis),
        ..Query::default()
    };
    let aim = match (packed.to, packed.reroute) {
        (Some(names), _) => Aim::To(names.iter().map(|name| Name::unchecked(name)).collect()),
        (None, true) => Aim::Reroute,
        (None, false) => Aim::Planned,
    };
    Ok(BulkOrder { filter, aim, rate: Rate::parse(&packed.rate).map_err(|_| unreadable())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{option, prelude::*, sample::select};

    fn orders() -> impl Strategy<Value = BulkOrder> {
        let texts = prop::collection::vec(option::of(".*"), 9);
        let statuses = (option::of(select(&Kind::ALL[..])), option::of(select(&EventStatus::ALL[..])));
        let times = (option::of(any::<i64>()), option::of(any::<i64>()));
        let names = prop::collection::vec("[a-z0-9][a-z0-9_-]{0,9}", 1..4);
        let aim = prop_oneof![
            Just(Aim::Planned),
            Just(Aim::Reroute),
            names.prop_map(|names| Aim::To(names.iter().map(|name| Name::unchecked(name)).collect())),
        ];
        let rate =
            (1u32..=Rate::MOST, select(&["s", "m", "h"][..])).prop_map(|(count, unit)| Rate::parse(&format!("{count}/{unit}")).unwrap());
        (texts, statuses, times, aim, rate).prop_map(|(mut texts, (kind, status), (since, until), aim, rate)| {
            let mut text = || texts.pop().unwrap();
            let filter = Query {
                from: text(),
                kind,
                state: text(),
                result: text(),
                operation: text(),
                reference: text(),
                session: text(),
                order: text(),
                status,
                rule: text(),
                destination: text(),
                since: since.map(Timestamp::from_millis),
                until: until.map(Timestamp::from_millis),
                ..Query::default()
            };
            BulkOrder { filter, aim, rate }
        })
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_read_back(order in orders()) {
            prop_assert_eq!(unpack(&pack(&order)).unwrap(), order);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            drop(unpack(&text));
        }
    }
}
