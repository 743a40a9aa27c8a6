//! Why an event goes where it goes, asked of a running gateway: of a payload, and of an event that is stored.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{exchange, payment, request, sample, signed},
    sink::{Reply, Sink},
    until::until_eq,
};
use hookgate::tasks;
use serde_json::{Value, json};

fn rules(sink: &Sink, more: &str) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }}, other: {{ secret: another-key }} }}\n\
         destinations:\n  orders: {{ url: '{}', headers: {{ authorization: 'Bearer canary' }} }}\n  ledger: '{}'\n\
         rules:\n  - {{ name: paid, when: {{ kind: payment, state: paid }}, to: orders, respond: 201 }}\n{more}",
        sink.url("/orders"),
        sink.url("/ledger"),
    )
}

async fn run(gateway: &Gateway, arguments: &[&str]) -> String {
    let mut command = hookgate();
    command.args(arguments).args(["--admin", &format!("http://{}", gateway.admin)]).env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
    let output = tasks::blocking(move || command.output().expect("the binary runs")).await.expect("it does not panic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn a_payload_is_explained_by_the_rules_in_force_and_nothing_happens() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "")).await;
    let before = gateway.get("/metrics").await.text();
    let answer = gateway.call("POST", "/api/v1/explain", &sample("payment.paid")).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let explanation = answer.json();
    assert_eq!((&explanation["source"], &explanation["signature"]["status"]), (&json!("ottu"), &json!("holds")));
    assert_eq!((&explanation["rules"][0]["holds"], &explanation["answer"]["code"]), (&json!("yes"), &json!(201)));
    let request = &explanation["deliveries"][0]["request"];
    assert_eq!((&request["url"], &request["method"]), (&json!(sink.url("/orders")), &json!("POST")));

    // At another source its signature is wrong, and after a reload the rules are others.
    let other = gateway.call("POST", "/api/v1/explain?from=other", &sample("payment.paid")).await.json();
    assert_eq!((&other["signature"]["status"], &other["verdict"]["code"]), (&json!("refused"), &json!(401)));
    gateway.home.write(&rules(&sink, "  - { name: all, to: ledger, tap: true }\n"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let reloaded = gateway.call("POST", "/api/v1/explain", &sample("payment.failed")).await.json();
    assert_eq!((&reloaded["routing"], &reloaded["deliveries"][0]["destination"]), (&json!("unmatched"), &json!("ledger")));
    assert_eq!(reloaded["rules"][0]["failed"]["condition"], "state: paid");

    assert_eq!(gateway.get("/api/v1/events").await.json()["events"], json!([]));
    assert!(sink.requests().is_empty(), "nothing was sent");
    let counted = |text: &str| text.lines().find(|line| line.starts_with("hookgate_rule_matches_total{rule=\"paid\"}")).map(str::to_owned);
    assert_eq!(counted(&gateway.get("/metrics").await.text()), counted(&before));
}

#[tokio::test]
async fn the_command_line_and_the_api_say_the_same() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "  - { name: all, to: ledger, tap: true }\n")).await;
    let mut of_api = gateway.call("POST", "/api/v1/explain", &sample("operation.refund")).await.json();
    let mut command = hookgate();
    command.args(["explain", "operation.refund", "--format", "json", "--config"]).arg(gateway.home.rules_file());
    let output = tasks::blocking(move || command.output().expect("the binary runs")).await.expect("it does not panic");
    let mut of_file: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // These differ from one moment to the next.
    for explanation in [&mut of_api, &mut of_file] {
        for header in explanation["deliveries"][0]["request"]["headers"].as_array_mut().expect("a list") {
            if ["webhook-timestamp", "hookgate-received", "traceparent", "webhook-signature"]
                .contains(&header["name"].as_str().expect("a name"))
            {
                header["value"] = Value::Null;
            }
        }
    }
    assert_eq!(of_api, of_file);
}

#[tokio::test]
async fn a_call_that_cannot_be_explained_says_why() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "")).await;
    for (path, body, detail) in [
        ("/api/v1/explain?from=othre", &b"{}"[..], "did you mean \"other\"?"),
        ("/api/v1/explain?form=other", b"{}", "`from`"),
        ("/api/v1/explain?from=other&from=ottu", b"{}", "`from`"),
        ("/api/v1/explain", b"[]", "not a JSON object"),
        ("/api/v1/explain", b"", "not a JSON object"),
    ] {
        let answer = gateway.call("POST", path, body).await;
        let said = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert_eq!(answer.code, 400, "{path}");
        assert!(said.contains(detail), "{path}: {said}");
    }
    assert_eq!(gateway.get("/api/v1/explain").await.code, 405);
    let host = gateway.admin.to_string();
    let bare = |headers: &[(&str, &str)]| request("POST", "/api/v1/explain", &[&[("host", host.as_str())], headers].concat(), b"{}");
    assert_eq!(exchange(gateway.admin, &bare(&[("content-type", "application/json")])).await.code, 401);
    let token = format!("Bearer {}", gateway.home.token());
    assert_eq!(exchange(gateway.admin, &bare(&[("authorization", &token), ("content-type", "text/plain")])).await.code, 415);
}

#[tokio::test]
async fn a_stored_event_tells_what_was_decided_and_what_the_rules_in_force_would_decide() {
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&rules(&sink, ""));
    let gateway = Gateway::start_in(home).await;
    let paid = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    let failed = gateway.send(&signed(&payment("failed", "R2"))).await.event();
    gateway.until_status(&paid, "delivered").await;
    let event = gateway.event(&paid).await;
    let now = &event["explanation"]["now"];
    assert_eq!((&now["signature"]["status"], &now["rules"][0]["holds"]), (&json!("holds"), &json!("yes")));
    assert_eq!(now["deliveries"][0]["destination"], event["explanation"]["destinations"][0]["destination"]);

    let others = rules(&sink, "  - { name: failures, when: { state: failed }, to: ledger }\n").replace("state: paid", "state: cod");
    gateway.home.write(&others);
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let event = gateway.event(&paid).await;
    assert_eq!(event["explanation"]["destinations"], json!([{ "destination": "orders", "rules": ["paid"] }]), "what was decided stays");
    let now = &event["explanation"]["now"];
    assert_eq!(
        (&now["routing"], &now["deliveries"], &now["rules"][0]["failed"]["condition"]),
        (&json!("unmatched"), &json!([]), &json!("state: cod"))
    );
    let text = run(&gateway, &["event", &paid]).await;
    assert!(text.contains("DECIDED WHEN IT CAME\n  routed\n  to orders by \"paid\"\n"), "{text}");
    assert!(text.contains("BY THE RULES NOW IN FORCE\n  it would go nowhere\n"), "{text}");
    let text = run(&gateway, &["event", &failed]).await;
    assert!(text.contains("  unmatched\n") && text.contains("  it would go to ledger\n"), "{text}");
    assert!(text.contains("  yes  failures\n") && text.contains("  1 more, which do not hold or are not asked\n"), "{text}");
}

#[tokio::test]
async fn an_event_in_quarantine_tells_where_it_would_go_once_released() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "")).await;
    let mut odd = payment("paid", "R1");
    odd["currency_code"] = json!("KWDX");
    let id = gateway.send(&signed(&odd)).await.event();
    let explanation = gateway.event(&id).await["explanation"].clone();
    assert_eq!((&explanation["routing"], &explanation["destinations"]), (&json!("quarantined"), &json!([])));
    let now = &explanation["now"];
    assert_eq!(now["verdict"], json!({ "status": "quarantined", "reason": "currency", "code": null }));
    assert_eq!(now["deliveries"][0]["destination"], "orders");
}

#[tokio::test]
async fn an_event_whose_source_left_the_rules_file_is_explained_as_far_as_it_can_be() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "")).await;
    let id = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    gateway.home.write(&rules(&sink, "").replace("ottu: { secret: test-hmac-key }, ", ""));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let now = || async { gateway.event(&id).await["explanation"]["now"]["provider"].clone() };
    until_eq("the source to be gone", Value::Null, now).await;
    let event = gateway.event(&id).await;
    assert_eq!(event["explanation"]["now"]["rules"][0]["holds"], "yes");
    assert_eq!(event["explanation"]["now"]["derived"], json!([]));
}
