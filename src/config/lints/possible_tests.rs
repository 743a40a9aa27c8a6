//! What is said of conditions, against all events of a small world.

use super::*;
use crate::domain::{
    clock::Timestamp,
    event::{Event, Fields, Flags, Verdict},
    id::EventId,
    json::Document,
    name::Name,
};
use crate::route::condition::whole_value;
use proptest::prelude::*;
use std::sync::LazyLock;

const SOURCES: [&str; 2] = ["ottu", "test"];

/// All worlds there are, and time enough for them.
fn worlds() -> Vec<World<'static>> {
    let patience: &Patience = Box::leak(Box::default());
    SOURCES
        .iter()
        .flat_map(|source| Scheme::Ottu.kinds().map(move |kind| World { source, scheme: &Scheme::Ottu, kind, patience }))
        .collect()
}

/// Every event of the small world, as the provider documents them.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let mut kinds: Vec<(Kind, Option<&str>, Option<&str>)> = vec![(Kind::Other, None, None)];
    for state in ["paid", "failed", "refunded"] {
        kinds.extend([None, Some("payment")].map(|operation| (Kind::Payment, Some(state), operation)));
        kinds.extend([None, Some("refund"), Some("void")].map(|operation| (Kind::Operation, Some(state), operation)));
    }
    kinds.extend([None, Some("refund")].map(|operation| (Kind::Operation, None, operation)));
    let mut events = Vec::new();
    for source in SOURCES {
        for (kind, state, operation) in &kinds {
            for amount in [None, Some("5"), Some("5.0"), Some("10"), Some("12.5"), Some("none")] {
                for payload in ["{}", r#"{"a":""}"#, r#"{"a":"x"}"#, r#"{"a":10}"#, r#"{"a":[]}"#] {
                    let text = |text: &Option<&str>| text.map(Into::into);
                    events.push(Event {
                        id: EventId::from_halves(1, 2),
                        source: Name::unchecked(source),
                        received_at: Timestamp::default(),
                        kind: *kind,
                        fields: Fields { state: text(state), operation: text(operation), amount: text(&amount), ..Fields::default() },
                        payload: Document::read(payload.into()),
                        content_type: None,
                        verified: true,
                        verdict: Verdict::Accepted,
                        flags: Flags::default(),
                    });
                }
            }
        }
    }
    events
});

fn any_patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let text = prop::sample::select(vec![
        "paid",
        "failed",
        "refunded",
        "refund",
        "void",
        "payment",
        "operation",
        "other",
        "ottu",
        "test",
        "5",
        "5.0",
        "10",
        "x",
        "",
        "*",
        "?*",
        "p*",
        "re*",
        "*d",
        "?est",
        "1?",
    ]);
    proptest::collection::vec(text.prop_map(Pattern::parse), 1..4)
}

fn any_test() -> impl Strategy<Value = Test> {
    let comparison = prop::sample::select(vec![Comparison::Gt, Comparison::Gte, Comparison::Lt, Comparison::Lte]);
    let limit = prop::sample::select(vec!["5", "10", "11", "12.50"]).prop_map(|text| Decimal::parse(text).expect(text));
    let regex = prop::sample::select(vec!["p.*", "paid|refund", r"\d+", ""]).prop_map(|text| whole_value(text).expect(text));
    prop_oneof![
        6 => any_patterns().prop_map(Test::Equals),
        3 => any_patterns().prop_map(Test::NotEquals),
        3 => (comparison, limit).prop_map(|(comparison, limit)| Test::Compare(comparison, limit)),
        1 => any::<bool>().prop_map(Test::Exists),
        1 => regex.prop_map(Test::Matches),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let field = prop::sample::select(vec!["from", "kind", "state", "operation", "amount", "a"]);
    let one = (field, proptest::collection::vec(any_test(), 1..3))
        .prop_map(|(field, tests)| Condition::Field(Field::parse(field).expect(field), tests));
    one.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::All),
            2 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::Any),
            1 => inner.prop_map(|condition| Condition::Not(Box::new(condition))),
        ]
    })
}

proptest! {
    #[test]
    fn the_cases_of_a_condition_are_the_condition(condition in any_condition()) {
        let whens = [(Cases::holding(Some(&condition)), true), (Cases::failing(Some(&condition)), false)];
        for (cases, holds) in whens {
            let Some(cases) = cases.0 else { continue };
            for event in EVENTS.iter() {
                let is_case = cases.iter().any(|case| case.iter().all(|claim| claim.agrees(&claim.field.find(event))));
                prop_assert_eq!(is_case, condition.holds(event) == holds);
            }
        }
    }

    #[test]
    fn what_never_holds_holds_of_no_event(condition in any_condition()) {
        let possible = Cases::holding(Some(&condition)).possible(&worlds());
        let witness = EVENTS.iter().find(|event| condition.holds(event));
        prop_assert!(possible != Possible::Never || witness.is_none(), "{condition:?} {witness:?}");
    }

    #[test]
    fn what_always_holds_holds_of_every_event(condition in any_condition()) {
        let fails = Cases::failing(Some(&condition)).possible(&worlds());
        prop_assert!(fails != Possible::Never || EVENTS.iter().all(|event| condition.holds(event)));
    }

    #[test]
    fn of_two_conditions_that_are_never_together_no_event_fulfils_both(one in any_condition(), other in any_condition()) {
        let possible = Cases::holding(Some(&one)).beside(&Cases::holding(Some(&other)), &worlds());
        prop_assert!(possible != Possible::Never || !EVENTS.iter().any(|event| one.holds(event) && other.holds(event)));
        let implied = Cases::holding(Some(&one)).beside(&Cases::failing(Some(&other)), &worlds()) == Possible::Never;
        prop_assert!(!implied || EVENTS.iter().all(|event| !one.holds(event) || other.holds(event)));
    }
}

/// A condition as YAML would have it: `state=paid|cod`, `state!=paid`, `amount>=5`, `a?`, `a!?`; joined by commas.
fn condition(text: &str) -> Condition {
    let one = |text: &str| {
        let patterns = |text: &str| text.split('|').map(Pattern::parse).collect();
        let decimal = |text: &str| Decimal::parse(text).expect(text);
        let sign = ["!=", ">=", "<=", ">", "<", "=", "!?", "?"].into_iter().find(|sign| text.contains(sign)).expect(text);
        let (name, value) = text.split_once(sign).expect(text);
        let test = match sign {
            "=" => Test::Equals(patterns(value)),
            "!=" => Test::NotEquals(patterns(value)),
            ">=" => Test::Compare(Comparison::Gte, decimal(value)),
            "<=" => Test::Compare(Comparison::Lte, decimal(value)),
            ">" => Test::Compare(Comparison::Gt, decimal(value)),
            "<" => Test::Compare(Comparison::Lt, decimal(value)),
            exists => Test::Exists(exists == "?"),
        };
        Condition::Field(Field::parse(name).expect(name), vec![test])
    };
    Condition::All(text.split(", ").filter(|text| !text.is_empty()).map(one).collect())
}

#[test]
fn contradictions_are_seen() {
    for (text, possible) in [
        ("state=paid", Possible::Surely),
        ("state=paid, state!=paid", Possible::Never),
        ("state=paid, state!=p*", Possible::Never),
        ("state=p*, state!=*", Possible::Never),
        ("state=p*, state!=paid", Possible::Surely),
        ("state=paid|failed, state!=paid", Possible::Surely),
        ("state!?, state=paid", Possible::Never),
        ("state!?, state?", Possible::Never),
        ("state!?, kind=payment", Possible::Never),
        ("state!?, state!=paid", Possible::Surely),
        ("amount>=10, amount<5", Possible::Never),
        ("amount>=5, amount<=5", Possible::Surely),
        ("amount>5, amount<=5", Possible::Never),
        ("amount>=5, amount=4", Possible::Never),
        ("amount>=5, amount=five", Possible::Never),
        ("amount>=5, amount=5.00", Possible::Surely),
        ("amount>=5, amount!?", Possible::Never),
        ("kind=payment, operation=refund", Possible::Never),
        ("kind=payment, operation=payment", Possible::Surely),
        ("kind=operation, operation=payment", Possible::Never),
        ("kind=payment, operation!=refund", Possible::Surely),
        ("kind=other, state=paid", Possible::Never),
        ("kind=payments", Possible::Never),
        ("from=ottu, from=test", Possible::Never),
        ("from=ott*, from!=test", Possible::Surely),
        ("from=nowhere", Possible::Never),
        ("from!?", Possible::Never),
        ("a=, a?", Possible::Surely),
        ("state=", Possible::Never),
    ] {
        assert_eq!(Cases::holding(Some(&condition(text))).possible(&worlds()), possible, "{text}");
    }
}

#[test]
fn one_condition_is_seen_to_imply_another() {
    for (narrow, wide, is_implied) in [
        ("state=paid", "state=paid|cod", true),
        ("state=paid|cod", "state=paid", false),
        ("state=paid, kind=payment", "state=paid", true),
        ("state=paid", "state=paid, kind=payment", false),
        ("state=refund_*", "state=refund*", true),
        ("state=refund*", "state=refund_*", false),
        ("amount>=100", "amount>=50", true),
        ("amount>=100", "amount>50", true),
        ("amount>50", "amount>=50", true),
        ("amount>=50", "amount>50", false),
        ("amount=70", "amount>=50", true),
        ("state=paid", "state?", true),
        ("kind=payment", "state?", true),
        ("kind=payment", "operation!=refund", true),
        ("from=ottu", "from!=test", true),
        ("", "kind=payment|operation|other", true),
        ("", "from=ottu|test", true),
        ("", "from=ottu", false),
        ("a=x", "a!=y", true),
        ("a=x", "b=x", false),
    ] {
        let (narrow_condition, wide_condition) = (condition(narrow), condition(wide));
        let possible = Cases::holding(Some(&narrow_condition)).beside(&Cases::failing(Some(&wide_condition)), &worlds());
        assert_eq!(possible == Possible::Never, is_implied, "{narrow} → {wide}");
    }
}

#[test]
fn of_a_condition_with_too_many_cases_nothing_is_said() {
    let any = |field: &str| Condition::Any((0..8).map(|number| condition(&format!("{field}={number}"))).collect());
    let many = Condition::All(["a", "b", "c"].map(any).into());
    assert_eq!(Cases::holding(Some(&many)).possible(&worlds()), Possible::Perhaps);
    assert!(Cases::holding(Some(&many)).all().is_empty());
}
