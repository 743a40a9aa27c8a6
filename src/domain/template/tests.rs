//! Templates filled with values of every kind, and with values that would be more than one if they could.

use super::*;
use crate::domain::{
    clock::{Clock, Timestamp},
    event::{Fields, Flags, Kind, Verdict},
    id::EventId,
    json::Document,
    name::Name,
};
use proptest::prelude::*;

fn event(payload: &str) -> Event {
    let payload = Document::read(bytes::Bytes::copy_from_slice(payload.as_bytes()));
    let text = |field: &str| payload.root().get(field).and_then(|value| value.scalar_text()).map(|text| text.into());
    let fields = Fields { state: text("state"), amount: text("amount"), order_no: text("order_no"), ..Fields::default() };
    Event {
        id: EventId::from_halves(1, 2),
        source: Name::unchecked("ottu"),
        received_at: Timestamp::from_millis(1_763_850_473_123),
        kind: Kind::Payment,
        fields,
        payload,
        content_type: None,
        verified: true,
        verdict: Verdict::Accepted,
        flags: Flags::default(),
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What stands behind the host.
fn target(text: &str) -> Target {
    Target::split(&template(&format!("http://orders{text}"))).expect("no place stands before the path").1
}

/// An event with this text as its order number, and in its payload at `extra.text`.
fn with_text(text: &str) -> Event {
    event(&serde_json::json!({ "order_no": text, "extra": { "text": text } }).to_string())
}

fn any_text() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just("\r\nx-admin: 1"),
        Just("../.."),
        Just("%2e%2e"),
        Just("%252e"),
        Just("a/b"),
        Just("&admin=1"),
        Just("#"),
        Just("?x=1"),
        Just("\","),
        Just("\"}"),
        Just("{{ state }}"),
        Just("\u{0}"),
        Just("ض"),
        Just("+"),
        Just("%"),
        Just("\\"),
        Just(".."),
        Just(""),
        Just(";"),
        Just("="),
    ];
    prop_oneof![proptest::collection::vec(nasty, 0..4).prop_map(|parts| parts.concat()), any::<String>()]
}

#[test]
fn texts_with_places_are_read() {
    let place = |field: &str, form| Piece::Place(Place { source: Source::Field(Field::parse(field).unwrap()), form });
    let text = |text: &str| Piece::Text(text.into());
    for (written, pieces) in [
        ("", vec![]),
        ("order", vec![text("order")]),
        ("{ x } }} {", vec![text("{ x } }} {")]),
        ("{{state}}", vec![place("state", Form::Text)]),
        ("{{ amount | number }} KWD", vec![place("amount", Form::Number), text(" KWD")]),
        ("{{a.b}}-{{  c|json  }}", vec![place("a.b", Form::Text), text("-"), place("c", Form::Json)]),
        ("{{ extra.\"a}}b|c\" }}", vec![place("extra.\"a}}b|c\"", Form::Text)]),
        ("{{ hookgate.attempt }}", vec![Piece::Place(Place { source: Source::Known(Known::Attempt), form: Form::Text })]),
    ] {
        assert_eq!(Template::parse(written), Ok(Template(pieces)), "{written}");
    }
}

#[test]
fn what_is_no_place_is_told_as_what_it_is() {
    for (written, wanted) in [
        ("{{ state", "a `{{` has no `}}`"),
        ("{{ a.\"b }}", "a `{{` has no `}}`"),
        ("x {{ }}", "there is no field between `{{` and `}}`"),
        ("{{ | json }}", "there is no field between `{{` and `}}`"),
        ("{{ a..b }}", "what stands between `{{` and `}}` names no field: a part of the path is empty"),
        ("{{ state | upper }}", "behind `|` goes one of number, json"),
        ("{{ state | }}", "behind `|` goes one of number, json"),
    ] {
        assert_eq!(Template::parse(written).map_err(|error| error.to_string()), Err(wanted.to_owned()), "{written}");
    }
    let unknown = Template::parse("{{ hookgate.secret }}").unwrap_err().to_string();
    assert_eq!(unknown, "of `hookgate.` there are event, source, attempt, received_at");
}

#[test]
fn places_are_filled_from_the_event_and_what_hookgate_knows() {
    let event = event(r#"{"state":"paid","amount":"1,000.500","n":-0.5e3,"no":null,"list":[1,{"a":"b"}],"on":true,"bad":[NaN]}"#);
    let values = Values { event: &event, attempt: 3 };
    for (written, text, json) in [
        ("{{ state }}", "paid", r#""paid""#),
        ("{{ absent }}", "", r#""""#),
        ("{{ no }}", "", r#""""#),
        ("{{ list }}", "", r#""""#),
        ("{{ n }}", "-0.5e3", r#""-0.5e3""#),
        ("{{ on }}", "true", r#""true""#),
        ("{{ amount | number }}", "1000.500", "1000.500"),
        ("{{ n | number }}", "-0.5e3", "-0.5e3"),
        ("{{ state | number }}", "null", "null"),
        ("{{ absent | number }}", "null", "null"),
        ("{{ absent | json }}", "null", "null"),
        ("{{ no | json }}", "null", "null"),
        ("{{ list | json }}", r#"[1,{"a":"b"}]"#, r#"[1,{"a":"b"}]"#),
        ("{{ on | json }}", "true", "true"),
        ("{{ state | json }}", r#""paid""#, r#""paid""#),
        ("{{ bad | json }}", "null", "null"),
        ("{{ hookgate.attempt }}", "3", r#""3""#),
        ("{{ hookgate.attempt | number }}", "3", "3"),
        ("{{ hookgate.source }}", "ottu", r#""ottu""#),
        ("{{ hookgate.received_at }}", "2025-11-22T22:27:53.123Z", r#""2025-11-22T22:27:53.123Z""#),
        ("{{ state }}/{{ absent }}!", "paid/!", r#""paid/!""#),
    ] {
        let template = template(written);
        assert_eq!(template.fill(values, Look::Sent, |value, text| text.push_str(value)), text, "{written}");
        assert_eq!(String::from_utf8(Body::Text(template).fill(values)).unwrap(), json, "{written}");
    }
    assert_eq!(template("{{ hookgate.event }}").header(values), event.id.to_string());
}

#[test]
fn numbers_keep_every_digit() {
    for (text, wanted) in [
        ("9.000", "9.000"),
        ("007", "7"),
        ("-000.10", "-0.10"),
        ("12,345,678.90", "12345678.90"),
        ("0.30000000000000000000000000000000000001", "0.30000000000000000000000000000000000001"),
        ("1e999", "null"),
        ("+1", "null"),
        ("1.", "null"),
        ("0x1", "null"),
        (" 1", "null"),
        ("NaN", "null"),
        ("Infinity", "null"),
    ] {
        let event = event(&serde_json::json!({ "amount": text }).to_string());
        assert_eq!(
            template("{{ amount | number }}").fill(Values { event: &event, attempt: 1 }, Look::Sent, |value, text| text.push_str(value)),
            wanted
        );
    }
    let digits = "9".repeat(41);
    let event = event(&serde_json::json!({ "amount": digits }).to_string());
    assert_eq!(Body::Text(template("{{ amount | number }}")).fill(Values { event: &event, attempt: 1 }), b"null");
}

#[test]
fn a_segment_that_a_server_could_read_as_another_place_is_not_sent() {
    let path = target("/orders/{{ order_no }}/state");
    for bad in
        ["", ".", "..", "%2e%2e", "%252e%252E", "../admin", "a/../..", "..\\admin", "..;a", "./x", ";x", "..\n", " ..", "..#", "%2e.%3fx"]
    {
        let event = with_text(bad);
        assert_eq!(path.fill(Values { event: &event, attempt: 1 }), Err(Unsafe), "{bad}");
    }
    for (good, wanted) in [
        ("INV/2024", "/orders/INV%2F2024/state"),
        ("...", "/orders/.../state"),
        ("a b", "/orders/a%20b/state"),
        ("ض", "/orders/%D8%B6/state"),
    ] {
        let event = with_text(good);
        assert_eq!(path.fill(Values { event: &event, attempt: 1 }).as_deref(), Ok(wanted));
    }
    let together = target("/{{ order_no }}{{ order_no }}");
    assert_eq!(together.fill(Values { event: &with_text("."), attempt: 1 }), Err(Unsafe));
    let event = with_text("1");
    let values = Values { event: &event, attempt: 1 };
    assert_eq!(target("/a/./b//").fill(values).as_deref(), Ok("/a/./b//"), "what the file itself says is sent");
    assert_eq!(target("/x-{{ absent }}/{{ extra.\"a/b\" }}y").fill(values).as_deref(), Ok("/x-/y"));
}

#[test]
fn a_url_is_split_where_its_host_ends_and_what_was_put_in_stays_secret() {
    let event = event(r#"{"state":"paid"}"#);
    let values = Values { event: &event, attempt: 1 };
    let (written, put) = (Part::Written, Part::Put);
    for (parts, host, sent, shown) in [
        (&[written("http://a")][..], "http://a", "/", "/"),
        (&[written("http://a:80?x={{ state }}?/")], "http://a:80", "/?x=paid?/", "/?x=paid?/"),
        (&[written("http://a/b/?")], "http://a", "/b/?", "/b/?"),
        (&[written("http://a/{{ state }}//b?c=/{{ extra.\"/?\" }}&d={{state}}")], "http://a", "/paid//b?c=/&d=paid", "/paid//b?c=/&d=paid"),
        (&[put("https://hooks.internal/T0/B1?k=v")], "https://hooks.internal", "/T0/B1?k=v", "/***/***?***"),
        (
            &[put("http://h"), written("ost/v"), put("1/{{ x }}"), written("/{{ state }}")],
            "http://host",
            "/v1/{{ x }}/paid",
            "/v***/***/paid",
        ),
        (&[written("http://"), put("h/?"), written("a={{ state }}&k="), put("s")], "http://h", "/?a=paid&k=s", "/?a=paid&k=***"),
    ] {
        let url = Template::of(parts.iter().copied()).unwrap();
        let (before, target) = Target::split(&url).expect("it is split");
        assert_eq!((&*before, target.fill(values).as_deref(), target.show(values).as_deref()), (host, Ok(sent), Ok(shown)), "{url:?}");
    }
    let below = target("/{{ state }}?x").below(&["dev", "sink"]);
    assert_eq!(below.fill(values).as_deref(), Ok("/dev/sink/paid?x"));
    for text in
        ["{{ state }}", "http://{{ state }}/x", "{{ state }}://a/x", "http://a:{{ state }}/", "http://a{{ state }}", "/x/{{ state }}"]
    {
        assert_eq!(Target::split(&template(text)), None, "{text}");
    }
}

#[test]
fn what_was_put_in_is_neither_read_as_a_template_nor_shown() {
    let template = Template::of([Part::Written("Bearer "), Part::Put("{{ state }}-hunter2"), Part::Written("-{{ state }}")]).unwrap();
    let event = event(r#"{"state":"paid"}"#);
    assert_eq!(template.header(Values { event: &event, attempt: 1 }), "Bearer {{ state }}-hunter2-paid");
    assert!(template.is_secret() && template.has_places() && template.fields().count() == 1);
    assert!(!format!("{template:?}").contains("hunter2") && !format!("{template:?}").contains("Bearer"), "{template:?}");
    assert_eq!(Template::of([Part::Written("{{ "), Part::Put("state"), Part::Written(" }}")]), Err(TemplateError::Open));
    assert_eq!((Template::secret("s").is_secret(), Template::plain("{{ s }}").fixed().as_deref()), (true, Some("{{ s }}")));
}

#[test]
fn a_value_that_is_encoded_without_end_is_refused_soon() {
    let text = format!("%{}", "25".repeat(400_000));
    let event = with_text(&text);
    let clock = Clock::system();
    let start = clock.instant();
    assert_eq!(target("/{{ order_no }}").fill(Values { event: &event, attempt: 1 }), Err(Unsafe));
    assert!(clock.instant().duration_since(start) < std::time::Duration::from_secs(60));
}

proptest! {
    #[test]
    fn no_value_adds_a_header_or_ends_one(text in any_text()) {
        let event = with_text(&text);
        let header = template("{{ order_no }};{{ extra.text | json }}").header(Values { event: &event, attempt: 1 });
        prop_assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header:?}");
        let decoded = percent_encoding::percent_decode_str(&header).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(decoded, format!("{text};{}", fill::quoted(&text)));
    }

    #[test]
    fn no_value_adds_a_segment_or_takes_one_away(text in any_text()) {
        let event = with_text(&text);
        let path = target("/a/{{ extra.text }}/b-{{ order_no }}");
        if let Ok(path) = path.fill(Values { event: &event, attempt: 1 }) {
            prop_assert!(path.parse::<http::uri::PathAndQuery>().is_ok_and(|parsed| parsed.path() == path && parsed.query().is_none()));
            let base = url_of(&path);
            prop_assert_eq!(base.len(), 3);
            prop_assert_eq!(&base[1], &text);
            prop_assert_eq!(&base[2], &format!("b-{text}"));
        }
    }

    #[test]
    fn no_value_adds_a_key_to_a_query(text in any_text()) {
        let event = with_text(&text);
        let target = target("?a={{ order_no }}&b={{ extra.text }}").fill(Values { event: &event, attempt: 1 }).unwrap();
        let query = target.strip_prefix("/?").unwrap();
        let found: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        prop_assert_eq!(found, [("a".to_owned(), text.clone()), ("b".to_owned(), text)]);
        prop_assert!(target.parse::<http::uri::PathAndQuery>().is_ok_and(|parsed| parsed.query() == Some(query)));
    }

    #[test]
    fn no_value_adds_a_key_to_a_json_body(text in any_text()) {
        let event = with_text(&text);
        let body = Body::Map(vec![
            ("a".into(), Body::Text(template("{{ order_no }}"))),
            ("b".into(), Body::List(vec![Body::Text(template("<{{ extra.text }}>")), Body::Plain("1.50".into())])),
            ("c".into(), Body::Text(template("{{ extra | json }}"))),
            ("d".into(), Body::Text(template("{{ order_no | number }}"))),
        ]);
        let filled = body.fill(Values { event: &event, attempt: 1 });
        let read: serde_json::Value = serde_json::from_slice(&filled).expect("JSON");
        prop_assert_eq!(read.as_object().unwrap().len(), 4);
        prop_assert_eq!(&read["a"], &serde_json::json!(text));
        prop_assert_eq!(&read["b"], &serde_json::json!([format!("<{text}>"), 1.5]));
        prop_assert_eq!(&read["c"], &serde_json::json!({ "text": text }));
        prop_assert!(read["d"].is_null() || read["d"].is_number());
    }

    #[test]
    fn any_text_is_a_template_or_an_error(text in any_text(), other in "[{}|\" a-z.]{0,24}") {
        for text in [text, other] {
            if let Ok(template) = Template::parse(&text) {
                let event = with_text("x");
                let values = Values { event: &event, attempt: 1 };
                template.header(values);
                if let Some((_, target)) = Target::split(&template) {
                    target.fill(values).ok();
                }
            }
        }
    }
}

/// The segments of a path as a server reads it.
fn url_of(path: &str) -> Vec<String> {
    let segments = path.strip_prefix('/').expect("it begins with one").split('/');
    segments.map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().into_owned()).collect()
}
