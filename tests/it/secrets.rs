//! Secrets and personal data go through every path of the gateway, the failing ones too, and are seen nowhere.

use crate::support::{
    canary,
    gateway::{Gateway, Home, hookgate},
    sender::{exchange, request, signed_with},
    sink::{Reply, Sink},
    skipped,
    until::until,
};
use serde_json::{Value, json};
use std::{fs, os::unix::process::ExitStatusExt, process::Command};

const KEY: &str = "canary-key";

/// The same mark in everything that is hidden: a key, mail, phone, card, token.
fn payload(reference: &str, state: &str) -> Value {
    json!({
        "amount": "10.000", "currency_code": "KWD", "customer_email": "canary@example.com", "customer_phone": "canary-965",
        "customer_address_line1": "canary street", "gateway_account": "credit-card", "order_no": format!("order-{reference}"),
        "reference_number": reference, "result": "success", "session_id": "5e55", "state": state, "token": "canary-token",
        "pg_params": { "card_number": "canary-4111", "deep": [{ "iban": "canary-iban" }, "canary-item"] },
        "message": "canary said so",
    })
}

fn rules(echo: &Sink, good: &Sink, tokens: &Sink) -> String {
    let with_secrets = echo.url("/hooks?key=canary-query");
    format!(
        "sources:\n  ottu: {{ secret: '${{file:key}}', unsigned: quarantine }}\ndestinations:\n\
         \x20 echo: {{ url: '{}', headers: {{ authorization: 'Bearer canary-header' }}, retry: none }}\n\
         \x20 secretive: {{ url: '{with_secrets}', retry: none }}\n\
         \x20 refused: {{ url: 'http://127.0.0.1:1/hidden-path?canary-query', retry: none }}\n\
         \x20 unknown: {{ url: 'https://nowhere.invalid/hidden-path?canary-query', retry: none }}\n\
         \x20 garbled: {{ url: '{}', retry: none }}\n\
         \x20 good: {{ url: '{}', retry: none, sign: {{ scheme: standard-webhooks, secret: whsec_canarycanarycanarycanary }} }}\n\
         \x20 bearer: {{ url: '{echoed}', retry: none, auth: {{ bearer: canary-bearer }} }}\n\
         \x20 basic: {{ url: '{echoed}', retry: none, auth: {{ basic: {{ user: canary, password: canary-password }} }} }}\n\
         \x20 token: {{ url: '{echoed}', retry: none, auth: {{ oauth2: {{ token_url: '{given}', client_id: canary, client_secret: canary-secret, scope: canary }} }} }}\n\
         \x20 tokenless: {{ url: '{echoed}', retry: none, auth: {{ oauth2: {{ token_url: '{refused}', client_id: canary, client_secret: canary-secret }} }} }}\n\
         rules:\n  - {{ name: paid, when: {{ state: paid }}, to: [echo, secretive, refused, unknown, garbled, good, bearer, basic, token, tokenless] }}\n\
         \x20 - {{ name: a secret address, when: {{ customer_email: 'x@canary.example' }}, to: good }}\n",
        echo.url("/hooks"),
        echo.url("/garbled"),
        good.url("/"),
        echoed = echo.url("/hooks"),
        given = tokens.url("/canary-given?canary"),
        refused = tokens.url("/canary-refused?canary"),
    )
}

/// A destination that gives back what it got, with a code that is a failure.
fn echo() -> Sink {
    Sink::scripted(|number, request| match request.path.as_str() {
        "/garbled" => Reply::Raw(b"HTTP/1.1 canary\r\n\r\n".to_vec()),
        "/hooks" => Reply::with_body(500, request.body.clone()),
        _ if number % 2 == 0 => Reply::with_header(400, "x-canary", "canary"),
        _ => Reply::with_body(422, "canary is no JSON"),
    })
}

/// A token endpoint that gives a token, or refuses it with more words than it should.
fn token_endpoint() -> Sink {
    Sink::scripted(|_, request| match request.path.starts_with("/canary-given") {
        true => Reply::with_body(200, r#"{"access_token":"canary-token","expires_in":60}"#),
        false => Reply::with_body(400, r#"{"error":"canary","error_description":"canary-secret is no secret"}"#),
    })
}

async fn run(gateway: &Gateway, arguments: &[&str]) -> String {
    let mut command = hookgate();
    command.args(arguments).args(["--admin", &format!("http://{}", gateway.admin)]).env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
    let output = hookgate::tasks::blocking(move || command.output().expect("the binary runs")).await.expect("it does not panic");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_secret_or_personal_string_that_goes_through_every_path_is_seen_nowhere() {
    let (echo, good) = (echo(), Sink::always(Reply::with_body(200, "canary")));
    let tokens = token_endpoint();
    let home = Home::new(&rules(&echo, &good, &tokens));
    let key = home.rules_file().with_file_name("key");
    fs::write(&key, KEY).expect("the key is written");
    let gateway = Gateway::start_in(home).await;
    let paid = payload("R1", "paid");

    // Accepted, again, a variant, an anomaly, unmatched, unsigned, forged, broken, too large, at no source.
    let accepted = gateway.send(&signed_with(&paid, KEY)).await.event();
    gateway.send(&signed_with(&paid, KEY)).await;
    let variant = {
        let mut variant = paid.clone();
        variant["session_id"] = json!("5e56");
        variant
    };
    let quarantined = gateway.send(&signed_with(&variant, KEY)).await.event();
    let ambiguous = {
        let mut ambiguous = payload("R2", "paid");
        ambiguous["order_no"] = json!("1state2reference_number");
        ambiguous
    };
    gateway.send(&signed_with(&ambiguous, KEY)).await;
    gateway.send(&signed_with(&payload("R3", "strange"), KEY)).await;
    gateway.send(payload("R4", "paid").to_string().as_bytes()).await;
    let forged = gateway.send(&signed_with(&payload("R5", "paid"), "canary-other-key")).await;
    let broken = gateway.send(b"canary {").await;
    let large = gateway.send(format!("{{\"canary\":\"{}\"}}", "canary".repeat(200_000)).as_bytes()).await;
    let headers = [("authorization", "Bearer canary-token"), ("cookie", "canary=1"), ("canary", "canary")];
    let lost = exchange(gateway.public, &request("POST", "/webhooks/canary?token=canary", &headers, b"canary")).await;
    let compressed = exchange(gateway.public, &request("POST", "/webhooks/ottu", &[("content-encoding", "canary")], b"canary")).await;
    let host = gateway.admin.to_string();
    let guess = [("host", host.as_str()), ("authorization", "Bearer canary-guess")];
    let guessed = exchange(gateway.admin, &request("GET", "/api/v1/events?reference=canary", &guess, b"")).await;
    for (answer, code) in [(&forged, 401), (&broken, 400), (&large, 413), (&lost, 404), (&compressed, 415), (&guessed, 401)] {
        assert_eq!(answer.code, code, "{}", answer.text());
        canary::check("an answer", &answer.text(), KEY);
    }
    let is_done = || async {
        let event = gateway.event(&accepted).await;
        let ended = event["deliveries"].as_array()?.iter().all(|delivery| delivery["attempts"] != 0 && delivery["status"] != "waiting");
        ended.then_some(event)
    };
    let event = until("every attempt", is_done).await;
    let results: Vec<_> = event["attempts"].as_array().expect("a list").iter().map(|attempt| attempt["result"].clone()).collect();
    for result in ["4xx", "5xx", "connect", "dns", "protocol", "auth", "2xx"] {
        assert!(results.contains(&json!(result)), "{result} in {event}");
    }

    // What operators do and see; the gateway's own support looks at every answer of the admin listener, and at the log.
    gateway.call("POST", &format!("/api/v1/events/{quarantined}/release"), b"{}").await;
    gateway.call("POST", &format!("/api/v1/events/{accepted}/retry"), b"{\"destination\":\"nowhere\"}").await;
    for path in ["/metrics", "/api/v1/events", "/api/v1/destinations", "/api/v1/rejected", "/readyz"] {
        assert_eq!(gateway.get(path).await.code, 200, "{path}");
    }
    assert_eq!(gateway.get("/api/v1/rejected").await.json()["kept"], 1);
    for arguments in [
        &["events"][..],
        &["events", "--format", "json"],
        &["event", &accepted],
        &["event", &quarantined, "--format", "json"],
        &["destinations"],
        &["rejected", "--format", "json"],
        &["rejected"],
    ] {
        let said = run(&gateway, arguments).await;
        canary::check(&format!("{arguments:?}"), &said, KEY);
    }

    // What would become of an event, asked of the gateway and of the file.
    let explained = gateway.call("POST", "/api/v1/explain", paid.to_string().as_bytes()).await;
    assert_eq!(explained.json()["deliveries"].as_array().map(Vec::len), Some(10), "{}", explained.text());
    fs::write(key.with_file_name("event.json"), paid.to_string()).expect("the event is written");
    for format in ["text", "json"] {
        let mut command = hookgate();
        command.args(["explain", "event.json", "--config", "rules.yaml", "--format", format]).current_dir(key.parent().expect("a folder"));
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        canary::check("explain", &String::from_utf8_lossy(&output.stdout), KEY);
        canary::check("explain", &String::from_utf8_lossy(&output.stderr), KEY);
    }

    // A file with mistakes: what it says under keys that hide something is masked, in every form.
    let broken = format!(
        "sources: {{ ottu: {{ secret: ['canary-key', 'canary-key'] }} }}\n\
         destinations: {{ a: {{ url: 'http://canary:canary@x.internal/?canary#canary' }}, b: {{ url: 'http://b', headers: {{ x: 'canary ' , 'y y': canary }} }},\n\
         \x20 c: {{ url: 'http://c', auth: {{ canary }}, sign: canary, headers: {{ authorization: canary }} }},\n\
         \x20 d: {{ url: 'http://d', auth: {{ bearer: 'canary canary', basic: canary }}, sign: {{ canary, secret: [canary, canary] }} }},\n\
         \x20 e: {{ url: 'http://e', auth: {{ oauth2: {{ token_url: 'canary://canary', client_id: \"canary\\n\", client_secret: \"\\tcanary\", scope: 'canary  canary', canary }} }} }} }}\n\
         rules: [ {{ name: a, to: nowhere }} ]\n{}",
        "defaults: { retry: { initial_interval: soon } }\n"
    );
    gateway.home.write(&broken);
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 422);
    canary::check("reload", &run(&gateway, &["reload"]).await, KEY);
    for format in ["text", "json", "github"] {
        let output = hookgate().args(["check", "--format", format]).arg(gateway.home.rules_file()).output().expect("the binary runs");
        canary::check("check", &String::from_utf8_lossy(&output.stdout), KEY);
        canary::check("check", &String::from_utf8_lossy(&output.stderr), KEY);
        assert_eq!(output.status.code(), Some(78));
    }
    gateway.terminate();
    let (status, log) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().any(|line| line.contains("an attempt failed")), "failures were logged: {log:#?}");
    assert!(!log.iter().any(|line| line.contains("hidden-path")), "a url was logged: {log:#?}");
}

#[tokio::test]
async fn a_gateway_that_crashes_leaves_no_core_with_its_keys() {
    let cores = tempfile::tempdir().expect("a temporary folder");
    let control = Command::new("sh").args(["-c", "ulimit -c unlimited; kill -ABRT $$"]).current_dir(cores.path()).status();
    let control = control.expect("there is a shell");
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ good: {{ url: '{}' }} }}\nrules: []\n",
        sink.url("/")
    ));
    let mut command = Command::new("sh");
    let script = "ulimit -c unlimited; exec \"$0\" serve --config \"$1\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_hookgate")]).arg(home.rules_file()).current_dir(cores.path());
    let gateway = Gateway::run(command, home).await;
    gateway.crash();
    let (status, _) = gateway.ended().await;
    assert_eq!(status.signal(), Some(6));
    assert!(!status.core_dumped(), "a core has every key in it");
    if !control.core_dumped() {
        skipped::say("this system writes no cores at all, so that there is none of the gateway shows nothing");
    }
}
