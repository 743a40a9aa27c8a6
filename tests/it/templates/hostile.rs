//! Values that would add a header, a segment, a key or a request if they could, over real sockets.

use crate::support::sink::{Reply, Request, Sink};
use bytes::Bytes;
use hookgate::{
    destination::{self, Destination, Payload, SendError, Settings, Unsendable},
    domain::{
        clock::Timestamp,
        delivery::{Accepted, Delivery},
        event::{Event, Fields, Flags, Kept, Kind},
        id::EventId,
        name::Name,
        template::{Body, Target, Template},
    },
    provider,
};
use http::HeaderName;
use percent_encoding::percent_decode_str;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// A destination that gets the value in its path, its query, a header and its body.
fn everywhere(sink: &Sink) -> Arc<dyn Destination> {
    let url = template(&sink.url("/a/{{ text }}/b-{{ text }}?q={{ text }}&r={{ text }}"));
    let body = Body::Map(vec![
        ("text".into(), Body::Text(template("<{{ text }}>"))),
        ("whole".into(), Body::Text(template("{{ text }}"))),
        ("json".into(), Body::Text(template("{{ text | json }}"))),
        ("number".into(), Body::Text(template("{{ text | number }}"))),
    ]);
    let settings = Settings {
        target: Some(Target::split(&url).expect("no place stands before its path").1),
        headers: vec![(HeaderName::from_static("x-text"), template("<{{ text }}>"))],
        payload: Payload::Made(body),
        ..Settings::to(sink.url("/").parse().expect("a url"))
    };
    destination::build(&Name::unchecked("erp"), settings)
}

fn event(payload: &Value) -> Event {
    let body = Bytes::from(payload.to_string());
    provider::restore(Kept {
        id: EventId::unsigned(&body),
        source: Name::unchecked("ottu"),
        received_at: Timestamp::from_millis(1_795_386_473_123),
        kind: Kind::Payment,
        fields: Fields::default(),
        body,
        content_type: Some("application/json".into()),
        verified: true,
        flags: Flags::default(),
    })
}

async fn send(destination: &dyn Destination, event: &Event) -> Result<u16, SendError> {
    let accepted = Accepted::supposed(event);
    let (rules, at, body) = (vec![Name::unchecked("paid")], Timestamp::from_millis(1_795_386_480_999), event.payload.bytes().clone());
    let delivery = Delivery { event: Arc::new(accepted), rules, attempt: 1, at, body };
    destination.send(&delivery, Some(event)).await.map(|receipt| receipt.status)
}

/// The request has the value in each of its places, and nothing else that it would not have without it.
fn look(request: &Request, text: &str) {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
    let (path, query) = request.path.split_once('?').expect("there is a query");
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    assert_eq!(segments, ["a".to_owned(), text.to_owned(), format!("b-{text}")]);
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs, [("q".to_owned(), text.to_owned()), ("r".to_owned(), text.to_owned())]);
    assert_eq!(decoded(request.header("x-text").expect("it is there")), format!("<{text}>"));
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let wanted = [
        "content-length",
        "content-type",
        "hookgate-attempt",
        "hookgate-received",
        "hookgate-rules",
        "hookgate-source",
        "hookgate-verified",
        "host",
        "traceparent",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "x-text",
    ];
    assert_eq!(names, wanted);
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(body.as_object().expect("an object").len(), 4);
    assert_eq!([&body["text"], &body["whole"], &body["json"]], [&json!(format!("<{text}>")), &json!(text), &json!(text)]);
    assert!(body["number"].is_null() || body["number"].is_number());
}

fn nasty() -> impl Strategy<Value = String> {
    let parts = [
        "\r\nx-admin: 1",
        "\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n",
        "{{ text }}",
        "../",
        "/",
        "\\",
        "?admin=1",
        "&admin=1",
        "#",
        "\",\"admin\":true,\"",
        "}",
        "\u{0}",
        "\u{7f}",
        "ض",
        "%0d%0a",
        "%",
        "+",
        " ",
        ";",
        "a",
        "<script>",
    ];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 1..5).prop_map(|parts| parts.concat())
}

#[tokio::test]
async fn on_the_wire_no_value_is_more_than_one_value() {
    let sink = Sink::always(Reply::status(200));
    let destination = everywhere(&sink);
    let texts = prop_oneof![3 => nasty(), 1 => "\\PC{1,20}"];
    let mut runner = TestRunner::default();
    let mut sent = 0;
    for _ in 0..200 {
        let text = texts.new_tree(&mut runner).expect("there is always one").current();
        match send(&*destination, &event(&json!({ "text": text }))).await {
            Ok(_) => {
                sent += 1;
                let requests = sink.requests();
                assert_eq!(requests.len(), sent, "each is one request: {text:?}");
                look(requests.last().expect("it came"), &text);
            }
            Err(error) => assert_eq!(error, SendError::Unsendable(Unsendable::UnsafePath), "{text:?}"),
        }
    }
    assert!(sent > 100, "{sent} of them could be sent");
}

#[tokio::test]
async fn a_value_of_a_megabyte_is_sent_in_a_body_and_refused_where_no_server_would_take_it() {
    let sink = Sink::always(Reply::status(200));
    let event = event(&json!({ "text": "x".repeat(1 << 20) }));
    let to = |url: &str| Settings {
        target: Some(Target::split(&template(&sink.url(url))).expect("a url").1).filter(Target::has_places),
        ..Settings::to(sink.url("/").parse().expect("a url"))
    };
    let build = |settings| destination::build(&Name::unchecked("erp"), settings);
    let header = Settings { headers: vec![(HeaderName::from_static("x-text"), template("{{ text }}"))], ..to("/") };
    for (settings, found) in [
        (to("/to/{{ text }}"), "path and query of `url` come to 1048580 bytes"),
        (to("/to/?q={{ text }}"), "path and query of `url` come to 1048583 bytes"),
        (header, "header x-text comes to 1048576 bytes"),
    ] {
        let error = send(&*build(settings), &event).await.expect_err("it is too long").to_string();
        assert!(error.contains(found) && error.len() < 200, "{error}");
    }
    assert_eq!(sink.connections(), 0);
    let body = Settings { payload: Payload::Made(Body::Text(template("{{ text }}{{ text }}"))), ..to("/") };
    assert_eq!(send(&*build(body), &event).await, Ok(200));
    assert_eq!(sink.requests()[0].body.len(), (2 << 20) + 2);
}
