//! The tests that a rules file has of itself: what passes, what fails and is told, and what `serve` makes of it.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{payment, signed},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::{
    config::{self, Code, Config, Unset},
    domain::clock::Clock,
    provider::ottu::samples::SAMPLES,
};
use serde_json::json;
use std::fs;

mod requests;

const SHOP: &str = "
version: 1
sources:
  ottu: { secret: '${KEY}' }
  ottu-test: { secret: '${KEY}', respond: 201 }
  news: { provider: hmac, secret: k, signature: { header: x }, fields: { state: data.status, amount: data.amount } }
destinations: { orders: 'http://orders', erp: 'http://erp', ops-chat: 'http://chat', analytics: 'http://analytics', staging: 'http://staging' }
rules:
  - { name: sandbox, when: { from: ottu-test }, to: staging, stop: true }
  - { name: paid, when: { kind: payment, state: [paid, cod] }, to: [orders, erp], respond: { wait_for: orders, within: 8s, otherwise: 201 } }
  - { name: failed, when: { kind: payment, state: failed }, to: orders, respond: 201 }
  - { name: in progress, when: { state: [created, pending] }, drop: true }
  - { name: refunds, when: { operation: refund }, to: [orders, erp] }
  - { name: large refunds, when: { operation: refund, amount: { gte: 500 } }, to: ops-chat }
  - { name: seven, when: { shop.id: 7 }, to: ops-chat }
  - { name: everything, to: analytics, tap: true }
tests:
";

fn loaded(tests: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, format!("{SHOP}{tests}")).expect("written");
    config::load(&path, &|_| None, Unset::Placeholder).unwrap_or_else(|error| panic!("{tests}\n{error}")).config
}

/// What is said of one test, whose event and expectation these are.
fn said(event: &str, expect: &str) -> Option<String> {
    let error = loaded(&format!("  - {{ name: it, {event}, expect: {expect} }}\n")).rehearse().err()?;
    assert_eq!(error.problems.len(), 1, "{error}");
    assert_eq!((error.problems[0].code, error.problems[0].line), (Code::FailedTest, 18), "{error}");
    let message = error.problems[0].message.strip_prefix("the test \"it\" failed: ").expect("it says which test failed");
    Some(message.to_owned())
}

#[test]
fn a_test_passes_where_all_is_as_it_expects() {
    for (event, expect) in [
        ("event: { state: paid }", "{ to: [orders, erp, analytics] }"),
        ("event: { state: paid }", "{ to: [analytics, erp, orders], not_to: [staging, ops-chat] }"),
        ("event: { state: paid }", "{ rules: [everything, paid], unmatched: false, drop: false }"),
        ("event: { state: paid }", "{ respond: { wait_for: orders, within: 8000ms, ok: 200, otherwise: 201 } }"),
        ("event: { state: paid }", "{ respond: { otherwise: 201 } }"),
        ("event: { state: failed }", "{ respond: 201 }"),
        (
            "event: { operation: refund, result: rejected, amount: '900.000', txn: { state: refund_rejected } }",
            "{ to: [orders, erp, ops-chat, analytics] }",
        ),
        (
            "event: { operation: null, result: success, amount: '9.000', txn: { state: refunded } }",
            "{ to: [orders, erp, analytics], not_to: ops-chat }",
        ),
        ("event: { state: invalided, result: error }", "{ unmatched: true, to: analytics, respond: 200 }"),
        ("event: { state: pending }", "{ drop: true, unmatched: false, to: analytics, rules: [in progress, everything] }"),
        ("from: ottu-test, event: { state: paid }", "{ to: staging, rules: sandbox, respond: 201 }"),
        ("from: news, event: { data: { status: created, amount: 12.50 } }", "{ drop: true }"),
        ("event: { shop: { id: 7 } }", "{ rules: [seven, everything] }"),
        ("event: { shop: { id: '7' } }", "{ rules: [seven, everything] }"),
        ("event: { shop: { id: 007 } }", "{ rules: everything }"),
        ("event: { shop: { id: 7.0 } }", "{ rules: everything }"),
        ("sample: payment.paid", "{ rules: [paid, everything] }"),
        ("sample: operation.refund, set: { amount: '500' }", "{ rules: [refunds, large refunds, everything] }"),
        ("sample: operation.refund, set: { amount: 499.999, txn.state: null, shop.id: 7 }", "{ to: [ops-chat, analytics] }"),
        ("sample: operation.void.unsigned", "{ unmatched: true }"),
        ("event: { state: paid, signature: nonsense }", "{ to: [orders, erp, analytics] }"),
    ] {
        assert_eq!(said(event, expect), None, "{event}, {expect}");
    }
}

#[test]
fn a_test_fails_where_something_is_not_as_it_expects_and_says_what() {
    for (event, expect, wanted) in [
        ("event: { state: paid }", "{ to: [orders, erp] }", "`to` wants orders, erp, found orders, erp, analytics"),
        (
            "event: { state: paid }",
            "{ to: [orders, erp, analytics, staging] }",
            "`to` wants orders, erp, analytics, staging, found orders, erp, analytics",
        ),
        ("event: { state: paid }", "{ to: [] }", "`to` wants none, found orders, erp, analytics"),
        ("from: ottu-test, event: { state: paid }", "{ to: orders }", "`to` wants orders, found staging"),
        ("event: { state: paid }", "{ not_to: [staging, erp] }", "`not_to` wants none of staging, erp, found orders, erp, analytics"),
        ("event: { state: paid }", "{ unmatched: true }", "`unmatched` wants true, found false"),
        ("event: { state: other }", "{ unmatched: false }", "`unmatched` wants false, found true"),
        ("event: { state: other }", "{ drop: true }", "`drop` wants true, found false"),
        ("event: { state: pending }", "{ drop: false }", "`drop` wants false, found true"),
        ("event: { state: paid }", "{ rules: [paid] }", "`rules` wants paid, found paid, everything"),
        ("event: { state: paid }", "{ rules: [] }", "`rules` wants none, found paid, everything"),
        ("event: { state: failed }", "{ respond: 200 }", "`respond` wants 200, found 201"),
        ("event: { state: failed }", "{ respond: { wait_for: orders } }", "`respond` wants { wait_for: orders }, found 201"),
        (
            "event: { state: paid }",
            "{ respond: 200 }",
            "`respond` wants 200, found { ok: 200, otherwise: 201, wait_for: orders, within: 8s }",
        ),
        (
            "event: { state: paid }",
            "{ respond: { wait_for: erp } }",
            "`respond` wants { wait_for: erp }, found { ok: 200, otherwise: 201, wait_for: orders, within: 8s }",
        ),
        (
            "event: { state: paid }",
            "{ respond: { within: 9s } }",
            "`respond` wants { within: 9s }, found { ok: 200, otherwise: 201, wait_for: orders, within: 8s }",
        ),
        (
            "event: { state: paid }",
            "{ respond: { ok: 201 } }",
            "`respond` wants { ok: 201 }, found { ok: 200, otherwise: 201, wait_for: orders, within: 8s }",
        ),
        (
            "event: { state: pending }",
            "{ to: [], drop: false, rules: [in progress, everything] }",
            "`to` wants none, found analytics; `drop` wants false, found true",
        ),
    ] {
        assert_eq!(said(event, expect).as_deref(), Some(wanted), "{event}, {expect}");
    }
}

#[test]
fn every_sample_can_be_named_and_is_seen_as_it_is_sent() {
    for sample in SAMPLES {
        let family = sample.name.split('.').next().expect("a family");
        let test = format!("  - {{ name: it, sample: {}, expect: {{ not_to: staging }} }}\n", sample.name);
        let config = loaded(&test);
        let [test] = &config.tests[..] else { panic!("one test") };
        assert_eq!(test.case.payload, sample.payload);
        let outcome = config.stage().run(&test.case);
        assert!(outcome.is_good());
        assert_eq!(outcome.event.expect("an event").kind.as_str(), family, "{}", sample.name);
    }
}

#[test]
fn a_thousand_tests_take_no_time_to_speak_of() {
    let tests: String = (0..1_000)
        .map(|number| {
            format!("  - {{ name: t{number}, sample: payment.paid, set: {{ order_no: n{number} }}, expect: {{ not_to: staging }} }}\n")
        })
        .collect();
    let begin = Clock::system().instant();
    let config = loaded(&tests);
    assert_eq!(config.tests.len(), 1_000);
    config.rehearse().unwrap_or_else(|error| panic!("{error}"));
    let passed = begin.elapsed();
    // Without optimisation, on a machine that is busy; what is asked for is a second in a release.
    assert!(passed.as_secs() < 20, "{passed:?}");
}

#[test]
fn of_a_great_many_tests_that_fail_the_first_are_told() {
    let tests: String = (0..150).map(|number| format!("  - {{ name: t{number}, event: {{}}, expect: {{ to: orders }} }}\n")).collect();
    let error = loaded(&tests).rehearse().expect_err("all fail");
    assert_eq!(error.problems.len(), 101);
    let last = error.problems.last().expect("there are some");
    assert_eq!((last.code, last.message.as_str()), (Code::TooManyProblems, "50 more tests failed"));
}

#[test]
fn texts_that_aliases_repeat_in_events_are_bounded_for_all_tests_together() {
    let long = "x".repeat(500_000);
    let many: String = (0..200).map(|number| format!("  - {{ name: t{number}, event: *e, expect: {{ to: orders }} }}\n")).collect();
    let text = format!("{SHOP}  - {{ name: first, event: &e {{ a: {long} }}, expect: {{ to: orders }} }}\n{many}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, text).expect("written");
    let error = config::load(&path, &|_| None, Unset::Placeholder).expect_err("it is too much");
    let first = error.problems.iter().find(|problem| problem.severity == config::Severity::Error).expect("an error");
    assert_eq!(first.code, Code::TooManyValues, "{}", first.message);
    assert!(first.message.contains("32 MiB"), "{}", first.message);
}

fn rules(url: &str, expected: &str) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ orders: '{url}', ledger: '{url}' }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n\
         tests: [ {{ name: what is paid is booked, event: {{ state: paid }}, expect: {{ to: {expected} }} }} ]\n"
    )
}

#[test]
fn serve_does_not_start_with_a_file_whose_tests_fail() {
    let home = Home::new(&rules("http://127.0.0.1:9", "ledger"));
    for arguments in [&["serve"][..], &["serve", "--dev"]] {
        let output = hookgate().args(arguments).arg("--config").arg(home.rules_file()).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(
            said.contains(
                "rules.yaml:7:18: error[failed-test]: the test \"what is paid is booked\" failed: `to` wants ledger, found orders"
            ),
            "{said}"
        );
        assert!(!home.data().exists(), "nothing was begun");
    }
    home.write(&rules("http://127.0.0.1:9", "orders"));
    let check = hookgate().arg("check").arg(home.rules_file()).output().expect("the binary runs");
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}

#[tokio::test]
async fn a_reload_whose_tests_fail_changes_nothing_and_says_which() {
    let sink = Sink::always(Reply::status(200));
    let url = sink.url("/hooks");
    let gateway = Gateway::start(&rules(&url, "orders")).await;
    gateway.home.write(&rules(&url, "orders").replace("when: { state: paid }, to: orders", "when: { state: paid }, to: ledger"));
    let answer = gateway.call("POST", "/-/reload", b"{}").await;
    assert_eq!(answer.code, 422, "{}", answer.text());
    let errors = answer.json()["errors"].clone();
    assert_eq!(errors[0]["code"], json!("failed-test"), "{errors}");
    assert_eq!(errors[0]["message"], json!("the test \"what is paid is booked\" failed: `to` wants orders, found ledger"));
    assert_eq!((&errors[0]["line"], errors.as_array().map(Vec::len)), (&json!(7), Some(1)), "{errors}");
    assert_eq!(gateway.metric("hookgate_config_last_reload_successful").await, 0.0);
    let told = || async { gateway.log().iter().any(|line| line.contains("failed-test")).then_some(()) };
    until("the log to say so", told).await;
    let answer = gateway.send(&signed(&payment("paid", "R1"))).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let event = gateway.until_status(&answer.event(), "delivered").await;
    assert_eq!(event["deliveries"][0]["destination"], "orders", "by the old rules");

    gateway.home.write(&rules(&url, "ledger").replace("when: { state: paid }, to: orders", "when: { state: paid }, to: ledger"));
    let answer = gateway.call("POST", "/-/reload", b"{}").await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    assert_eq!(gateway.metric("hookgate_config_last_reload_successful").await, 1.0);
}
