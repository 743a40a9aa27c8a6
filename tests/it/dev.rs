//! `serve --dev`, as a newcomer starts it: no variable set, every destination a sink, and nothing that could be production.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{Answer, exchange, post, request, sample, sample_names, signed_with},
    until::until,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, net::TcpListener, path::PathBuf, process::Command};

const VARIABLES: [&str; 4] = ["OTTU_HMAC_KEY", "OTTU_TEST_HMAC_KEY", "ERP_TOKEN", "OPS_CHAT_WEBHOOK_URL"];
const FREE_PORTS: &str = "\nserver: { listen: '127.0.0.1:0', admin: '127.0.0.1:0' }\n";
const SMALL: &str = "version: 1\nsources: { ottu: { secret: '${OTTU_HMAC_KEY}' } }\ndestinations: { orders: 'http://orders.internal/' }\n\
                     rules: [ { name: all, to: orders } ]\n";

/// What rules.example.yaml says of each signed sample: the answer, the event's status, and where it goes.
const EXPECTED: [(&str, u16, &str, &[&str]); 13] = [
    ("payment.attempted", 201, "delivered", &["analytics", "orders"]),
    ("payment.authorized", 200, "delivered", &["analytics", "erp", "invoicing", "orders"]),
    ("payment.canceled", 201, "delivered", &["analytics", "orders"]),
    ("payment.cod", 200, "delivered", &["analytics", "erp", "invoicing", "orders"]),
    ("payment.expired", 201, "delivered", &["analytics", "orders"]),
    ("payment.failed", 201, "delivered", &["analytics", "orders"]),
    ("payment.paid", 200, "delivered", &["analytics", "erp", "invoicing", "orders"]),
    ("operation.cancel", 200, "unmatched", &["analytics"]),
    ("operation.capture", 200, "delivered", &["analytics", "erp", "orders"]),
    ("operation.refund", 200, "delivered", &["analytics", "erp", "orders"]),
    ("operation.refund_queued", 200, "delivered", &["analytics", "erp", "orders"]),
    ("operation.refund_rejected", 200, "delivered", &["analytics", "erp", "ops-chat", "orders"]),
    ("operation.void", 200, "delivered", &["analytics", "erp", "orders"]),
];

fn example() -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "rules.example.yaml"].iter().collect();
    fs::read_to_string(path).expect("the example is in the repository") + FREE_PORTS
}

/// `serve --dev` with that rules file, without the variables that it names. Its temporary folder is in the home, so that
/// nothing is left of one that is killed.
fn dev(rules: &str) -> (Command, Home) {
    let home = Home::new("");
    fs::write(home.rules_file(), rules).expect("the rules file is written");
    let mut command = hookgate();
    command.args(["serve", "--dev", "--config"]).arg(home.rules_file()).env("TMPDIR", place(&home));
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    (command, home)
}

fn place(home: &Home) -> PathBuf {
    home.rules_file().parent().expect("it is in a folder").to_owned()
}

async fn start(rules: &str) -> Gateway {
    let (command, home) = dev(rules);
    Gateway::run(command, home).await
}

/// Runs one that must not start.
fn refused(mut command: Command) -> (i32, String) {
    let output = command.output().expect("the binary starts");
    assert!(output.stdout.is_empty(), "nothing is data here");
    (output.status.code().expect("it ended by itself"), String::from_utf8(output.stderr).expect("UTF-8"))
}

async fn ask(gateway: &Gateway, method: &str, path: &str, token: Option<&str>) -> Answer {
    let (host, bearer) = (gateway.admin.to_string(), format!("Bearer {}", token.unwrap_or_default()));
    let headers = [("host", host.as_str()), ("authorization", bearer.as_str())];
    exchange(gateway.admin, &request(method, path, &headers[..1 + usize::from(token.is_some())], b"")).await
}

async fn list(gateway: &Gateway, destination: &str) -> Value {
    let answer = ask(gateway, "GET", &format!("/dev/sink/{destination}"), None).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.json()
}

/// What a line of the announcement says.
async fn announced(gateway: &Gateway, word: &str) -> String {
    until(&format!("the line of {word}"), || async {
        gateway.log().iter().find_map(|line| Some(line.strip_prefix("  ")?.strip_prefix(word)?.trim().to_owned()))
    })
    .await
}

fn header<'v>(request: &'v Value, name: &str) -> Option<&'v str> {
    request["headers"].as_array()?.iter().find(|pair| pair[0] == name)?[1].as_str()
}

#[tokio::test]
async fn with_the_example_and_no_variable_every_signed_sample_goes_where_the_rules_say() {
    let (mut command, home) = dev(&example());
    command.env("HOOKGATE_ADMIN_TOKEN", "newcomer");
    let gateway = Gateway::run(command, home).await;
    let signed: Vec<_> = sample_names().into_iter().filter(|name| !name.ends_with(".unsigned")).collect();
    assert_eq!(signed.len(), EXPECTED.len());
    let mut arrivals: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for (name, code, status, destinations) in EXPECTED {
        let body = sample(name);
        let answer = gateway.send(&body).await;
        assert_eq!(answer.code, code, "{name}: {}", answer.text());
        let id = answer.event();
        until(&format!("{name} to be {status}"), || async {
            let event = ask(&gateway, "GET", &format!("/api/v1/events/{id}"), Some("newcomer")).await.json();
            (event["status"] == status).then_some(())
        })
        .await;
        for destination in destinations {
            let received = match *destination {
                "ops-chat" => json!({ "text": "refund of 9.000 for order Y3ODg: rejected" }),
                _ => serde_json::from_slice(&body).expect("JSON"),
            };
            arrivals.entry(destination).or_default().insert(id.clone(), received);
        }
    }
    for destination in ["orders", "invoicing", "analytics", "staging", "erp", "ops-chat"] {
        let expected = arrivals.remove(destination).unwrap_or_default();
        let listed = list(&gateway, destination).await;
        assert_eq!((&listed["destination"], &listed["received"]), (&json!(destination), &json!(expected.len())));
        let requests = listed["requests"].as_array().expect("a list");
        let found = requests.iter().map(|request| (header(request, "webhook-id").expect("an id").to_owned(), request["body"].clone()));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{destination}");
        assert_eq!(requests.len(), expected.len(), "{destination}");
    }
    let counts = ask(&gateway, "GET", "/dev/sink", None).await.json();
    let of = |name: &str| counts["destinations"].as_array().and_then(|all| all.iter().find(|one| one["destination"] == name)).cloned();
    assert_eq!(of("staging"), Some(json!({ "destination": "staging", "received": 0 })));
    assert_eq!(of("analytics"), Some(json!({ "destination": "analytics", "received": 13 })));
}

#[tokio::test]
async fn what_is_made_of_the_events_fields_is_seen_in_the_sink_as_a_destination_would_get_it() {
    let rules = concat!(
        "version: 1\nserver: { listen: '127.0.0.1:0', admin: '127.0.0.1:0' }\n",
        "sources: { ottu: { secret: \"${OTTU_HMAC_KEY}\" } }\ndestinations:\n",
        "  orders: { url: \"https://orders.internal/pay/{{ order_no }}/?at={{ state }}\", body: [\"{{ amount | number }}\"] }\n",
        "  plain: https://plain.internal/hooks?x\n",
        "rules: [ { name: all, to: [orders, plain] } ]\n"
    );
    let (command, home) = dev(rules);
    let gateway = Gateway::run(command, home).await;
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    for (destination, path, body) in [("orders", "/pay/Y3ODg/?at=paid", Some(json!([10.0]))), ("plain", "/", None)] {
        let listed = until("its delivery", || async { Some(list(&gateway, destination).await).filter(|list| list["received"] == 1) }).await;
        let request = &listed["requests"][0];
        assert_eq!((&request["path"], &request["body"]), (&json!(path), body.as_ref().unwrap_or(&request["body"])), "{destination}");
    }
}

#[tokio::test]
async fn each_unset_variable_is_a_warning_and_a_set_one_is_used() {
    let (mut command, home) = dev(&example());
    command.env("OTTU_HMAC_KEY", "a key of my own").env("ERP_TOKEN", "t0ken");
    let gateway = Gateway::run(command, home).await;
    let log = gateway.log();
    for variable in VARIABLES {
        let is_set = matches!(variable, "OTTU_HMAC_KEY" | "ERP_TOKEN");
        let warned = log.iter().any(|line| line.contains(" WARN ") && line.contains(&format!("the variable \"{variable}\" is not set")));
        assert_eq!(warned, !is_set, "{variable}: {log:#?}");
    }
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 401);
    let payload: Value = serde_json::from_slice(&sample("payment.paid")).expect("JSON");
    assert_eq!(gateway.send(&signed_with(&payload, "a key of my own")).await.code, 200);
    let of_test = post(gateway.public, "/webhooks/ottu-test", &sample("payment.cod")).await;
    assert_eq!(of_test.code, 200, "what is unset is the samples' key");
    let erp = until("the delivery to erp", || async { list(&gateway, "erp").await["requests"].get(0).cloned() }).await;
    assert_eq!(header(&erp, "authorization"), Some("Bearer t0ken"));
    let (status, log) = {
        gateway.terminate();
        gateway.ended().await
    };
    assert!(status.success());
    assert!(!log.iter().any(|line| line.contains("t0ken") || line.contains("a key of my own")), "{log:#?}");
}

#[test]
fn a_key_that_is_set_and_empty_is_not_replaced_by_a_known_one() {
    let (mut command, _home) = dev(SMALL);
    command.env("OTTU_HMAC_KEY", "");
    let (code, said) = refused(command);
    assert_eq!(code, 78);
    assert!(said.contains("error[weak-secret]"), "{said}");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    for (key, address) in [("listen", "0.0.0.0:0"), ("admin", "0.0.0.0:0"), ("listen", "[::]:0"), ("admin", "192.0.2.1:0")] {
        let (command, _home) = dev(&format!("{SMALL}server: {{ {key}: '{address}' }}\n"));
        let (code, said) = refused(command);
        assert_eq!(code, 2, "{said}");
        let wanted = format!("error: --dev is refused on {address} (`server.{key}`), which is not loopback");
        assert!(said.contains(&wanted), "{said}");
        assert!(!said.contains("ready"), "{said}");
    }
}

#[test]
fn production_is_refused() {
    for word in ["production", "Production"] {
        let (mut command, _home) = dev(&format!("{SMALL}{FREE_PORTS}"));
        command.env("HOOKGATE_ENV", word);
        assert_eq!(refused(command), (2, "error: --dev is refused with HOOKGATE_ENV=production\n".to_owned()));
    }
}

#[tokio::test]
async fn without_addresses_in_the_file_it_listens_on_loopback_only_and_any_other_environment_is_fine() {
    let (mut command, home) = dev(SMALL);
    command.env("HOOKGATE_ENV", "development");
    let gateway = Gateway::run(command, home).await;
    assert!(gateway.public.ip().is_loopback() && gateway.admin.ip().is_loopback());
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
}

#[tokio::test]
async fn a_port_in_use_is_replaced_by_a_free_one_that_is_printed() {
    let taken = [TcpListener::bind("127.0.0.1:0").expect("a free port"), TcpListener::bind("127.0.0.1:0").expect("a free port")];
    let [public, admin] = taken.each_ref().map(|listener| listener.local_addr().expect("an address"));
    let gateway = start(&format!("{SMALL}server: {{ listen: '{public}', admin: '{admin}' }}\n")).await;
    assert!(gateway.public.port() != public.port() && gateway.admin.port() != admin.port());
    assert_eq!(announced(&gateway, "webhooks  POST").await, format!("http://{}/webhooks/ottu", gateway.public));
    assert_eq!(announced(&gateway, "arrived").await, format!("http://{}/dev/sink", gateway.admin));
    let note = format!("port {} is in use: {} is taken instead", public.port(), gateway.public.port());
    assert!(gateway.log().iter().any(|line| line.contains(&note)), "{:#?}", gateway.log());
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    until("the delivery at the port taken", || async { (list(&gateway, "orders").await["received"] == 1).then_some(()) }).await;
}

#[tokio::test]
async fn the_token_is_the_one_in_the_environment() {
    let (mut command, home) = dev(&format!("{SMALL}{FREE_PORTS}"));
    command.env("HOOKGATE_ADMIN_TOKEN", "newcomer");
    let gateway = Gateway::run(command, home).await;
    for (token, code) in [(Some("newcomer"), 200), (Some("stranger"), 401), (None, 401)] {
        assert_eq!(ask(&gateway, "GET", "/api/v1/events", token).await.code, code);
    }
    announced(&gateway, "data").await;
    assert!(!gateway.log().iter().any(|line| line.contains("newcomer") || line.contains("API token")), "{:#?}", gateway.log());
}

#[tokio::test]
async fn without_one_in_the_environment_the_token_is_in_the_file_that_is_named() {
    let gateway = start(&format!("{SMALL}{FREE_PORTS}")).await;
    let place = announced(&gateway, "API token").await;
    let token = fs::read_to_string(place.strip_prefix("in ").expect("a place")).expect("the file is there");
    assert_eq!(ask(&gateway, "GET", "/api/v1/events", Some(token.trim())).await.code, 200);
}

#[tokio::test]
async fn a_token_in_the_rules_file_is_not_said_to_be_elsewhere() {
    let rules = format!("{SMALL}server: {{ listen: '127.0.0.1:0', admin: '127.0.0.1:0', admin_token: written }}\n");
    let gateway = start(&rules).await;
    announced(&gateway, "data").await;
    assert!(!gateway.log().iter().any(|line| line.contains("API token")), "{:#?}", gateway.log());
    assert_eq!(ask(&gateway, "GET", "/api/v1/events", Some("written")).await.code, 200);
}

#[tokio::test]
async fn the_data_is_in_a_temporary_folder_that_is_named_and_removed_at_the_end() {
    let rules = format!("{SMALL}{FREE_PORTS}store: {{ path: /nonexistent/hookgate }}\n");
    let gateway = start(&rules).await;
    let named = announced(&gateway, "data").await;
    let data = PathBuf::from(named.strip_suffix(" (removed at the end)").expect("it is said to go"));
    assert!(data.starts_with(place(&gateway.home)) && data.join("hookgate.db").is_file(), "{}", data.display());
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    gateway.terminate();
    let (status, _log, home) = gateway.ended_in().await;
    assert!(status.success());
    let folder = data.parent().expect("the data is in the temporary folder");
    assert!(folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hookgate-dev-")), "{}", folder.display());
    assert!(place(&home).exists() && !folder.exists(), "{}", folder.display());
}

#[tokio::test]
async fn the_sink_is_no_api_it_needs_no_token_and_takes_nothing_but_deliveries() {
    let gateway = start(&format!("{SMALL}{FREE_PORTS}")).await;
    for (method, path, code) in [
        ("GET", "/dev/sink", 200),
        ("GET", "/dev/sink/", 200),
        ("GET", "/dev/sink/orders", 200),
        ("GET", "/dev/sink/nobody", 404),
        ("GET", "/dev/sinkorders", 404),
        ("DELETE", "/dev/sink/orders", 405),
        ("POST", "/dev/sink", 405),
    ] {
        assert_eq!(ask(&gateway, method, path, None).await.code, code, "{method} {path}");
    }
    assert_eq!(list(&gateway, "orders").await["received"], 0);
    let foreign = [("host", "evil.example")];
    assert_eq!(exchange(gateway.admin, &request("GET", "/dev/sink/orders", &foreign, b"")).await.code, 421);
}

#[tokio::test]
async fn without_dev_there_is_no_sink() {
    let gateway = Gateway::start("sources: { ottu: { secret: test-hmac-key } }\n").await;
    assert_eq!(ask(&gateway, "GET", "/dev/sink", None).await.code, 404);
}

#[tokio::test]
async fn a_changed_rules_file_is_taken_by_itself_with_dev_too() {
    let rules = format!("{SMALL}{FREE_PORTS}");
    let gateway = start(&rules).await;
    fs::write(gateway.home.rules_file(), rules.replace("name: all", "name: changed")).expect("written");
    let is_taken = || async { gateway.log().iter().any(|line| line.contains("is in force") && line.contains("files")).then_some(()) };
    until("the change", is_taken).await;
    let event = signed_with(&serde_json::from_slice(&sample("payment.paid")).expect("it is JSON"), "test-hmac-key");
    assert_eq!(gateway.send(&event).await.code, 200);
    let is_logged = || async { gateway.log().iter().any(|line| line.contains("event answered") && line.contains("changed")).then_some(()) };
    until("the event, by the changed rule", is_logged).await;
}
