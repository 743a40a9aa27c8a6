//! What a condition makes of an event, against evaluators so simple that they cannot be wrong. The input is a field, a line
//! break, a text that is taken for a pattern, a number and a regular expression in turn, a line break, and a payload.

#![no_main]

use bytes::Bytes;
use hookgate::{
    domain::{clock::Timestamp, event::Event, field::Field, name::Name, plan::Respond, received::Received},
    provider::{self, Scheme, Settings, Unsigned},
    route::{
        Action, Rule, Rules,
        condition::{Comparison, Condition, Decimal, Pattern, Test, whole_value},
    },
};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use members::Members;
use serde_json::value::RawValue;
use std::{
    cmp::Ordering,
    net::{IpAddr, Ipv4Addr},
};

mod expression;
mod members;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let (Some(field), Some(operand), Some(payload)) = (parts.next(), parts.next(), parts.next()) else { return };
    let (Ok(field), Ok(operand)) = (std::str::from_utf8(field), std::str::from_utf8(operand)) else { return };
    let (Ok(field), Some(event)) = (Field::parse(field), event(payload)) else { return };
    let Some(found) = find(&field, &event, payload) else { return };
    let holds = |test: Test| holds(&field, test, &event);

    let is_there = !matches!(found, Found::Absent);
    assert_eq!((holds(Test::Exists(true)), holds(Test::Exists(false))), (is_there, !is_there));
    let text = match &found {
        Found::Text(text) => Some(text.as_str()),
        Found::Absent | Found::Textless => None,
    };

    let pattern = Pattern::parse(operand);
    if let Some(exact) = pattern.exact() {
        assert!(pattern.matches(exact));
    }
    let matches = text.is_some_and(|text| is_wild(&chars(operand), &chars(text)));
    assert_eq!(holds(Test::Equals(vec![pattern.clone()])), matches, "{operand:?} {text:?}");
    assert_eq!(holds(Test::NotEquals(vec![pattern])), !matches, "{operand:?} {text:?}");

    let limit = Decimal::parse(operand);
    assert_eq!(limit.is_some(), Number::of(operand).is_some(), "{operand:?}");
    if let Some(limit) = limit {
        let order = text.and_then(Number::of).zip(Number::of(operand)).map(|(value, limit)| value.compare(&limit));
        for (comparison, orders) in [
            (Comparison::Gt, &[Ordering::Greater][..]),
            (Comparison::Gte, &[Ordering::Greater, Ordering::Equal]),
            (Comparison::Lt, &[Ordering::Less]),
            (Comparison::Lte, &[Ordering::Less, Ordering::Equal]),
        ] {
            let wanted = order.is_some_and(|order| orders.contains(&order));
            assert_eq!(holds(Test::Compare(comparison, limit)), wanted, "{text:?} {comparison:?} {operand:?}");
        }
    }

    if let Ok(regex) = whole_value(operand) {
        let found = holds(Test::Matches(regex));
        if let (Some(expression), Some(text)) = (expression::read(operand), text)
            && text.chars().count() <= 64
        {
            assert_eq!(found, expression.is_whole(&chars(text)), "{operand:?} {text:?}");
        }
    }
});

/// Whether the test holds, as a condition says it, and as a rule does; a test and its opposite never agree.
fn holds(field: &Field, test: Test, event: &Event) -> bool {
    let one = Condition::Field(field.clone(), vec![test.clone()]);
    let holds = one.holds(event);
    assert_eq!(Condition::Not(Box::new(one.clone())).holds(event), !holds);
    let (all, any) = (Condition::All(vec![]), Condition::Any(vec![]));
    assert!(all.holds(event) && !any.holds(event));
    assert_eq!(Condition::All(vec![all, one.clone()]).holds(event), holds);
    assert_eq!(Condition::Any(vec![any, one.clone()]).holds(event), holds);
    let rule = Rule { name: Name::unchecked("r"), when: Some(one), action: Action::Drop, stop: true, respond: Some(Respond::Now(201)) };
    let rules = Rules { rules: vec![rule].into(), ..Rules::default() };
    assert_eq!(rules.plan(event).answer == Respond::Now(201), holds);
    holds
}

/// Any object is an event where unsigned ones are kept.
fn event(payload: &[u8]) -> Option<Event> {
    let source = Name::unchecked("ottu");
    let settings = Settings { scheme: Scheme::Ottu, secrets: Vec::new(), unsigned: Unsigned::Quarantine };
    let received = Received {
        source: source.clone(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(payload),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::default(),
    };
    provider::build(&source, &settings).open(&received).ok()
}

enum Found {
    Absent,
    Text(String),
    Textless,
}

/// What the field is, by the event where it is normalised, and by serde_json where it is a path; nothing where serde_json
/// cannot say.
fn find(field: &Field, event: &Event, payload: &[u8]) -> Option<Found> {
    match field {
        Field::Normal(normal) => Some(event.normal(*normal).map_or(Found::Absent, |text| Found::Text(text.to_owned()))),
        Field::Path(path) => {
            serde_json::from_slice::<serde_json::Value>(payload).ok()?;
            let mut value: Box<RawValue> = serde_json::from_slice(payload).ok()?;
            for key in path.steps() {
                let next = match value.get().as_bytes()[0] {
                    b'{' => Members::read(value.get().as_bytes())?.get(key).map(ToOwned::to_owned),
                    b'[' => {
                        let elements: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
                        elements.into_iter().enumerate().find(|(place, _)| place.to_string() == key).map(|(_, element)| element)
                    }
                    _scalar => None,
                };
                match next {
                    Some(next) => value = next,
                    None => return Some(Found::Absent),
                }
            }
            let written = value.get();
            Some(match written.as_bytes()[0] {
                b'n' => Found::Absent,
                b'{' | b'[' => Found::Textless,
                b'"' => Found::Text(serde_json::from_str(written).ok()?),
                _number_or_boolean => Found::Text(written.to_owned()),
            })
        }
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Whether a pattern matches: for each beginning of the pattern, the beginnings of the value that it matches.
fn is_wild(pattern: &[char], value: &[char]) -> bool {
    let mut reached = vec![false; value.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while let Some(char) = pattern.get(at) {
        at += 1;
        let literal = match (char, pattern.get(at)) {
            ('\\', Some(next @ ('*' | '?'))) => {
                at += 1;
                Some(next)
            }
            ('*', _) => {
                let first = reached.iter().position(|reached| *reached).unwrap_or(reached.len());
                reached[first..].fill(true);
                continue;
            }
            ('?', _) => None,
            _ => Some(char),
        };
        let fits = |place: usize| literal.is_none_or(|literal| value[place] == *literal);
        reached = (0..=value.len()).map(|end| end > 0 && reached[end - 1] && fits(end - 1)).collect();
    }
    reached[value.len()]
}

/// A number in plain notation: its sign, and its digits before and after the point.
struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    fn of(text: &str) -> Option<Self> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let plain: String = whole.chars().filter(|char| *char != ',').collect();
        let digits = |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_digit());
        // The number without its commas, and with them where they belong.
        let grouped: String = plain.chars().enumerate().fold(String::new(), |mut text, (place, digit)| {
            if place > 0 && (plain.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
            text
        });
        let digits_written = plain.len() + unsigned.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let good = digits(&plain) && digits(fraction) && (whole == plain || whole == grouped) && digits_written <= 40;
        good.then(|| Self { negative, whole: plain, fraction: fraction.to_owned() })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.scaled().cmp(&other.scaled())
    }

    /// The number times 10⁴⁰ as a sign and 80 digits, complemented where it is negative, so that texts compare as numbers do.
    fn scaled(&self) -> (bool, String) {
        let digits = format!("{:0>40}{:0<40}", self.whole, self.fraction);
        if self.negative && digits.contains(|digit| digit != '0') {
            let complement = |digit: char| char::from(b'0' + b'9' - digit as u8);
            return (false, digits.chars().map(complement).collect());
        }
        (true, digits)
    }
}
