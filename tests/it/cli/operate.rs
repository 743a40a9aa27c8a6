//! The commands that speak to a running gateway's admin listener.

use super::{EVENTS, ID, Shell};
use crate::support::scripted_admin::ScriptedAdmin;

#[test]
fn events_are_asked_for_with_filters_and_shown_as_a_table() {
    let admin = ScriptedAdmin::start(&[("GET /api/v1/events", 200, EVENTS)]);
    let ran = Shell::at(&admin).run(&["events", "--filter", "status=dead", "--filter", "rule=a & b", "--since", "2h", "--limit", "7"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(admin.only().line, "GET /api/v1/events?limit=7&status=dead&rule=a%20%26%20b&since=2h HTTP/1.1");
    assert_eq!(admin.only().header("authorization"), Some("Bearer s3cret"));
    let lines: Vec<Vec<&str>> =
        ran.out.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].len(), lines[1].len(), "{}", ran.out);
    let wanted = [
        "2026-11-22T22:27:53.123Z",
        ID,
        "ottu",
        "payment",
        "paid",
        "-",
        "success",
        "10.000 KWD",
        "A\\u{1b}[2J",
        "dead",
        "200",
        "orders dead",
    ];
    assert_eq!(lines[1], wanted);
}

#[test]
fn events_as_json_are_one_document_over_all_pages() {
    let admin = ScriptedAdmin::start(&[
        ("GET /api/v1/events", 200, r#"{"events":[{"id":"a"},{"id":"b"}],"next":"c/1"}"#),
        ("GET /api/v1/events", 200, r#"{"events":[{"id":"c"}],"next":null}"#),
    ]);
    let ran = Shell::at(&admin).run(&["events", "--format", "json", "--limit", "150"]);
    let found: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(found, serde_json::json!({ "events": [{ "id": "a" }, { "id": "b" }, { "id": "c" }], "next": null }));
    let lines: Vec<String> = admin.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /api/v1/events?limit=100 HTTP/1.1", "GET /api/v1/events?limit=100&cursor=c%2F1 HTTP/1.1"]);
}

#[test]
fn nothing_found_is_a_no_and_a_bad_filter_is_wrong_usage() {
    let admin = ScriptedAdmin::start(&[
        ("GET /api/v1/events", 200, r#"{"events":[],"next":null}"#),
        ("GET /api/v1/events", 400, r#"{"title":"bad filter","status":400,"detail":"since: not a time"}"#),
        ("GET /api/v1/events", 500, "oops"),
        ("GET /api/v1/events", 200, "oops"),
        ("GET /api/v1/events", 200, "{}"),
    ]);
    let shell = Shell::at(&admin);
    shell.run(&["events"]).refused(1, "no event found");
    shell.run(&["events", "--since", "x"]).refused(2, "error: bad filter: since: not a time");
    shell.run(&["events"]).refused(1, "answered 500: internal server error");
    shell.run(&["events"]).refused(1, "but not as the API of hookgate does");
    shell.run(&["events"]).refused(1, "no list of events");
    shell.run(&["events", "--filter", "stat=dead"]).refused(2, "did you mean \"state\"?");
    shell.run(&["events", "--filter", "status"]).refused(2, "wanted KEY=VALUE");
    assert_eq!(admin.seen().len(), 5);
}

#[test]
fn one_event_is_shown_with_its_deliveries_and_attempts() {
    const EVENT: &str = r#"{"id":"evt_01h2xcejqtf2nbrexx3vqjhp41","source":"ottu","status":"waiting","operation":null,"rules":["a","b"],
        "deliveries":[{"destination":"orders","status":"retrying","attempts":1,"next_attempt_at":"2026-11-22T22:28:00.000Z","waits_for":null},
        {"destination":"erp","status":"waiting","attempts":0,"next_attempt_at":null,"waits_for":"evt_00000000000000000000000001"}],
        "attempts":[{"destination":"orders","n":1,"at":"2026-11-22T22:27:54.000Z","duration_ms":12,"result":"5xx","status":503,"response":"busy\nnow","error":null}],
        "payload":{"state":"paid"}}"#;
    let admin = ScriptedAdmin::start(&[("GET /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41", 200, EVENT)]);
    let ran = Shell::at(&admin).run(&["event", &ID.to_uppercase().replace("EVT", "evt")]);
    ran.printed(
        "EVENT\n\
         id      evt_01h2xcejqtf2nbrexx3vqjhp41\n\
         source  ottu\n\
         status  waiting\n\
         rules   a, b\n\
         \n\
         DESTINATION  STATUS    ATTEMPTS  NEXT                      WAITS FOR\n\
         orders       retrying  1         2026-11-22T22:28:00.000Z  -\n\
         erp          waiting   0         -                         evt_00000000000000000000000001\n\
         \n\
         AT                        DESTINATION  N  MS  RESULT  STATUS  CAUSE\n\
         2026-11-22T22:27:54.000Z  orders       1  12  5xx     503     busy\\nnow\n\
         \n\
         PAYLOAD\n\
         {\n  \"state\": \"paid\"\n}\n",
    );
    let json = Shell::at(&admin).run(&["event", ID, "--format", "json"]);
    let printed: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(printed, serde_json::from_str::<serde_json::Value>(EVENT).expect("JSON"));
    let other = "evt_00000000000000000000000000";
    Shell::at(&admin).run(&["event", other]).refused(1, "error: not found: not in the script");
}

#[test]
fn a_retry_says_what_is_due_and_what_is_under_way() {
    let admin = ScriptedAdmin::start(&[
        ("POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/retry", 200, r#"{"due":["orders","erp"],"in_flight":["ledger"]}"#),
        ("POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/retry", 202, r#"{"due":[],"held_back":["erp"],"in_flight":["orders"]}"#),
        (
            "POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/retry",
            409,
            r#"{"title":"nothing to retry","status":409,"detail":"all deliveries are done"}"#,
        ),
    ]);
    let shell = Shell::at(&admin);
    shell.run(&["retry", ID]).printed("orders is due now\nerp is due now\nledger is on its way already\n");
    shell
        .run(&["retry", ID, "orders"])
        .printed("erp waits for an earlier event that it is kept in order with\norders is on its way already\n");
    shell.run(&["retry", ID]).refused(1, "error: nothing to retry: all deliveries are done");
    let bodies: Vec<Vec<u8>> = admin.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [&b"{}"[..], br#"{"destination":"orders"}"#, b"{}"]);
    assert!(admin.seen().iter().all(|seen| seen.header("content-type") == Some("application/json")));
}

#[test]
fn a_replay_says_what_is_due_and_what_waits_in_its_line() {
    let admin = ScriptedAdmin::start(&[(
        "POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/replay",
        202,
        r#"{"due":["orders"],"held_back":["erp"],"in_flight":["ledger"],"removed":[]}"#,
    )]);
    Shell::at(&admin)
        .run(&["replay", ID])
        .printed("orders is due now\nerp waits for an earlier event that it is kept in order with\nledger is on its way already\n");
}

#[test]
fn a_release_and_a_discard_say_what_became_of_the_event() {
    let admin = ScriptedAdmin::start(&[
        (
            "POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/release",
            200,
            r#"{"routing":"routed","rules":["paid"],"due":["orders","erp"]}"#,
        ),
        ("POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/release", 200, r#"{"routing":"unmatched","rules":[],"due":[]}"#),
        (
            "POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/release",
            409,
            r#"{"title":"Nothing to release","status":409,"detail":"The event is not in quarantine."}"#,
        ),
        ("POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/discard", 200, r#"{"quarantined":true,"discarded":["orders"]}"#),
        (
            "POST /api/v1/events/evt_01h2xcejqtf2nbrexx3vqjhp41/discard",
            409,
            r#"{"title":"Nothing to discard","status":409,"detail":"The event is not in quarantine and has no dead delivery."}"#,
        ),
    ]);
    let shell = Shell::at(&admin);
    shell.run(&["release", ID]).printed("orders is due now\nerp is due now\n");
    shell.run(&["release", ID]).printed("released, and unmatched\n");
    shell.run(&["release", ID]).refused(1, "error: nothing to release: The event is not in quarantine.");
    shell.run(&["discard", ID]).printed("orders is discarded\nthe event is dropped\n");
    shell.run(&["discard", ID]).refused(1, "error: nothing to discard: The event is not in quarantine and has no dead delivery.");
    assert!(admin.seen().iter().all(|seen| seen.body == b"{}"));
}

#[test]
fn destinations_are_a_table_or_json() {
    let admin = ScriptedAdmin::start(&[(
        "GET /api/v1/destinations",
        200,
        r#"{"destinations":[
            {"destination":"orders","paused":false,"paused_by":[],"held_until":null,"breaker":"open","ready":1,"retrying":2,"held_back":5,"in_flight":3,"dead":4,"parked":0,"oldest_age_seconds":90,"latency_ms":12},
            {"destination":"erp","paused":true,"paused_by":["file","operator"],"held_until":"2026-11-22T22:27:53.123Z","breaker":"ramping","ready":0,"retrying":0,"held_back":0,"in_flight":0,"dead":0,"parked":0,"oldest_age_seconds":null,"latency_ms":null},
            {"destination":"old","removed":true,"paused":null,"paused_by":[],"held_until":null,"breaker":null,"ready":0,"retrying":0,"held_back":0,"in_flight":0,"dead":0,"parked":7,"oldest_age_seconds":null,"latency_ms":null}]}"#,
    )]);
    Shell::at(&admin).run(&["destinations"]).printed(
        "DESTINATION  READY  RETRYING  HELD BACK  IN FLIGHT  DEAD  PARKED  OLDEST  LATENCY  PAUSED                BREAKER\n\
         orders       1      2         5          3          4     0       90s     12 ms    no                    open\n\
         erp          0      0         0          0          0     0       -       -        by file and operator  held until 2026-11-22T22:27:53.123Z\n\
         old          0      0         0          0          0     7       -       -        removed               -\n",
    );
    let json = Shell::at(&admin).run(&["destinations", "--format", "json"]);
    let printed: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(printed["destinations"][1]["destination"], "erp");
}

#[test]
fn healthcheck_says_ready_or_why_not() {
    let admin = ScriptedAdmin::start(&[
        ("GET /readyz", 200, r#"{"ready":true,"reasons":[]}"#),
        ("GET /readyz", 503, r#"{"ready":false,"reasons":["draining",{"check":"store","reason":"disk full"}]}"#),
        ("GET /readyz", 503, "x"),
    ]);
    let shell = Shell::new().with("HOOKGATE_ADMIN", admin.url());
    shell.run(&["healthcheck"]).printed("ready\n");
    let not_ready = shell.run(&["healthcheck"]);
    assert_eq!((not_ready.code, not_ready.out.as_str()), (1, "not ready: draining; store: disk full\n"));
    let unreadable = shell.run(&["healthcheck"]);
    assert_eq!((unreadable.code, unreadable.out.as_str()), (1, "not ready: answered 503 Service Unavailable\n"));
    assert!(admin.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn the_token_is_found_in_the_stores_folder() {
    let admin = ScriptedAdmin::start(&[("GET /api/v1/destinations", 200, r#"{"destinations":[]}"#)]);
    let shell = Shell::new().with("HOOKGATE_ADMIN", admin.url());
    let token = |shell: &Shell, arguments: &[&str]| {
        let ran = shell.run(&[&["destinations"], arguments].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        admin.seen().last().and_then(|seen| seen.header("authorization").map(str::to_owned))
    };
    assert_eq!(token(&shell, &[]), None);
    shell.file("hookgate-data/admin-token", "of-the-default\n");
    assert_eq!(token(&shell, &[]).as_deref(), Some("Bearer of-the-default"));
    shell.file("here/admin-token", "of-the-file");
    shell.file("rules.yaml", "version: 1\nsources: { ottu: { secret: \"${UNSET}\" } }\nstore: { path: ./here }\n");
    assert_eq!(token(&shell, &[]).as_deref(), Some("Bearer of-the-file"));
    shell.file("there/admin-token", "of-the-option");
    shell.file("other.yaml", "store:\n  path: there\n");
    assert_eq!(token(&shell, &["--config", "other.yaml"]).as_deref(), Some("Bearer of-the-option"));
    let shell = shell.with("HOOKGATE_CONFIG", "other.yaml");
    assert_eq!(token(&shell, &[]).as_deref(), Some("Bearer of-the-option"));
    let shell = shell.with("HOOKGATE_ADMIN_TOKEN", "of-the-variable");
    assert_eq!(token(&shell, &[]).as_deref(), Some("Bearer of-the-variable"));
}

#[test]
fn a_refused_token_is_traced_to_its_origin_and_never_shown() {
    let admin =
        ScriptedAdmin::start(&[("GET /api/v1/destinations", 401, r#"{"title":"unauthorized","status":401,"detail":"no such token"}"#)]);
    let shell = Shell::new().with("HOOKGATE_ADMIN", admin.url());
    shell.run(&["destinations"]).refused(1, "no such token (token: none: HOOKGATE_ADMIN_TOKEN is not set, and ./hookgate-data/admin-token");
    let ran = Shell::at(&admin).run(&["destinations"]);
    ran.refused(1, "error: unauthorized: no such token (token: from HOOKGATE_ADMIN_TOKEN)");
    assert!(!ran.err.contains("s3cret"), "{}", ran.err);
    let odd = shell.with("HOOKGATE_ADMIN_TOKEN", "line\nbreak").run(&["destinations"]);
    odd.refused(2, "HOOKGATE_ADMIN_TOKEN has characters that no token has");
}

#[test]
fn the_address_of_the_admin_listener_is_plain_http_without_a_path() {
    for wrong in ["https://127.0.0.1:9090", "http://127.0.0.1:9090/api", "127.0.0.1:9090", "http://127.0.0.1:9090/?x"] {
        Shell::new().run(&["destinations", "--admin", wrong]).refused(2, "wanted one like http://127.0.0.1:9090");
        Shell::new().with("HOOKGATE_ADMIN", wrong).run(&["healthcheck"]).refused(2, "wanted one like http://127.0.0.1:9090");
    }
}

#[test]
fn no_output_that_is_not_on_a_terminal_is_coloured() {
    let admin = ScriptedAdmin::start(&[("GET /api/v1/events", 200, EVENTS)]);
    for shell in [Shell::at(&admin), Shell::at(&admin).with("NO_COLOR", "1"), Shell::at(&admin).with("TERM", "xterm-256color")] {
        let ran = shell.run(&["events"]);
        assert_eq!(ran.code, 0);
        assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
    }
}
