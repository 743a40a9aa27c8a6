use super::*;
use crate::{
    domain::{event::Kind, plan::Plan},
    route::{
        Action,
        any_tests::{any_event, any_rules, event},
        condition::{Comparison, Pattern, whole_value},
    },
};
use proptest::prelude::*;
use serde_json::json;

fn is(field: &str, values: &[&str]) -> Condition {
    test(field, Test::Equals(values.iter().map(|value| Pattern::parse(value)).collect()))
}

fn test(field: &str, test: Test) -> Condition {
    Condition::Field(Field::parse(field).expect(field), vec![test])
}

fn rule(name: &str, when: Condition) -> Rule {
    Rule { name: Name::unchecked(name), when: Some(when), action: Action::Drop, stop: false, respond: None }
}

/// The reason on one line, as a person reads it.
fn reason(when: Condition, payload: serde_json::Value) -> String {
    let rules = Rules { rules: vec![rule("a", when)].into(), ..Rules::default() };
    match &rules.explain(&event(Kind::Payment, &payload))[0].finding {
        Finding::Fails(refusal) => said(refusal),
        other => format!("{other:?}"),
    }
}

fn said(refusal: &Refusal) -> String {
    let one = |sight: &Sight| {
        let seen = match &sight.seen {
            Seen::Absent => "nothing",
            Seen::Textless => "no text",
            Seen::Text(text) => text,
            Seen::Hidden => "***",
        };
        format!("{}={seen}{}", sight.field, sight.hint.map(|hint| format!(" ({hint})")).unwrap_or_default())
    };
    match refusal {
        Refusal::Field { condition, found } => format!("{condition} <- {}", one(found)),
        Refusal::Any(refusals) => format!("none of: {}", refusals.iter().map(said).collect::<Vec<_>>().join(" | ")),
        Refusal::Not { condition, found } => format!("{condition} <- {}", found.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

#[test]
fn the_first_condition_that_failed_is_named_with_what_was_found() {
    let at_least = |text: &str| Test::Compare(Comparison::Gte, Decimal::parse(text).expect(text));
    let all = Condition::All;
    for (when, payload, wanted) in [
        (
            all(vec![is("kind", &["payment"]), is("state", &["paid", "cod"]), is("a", &["x"])]),
            json!({ "state": "failed" }),
            "state: [paid, cod] <- state=failed",
        ),
        (is("state", &["paid"]), json!({}), "state: paid <- state=nothing"),
        (is("state", &["paid"]), json!({ "state": " Paid" }), "state: paid <- state= Paid (differs only in case or in blanks)"),
        (is("total", &["a"]), json!({ "total": ["a"] }), "total: a <- total=no text"),
        (is("customer_email", &["a@b"]), json!({ "customer_email": "x@y" }), "customer_email: *** <- customer_email=***"),
        (test("amount", at_least("500")), json!({}), "amount: { gte: 500 } <- amount=nothing"),
        (test("total", at_least("500")), json!({ "total": "1e3" }), "total: { gte: 500 } <- total=1e3 (is no plain decimal number)"),
        (
            test("total", Test::Matches(whole_value("a|b").expect("an expression"))),
            json!({ "total": "ab" }),
            "total: { matches: \"a|b\" } <- total=ab (matches only in part, and the whole value is wanted)",
        ),
        (test("fee", Test::Exists(false)), json!({ "fee": 1 }), "fee: { exists: false } <- fee=1"),
        (
            Condition::Any(vec![is("state", &["cod"]), all(vec![is("kind", &["payment"]), is("fee", &["2"])])]),
            json!({ "state": "paid", "fee": 1 }),
            "none of: state: cod <- state=paid | fee: 2 <- fee=1",
        ),
        (Condition::Any(vec![]), json!({}), "none of: "),
        (
            Condition::Not(Box::new(all(vec![is("state", &["paid"]), is("kind", &["payment"])]))),
            json!({ "state": "paid" }),
            "not: { state: paid, kind: payment } <- state=paid, kind=payment",
        ),
    ] {
        assert_eq!(reason(when, payload), wanted);
    }
}

#[test]
fn rules_behind_one_that_stops_are_not_asked() {
    let rules = vec![
        rule("no", is("state", &["cod"])),
        Rule { stop: true, ..rule("last", is("state", &["paid"])) },
        rule("behind", is("state", &["paid"])),
    ];
    let rules = Rules { rules: rules.into(), ..Rules::default() };
    let event = event(Kind::Payment, &json!({ "state": "paid" }));
    let findings: Vec<_> = rules.explain(&event).into_iter().map(|explained| explained.finding).collect();
    assert!(matches!(findings[0], Finding::Fails(_)), "{findings:?}");
    let paid = Sight { field: Field::parse("state").expect("a field"), seen: Seen::Text("paid".to_owned()), hint: None };
    assert_eq!(findings[1..], [Finding::Holds(vec![paid]), Finding::Unasked(Name::unchecked("last"))]);
}

proptest! {
    #[test]
    fn what_is_explained_is_what_is_planned(rules in any_rules(), event in any_event()) {
        let rules = Rules { rules: rules.into(), ..Rules::default() };
        let explained = rules.explain(&event);
        prop_assert_eq!(explained.len(), rules.rules.len());
        let holding: Vec<Name> =
            explained.iter().filter(|one| matches!(one.finding, Finding::Holds(_))).map(|one| one.rule.name.clone()).collect();
        let Plan { rules: planned, .. } = rules.plan(&event);
        prop_assert_eq!(holding, planned);
        let mut stopped: Option<&Name> = None;
        for Explained { rule, finding } in &explained {
            match finding {
                Finding::Holds(_) => prop_assert!(stopped.is_none() && rule.holds(&event)),
                Finding::Fails(_) => prop_assert!(stopped.is_none() && !rule.holds(&event)),
                Finding::Unasked(by) => prop_assert_eq!(Some(by), stopped),
            }
            if rule.stop && rule.holds(&event) && stopped.is_none() {
                stopped = Some(&rule.name);
            }
        }
    }
}
