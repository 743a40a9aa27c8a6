//! Rules and events at random, for the properties of this folder.

use super::{
    Rule,
    condition::{Comparison, Condition, Decimal, Pattern, Test, whole_value},
};
use crate::{
    domain::{
        clock::Timestamp,
        event::{Event, Fields, Flags, Kind, Verdict},
        field::Field,
        id::EventId,
        json::Document,
        name::Name,
    },
    route::Action,
};
use proptest::prelude::*;

pub fn event(kind: Kind, payload: &serde_json::Value) -> Event {
    let payload = Document::read(payload.to_string().into_bytes().into());
    let state = payload.root().get("state").and_then(|value| value.scalar_text()).map(|text| text.into());
    Event {
        id: EventId::from_halves(1, 2),
        source: Name::unchecked("ottu"),
        received_at: Timestamp::default(),
        kind,
        fields: Fields { state, ..Fields::default() },
        payload,
        content_type: None,
        verified: true,
        verdict: Verdict::Accepted,
        flags: Flags::default(),
    }
}

fn any_test() -> impl Strategy<Value = Test> {
    let patterns =
        || proptest::collection::vec("[abc*]{1,2}", 0..3).prop_map(|texts| texts.iter().map(|text| Pattern::parse(text)).collect());
    prop_oneof![
        8 => patterns().prop_map(Test::Equals),
        2 => patterns().prop_map(Test::NotEquals),
        2 => any::<bool>().prop_map(Test::Exists),
        1 => "[ab]{1,2}".prop_map(|text| Test::Matches(whole_value(&text).unwrap())),
        1 => "[0-9]".prop_map(|text| Test::Compare(Comparison::Gte, Decimal::parse(&text).unwrap())),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let field =
        prop_oneof![Just("kind"), Just("state"), Just("a"), Just("b.c"), Just("d"), Just("e"), Just("f"), Just("g"), Just("h"), Just("i")];
    let one = (field, proptest::collection::vec(any_test(), 1..3))
        .prop_map(|(field, tests)| Condition::Field(Field::parse(field).unwrap(), tests));
    one.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Condition::Any),
            1 => inner.prop_map(|condition| Condition::Not(Box::new(condition))),
        ]
    })
}

pub fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = (proptest::option::weighted(0.9, any_condition()), proptest::bool::weighted(0.1));
    proptest::collection::vec(rule, 0..30).prop_map(|rules| {
        let rule = |(place, (when, stop)): (usize, (Option<Condition>, bool))| {
            let name = Name::unchecked(&format!("rule {place}"));
            Rule { name, when, action: Action::Drop, stop, respond: None }
        };
        rules.into_iter().enumerate().map(rule).collect()
    })
}

pub fn any_event() -> impl Strategy<Value = Event> {
    let texts = || proptest::option::of("[abc]{0,2}");
    ((texts(), texts(), texts()), (texts(), texts(), texts(), texts(), texts(), texts())).prop_map(|((state, a, c), (d, e, f, g, h, i))| {
        event(
            Kind::Payment,
            &serde_json::json!({ "state": state, "a": a, "b": { "c": c }, "d": d, "e": e, "f": f, "g": g, "h": h, "i": i }),
        )
    })
}
