//! How a destination knows the gateway: tokens and passwords that are set, and tokens that are fetched.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{exchange, request, sample},
    sink::{Reply, Request, Sink},
    until::until,
};
use bytes::Bytes;
use hookgate::{
    destination::{self, Auth, ClientCredentials, Destination, Receipt, SendError, Settings},
    domain::{
        attempt::AttemptResult,
        clock::{Clock, Timestamp},
        delivery::{Accepted, Delivery, Seq},
        event::Flags,
        id::EventId,
        name::Name,
        secret::Secret,
    },
    tasks,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

const TIMEOUT: Duration = Duration::from_secs(20);

fn delivery() -> Delivery {
    Delivery {
        event: Arc::new(Accepted {
            seq: Seq(1),
            id: EventId::unsigned(b"x"),
            source: Name::unchecked("ottu"),
            received_at: Timestamp::from_millis(0),
            content_type: None,
            verified: true,
            flags: Flags::default(),
            first: None,
        }),
        rules: Vec::new(),
        attempt: 1,
        at: Timestamp::from_millis(0),
        body: Bytes::from_static(b"x"),
    }
}

fn client(tokens: &Sink, orders: &Sink, timeout: Duration) -> Arc<dyn Destination> {
    let credentials = ClientCredentials {
        token_url: tokens.url("/oauth/token?tenant=1").parse().unwrap(),
        client_id: Secret::new("shop 1"),
        client_secret: Secret::new("s:cret"),
        scope: Some("orders.write x".into()),
    };
    let auth = Some(Auth::OAuth2(Box::new(credentials)));
    destination::build(&Name::unchecked("orders"), Settings { auth, timeout, ..Settings::to(orders.url("/hooks").parse().unwrap()) })
}

/// Gives `token-1`, `token-2`, …, each for so many seconds.
fn endpoint(seconds: u32) -> Sink {
    Sink::scripted(move |number, _| token(number + 1, seconds))
}

fn token(number: usize, seconds: u32) -> Reply {
    Reply::with_body(200, format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{seconds}}}"#))
}

fn shown(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.header("authorization").unwrap_or("nothing")).collect()
}

#[tokio::test]
async fn a_token_or_a_password_goes_with_every_attempt() {
    let sink = Sink::always(Reply::status(200));
    let url = sink.url("/hooks");
    let gateway = Gateway::start(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  bearer: {{ url: '{url}', auth: {{ bearer: mF_9.B5f-4.1JqM }} }}
  basic: {{ url: '{url}', auth: {{ basic: {{ user: Aladdin, password: open sesame }} }} }}
rules: [ {{ name: all, to: [bearer, basic] }} ]
"
    ))
    .await;
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    let requests = sink.wait_for("both", |requests| requests.len() == 2).await;
    let mut found = shown(&requests);
    found.sort_unstable();
    assert_eq!(found, ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer mF_9.B5f-4.1JqM"]);
}

#[tokio::test]
async fn a_token_is_asked_for_as_the_standard_says_and_used_for_every_attempt_until_its_end_is_near() {
    let (tokens, orders) = (endpoint(3600), Sink::always(Reply::status(200)));
    let destination = client(&tokens, &orders, TIMEOUT);
    for _ in 0..3 {
        assert_eq!(destination.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
    }
    assert_eq!(shown(&orders.requests()), ["Bearer token-1"; 3]);
    let asked = tokens.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/oauth/token?tenant=1"));
    assert_eq!(String::from_utf8_lossy(&asked[0].body), "grant_type=client_credentials&scope=orders.write+x");
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    // `shop+1:s%3Acret`
    assert_eq!(asked[0].header("authorization"), Some("Basic c2hvcCsxOnMlM0FjcmV0"));

    let (tokens, orders) = (endpoint(0), Sink::always(Reply::status(200)));
    let destination = client(&tokens, &orders, TIMEOUT);
    for _ in 0..3 {
        assert_eq!(destination.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
    }
    assert_eq!(shown(&orders.requests()), ["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
}

#[tokio::test]
async fn attempts_that_need_a_token_at_the_same_time_share_one_request_for_it_and_its_failure() {
    for (reply, result) in [(token(1, 0), None), (Reply::status(503), Some(AttemptResult::Auth))] {
        let (gate, _) = watch::channel(false);
        let (tokens, orders) = (Sink::always(reply.when(&gate)), Sink::always(Reply::status(200)));
        let destination = client(&tokens, &orders, TIMEOUT);
        let all: Vec<_> = (0..16)
            .map(|_| {
                let destination = destination.clone();
                tasks::spawn(async move { destination.send(&delivery(), None).await })
            })
            .collect();
        tokens.wait_in_hand(1).await;
        tokio::task::yield_now().await;
        gate.send_replace(true);
        for one in all {
            assert_eq!(one.await.unwrap().err().map(|error| error.result()), result);
        }
        assert_eq!(tokens.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once_and_the_attempt_repeated_once() {
    let script = |_: usize, request: &Request| match request.header("authorization") {
        Some("Bearer token-1") => Reply::status(401),
        _ => Reply::status(200),
    };
    let (tokens, orders) = (endpoint(3600), Sink::scripted(script));
    let destination = client(&tokens, &orders, TIMEOUT);
    for _ in 0..2 {
        assert_eq!(destination.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
    }
    let requests = orders.requests();
    assert_eq!(shown(&requests), ["Bearer token-1", "Bearer token-2", "Bearer token-2"]);
    assert!(requests.iter().all(|request| request.header("hookgate-attempt") == Some("1") && request.body == b"x"));

    let (tokens, orders) = (endpoint(3600), Sink::always(Reply::status(401)));
    let error = client(&tokens, &orders, TIMEOUT).send(&delivery(), None).await.unwrap_err();
    assert_eq!((error.status(), error.result()), (Some(401), AttemptResult::Status4xx));
    assert_eq!((orders.requests().len(), tokens.requests().len()), (2, 2));
}

#[tokio::test]
async fn whatever_is_wrong_with_the_token_endpoint_fails_the_attempt_in_time_and_by_its_name() {
    let limit = Duration::from_millis(400);
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(70_000));
    for (reply, cause) in [
        (Reply::Silence, "did not answer within 400ms"),
        (Reply::Drip(Duration::from_millis(20)), "did not answer within 400ms"),
        (Reply::Endless, "at most 64 KiB"),
        (Reply::with_body(200, long), "at most 64 KiB"),
        (Reply::Reset, "connection reset"),
        (Reply::HalfClose, "closed before the answer was whole"),
        (Reply::with_header(302, "location", "http://127.0.0.1:1/"), "answered 302"),
        (Reply::with_body(401, r#"{"error":"invalid_client"}"#), "invalid_client"),
        (Reply::with_body(200, "no token"), "no JSON"),
    ] {
        let (tokens, orders) = (Sink::always(reply.clone()), Sink::always(Reply::status(200)));
        let destination = client(&tokens, &orders, limit);
        let clock = Clock::system();
        let start = clock.instant();
        let error = destination.send(&delivery(), None).await.unwrap_err();
        let took = clock.instant().duration_since(start);
        assert!(took < limit + Duration::from_secs(1), "{reply:?} took {took:?}");
        assert!(matches!(&error, SendError::Auth(said) if said.contains(cause)), "{cause}: {error}");
        assert_eq!(orders.requests().len(), 0, "nothing goes out without its token");
        tokens.wait_open(0).await;
    }
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_a_failed_attempt_and_what_waits_is_delivered_once_it_is_back() {
    let tokens = Sink::in_turn([Reply::with_body(500, "out of order"), token(1, 3600)]);
    let orders = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  orders:
    url: '{}'
    auth: {{ oauth2: {{ token_url: '{}', client_id: shop, client_secret: s-cret }} }}
    retry: {{ initial_interval: 10ms, jitter: none }}
rules: [ {{ name: all, to: orders }} ]
",
        orders.url("/hooks"),
        tokens.url("/token"),
    ))
    .await;
    let event = gateway.send(&sample("payment.paid")).await.event();
    let event = until("the delivery", || async {
        let event = gateway.event(&event).await;
        (event["status"] == "delivered").then_some(event)
    })
    .await;
    assert_eq!((&event["attempts"][0]["result"], &event["attempts"][1]["result"]), (&"auth".into(), &"2xx".into()));
    assert_eq!(event["attempts"][0]["error"], "no token: the token endpoint answered 500");
    assert_eq!(gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"auth\"}").await, 1.0);
}

#[tokio::test]
async fn with_dev_nobody_is_asked_for_a_token_and_no_certificate_has_to_be_there() {
    let tokens = endpoint(3600);
    let home = Home::new(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  orders:
    url: https://orders.internal/hooks
    auth: {{ oauth2: {{ token_url: '{}', client_id: shop, client_secret: '${{NO_SUCH_SECRET}}' }} }}
    tls: {{ ca: none.pem, cert: none.pem, key: none.key }}
    sign: {{ scheme: standard-webhooks, secret: '${{NO_SUCH_SECRET}}' }}
rules: [ {{ name: all, to: orders }} ]
",
        tokens.url("/token")
    ));
    let mut command = hookgate();
    command.args(["serve", "--dev", "--config"]).arg(home.rules_file());
    let gateway = Gateway::run(command, home).await;
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    let arrived = until("the delivery at the sink", || async {
        let listed =
            exchange(gateway.admin, &request("GET", "/dev/sink/orders", &[("host", &gateway.admin.to_string())], b"")).await.text();
        listed.contains("webhook-id").then_some(listed)
    })
    .await;
    assert!(arrived.contains("webhook-signature"), "{arrived}");
    assert_eq!(tokens.connections(), 0);
}
