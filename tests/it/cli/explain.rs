//! `hookgate explain`: what would become of an event, from a rules file alone.

use super::{Ran, Shell, sample, sample_names};
use serde_json::{Value, json};
use std::fs;

/// The merchant's file of the documentation, but for its templates.
const RULES: &str = include_str!("../../data/explain.yaml");

fn shell(rules: &str) -> Shell {
    let shell = Shell::new();
    shell.file("rules.yaml", rules);
    shell
}

fn json(ran: Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

fn explained(shell: &Shell, arguments: &[&str]) -> Value {
    json(shell.run(&[&["explain", "--format", "json"], arguments].concat()))
}

fn destinations(explanation: &Value) -> Vec<&str> {
    let list = explanation["deliveries"].as_array().expect("a list");
    list.iter().map(|one| one["destination"].as_str().expect("a name")).collect()
}

fn rule<'a>(explanation: &'a Value, name: &str) -> &'a Value {
    let rules = explanation["rules"].as_array().expect("a list");
    rules.iter().find(|rule| rule["name"] == name).unwrap_or_else(|| panic!("no rule {name}: {explanation:#}"))
}

#[test]
fn every_sample_is_explained_without_any_secret() {
    let shell = shell(RULES);
    for name in sample_names() {
        let explanation = explained(&shell, &[&name]);
        let (to, code) = match name.as_str() {
            "payment.paid" | "payment.authorized" | "payment.cod" => (&["orders", "invoicing", "erp", "analytics"][..], 200),
            name if name.starts_with("payment.") => (&["orders", "analytics"][..], 201),
            "operation.refund_rejected" => (&["orders", "erp", "ops-chat", "analytics"][..], 200),
            "operation.cancel" => (&["analytics"][..], 200),
            _ => (&["orders", "erp", "analytics"][..], 200),
        };
        assert_eq!((destinations(&explanation), &explanation["answer"]["code"]), (to.to_vec(), &json!(code)), "{name}");
        let is_signed = !name.ends_with(".unsigned");
        let status = if is_signed { ("not_checked", "accepted") } else { ("refused", "refused") };
        assert_eq!(
            (&explanation["signature"]["status"], &explanation["verdict"]["status"]),
            (&json!(status.0), &json!(status.1)),
            "{name}"
        );
    }
    let cancel = explained(&shell, &["operation.cancel"]);
    assert_eq!((&cancel["routing"], cancel["rules"].as_array().map(Vec::len)), (&json!("unmatched"), Some(8)));
}

#[test]
fn each_rule_says_yes_or_the_first_condition_that_failed_and_what_was_found() {
    let explanation = explained(&shell(RULES), &["operation.refund", "--set", "amount=499.999"]);
    let found = |field: &str, value: &str| json!([{ "field": field, "is": "text", "value": value, "hint": null }]);
    for (name, condition, field, value) in [
        ("sandbox traffic stays in staging", "from: ottu-test", "from", "ottu"),
        ("successful payments", "kind: payment", "kind", "operation"),
        ("still in progress", "state: [created, pending]", "state", "refunded"),
        ("refunds that did not go through", "result: { not: [success, queued] }", "result", "success"),
        ("large refunds", "amount: { gte: 500 }", "amount", "499.999"),
    ] {
        let rule = rule(&explanation, name);
        assert_eq!(rule["holds"], "no", "{name}");
        assert_eq!(rule["failed"], json!({ "condition": condition, "found": found(field, value), "alternatives": [] }), "{name}");
    }
    let refunds = rule(&explanation, "refunds, voids and captures");
    assert_eq!((&refunds["holds"], &refunds["found"]), (&json!("yes"), &found("operation", "refund")));
    assert_eq!(explanation["unsigned"], json!([{ "field": "operation", "rules": ["refunds, voids and captures"] }]));
    let derived = explanation["derived"].as_array().expect("a list").iter().find(|one| one["field"] == "operation");
    let because = "`operation` says nothing, and this is the operation that leads to that state";
    assert_eq!(derived, Some(&json!({ "field": "operation", "from": "txn.state", "because": because, "signed": false })));
}

#[test]
fn of_alternatives_only_those_that_hold_are_why_a_rule_holds_and_what_a_header_or_query_says_is_no_secret_told() {
    let shell = shell(
        "version: 1\nsources: { ottu: { secret: '${KEY}' } }\ndestinations:\n  d: { url: 'http://d/x?k=literal-1&s={{ state }}', \
         headers: { x-api-key: literal-2, x-shop: shop-1 } }\n\
         rules: [ { name: r, when: { any: [ { state: paid }, { session_id: nope } ] }, to: d } ]\n",
    );
    let ran = shell.run(&["explain", "payment.paid"]);
    let said = ran.out;
    assert!(said.contains("sends it to d, since state is paid\n"), "{said}");
    assert!(said.contains("http://d/x?k=***&s=paid\n") && said.contains("x-api-key: ***\n") && said.contains("x-shop: shop-1\n"), "{said}");
    assert!(!said.contains("literal"), "{said}");
}

#[test]
fn rules_behind_one_that_stops_are_named_as_such_and_the_source_can_be_chosen() {
    let shell = shell(RULES);
    let explanation = explained(&shell, &["payment.paid", "--from", "ottu-test"]);
    assert_eq!((destinations(&explanation), &explanation["source"]), (vec!["staging"], &json!("ottu-test")));
    let behind = rule(&explanation, "successful payments");
    assert_eq!((&behind["holds"], &behind["stopped_by"]), (&json!("not_asked"), &json!("sandbox traffic stays in staging")));
    assert_eq!(explanation["deliveries"][0]["paused"], true);
    shell.run(&["explain", "payment.paid", "--from", "ottu-tset"]).refused(2, "no source \"ottu-tset\"; did you mean \"ottu-test\"?");
    shell.run(&["explain", "payment.paid", "--from", "x"]).refused(2, "it has ottu, ottu-test");
}

#[test]
fn a_signature_is_checked_where_the_key_is_there_and_the_verdict_follows_from_it() {
    let source = |more: &str| {
        format!(
            "version: 1\nsources: {{ ottu: {{ secret: \"${{KEY}}\"{more} }} }}\ndestinations: {{ a: \"http://a/\" }}\nrules: [ {{ name: all, to: a }} ]\n"
        )
    };
    let with_key = |more: &str, key: &str| {
        let shell = shell(&source(more)).with("KEY", key);
        shell.file("paid.json", sample("payment.paid"));
        shell.file("void.json", sample("operation.void.unsigned"));
        shell.file("none.json", r#"{"state":"paid"}"#);
        shell.file("broken.json", r#"{"state":"paid","x":NaN}"#);
        shell.file(
            "broken-and-signed.json",
            r#"{"state":"paid","x":NaN,"signature":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#,
        );
        shell.file("short.json", r#"{"state":"paid","signature":"00"}"#);
        shell
    };
    let (right, wrong) = (with_key("", "test-hmac-key"), with_key("", "another"));
    let lenient = with_key(", unsigned: accept, allow_ips: [10.0.0.0/8]", "test-hmac-key");
    let careful = with_key(", unsigned: quarantine", "test-hmac-key");
    for (shell, event, signature, verdict, code) in [
        (&right, "paid.json", "holds", "accepted", Value::Null),
        (&wrong, "paid.json", "refused", "refused", json!(401)),
        (&right, "payment.paid", "holds", "accepted", Value::Null),
        (&wrong, "payment.paid", "not_checked", "accepted", Value::Null),
        (&right, "none.json", "refused", "refused", json!(401)),
        (&right, "short.json", "refused", "refused", json!(401)),
        (&right, "broken.json", "refused", "refused", json!(400)),
        (&right, "broken-and-signed.json", "refused", "refused", json!(401)),
        (&lenient, "none.json", "refused", "refused", json!(401)),
        (&lenient, "void.json", "absent", "accepted", Value::Null),
        (&careful, "none.json", "absent", "quarantined", Value::Null),
    ] {
        let explanation = explained(shell, &[event]);
        let found = (&explanation["signature"]["status"], &explanation["verdict"]["status"], &explanation["verdict"]["code"]);
        assert_eq!(found, (&json!(signature), &json!(verdict), &code), "{event}: {explanation:#}");
        assert_eq!(destinations(&explanation), ["a"], "the rules are looked at all the same: {event}");
    }
    assert_eq!(explained(&right, &["payment.paid", "--set", "state=cod"])["signature"]["status"], "not_checked");
    assert_eq!(explained(&careful, &["none.json"])["verdict"]["reason"], "unsigned");
    let unproven = explained(&lenient, &["void.json"]);
    assert!(unproven["derived"].as_array().expect("a list").iter().all(|one| one["signed"] == false), "{unproven:#}");
    // What is signed but could be read in two ways is kept back, whoever signed it.
    let odd = explained(&right, &["payment.paid", "--set", "currency_code=KWDX"]);
    assert_eq!(odd["verdict"], json!({ "status": "quarantined", "reason": "currency", "code": null }));
}

#[test]
fn the_answer_says_who_waits_for_whom_and_nobody_waits_for_what_is_kept_back() {
    let rules = r#"
version: 1
sources: { ottu: { secret: "${KEY}", respond: 201 } }
destinations: { orders: "http://orders/", rest: "http://rest/" }
rules:
  - { name: paid, when: { state: paid }, to: orders, respond: { wait_for: orders, within: 8s, ok: 200, otherwise: 201 } }
  - { name: pending, when: { state: pending }, drop: true }
unmatched: rest
"#;
    let shell = shell(rules);
    let answer = |arguments: &[&str]| explained(&shell, arguments)["answer"].clone();
    let waits = json!({ "code": 200, "rule": "paid", "wait_for": "orders", "within": "8s", "otherwise": 201 });
    assert_eq!(answer(&["payment.paid"]), waits);
    let kept_back = json!({ "code": 201, "rule": "paid", "wait_for": null, "within": null, "otherwise": null });
    assert_eq!(answer(&["payment.paid", "--set", "currency_code=KWDX"]), kept_back);
    let of_source = json!({ "code": 201, "rule": null, "wait_for": null, "within": null, "otherwise": null });
    assert_eq!(answer(&["payment.failed"]), of_source);
    let text = shell.run(&["explain", "payment.paid"]).out;
    let said = "waits up to 8s for orders: 200 (the payer goes to your page) once it has the event, \
                else 201 (the payer stays on the provider's page), as the rule \"paid\" says";
    assert!(text.contains(said), "{text}");
    let dropped = explained(&shell, &["payment.paid", "--set", "state=pending"]);
    assert_eq!((&dropped["routing"], destinations(&dropped)), (&json!("dropped"), vec![]));
    let unmatched = explained(&shell, &["payment.failed"]);
    assert_eq!((&unmatched["routing"], destinations(&unmatched)), (&json!("unmatched"), vec!["rest"]));
    assert_eq!(unmatched["deliveries"][0]["rules"], json!([]));
    let text = shell.run(&["explain", "payment.failed"]).out;
    assert!(text.contains("the event goes to rest (`unmatched`)") && text.contains("TO rest by `unmatched`"), "{text}");
}

#[test]
fn each_destination_has_its_request_with_secrets_masked_and_its_schedule_in_words() {
    let shell = shell(RULES).with("ERP_TOKEN", "t0ken-of-the-erp").with("OTTU_HMAC_KEY", "test-hmac-key");
    let explanation = explained(&shell, &["payment.paid"]);
    let erp = &explanation["deliveries"][2];
    let header = |name: &str| {
        let headers = erp["request"]["headers"].as_array().expect("a list");
        headers.iter().find(|header| header["name"] == name).map_or(&Value::Null, |header| &header["value"])
    };
    assert_eq!((&erp["request"]["method"], &erp["request"]["url"]), (&json!("POST"), &json!("https://erp.internal/api/payments")));
    assert_eq!(header("authorization"), "***");
    assert_eq!(header("hookgate-rules"), "successful%20payments");
    assert_eq!(header("hookgate-verified"), "true");
    assert_eq!(header("content-length"), &json!(sample("payment.paid").len().to_string()));
    assert!(header("webhook-id").as_str().is_some_and(|id| id.starts_with("evt_")), "{erp:#}");
    assert_eq!((&erp["request"]["unchanged"], &erp["request"]["body_bytes"]), (&json!(true), &json!(sample("payment.paid").len())));
    assert_eq!(
        erp["retry"],
        "patient: at once, after failures again within 30s, 1m, 2m, 4m, … 6h, each drawn from zero up; given up after 50 attempts or 7d"
    );
    assert_eq!((&erp["timeout"], &erp["order"]["field"]), (&json!("20s"), &json!("session_id")));
    assert!(!explanation.to_string().contains("t0ken"), "{explanation:#}");
    // Without the key nobody knows what the id is made of.
    let unknown = explained(&self::shell(RULES), &["payment.paid"]);
    let headers = unknown["deliveries"][2]["request"]["headers"].as_array().expect("a list");
    assert!(headers.contains(&json!({ "name": "webhook-id", "value": "…" })), "{headers:?}");
}

#[test]
fn what_a_template_makes_is_shown_without_secrets_and_personal_data() {
    let rules = r#"
version: 1
sources: { ottu: { secret: "${OTTU_HMAC_KEY}" } }
destinations:
  chat:
    url: "http://chat.internal/orders/{{ order_no }}?mail={{ customer_email }}&key=${TOKEN}&sig=canary-1&n={{ amount }}"
    headers: { idempotency-key: "{{ reference_number }} {{ customer_phone }}", x-token: "${TOKEN} {{ order_no }}" }
    body: { text: "{{ amount }} of {{ customer_email }}", amount: "{{ amount | number }}", token: "${TOKEN}", all: "{{ body.initiator | json }}" }
  less: { url: "http://less.internal/x?canary-2", remove: [customer_email, pg_params] }
  lost: "http://lost.internal/{{ body.nothing }}"
rules: [ { name: all, to: [chat, less, lost] } ]
"#;
    let shell = shell(rules).with("TOKEN", "t0ken-canary");
    let explanation = explained(&shell, &["payment.paid"]);
    let chat = &explanation["deliveries"][0]["request"];
    assert_eq!(chat["url"], "http://chat.internal/orders/Y3ODg?mail=***&key=***&sig=***&n=10.000");
    let headers = chat["headers"].as_array().expect("a list");
    for (name, value) in [("idempotency-key", "staging48G8SS ***"), ("x-token", "***"), ("content-type", "application/json")] {
        assert!(headers.contains(&json!({ "name": name, "value": value })), "{name}: {headers:#?}");
    }
    let body: Value = serde_json::from_str(chat["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&body["text"], &body["amount"], &body["token"]), (&json!("10.000 of ***"), &json!(10.0), &json!("***")));
    assert_eq!((&body["all"]["email"], &body["all"]["id"], &chat["unchanged"]), (&json!("***"), &json!(35), &json!(false)));
    let less = &explanation["deliveries"][1]["request"];
    let body: Value = serde_json::from_str(less["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&less["url"], body.get("customer_email"), &body["state"]), (&json!("http://less.internal/x?***"), None, &json!("paid")));
    let lost = &explanation["deliveries"][2];
    assert_eq!(lost["request"], Value::Null);
    assert!(lost["error"].as_str().is_some_and(|error| error.starts_with("unsafe path")), "{lost:#}");
    assert!(!explanation.to_string().contains("canary"), "{explanation:#}");
}

#[test]
fn nothing_personal_of_the_event_is_shown() {
    let shell = shell(RULES);
    let rules = RULES.replace("when: { from: ottu-test }", "when: { customer_email: { matches: \"(?i)PAYER@.*\" } }");
    fs::write(shell.file("by-mail.yaml", ""), rules).expect("written");
    let hidden = r#"{"state":"paid","customer_email":"payer@example.com","customer_phone":"96512345678","token":"tok-canary",
        "pg_params":{"card_number":"canary-4111"},"extra":["canary",{"state":{"x":"canary"}}],"operation":{"x":"canary"}}"#;
    shell.file("event.json", hidden);
    shell.file("broken.json", r#"{"state":"paid","customer_email":"payer@example.com","x":NaN,"note":"canary"}"#);
    for format in ["text", "json"] {
        for config in ["rules.yaml", "by-mail.yaml"] {
            for event in ["event.json", "broken.json"] {
                let ran = shell.run(&["explain", event, "--config", config, "--format", format]);
                assert_eq!(ran.code, 0, "{}", ran.err);
                for personal in ["payer@example.com", "96512345678", "canary", "4111"] {
                    assert!(
                        !ran.out.contains(personal) && !ran.err.contains(personal),
                        "{format} {config} {event}: {personal} in {}",
                        ran.out
                    );
                }
            }
        }
    }
    let mail = explained(&shell, &["event.json", "--config", "by-mail.yaml"]);
    assert_eq!(
        rule(&mail, "sandbox traffic stays in staging")["found"],
        json!([{ "field": "customer_email", "is": "hidden", "value": "***", "hint": null }])
    );
}

#[test]
fn the_text_is_understood_at_a_glance() {
    let text = shell(RULES).run(&["explain", "operation.refund_rejected"]).out;
    let head = "operation refund refund_rejected rejected 9.000 KWD from ottu (ottu)\n\
                -> to orders, erp, ops-chat, analytics; answered 200\n";
    assert!(text.starts_with(head), "{text}");
    for line in [
        "signature: not checked: the key of the source is not set here",
        "verdict: accepted if its signature holds",
        "  yes  refunds, voids and captures\n         sends it to orders, erp, since operation is refund\n",
        "  no   large refunds\n         wants amount: { gte: 500 }, but amount is 9.000\n",
        "  yes  everything to analytics\n         sends a copy to analytics: holds for every event\n",
        "NOT COVERED BY THE SIGNATURE",
        "  operation (refunds, voids and captures, refunds that did not go through)\n",
        "ANSWER\n  200 (the payer goes to your page), as the source says\n",
        "TO erp by \"refunds, voids and captures\"\n  POST https://erp.internal/api/payments\n",
        "    | the payload as it came, ",
        "  retry patient: at once, ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| !line.contains('\u{1b}')), "no colours: {text}");
    let second = |arguments: &[&str]| {
        let ran = shell(RULES).with("OTTU_HMAC_KEY", "k").run(&[&["explain"], arguments].concat());
        ran.out.lines().nth(1).map(str::to_owned).unwrap_or_default()
    };
    for (arguments, wanted) in [
        (&["payment.failed"][..], "-> to orders, analytics; answered 201"),
        (&["payment.paid", "--set", "state=pending"], "-> to analytics; answered 200"),
        (
            &["payment.failed", "--set", "currency_code=KWDX"],
            "-> answered 201, and KEPT IN QUARANTINE; once released: to orders, analytics",
        ),
        (&["operation.void.unsigned"], "-> REFUSED with 401; if its signature held: to orders, erp, analytics; answered 200"),
    ] {
        assert_eq!(second(arguments), wanted, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_explained_is_said_with_its_exit_code() {
    let shell = shell(RULES);
    shell.file("list.json", "[1]");
    shell.file("broken.yaml", "version: 1\nsources: {}\n");
    shell.file("moves.json", "{\"state\":\"a\\u001b[2J\"}");
    shell.run(&["explain", "no-such.json"]).refused(2, "no sample and no file is named \"no-such.json\"");
    shell.run(&["explain", "payment.payed"]).refused(2, "did you mean \"payment.paid\"?");
    let ran = shell.run(&["explain", "list.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("the payload is not a JSON object"), "{}", ran.err);
    shell.run(&["explain", "payment.paid", "--config", "no-such.yaml"]).refused(78, "no-such.yaml");
    shell.run(&["explain", "payment.paid", "--config", "broken.yaml"]).refused(78, "broken.yaml");
    let from_input = json(shell.run_with_input(&["explain", "-", "--format", "json"], &sample("payment.cod")));
    assert_eq!(from_input["event"]["state"], "cod");
    let text = shell.run(&["explain", "moves.json"]).out;
    assert!(text.contains("a\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    let notes = shell.run(&["explain", "payment.paid"]).err;
    assert_eq!(notes.matches("note: the variable \"ERP_TOKEN\" is not set").count(), 1, "{notes}");
}

#[test]
fn other_providers_are_explained_by_the_fields_that_the_source_maps() {
    let rules = r#"
version: 1
sources:
  billing:
    provider: hmac
    secret: "${BILLING_SECRET}"
    signature: { header: x-signature }
    fields: { state: data.status, amount: data.total }
destinations: { ledger: "http://ledger/" }
rules:
  - { name: done, when: { state: done, data.note: { exists: true } }, to: ledger }
"#;
    let shell = shell(rules);
    shell.file("event.json", r#"{"data":{"status":"done","total":12.50,"note":"private"}}"#);
    let explanation = explained(&shell, &["event.json"]);
    assert_eq!((&explanation["provider"], destinations(&explanation)), (&json!("hmac"), vec!["ledger"]));
    assert_eq!(explanation["signature"]["detail"], "this provider signs in headers, and a payload alone has none");
    let state = json!({ "field": "state", "from": "data.status", "because": null, "signed": true });
    assert!(explanation["derived"].as_array().expect("a list").contains(&state), "{explanation:#}");
    assert_eq!((&explanation["unsigned"], &explanation["event"]["amount"]), (&json!([]), &json!("12.50")));
    // A body of any form is an event there.
    shell.file("text.txt", "private words");
    let text = shell.run(&["explain", "text.txt"]);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(!text.out.contains("private"), "{}", text.out);
}
