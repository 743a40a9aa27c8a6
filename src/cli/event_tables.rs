//! Events, their deliveries and their attempts as tables.

use super::table::{Cell, Table};
use serde_json::Value;

/// A row per event.
pub fn events(events: &[Value]) -> Table {
    let head =
        ["RECEIVED", "EVENT", "FROM", "KIND", "STATE", "OPERATION", "RESULT", "AMOUNT", "REFERENCE", "STATUS", "ANSWER", "DELIVERIES"];
    let mut table = Table::new(head);
    for event in events {
        let of = |member: &str| Cell::of(event, member);
        let deliveries = event["deliveries"].as_array().into_iter().flatten();
        let deliveries: Vec<Value> = deliveries
            .map(|delivery| format!("{} {}", delivery["destination"].as_str().unwrap_or("-"), delivery["status"].as_str().unwrap_or("-")))
            .map(Value::from)
            .collect();
        let money = [&event["amount"], &event["currency_code"]].into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        table.row([
            of("received_at"),
            of("id"),
            of("source"),
            of("kind"),
            of("state"),
            of("operation"),
            of("result"),
            Cell::text(&money),
            of("reference_number"),
            Cell::status(event, "status"),
            of("answer"),
            Cell::value(&deliveries.into()),
        ]);
    }
    table
}

/// A row per delivery of one event, where it has any.
pub fn deliveries(list: &Value) -> Option<Table> {
    let mut table = Table::new(["DESTINATION", "STATUS", "ATTEMPTS", "NEXT", "WAITS FOR"]);
    let list = list.as_array().filter(|list| !list.is_empty())?;
    for delivery in list {
        let of = |member: &str| Cell::of(delivery, member);
        table.row([of("destination"), Cell::status(delivery, "status"), of("attempts"), of("next_attempt_at"), of("waits_for")]);
    }
    Some(table)
}

/// A row per attempt of one event, where there were any.
pub fn attempts(list: &Value) -> Option<Table> {
    let mut table = Table::new(["AT", "DESTINATION", "N", "MS", "RESULT", "STATUS", "CAUSE"]);
    let list = list.as_array().filter(|list| !list.is_empty())?;
    for attempt in list {
        let of = |member: &str| Cell::of(attempt, member);
        let cause = if attempt["error"].is_null() { of("response") } else { of("error") };
        table.row([of("at"), of("destination"), of("n"), of("duration_ms"), Cell::status(attempt, "result"), of("status"), cause]);
    }
    Some(table)
}
