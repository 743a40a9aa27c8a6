//! What other rules would do with the stored events, before they are taken.

use crate::support::{
    gateway::{Gateway, hookgate},
    sender::{payment, post, signed, signed_with},
    sink::{Reply, Sink},
};
use serde_json::{Value, json};
use std::process::Output;

fn rules(sink: &Sink, more: &str, rules: &str) -> String {
    let url = |name: &str| format!("'{}'", sink.url(&format!("/{name}")));
    format!(
        "allow: [literal-secret, state-without-kind, unsigned-field]\n\
         sources: {{ ottu: {{ secret: test-hmac-key }}{more} }}\n\
         destinations: {{ orders: {}, erp: {}, mail: {} }}\nrules:\n{rules}",
        url("orders"),
        url("erp"),
        url("mail")
    )
}

const BEFORE: &str = "  - { name: paid, when: { state: paid }, to: [orders, erp] }\n\
    \x20 - { name: failed, when: { state: failed }, to: orders, respond: 201 }\n\
    \x20 - { name: old, when: { state: created }, drop: true }\n";

/// Writes rules beside those in force.
fn write_next(gateway: &Gateway, rules: &str) {
    gateway.home.write_file("rules.next.yaml", gateway.home.text(rules).as_bytes());
}

async fn dry_run(gateway: &Gateway, body: &Value) -> Value {
    let answer = gateway.call("POST", "/-/reload", body.to_string().as_bytes()).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.json()
}

async fn command(gateway: &Gateway, arguments: &[&str]) -> Output {
    let mut command = hookgate();
    let admin = format!("http://{}", gateway.admin);
    command.args(["reload", "--admin", &admin]).args(arguments).env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
    hookgate::tasks::blocking(move || command.output().expect("the binary runs")).await.expect("it does not panic")
}

async fn send(gateway: &Gateway, state: &str, reference: &str) -> String {
    gateway.send(&signed(&payment(state, reference))).await.event()
}

#[tokio::test]
async fn a_dry_run_counts_the_events_that_would_go_elsewhere_and_nothing_else_changes() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "", BEFORE)).await;
    let mut paid = Vec::new();
    for number in 0..5 {
        paid.push(send(&gateway, "paid", &format!("P{number}")).await);
    }
    let failed = send(&gateway, "failed", "F1").await;
    send(&gateway, "created", "C1").await;
    let ambiguous = {
        let mut ambiguous = payment("paid", "Q1");
        ambiguous["order_no"] = json!("1state2reference_number");
        ambiguous
    };
    let quarantined = gateway.send(&signed(&ambiguous)).await.event();
    assert_eq!(gateway.event(&quarantined).await["status"], "quarantined");
    sink.wait_for("every delivery", |requests| requests.len() == 11).await;
    let wait = "{ wait_for: orders, within: 8s, ok: 200, otherwise: 201 }";
    let after = format!(
        "  - {{ name: failed, when: {{ state: failed }}, to: orders, respond: {wait} }}\n\
         \x20 - {{ name: paid, when: {{ state: paid }}, to: [orders, mail], respond: 200 }}\n\
         \x20 - {{ name: new, when: {{ state: created }}, drop: true }}\n"
    );
    write_next(&gateway, &rules(&sink, "", &after));
    let before = gateway.get("/api/v1/config").await.json();
    let found = dry_run(&gateway, &json!({ "dry_run": true, "file": "rules.next.yaml" })).await;
    let newest: Vec<_> = paid.iter().rev().take(3).collect();
    let wait = json!({ "wait_for": "orders", "within_ms": 8000, "ok": 200, "otherwise": 201 });
    assert_eq!(
        found,
        json!({
            "status": "checked", "warnings": [], "events": 7, "elsewhere": 6, "complete": true,
            "rules": { "added": ["new"], "removed": ["old"], "changed": ["failed", "paid"], "reordered": true },
            "changes": [
                {
                    "events": 5, "examples": newest,
                    "before": { "to": ["erp", "orders"], "routing": "routed", "answer": 200 },
                    "after": { "to": ["mail", "orders"], "routing": "routed", "answer": 200 },
                },
                {
                    "events": 1, "examples": [failed],
                    "before": { "to": ["orders"], "routing": "routed", "answer": 201 },
                    "after": { "to": ["orders"], "routing": "routed", "answer": wait },
                },
            ],
            "left_out": { "quarantined": 1, "source_removed": 0, "unreadable": 0 },
        })
    );
    assert_eq!(gateway.get("/api/v1/config").await.json(), before, "no reading is remembered");
    assert_eq!(gateway.metric("hookgate_rule_matches_total{rule=\"paid\"}").await, 5.0);
    assert!(!gateway.get("/metrics").await.text().contains("rule=\"new\""));
    send(&gateway, "paid", "P9").await;
    sink.wait_for("it, by the rules before", |requests| requests.iter().filter(|request| request.path == "/erp").count() == 6).await;

    let few = dry_run(&gateway, &json!({ "dry_run": true, "file": "rules.next.yaml", "last": 3 })).await;
    assert_eq!((&few["events"], &few["left_out"]["quarantined"]), (&json!(2), &json!(1)), "of the three newest: {few}");
    let same = dry_run(&gateway, &json!({ "dry_run": true })).await;
    assert_eq!((&same["events"], &same["changes"]), (&json!(8), &json!([])));

    let told = command(&gateway, &["--dry-run", "rules.next.yaml"]).await;
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert_eq!(told.status.code(), Some(0), "{err}");
    assert!(out.contains("erp, orders (200)  mail, orders (200)") && out.contains("orders (200 or 201, by orders)"), "{out}");
    assert_eq!(
        err,
        "rules added: new\nrules removed: old\nrules changed: failed, paid\nrules that stay stand in another order\n\
         7 of 8 events would be treated otherwise; 1 in quarantine left out; nothing is taken by a dry run\n"
    );
    let told = command(&gateway, &["--dry-run", "--last", "2", "--format", "json"]).await;
    let found: Value = serde_json::from_slice(&told.stdout).expect("it is JSON");
    assert_eq!((told.status.code(), &found["events"]), (Some(0), &json!(1)), "{found}");
}

#[tokio::test]
async fn events_of_a_source_that_goes_are_counted_apart() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, ", shop: { secret: other-key }", BEFORE)).await;
    send(&gateway, "paid", "P1").await;
    assert_eq!(post(gateway.public, "/webhooks/shop", &signed_with(&payment("paid", "S1"), "other-key")).await.code, 200);
    write_next(&gateway, &rules(&sink, "", BEFORE));
    let found = dry_run(&gateway, &json!({ "dry_run": true, "file": "rules.next.yaml" })).await;
    assert_eq!((&found["events"], &found["elsewhere"], &found["left_out"]["source_removed"]), (&json!(1), &json!(0), &json!(1)));
}

#[tokio::test]
async fn a_dry_run_of_a_broken_file_tells_its_problems_and_counts_as_no_reload() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "", BEFORE)).await;
    write_next(&gateway, &rules(&sink, "", BEFORE).replace("to: orders,", "to: order,"));
    let body = json!({ "dry_run": true, "file": "rules.next.yaml" }).to_string();
    let answer = gateway.call("POST", "/-/reload", body.as_bytes()).await;
    assert_eq!((answer.code, &answer.json()["errors"][0]["code"]), (422, &json!("unknown-destination")), "{}", answer.text());
    let told = command(&gateway, &["--dry-run", "rules.next.yaml"]).await;
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(78), "{said}");
    assert!(said.contains("did you mean \"orders\"?"), "{said}");
    assert_eq!(gateway.metric("hookgate_config_last_reload_successful").await, 1.0);
    assert_eq!(gateway.get("/api/v1/config").await.json()["reloads"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_a_dry_run_cannot_follow_is_named() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "", BEFORE)).await;
    for (body, named) in [
        (json!({ "last": 5 }), "`file` and `last` are of a dry run"),
        (json!({ "file": "rules.next.yaml" }), "`file` and `last` are of a dry run"),
        (json!({ "dry_run": true, "last": 0 }), "from 1 to 10000"),
        (json!({ "dry_run": true, "last": 10_001 }), "from 1 to 10000"),
        (json!({ "dry_run": true, "file": "../rules.yaml" }), "in the folder of the rules file"),
        (json!({ "dry_run": true, "file": "/etc/passwd" }), "in the folder of the rules file"),
        (json!({ "dry_run": "yes" }), "rules.next.yaml"),
    ] {
        let answer = gateway.call("POST", "/-/reload", body.to_string().as_bytes()).await;
        assert_eq!(answer.code, 400, "{body}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{}", answer.text());
    }
    let missing = json!({ "dry_run": true, "file": "none.yaml" }).to_string();
    let answer = gateway.call("POST", "/-/reload", missing.as_bytes()).await;
    assert_eq!((answer.code, &answer.json()["errors"][0]["code"]), (422, &json!("unreadable-file")), "{}", answer.text());
    for wrong in [&["--last", "5"][..], &["rules.next.yaml"], &["--dry-run", "--last", "0"], &["--format", "json"]] {
        assert_eq!(command(&gateway, wrong).await.status.code(), Some(2), "{wrong:?}");
    }
}
