//! Compiled rules against a naive reading of the same file, over random conditions and random payloads.

use crate::provider::open;
use hookgate::{
    config::{self, Unset},
    domain::{
        event::{Event, Normal},
        name::Name,
    },
    provider::Unsigned,
    route::Rules,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;

/// Words of every sort: alike, with wildcards in them, numbers, empty.
const WORDS: [&str; 14] =
    ["paid", "unpaid", "paid*", "refund", "refund_queued", "10", "10.0", "010", "-3.50", "true", "false", "é?", "*", ""];
const PATTERNS: [&str; 12] = ["paid", "pa?d", "*paid", "refund*", "*", "?", r"paid\*", "10", "10.0", "true", r"é\?", "*e*d*"];
const FIELDS: [&str; 9] = ["state", "kind", "operation", "result", "amount", "body.state", "txn.state", "txn.list.1", "extra.\"a.b\""];
const NUMBERS: [&str; 6] = ["10", "10.00", "-4", "0", "9.99", "1000"];
const REGEXES: [&str; 4] = ["pa.*", "[0-9.]+", "(un)?paid", ""];

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        1 => proptest::sample::select(vec![json!(10), json!(10.5), json!(-3), json!(true), json!(false)]),
        1 => Just(Value::Null),
    ]
}

fn any_payload() -> impl Strategy<Value = Value> {
    let member = |name: &'static str| proptest::option::weighted(0.6, any_scalar()).prop_map(move |value| value.map(|value| (name, value)));
    let top = (member("state"), member("operation"), member("result"), member("amount"), member("success"));
    let txn = proptest::option::weighted(0.5, (any_scalar(), proptest::collection::vec(any_scalar(), 0..3)));
    let extra = proptest::option::weighted(0.5, any_scalar());
    (top, txn, extra).prop_map(|((a, b, c, d, e), txn, extra)| {
        let mut payload: Map<String, Value> = [a, b, c, d, e].into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect();
        payload.extend(txn.map(|(state, list)| ("txn".to_owned(), json!({ "state": state, "list": list }))));
        payload.extend(extra.map(|value| ("extra".to_owned(), json!({ "a.b": value }))));
        Value::Object(payload)
    })
}

fn any_patterns() -> impl Strategy<Value = Value> {
    let one = proptest::sample::select(&PATTERNS[..]).prop_map(Value::from);
    prop_oneof![2 => one.clone(), 1 => proptest::collection::vec(one, 1..4).prop_map(Value::from)]
}

fn any_test() -> impl Strategy<Value = Value> {
    let number = || proptest::sample::select(&NUMBERS[..]).prop_map(Value::from);
    let operator = prop_oneof![
        3 => any_patterns().prop_map(|value| ("not", value)),
        1 => number().prop_map(|value| ("gt", value)),
        1 => number().prop_map(|value| ("gte", value)),
        1 => number().prop_map(|value| ("lt", value)),
        1 => number().prop_map(|value| ("lte", value)),
        2 => any::<bool>().prop_map(|truth| ("exists", Value::from(truth))),
        1 => proptest::sample::select(&REGEXES[..]).prop_map(|regex| ("matches", Value::from(regex))),
    ];
    let operators = proptest::collection::vec(operator, 1..3)
        .prop_map(|list| Value::Object(list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    prop_oneof![3 => any_patterns(), 2 => operators]
}

fn any_condition() -> impl Strategy<Value = Value> {
    let line = (proptest::sample::select(&FIELDS[..]), any_test());
    let lines = proptest::collection::vec(line, 1..3)
        .prop_map(|lines| Value::Object(lines.into_iter().map(|(name, test)| (name.to_owned(), test)).collect()));
    lines.prop_recursive(3, 12, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            list.clone().prop_map(|list| json!({ "any": list })),
            list.prop_map(|list| json!({ "all": list })),
            inner.clone().prop_map(|one| json!({ "not": one })),
            (inner.clone(), inner).prop_map(|(one, other)| json!({ "state": "paid", "not": one, "any": [other] })),
        ]
    })
}

/// What a field of the rules file has in the event, as its text. `Some(None)` is there, and has no text.
fn found(field: &str, event: &Event, payload: &Value) -> Option<Option<String>> {
    if let Some(normal) = Normal::ALL.into_iter().find(|normal| normal.as_str() == field) {
        return event.normal(normal).map(|text| Some(text.to_owned()));
    }
    let path = field.strip_prefix("body.").unwrap_or(field);
    let steps: Vec<&str> = if path == "extra.\"a.b\"" { vec!["extra", "a.b"] } else { path.split('.').collect() };
    let value = steps.iter().try_fold(payload, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Some(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Some(None),
    }
}

/// All ways to match, tried one by one.
fn is_like(pattern: &[char], value: &[char]) -> bool {
    match (pattern, value) {
        ([], _) => value.is_empty(),
        (['\\', wanted @ ('*' | '?'), rest @ ..], _) => value.first() == Some(wanted) && is_like(rest, &value[1..]),
        (['*', rest @ ..], _) => (0..=value.len()).any(|taken| is_like(rest, &value[taken..])),
        (['?', rest @ ..], _) => !value.is_empty() && is_like(rest, &value[1..]),
        ([wanted, rest @ ..], _) => value.first() == Some(wanted) && is_like(rest, &value[1..]),
    }
}

fn is_one_of(patterns: &Value, text: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    let one = |pattern: &Value| is_like(&chars(pattern.as_str().expect("a text")), &chars(text));
    patterns.as_array().map_or_else(|| one(patterns), |list| list.iter().any(one))
}

/// A plain decimal in thousandths.
fn thousandths(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 3 {
        return None;
    }
    Some(sign * (whole.parse::<i64>().ok()? * 1_000 + format!("{fraction:0<3}").parse::<i64>().ok()?))
}

fn holds(condition: &Value, event: &Event, payload: &Value) -> bool {
    condition.as_object().expect("a mapping").iter().all(|(name, value)| match name.as_str() {
        "any" => value.as_array().expect("a list").iter().any(|one| holds(one, event, payload)),
        "all" => value.as_array().expect("a list").iter().all(|one| holds(one, event, payload)),
        "not" => !holds(value, event, payload),
        field => passes(value, found(field, event, payload)),
    })
}

fn passes(test: &Value, found: Option<Option<String>>) -> bool {
    let text = || found.clone().flatten();
    let Some(operators) = test.as_object() else { return text().is_some_and(|text| is_one_of(test, &text)) };
    operators.iter().all(|(operator, wanted)| {
        let compared = || Some(thousandths(&text()?)?.cmp(&thousandths(wanted.as_str()?)?));
        match operator.as_str() {
            "not" => !text().is_some_and(|text| is_one_of(wanted, &text)),
            "exists" => found.is_some() == *wanted,
            "gt" => compared().is_some_and(|order| order.is_gt()),
            "gte" => compared().is_some_and(|order| order.is_ge()),
            "lt" => compared().is_some_and(|order| order.is_lt()),
            "lte" => compared().is_some_and(|order| order.is_le()),
            "matches" => match wanted.as_str() {
                Some("pa.*") => text().is_some_and(|text| text.starts_with("pa")),
                Some("[0-9.]+") => {
                    text().is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
                }
                Some("(un)?paid") => text().is_some_and(|text| text == "paid" || text == "unpaid"),
                _ => text().is_some_and(|text| text.is_empty()),
            },
            other => panic!("{other}"),
        }
    })
}

/// The rules of a file with these conditions. JSON is YAML too.
fn compiled(conditions: &[Value]) -> Rules {
    let rules: Vec<Value> =
        conditions.iter().enumerate().map(|(number, when)| json!({ "name": format!("r{number}"), "when": when, "to": "a" })).collect();
    let file = json!({ "version": 1, "sources": { "ottu": { "secret": "${KEY}" } }, "destinations": { "a": "http://a/" }, "rules": rules });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, file.to_string()).expect("written");
    config::load(&path, &|_| None, Unset::Placeholder).unwrap_or_else(|error| panic!("{error}")).config.rules
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]
    #[test]
    fn compiled_rules_hold_as_a_naive_reading_of_the_file_says(
        conditions in proptest::collection::vec(any_condition(), 1..30),
        payloads in proptest::collection::vec(any_payload(), 1..30),
    ) {
        let rules = compiled(&conditions);
        for payload in payloads {
            let event = open("ottu", payload.to_string().into(), Unsigned::Quarantine).expect("an event");
            let held: Vec<Name> = rules.plan(&event).rules;
            let wanted = conditions.iter().enumerate().filter(|(_, when)| holds(when, &event, &payload));
            let wanted: Vec<Name> = wanted.map(|(number, _)| Name::unchecked(&format!("r{number}"))).collect();
            prop_assert_eq!(held, wanted, "{}\n{}", payload, json!(conditions));
        }
    }
}
