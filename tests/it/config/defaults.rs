//! What `defaults` says holds for every destination that does not say otherwise.

use super::good;
use hookgate::{
    config::Destination,
    deliver::retry::Retry,
    destination::Payload,
    domain::{field::Field, path::Path, status_set::StatusSet},
};
use std::time::Duration;

const ALL: &str = r#"
version: 1
sources: { ottu: { secret: "${OTTU_HMAC_KEY}" } }
defaults:
  method: PUT
  timeout: 3s
  retry: fast
  success: [200-204, 409]
  give_up_on: [4xx]
  concurrency: 4
  headers: { x-tenant: shop-1, X-Order: "{{ order_no }}", authorization: Basic Zm9v }
  remove: [token, pg_params.card_number]
  breaker: off
  rate_limit: 5/s
  order_by: session_id
  order_wait: 1m
destinations:
  plain: http://localhost
  own:
    url: http://localhost
    method: PATCH
    timeout: 4s
    retry: patient
    success: [201]
    give_up_on: []
    concurrency: 5
    headers: { x-order: "{{ reference_number }}", x-more: "1" }
    remove: [pg_params]
    breaker: { open_after: 3 }
    rate_limit: 6/s
    order_by: order_no
    order_wait: 2m
  known: { url: http://localhost, auth: { bearer: "${ERP_TOKEN}" }, body: { a: b } }
  whole: { url: http://localhost, remove: [] }
"#;

fn headers(destination: &Destination) -> Vec<(String, String)> {
    destination.settings.headers.iter().map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect()
}

#[test]
fn every_key_of_defaults_holds_for_a_destination_that_does_not_say_it() {
    let config = good(ALL);
    let plain = &config.destinations[0];
    assert_eq!((plain.settings.method.as_str(), plain.settings.timeout), ("PUT", Duration::from_secs(3)));
    assert_eq!((plain.policy.retry, plain.policy.concurrency, plain.policy.breaker), (Retry::FAST, 4, None));
    let codes = |codes: &[&str]| StatusSet::parse(codes.iter().copied()).expect("codes");
    assert_eq!((&plain.settings.success, &plain.policy.give_up_on), (&codes(&["200-204", "409"]), &codes(&["4xx"])));
    assert_eq!((plain.policy.rate_limit.is_some(), plain.policy.order_wait), (true, Duration::from_secs(60)));
    assert_eq!(config.rules.orders.get(&plain.name).cloned(), Field::parse("session_id").ok());
    let paths = |paths: &[&str]| paths.iter().map(|path| Path::parse(path).expect("a path")).collect::<Vec<_>>();
    assert_eq!(plain.settings.payload, Payload::Without(paths(&["token", "pg_params.card_number"])));
    let names: Vec<_> = headers(plain).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-tenant", "x-order", "authorization"]);
}

#[test]
fn what_a_destination_says_itself_wins_and_headers_are_joined_by_name() {
    let config = good(ALL);
    let (plain, own) = (&config.destinations[0], &config.destinations[1]);
    assert_eq!((own.settings.method.as_str(), own.settings.timeout), ("PATCH", Duration::from_secs(4)));
    assert_eq!(
        (own.policy.retry, own.policy.concurrency, own.policy.breaker.map(|breaker| breaker.open_after)),
        (Retry::PATIENT, 5, Some(3))
    );
    assert_eq!(own.settings.success, StatusSet::parse(["201"]).expect("a code"));
    assert_eq!(own.policy.give_up_on, StatusSet::parse([]).expect("nothing"));
    assert_ne!(own.policy.rate_limit, plain.policy.rate_limit);
    assert_eq!(config.rules.orders.get(&own.name).cloned(), Field::parse("order_no").ok());
    assert_eq!(own.policy.order_wait, Duration::from_secs(120));
    assert_eq!(own.settings.payload, Payload::Without(vec![Path::parse("pg_params").expect("a path")]));
    let [of_plain, of_own] = [plain, own].map(headers);
    let names: Vec<_> = of_own.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-tenant", "authorization", "x-order", "x-more"]);
    let order = |headers: &[(String, String)]| headers.iter().find(|(name, _)| name == "x-order").map(|(_, value)| value.clone());
    assert_ne!(order(&of_own), order(&of_plain));
}

#[test]
fn a_body_an_auth_and_an_empty_list_are_otherwise_said_too() {
    let config = good(ALL);
    let (known, whole) = (&config.destinations[2], &config.destinations[3]);
    let names: Vec<_> = headers(known).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-tenant", "x-order"], "`auth` sets the header");
    assert!(matches!(known.settings.payload, Payload::Made(_)), "a `body` has only what it says");
    assert_eq!(whole.settings.payload, Payload::AsReceived, "`remove: []` is to remove nothing");
}
