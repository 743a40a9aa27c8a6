//! What tests in a rules file say of the requests to destinations.

use hookgate::config::{self, Unset};
use std::fs;

const SHOP: &str = "
version: 1
sources: { ottu: { secret: '${KEY}' } }
destinations:
  orders: 'http://orders/hooks?shop=1'
  erp:
    url: 'http://erp/api/{{ order_no }}?ref={{ reference_number }}'
    method: PUT
    headers: { x-shop: one, authorization: 'Bearer ${TOKEN}' }
    body: { reference: '{{ order_no }}', amount: '{{ amount | number }}', note: null }
  chat: { url: 'http://chat/${TOKEN}', body: 'paid: {{ amount }} ${TOKEN}' }
rules:
  - { name: paid, when: { state: paid }, to: [orders, erp, chat] }
tests:
";
const EVENT: &str = "event: { state: paid, order_no: a/1, reference_number: r 7, amount: '9.000' }";

/// What is said of a test whose `request` this is.
fn said(event: &str, request: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, format!("{SHOP}  - {{ name: it, {event}, expect: {{ request: {request} }} }}\n")).expect("written");
    let variable = |name: &str| (name == "TOKEN").then(|| "hidden".to_owned());
    let config = config::load(&path, &variable, Unset::Placeholder).unwrap_or_else(|error| panic!("{request}\n{error}")).config;
    let error = config.rehearse().err()?;
    let message = error.problems[0].message.strip_prefix("the test \"it\" failed: ").expect("it says which test failed");
    assert!(!message.contains("hidden"), "{message}");
    Some(message.to_owned())
}

#[test]
fn a_request_is_as_expected_in_all_that_is_said_of_it() {
    for request in [
        "{ orders: { method: POST, path: /hooks, body: { amount: '9.000', order_no: a/1, reference_number: r 7, state: paid } } }",
        "{ orders: { path: '/hooks?shop=1', headers: { content-type: application/json, Hookgate-Rules: paid, hookgate-attempt: 1, hookgate-verified: true } } }",
        "{ erp: { method: PUT, path: /api/a%2F1, headers: { X-Shop: one } } }",
        "{ erp: { path: '/api/a%2F1?ref=r%207' }, orders: { method: POST } }",
        "{ erp: { body: { amount: 9, note: null, reference: a/1 } } }",
        "{ erp: { body: { amount: 9.000, note: null, reference: a/1 } } }",
        "{ erp: { body: '{ \"amount\": 9, \"note\": null, \"reference\": \"a/1\" }' } }",
        "{ erp: { headers: { authorization: '***' } } }",
        "{ chat: { path: '/***' } }",
    ] {
        assert_eq!(said(EVENT, request), None, "{request}");
    }
}

#[test]
fn a_request_that_differs_is_told_key_by_key_and_shows_no_secret() {
    for (request, wanted) in [
        ("{ orders: { method: PUT } }", "`request.orders.method` wants PUT, found POST"),
        ("{ orders: { path: /hook } }", "`request.orders.path` wants /hook, found /hooks"),
        ("{ orders: { path: '/hooks?shop=2' } }", "`request.orders.path` wants /hooks?shop=2, found /hooks?shop=***"),
        ("{ erp: { path: /api/a/1 } }", "`request.erp.path` wants /api/a/1, found /api/a%2F1"),
        (
            "{ erp: { headers: { x-shop: two, x-none: one } } }",
            "`request.erp.headers.x-shop` wants two, found one; `request.erp.headers.x-none` wants one, found nothing",
        ),
        (
            "{ erp: { headers: { authorization: Bearer of bad news } } }",
            "`request.erp.headers.authorization` wants *** (what is secret is compared as ***), found another text",
        ),
        ("{ chat: { path: /elsewhere } }", "`request.chat.path` wants /elsewhere, found /***"),
        (
            "{ erp: { body: { amount: '9.000', note: null, reference: a/1 } } }",
            "`request.erp.body` wants {\"amount\":\"9.000\",\"note\":null,\"reference\":\"a/1\"}, found {\"reference\":\"a/1\",\"amount\":9.000,\"note\":null}",
        ),
    ] {
        assert_eq!(said(EVENT, request).as_deref(), Some(wanted), "{request}");
    }
    let body = said(EVENT, "{ chat: { body: nothing of it } }").expect("it differs");
    assert!(body.starts_with("`request.chat.body` wants nothing of it, found ") && body.contains("9.000"), "{body}");
}

#[test]
fn a_request_that_is_not_made_is_none() {
    let elsewhere = said("event: { state: failed }", "{ orders: { method: POST } }");
    assert_eq!(elsewhere.as_deref(), Some("`request.orders` wants a request, found none: the event does not go there"));
    let unsafe_path = said("event: { state: paid, order_no: '..' }", "{ erp: { method: PUT } }").expect("it is not sent");
    assert!(unsafe_path.starts_with("`request.erp` wants a request, found none: "), "{unsafe_path}");
}
