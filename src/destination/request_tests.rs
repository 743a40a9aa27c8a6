//! What is sent, and what of it is shown.

use super::*;
use crate::{
    destination::ClientCredentials,
    domain::{
        clock::Timestamp,
        delivery::Accepted,
        event::{Event, Fields, Flags, Kind, Verdict},
        id::EventId,
        json::Document,
        name::Name,
        standard_webhooks::Signer,
        template::{Part, Template},
    },
};
use std::sync::Arc;

fn event(payload: &str) -> Event {
    let payload = Document::read(Bytes::copy_from_slice(payload.as_bytes()));
    let text = |field: &str| payload.root().get(field).and_then(|value| value.scalar_text()).map(|text| text.into());
    let fields = Fields { state: text("state"), amount: text("amount"), order_no: text("order_no"), ..Fields::default() };
    Event {
        id: EventId::from_halves(0, 1),
        source: Name::unchecked("ottu"),
        received_at: Timestamp::from_millis(1_795_386_473_123),
        kind: Kind::Payment,
        fields,
        payload,
        content_type: Some("application/json; charset=utf-8".into()),
        verified: true,
        verdict: Verdict::Accepted,
        flags: Flags::default(),
    }
}

fn delivery(event: &Event) -> Delivery {
    Delivery {
        event: Arc::new(Accepted::supposed(event)),
        rules: vec![Name::unchecked("paid")],
        attempt: 2,
        at: Timestamp::from_millis(1_795_386_500_999),
        body: event.payload.bytes().clone(),
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn target(url: &str) -> Option<Target> {
    Some(Target::split(&template(url)).unwrap().1)
}

fn shown(settings: &Settings, payload: &str) -> Result<Preview, Unsendable> {
    let event = event(payload);
    preview(settings, &delivery(&event), &event)
}

fn header<'p>(preview: &'p Preview, wanted: &str) -> Option<&'p str> {
    preview.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value)
}

#[test]
fn a_request_is_shown_as_it_would_be_sent() {
    let settings = Settings {
        method: Method::PUT,
        target: target("https://erp.internal:8443/pay/{{ order_no }}?state={{ state }}"),
        headers: vec![(HeaderName::from_static("x-order"), template("{{ order_no }}/{{ hookgate.attempt }}"))],
        payload: Payload::Made(Body::Map(vec![("amount".into(), Body::Text(template("{{ amount | number }}")))])),
        ..Settings::to(Uri::from_static("https://erp.internal:8443/"))
    };
    let preview = shown(&settings, r#"{"order_no":"A/1","state":"paid","amount":"9.000"}"#).unwrap();
    assert_eq!((preview.method.as_str(), &*preview.url), ("PUT", "https://erp.internal:8443/pay/A%2F1?state=paid"));
    assert_eq!((preview.target.expose(), &preview.body[..]), ("/pay/A%2F1?state=paid", &br#"{"amount":9.000}"#[..]));
    let names: Vec<&str> = preview.headers.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "host",
        "user-agent",
        "content-type",
        "x-order",
        "webhook-id",
        "webhook-timestamp",
        "hookgate-source",
        "hookgate-attempt",
        "hookgate-rules",
        "hookgate-verified",
        "hookgate-received",
        "traceparent",
        "content-length",
    ];
    assert_eq!(names, wanted);
    for (name, value) in
        [("host", "erp.internal:8443"), ("content-type", "application/json"), ("x-order", "A/1/2"), ("content-length", "16")]
    {
        assert_eq!(header(&preview, name), Some(value), "{name}");
    }
}

#[test]
fn what_is_secret_in_a_request_is_not_shown() {
    let put = |text| Template::of([Part::Put(text)]).unwrap();
    let settings = Settings {
        target: Some(Target::split(&put("https://hooks.internal/T0/hunter2?key=hunter2")).unwrap().1),
        headers: vec![
            (HeaderName::from_static("x-key"), put("hunter2")),
            (HeaderName::from_static("x-both"), Template::of([Part::Put("hunter2"), Part::Written("{{ state }}")]).unwrap()),
            (HeaderName::from_static("x-open"), template("open {{ state }}")),
            (HeaderName::from_static("cookie"), template("hunter2")),
        ],
        payload: Payload::Made(Body::Map(vec![
            ("key".into(), Body::Text(put("hunter2"))),
            ("state".into(), Body::Text(template("{{ state }}"))),
        ])),
        sign: vec![Secret::new("whsec_aHVudGVyMg==")],
        auth: Some(Auth::Bearer(Secret::new("hunter2"))),
        ..Settings::to(Uri::from_static("https://user:hunter2@hooks.internal/T0/hunter2?key=hunter2"))
    };
    let preview = shown(&settings, r#"{"state":"paid"}"#).unwrap();
    assert_eq!(preview.url, "https://***@hooks.internal/***/***?***");
    assert_eq!(preview.target.expose(), "/T0/hunter2?key=hunter2");
    for name in ["x-key", "x-both", "cookie", "authorization", "webhook-signature"] {
        assert_eq!(header(&preview, name), Some("***"), "{name}");
    }
    assert_eq!(header(&preview, "x-open"), Some("open paid"));
    assert_eq!(preview.shown_body, r#"{"key":"***","state":"paid"}"#);
    assert_eq!(preview.body, r#"{"key":"hunter2","state":"paid"}"#);
    let preview = Preview { body: Bytes::new(), ..preview };
    assert!(!format!("{preview:?}{settings:?}").replace(&settings.url.to_string(), "").contains("hunter2"));

    let client = ClientCredentials {
        token_url: Uri::from_static("https://id.internal/token"),
        client_id: Secret::new("hunter2"),
        client_secret: Secret::new("hunter2"),
        scope: None,
    };
    let settings = Settings { auth: Some(Auth::OAuth2(Box::new(client))), ..Settings::to(Uri::from_static("https://orders.internal")) };
    let preview = shown(&settings, "{}").unwrap();
    assert_eq!((&*preview.url, header(&preview, "authorization")), ("https://orders.internal/", Some("Bearer ***")));
}

#[test]
fn what_is_left_out_is_not_in_the_bytes_that_are_sent_and_signed() {
    let secret = Secret::new("whsec_bmV3");
    let paths = ["pg_params.card_number", "token"].map(|path| Path::parse(path).unwrap());
    let settings = Settings {
        payload: Payload::Without(paths.to_vec()),
        sign: vec![secret.clone()],
        ..Settings::to(Uri::from_static("http://orders.internal/"))
    };
    let event = event(r#"{ "token": "t", "pg_params": { "card_number": "4", "type": "V" }, "amount": 1.50 }"#);
    let (delivery, requests) = (delivery(&event), Requests::new(&settings).unwrap());
    let filled = requests.fill(&delivery, Some(&event)).unwrap();
    let head = requests.request(&delivery, &filled, None).into_parts().0;
    let text = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!(filled.body, r#"{"pg_params": {"type": "V"},"amount": 1.50}"#);
    assert_eq!(text("content-type"), "application/json; charset=utf-8");
    let signature = Signer::new(&secret).unwrap().sign(text("webhook-id").as_bytes(), text("webhook-timestamp").as_bytes(), &filled.body);
    assert_eq!(text("webhook-signature"), signature);
}

#[test]
fn where_there_is_no_such_request_the_cause_is_named_and_no_value_is_shown() {
    let at = |url: &str| Settings { target: target(url), ..Settings::to(Uri::from_static("http://a/")) };
    let with_header = Settings {
        headers: vec![(HeaderName::from_static("x-order"), template("{{ order_no }}"))],
        ..Settings::to(Uri::from_static("http://a/"))
    };
    let without = Settings { payload: Payload::Without(vec![Path::parse("a").unwrap()]), ..Settings::to(Uri::from_static("http://a/")) };
    let long = format!(r#"{{"order_no":"{}"}}"#, "hunter2".repeat(150_000));
    for (settings, payload, cause) in [
        (at("http://a/{{ order_no }}/x"), r#"{"order_no":".."}"#, "unsafe path"),
        (at("http://a/{{ order_no }}/x"), "{}", "unsafe path"),
        (at("http://a/{{ order_no }}"), &*long, "the path and query of `url` come to 1050001 bytes"),
        (at("http://a/?x={{ order_no }}"), &*long, "the path and query of `url` come to 1050004 bytes"),
        (with_header, &*long, "the header x-order comes to 1050000 bytes"),
        (without, r#"{"a":"hunter2","b":NaN}"#, "a word that is no JSON value at byte"),
    ] {
        let error = shown(&settings, payload).unwrap_err().to_string();
        assert!(error.contains(cause) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn only_what_asks_for_fields_needs_the_event() {
    let plain = || Settings::to(Uri::from_static("http://a/x?y"));
    let put = Template::of([Part::Put("http://a/k")]).unwrap();
    let header = |template| vec![(HeaderName::from_static("x-a"), template)];
    for (settings, needs) in [
        (plain(), false),
        (Settings { headers: header(Template::plain("a")), ..plain() }, false),
        (Settings { target: Some(Target::split(&put).unwrap().1), ..plain() }, false),
        (Settings { headers: header(template("{{ state }}")), ..plain() }, true),
        (Settings { target: target("http://a/x?y={{ state }}"), ..plain() }, true),
        (Settings { payload: Payload::Made(Body::Plain("null".into())), ..plain() }, true),
        (Settings { payload: Payload::Without(Vec::new()), ..plain() }, true),
    ] {
        let requests = Requests::new(&settings).unwrap();
        assert_eq!(requests.need_event(), needs, "{settings:?}");
        let event = event("{}");
        let filled = requests.fill(&delivery(&event), None).map(|filled| filled.target.to_string());
        assert_eq!(filled, if needs { Err(Unsendable::EventMissing) } else { Ok("/x?y".to_owned()) });
    }
}
