//! What a destination gets beside the bytes received: bodies, headers and urls made of the event's fields, and payloads with
//! fields left out. `hostile` is about values that would be more than one if they could.

use crate::{
    deliver::{self, policy},
    support::{
        fake_store::FakeStore,
        gateway::{Gateway, Home, hookgate},
        sender::{KEY, payment, signed},
        sink::{Reply, Request, Sink},
        until::until,
    },
};
use hookgate::{
    deliver::{breaker, lanes::Lane},
    destination::{self, Settings},
    domain::{
        attempt::{AttemptResult, Next},
        clock::Clock,
        delivery::Settlement,
        name::Name,
        secret::Secret,
        standard_webhooks::Signer,
        template::{Target, Template},
    },
    provider::ottu::sign,
};
use serde_json::{Value, json};

mod hostile;

const SIGNING: &str = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ=";

/// One destination, `erp`, that gets what is paid; `settings` are its lines.
fn rules(settings: &str) -> String {
    format!(
        "sources: {{ ottu: {{ secret: {KEY} }} }}\ndestinations:\n  erp:\n{}\nrules: [ {{ name: paid, when: {{ state: paid }}, to: erp }} ]\n",
        settings.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

async fn pay(gateway: &Gateway, change: impl FnOnce(&mut Value)) -> String {
    let mut payload = payment("paid", "R1");
    change(&mut payload);
    let answer = gateway.send(&signed(&payload)).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.event()
}

async fn reload(gateway: &Gateway, rules: &str) {
    gateway.home.write(rules);
    let answer = gateway.call("POST", "/-/reload", b"").await;
    assert_eq!(answer.code, 200, "{}", answer.text());
}

async fn only(sink: &Sink) -> Request {
    sink.wait_for("the delivery", |requests| requests.len() == 1).await.remove(0)
}

#[tokio::test]
async fn a_destination_gets_the_body_the_headers_and_the_url_that_are_made_for_it() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&format!(
        r#"url: "{}"
method: PUT
headers: {{ idempotency-key: "{{{{ hookgate.event }}}}", x-order: "no. {{{{ order_no }}}}", x-absent: "{{{{ no.such }}}}" }}
sign: {{ scheme: standard-webhooks, secret: {SIGNING} }}
body:
  reference: "{{{{ reference_number }}}}"
  amount: "{{{{ amount | number }}}}"
  as text: "{{{{ amount }}}} {{{{ currency_code }}}}"
  extra: "{{{{ extra | json }}}}"
  nothing: "{{{{ no.such | json }}}}"
  list: [1.50, 007, true, null, ~, "true", "{{{{ hookgate.attempt | number }}}}", {{}}, []]"#,
        sink.url("/orders/{{ order_no }}/paid?at={{ extra.at }}&from={{ hookgate.source }}")
    )))
    .await;
    let id = pay(&gateway, |payload| {
        payload["order_no"] = json!("A/1 b");
        payload["extra"] = json!({ "at": "10:00&x=1", "list": [1, "é"] });
    })
    .await;
    let request = only(&sink).await;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/orders/A%2F1%20b/paid?at=10%3A00%26x%3D1&from=ottu"));
    let body = concat!(
        r#"{"reference":"R1","amount":10.000,"as text":"10.000 KWD","extra":{"at":"10:00&x=1","list":[1,"é"]},"nothing":null,"#,
        r#""list":[1.50,"007",true,null,null,"true",1,{},[]]}"#
    );
    assert_eq!(String::from_utf8_lossy(&request.body), body);
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", &*body.len().to_string()),
        ("idempotency-key", &id),
        ("x-order", "no. A/1 b"),
        ("x-absent", ""),
        ("webhook-id", &id),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    let time = request.header("webhook-timestamp").expect("a time").as_bytes();
    let signature = Signer::new(&Secret::new(SIGNING)).expect("a secret").sign(id.as_bytes(), time, body.as_bytes());
    assert_eq!(request.header("webhook-signature"), Some(&*signature), "what is signed is what is sent");
    gateway.until_status(&id, "delivered").await;
}

#[tokio::test]
async fn a_mended_template_mends_what_is_waiting() {
    let sink = Sink::scripted(|_, request| Reply::status(if request.body == b"{\"order\":\"order-R1\"}" { 200 } else { 503 }));
    let with = |body: &str| {
        let retry = "retry: { initial_interval: 100ms, max_interval: 100ms, jitter: none }";
        rules(&format!("url: \"{}\"\n{retry}\nbreaker: off\nbody: {body}", sink.url("/{{ hookgate.attempt }}")))
    };
    let gateway = Gateway::start(&with("{ order: \"{{ ordr_no }}\" }")).await;
    let id = pay(&gateway, |_| {}).await;
    let failed = sink.wait_for("two attempts", |requests| requests.len() >= 2).await;
    assert_eq!((&failed[0].body[..], &*failed[0].path, &*failed[1].path), (&b"{\"order\":\"\"}"[..], "/1", "/2"));
    reload(&gateway, &with("{ order: \"{{ order_no }}\" }")).await;
    gateway.until_status(&id, "delivered").await;
    let last = sink.requests().pop().expect("it was sent");
    assert_eq!(last.body, b"{\"order\":\"order-R1\"}");
}

#[tokio::test]
async fn a_path_that_a_value_makes_unsafe_is_dead_at_once_and_goes_out_once_the_url_is_mended() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&format!("url: \"{}\"", sink.url("/orders/{{ order_no }}/state")))).await;
    let id = pay(&gateway, |payload| payload["order_no"] = json!("..")).await;
    let event = gateway.until_status(&id, "dead").await;
    let attempts = event["attempts"].as_array().expect("a list");
    assert_eq!((attempts.len(), &attempts[0]["result"], &attempts[0]["status"]), (1, &json!("refused"), &Value::Null));
    let error = attempts[0]["error"].as_str().expect("a cause");
    assert!(error.starts_with("unsafe path: ") && error.ends_with("; nothing was sent"), "{error}");
    assert_eq!(sink.connections(), 0);
    assert_eq!(gateway.metric("hookgate_delivery_attempts_total{destination=\"erp\",result=\"refused\"}").await, 1.0);
    assert_eq!(gateway.metric("hookgate_dead_letters{destination=\"erp\"}").await, 1.0);

    reload(&gateway, &rules(&format!("url: \"{}\"", sink.url("/orders?no={{ order_no }}")))).await;
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{id}/retry"), b"").await.code, 200);
    gateway.until_status(&id, "delivered").await;
    assert_eq!(only(&sink).await.path, "/orders?no=..");
}

#[tokio::test]
async fn an_answer_that_waits_for_what_cannot_be_sent_is_given_at_once() {
    let sink = Sink::always(Reply::status(200));
    let respond = "respond: { wait_for: erp, within: 10s, ok: 200, otherwise: 201 }";
    let rules = rules(&format!("url: \"{}\"", sink.url("/{{ order_no }}"))).replace("to: erp }", &format!("to: erp, {respond} }}"));
    let gateway = Gateway::start(&rules).await;
    let mut payload = payment("paid", "R1");
    payload["order_no"] = json!("");
    let answer = gateway.send(&signed(&payload)).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    gateway.until_status(&answer.event(), "dead").await;
    assert_eq!(gateway.metric("hookgate_wait_for_total{destination=\"erp\",outcome=\"failed\"}").await, 1.0);
}

#[tokio::test]
async fn a_field_that_is_left_out_reaches_nobody_and_what_stays_keeps_its_bytes() {
    let sink = Sink::always(Reply::status(200));
    let settings = format!("url: \"{}\"\nremove: [pg_params.card_number, token, signature]", sink.url("/"));
    let gateway = Gateway::start(&rules(&settings)).await;
    let payload = r#"{"state":"paid", "token":"4111", "amount": "1.0","pg_params":{"card_number":"4111","type": 1.50},"token":"4111"}"#;
    let body = sign(payload.as_bytes(), &Secret::new(KEY)).expect("an object");
    let id = gateway.send(&body).await.event();
    gateway.until_status(&id, "quarantined").await;
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{id}/release"), b"").await.code, 200);
    let request = only(&sink).await;
    assert_eq!(String::from_utf8_lossy(&request.body), r#"{"state":"paid","amount": "1.0","pg_params":{"type": 1.50}}"#);
    assert_eq!((request.header("content-type"), request.header("content-length")), (Some("application/json"), Some("59")));
}

#[tokio::test]
async fn what_is_no_strict_json_does_not_go_out_with_what_was_to_be_left_out() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&format!("url: \"{}\"\nremove: [token]", sink.url("/")))).await;
    let body = sign(br#"{"state":"paid","amount":"1.0","token":"4111","rate":NaN}"#, &Secret::new(KEY)).expect("an object");
    let id = gateway.send(&body).await.event();
    gateway.until_status(&id, "quarantined").await;
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{id}/release"), b"").await.code, 200);
    let event = gateway.until_status(&id, "dead").await;
    let attempt = &event["attempts"][0];
    let error = attempt["error"].as_str().expect("a cause");
    assert!(error.starts_with("`remove` cannot be relied on, since the payload is no strict JSON: a word"), "{error}");
    assert_eq!((&attempt["result"], sink.connections()), (&json!("refused"), 0));
}

#[tokio::test]
async fn what_a_variable_holds_is_sent_as_it_is_and_read_as_no_template() {
    let sink = Sink::always(Reply::status(200));
    let settings = concat!(
        "url: \"${ERP}/{{ state }}\"\n",
        "headers: { x-key: \"${KEY}\", x-both: \"${KEY} {{ state }}\" }\n",
        "body: { key: \"${KEY}\", number: \"${NUMBER}\" }"
    );
    let home = Home::new(&rules(settings));
    let mut command = hookgate();
    command.args(["serve", "--config"]).arg(home.rules_file());
    command.env("ERP", sink.url("/v1")).env("KEY", "{{ state }} | {{").env("NUMBER", "007");
    let gateway = Gateway::run(command, home).await;
    pay(&gateway, |_| {}).await;
    let request = only(&sink).await;
    assert_eq!((&*request.path, &request.body[..]), ("/v1/paid", &br#"{"key":"{{ state }} | {{","number":"007"}"#[..]));
    assert_eq!((request.header("x-key"), request.header("x-both")), (Some("{{ state }} | {{"), Some("{{ state }} | {{ paid")));
}

#[tokio::test]
async fn a_content_type_of_the_settings_is_that_of_a_made_body() {
    let sink = Sink::always(Reply::status(200));
    let settings = format!("url: \"{}\"\nheaders: {{ content-type: application/vnd.erp+json }}\nbody: \"{{{{ state }}}}\"", sink.url("/"));
    let gateway = Gateway::start(&rules(&settings)).await;
    pay(&gateway, |_| {}).await;
    let request = only(&sink).await;
    assert_eq!((request.header("content-type"), &request.body[..]), (Some("application/vnd.erp+json"), &b"\"paid\""[..]));
}

/// A lane to that url.
fn lane(url: &str, policy: hookgate::deliver::Policy) -> Lane {
    let (_, target) = Target::split(&Template::parse(url).expect("a template")).expect("no place stands before its path");
    let host = url.split("/{{").next().expect("a url");
    let settings = Settings { target: target.has_places().then_some(target), ..Settings::to(host.parse().expect("a url")) };
    let name = Name::unchecked("erp");
    Lane { destination: destination::build(&name, settings), name, policy }
}

fn ends(settlements: &[Settlement]) -> Vec<(AttemptResult, bool)> {
    settlements.iter().map(|settlement| (settlement.attempt.result, settlement.next == Next::Dead)).collect()
}

#[tokio::test]
async fn a_destination_without_templates_reads_no_event_and_one_with_them_reads_it_at_each_attempt() {
    let sink = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let gateway = deliver::Gateway::start(vec![lane(&sink.url("/plain"), policy(1))]);
    gateway.accept(&["erp"], "{\"no\":1}");
    gateway.store.wait_for("its delivery", |settlements| deliver::finished(settlements) == 1).await;
    assert_eq!(gateway.store.calls("kept"), 0);

    let sink = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let gateway = deliver::Gateway::start(vec![lane(&sink.url("/{{ no }}"), policy(1))]);
    gateway.accept(&["erp"], "{\"no\":1}");
    gateway.store.wait_for("its delivery", |settlements| deliver::finished(settlements) == 1).await;
    assert_eq!((gateway.store.calls("kept"), gateway.store.calls("body")), (2, 0));
    assert!(sink.requests().iter().all(|request| request.path == "/1" && request.body == b"{\"no\":1}"));
}

#[tokio::test]
async fn an_event_that_the_store_fails_to_read_is_asked_for_again_and_one_that_is_gone_is_dead() {
    let sink = Sink::always(Reply::status(200));
    let clock = Clock::system();
    let store = FakeStore::new(clock.clone());
    store.fail("kept", 2);
    store.add(&["erp"], b"{\"no\":1}");
    let gateway = deliver::Gateway::over(store, vec![lane(&sink.url("/{{ no }}"), policy(1))], clock);
    gateway.store.wait_for("its delivery", |settlements| settlements.len() == 1).await;
    assert_eq!((gateway.store.calls("kept"), sink.requests().len()), (3, 1));

    let clock = Clock::system();
    let store = FakeStore::new(clock.clone());
    let seq = store.add(&["erp"], b"{\"no\":1}");
    store.lose_body(seq);
    let gateway = deliver::Gateway::over(store, vec![lane(&sink.url("/{{ no }}"), policy(1))], clock);
    let settlements = gateway.store.wait_for("the end", |settlements| settlements.len() == 1).await;
    assert!(settlements[0].next == Next::Dead && settlements[0].attempt.error.as_deref().unwrap().contains("no longer has the bytes"));
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn an_event_that_is_damaged_in_the_store_is_dead_and_holds_up_nobody() {
    for (path, read) in [("/{{ no }}", "kept"), ("/plain", "body")] {
        let sink = Sink::always(Reply::status(200));
        let clock = Clock::system();
        let store = FakeStore::new(clock.clone());
        let damaged = store.add(&["erp"], b"{\"no\":1}");
        store.damage(damaged);
        store.add(&["erp"], b"{\"no\":2}");
        let gateway = deliver::Gateway::over(store, vec![lane(&sink.url(path), policy(1))], clock);
        let settlements = gateway.store.wait_for("both", |settlements| settlements.len() == 2).await;
        assert_eq!((settlements[0].seq, settlements[0].next, settlements[1].next), (damaged, Next::Dead, Next::Delivered));
        let error = settlements[0].attempt.error.as_deref().expect("a cause");
        assert!(error.contains("what it has of it is damaged"), "{error}");
        assert_eq!((gateway.store.calls(read), sink.requests().len()), (2, 1), "asked again it would be no better");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_word_on_its_destination_and_holds_up_nobody() {
    let sink = Sink::always(Reply::status(200));
    let breaker = breaker::Settings { open_after: 2, ..breaker::Settings::STANDARD };
    let gateway =
        deliver::Gateway::start(vec![lane(&sink.url("/{{ no }}"), hookgate::deliver::Policy { breaker: Some(breaker), ..policy(1) })]);
    for body in ["{\"no\":\"..\"}", "{}", "{\"no\":\"%2e\"}", "{\"no\":\"a\"}", "{\"no\":null}", "{\"no\":\"b\"}"] {
        gateway.accept(&["erp"], body);
    }
    let settlements = gateway.store.wait_for("all", |settlements| settlements.len() == 6).await;
    let (dead, sent) = ((AttemptResult::Refused, true), (AttemptResult::Status2xx, false));
    assert_eq!(ends(&settlements), [dead, dead, dead, sent, dead, sent]);
    assert_eq!(gateway.lanes.states()[0].breaker, breaker::BreakerState::Closed);
    assert_eq!(sink.requests().iter().map(|request| &*request.path).collect::<Vec<_>>(), ["/a", "/b"]);
}

/// A breaker that is open is probed by the next one that can be sent.
#[tokio::test]
async fn a_probe_that_cannot_be_sent_leaves_the_probe_to_the_next_one() {
    let sink = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let probe_every = std::time::Duration::from_millis(20);
    let settings = hookgate::deliver::Policy { breaker: Some(breaker::Settings { open_after: 1, probe_every }), ..policy(1) };
    let gateway = deliver::Gateway::start(vec![lane(&sink.url("/{{ no }}"), settings)]);
    gateway.accept(&["erp"], "{\"no\":\"a\"}");
    gateway.store.wait_for("the failure that opens it", |settlements| settlements.len() == 1).await;
    for body in ["{}", "{\"no\":\"b\"}"] {
        gateway.accept(&["erp"], body);
    }
    gateway.store.wait_for("all", |settlements| deliver::finished(settlements) == 3).await;
    let closed = || async { (gateway.lanes.states()[0].breaker == breaker::BreakerState::Closed).then_some(()) };
    until("the breaker to close", closed).await;
}
