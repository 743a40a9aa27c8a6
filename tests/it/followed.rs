//! The gateway follows its files: what changes in them is taken without being told.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{payment, signed, signed_with},
    sink::{Reply, Sink},
    until::until,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::symlink, process::Command};

fn rules(sink: &Sink, secret: &str, rule: &str) -> String {
    format!(
        "sources: {{ ottu: {{ secret: '{secret}' }} }}\ndestinations: {{ orders: {{ url: '{}', retry: {{ initial_interval: 3s, jitter: none }} }} }}\n\
         rules: [ {{ name: {rule}, to: orders }} ]\n",
        sink.url("/hooks")
    )
}

async fn config(gateway: &Gateway) -> Value {
    let answer = gateway.get("/api/v1/config").await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.json()
}

/// Waits for the reading of that number, and gives it.
async fn reading(gateway: &Gateway, number: u64) -> Value {
    until("the reading", || async {
        let newest = config(gateway).await["reloads"][0].clone();
        assert!(newest["number"].as_u64() <= Some(number), "one reading more than was wanted: {newest}");
        (newest["number"] == number).then_some(newest)
    })
    .await
}

fn outcome(reading: &Value) -> (Value, Value) {
    (reading["by"].clone(), reading["taken"].clone())
}

/// As an editor saves it: another file, which is renamed.
fn save(home: &Home, rules: &str) {
    let (file, before) = (home.rules_file(), home.rules_file().with_extension("before"));
    let after = file.with_extension("after");
    fs::copy(&file, &before).expect("copied");
    fs::rename(&file, &after).expect("renamed");
    fs::rename(&before, &file).expect("renamed");
    let text = home.text(rules);
    fs::write(&after, text).expect("written");
    fs::rename(&after, &file).expect("renamed");
}

#[tokio::test]
async fn a_changed_file_is_taken_by_itself_and_a_broken_one_is_told_once() {
    let sink = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let gateway = Gateway::start(&rules(&sink, "test-hmac-key", "first")).await;
    assert_eq!(outcome(&reading(&gateway, 1).await), (json!("start"), json!(true)));
    save(&gateway.home, &rules(&sink, "test-hmac-key", "second"));
    assert_eq!(outcome(&reading(&gateway, 2).await), (json!("files"), json!(true)));
    assert!(config(&gateway).await["files"][0]["text"].as_str().is_some_and(|text| text.contains("name: second")));

    let broken = rules(&sink, "test-hmac-key", "third").replace("to: orders", "to: order");
    gateway.home.write(&broken);
    let refused = reading(&gateway, 3).await;
    assert_eq!((outcome(&refused), &refused["errors"]), ((json!("files"), json!(false)), &json!(1)));
    assert_eq!(gateway.metric("hookgate_config_last_reload_successful").await, 0.0);
    // Once the attempt that comes 3 s later is made, the file was looked at again.
    let id = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    save(&gateway.home, &broken);
    let event = gateway.until_status(&id, "delivered").await;
    assert_eq!(event["rules"], json!(["second"]));
    assert_eq!(reading(&gateway, 3).await, refused);
    assert_eq!(gateway.log().iter().filter(|line| line.contains("the rules before it stay in force")).count(), 1);

    gateway.home.write(&rules(&sink, "test-hmac-key", "second"));
    assert_eq!(outcome(&reading(&gateway, 4).await), (json!("files"), json!(true)));
    assert_eq!(gateway.metric("hookgate_config_last_reload_successful").await, 1.0);
}

#[tokio::test]
async fn a_config_map_that_is_swapped_and_a_secret_that_it_brings_are_taken() {
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&rules(&sink, "${file:key}", "first"));
    let folder = home.rules_file().parent().expect("it is in a folder").to_owned();
    // As Kubernetes mounts it: every name is a link through `..data`, which is replaced as a whole.
    let version = |name: &str, rules: &str, key: &str| {
        fs::create_dir(folder.join(name)).expect("made");
        fs::write(folder.join(name).join("rules.yaml"), rules).expect("written");
        fs::write(folder.join(name).join("key"), key).expect("written");
        symlink(name, folder.join("..tmp")).expect("linked");
        fs::rename(folder.join("..tmp"), folder.join("..data")).expect("swapped");
    };
    let first = fs::read_to_string(home.rules_file()).expect("it is there");
    let second = first.replace("name: first", "name: second");
    fs::remove_file(home.rules_file()).expect("removed");
    version("..1", &first, "old-key\n");
    for name in ["rules.yaml", "key"] {
        symlink(format!("..data/{name}"), folder.join(name)).expect("linked");
    }
    let gateway = Gateway::start_in(home).await;
    assert_eq!(gateway.send(&signed_with(&payment("paid", "R1"), "old-key")).await.code, 200);
    version("..2", &second, "old-key\n");
    assert_eq!(outcome(&reading(&gateway, 2).await), (json!("files"), json!(true)));
    version("..3", &second, "new-key\n");
    assert_eq!(outcome(&reading(&gateway, 3).await), (json!("files"), json!(true)));
    let id = gateway.send(&signed_with(&payment("paid", "R2"), "new-key")).await.event();
    assert_eq!(gateway.event(&id).await["rules"], json!(["second"]));
}

#[tokio::test]
async fn a_file_that_joins_the_included_ones_is_taken_and_so_is_a_change_in_one() {
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&format!("include: ['rules.d/*.yaml']\n{}", rules(&sink, "test-hmac-key", "main")));
    let folder = home.rules_file().with_file_name("rules.d");
    let rule = |name: &str| format!("rules: [ {{ name: {name}, to: orders }} ]\n");
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("a.yaml"), rule("one")).expect("written");
    let gateway = Gateway::start_in(home).await;
    fs::write(folder.join("b.yaml"), rule("two")).expect("written");
    assert_eq!(outcome(&reading(&gateway, 2).await), (json!("files"), json!(true)));
    fs::write(folder.join("a.yaml"), rule("three")).expect("written");
    assert_eq!(outcome(&reading(&gateway, 3).await), (json!("files"), json!(true)));
    let id = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    assert_eq!(gateway.event(&id).await["rules"], json!(["main", "three", "two"]));
    let files = config(&gateway).await["files"].clone();
    let names: Vec<_> = files.as_array().expect("a list").iter().map(|file| file["path"].as_str().expect("a path").to_owned()).collect();
    let wanted = [gateway.home.rules_file(), folder.join("a.yaml"), folder.join("b.yaml")];
    assert_eq!(names, wanted.map(|path| path.display().to_string()));
}

#[tokio::test]
async fn what_a_refused_file_lacked_is_waited_for_and_a_pipe_in_its_place_hangs_nothing() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "test-hmac-key", "first")).await;
    let key = gateway.home.rules_file().with_file_name("key");
    let mkfifo = |path: &std::path::Path| assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is there").success());
    gateway.home.write(&rules(&sink, "${file:key}", "second"));
    let missing = reading(&gateway, 2).await;
    assert_eq!((outcome(&missing), &missing["problems"][0]["code"]), ((json!("files"), json!(false)), &json!("unreadable-value")));
    mkfifo(&key);
    let pipe = reading(&gateway, 3).await;
    let said = pipe["problems"][0]["message"].as_str().expect("a message");
    assert!(said.ends_with("it is not a file"), "{said}");
    gateway.home.write_file("key", b"test-hmac-key");
    assert_eq!(outcome(&reading(&gateway, 4).await), (json!("files"), json!(true)));

    let aside = gateway.home.rules_file().with_file_name("pipe");
    mkfifo(&aside);
    fs::rename(&aside, gateway.home.rules_file()).expect("renamed");
    let pipe = reading(&gateway, 5).await;
    assert_eq!((outcome(&pipe), &pipe["problems"][0]["code"]), ((json!("files"), json!(false)), &json!("unreadable-file")));
    let answer = gateway.call("POST", "/-/reload", b"{}").await;
    assert_eq!(answer.code, 422, "{}", answer.text());
    assert_eq!(gateway.send(&signed(&payment("paid", "R1"))).await.code, 200);
}

#[tokio::test]
async fn certificates_are_taken_by_who_serves_them_and_not_by_a_reload() {
    let sink = Sink::always(Reply::status(200));
    let data = |name: &str| fs::read(format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"))).expect("it is there");
    let with_tls = |rule: &str| {
        let tls = "server: { listen: '127.0.0.1:0', admin: '127.0.0.1:0', tls: { cert: cert.pem, key: '${file:key.pem}' } }\n";
        format!("{tls}{}", rules(&sink, "test-hmac-key", rule))
    };
    let home = Home::new(&with_tls("first"));
    home.write_file("cert.pem", &data("localhost.pem"));
    home.write_file("key.pem", &data("localhost.key"));
    let gateway = Gateway::start_in(home).await;
    gateway.home.write_file("cert.pem", &data("renewed.pem"));
    gateway.home.write_file("key.pem", &data("renewed.key"));
    let is_taken = || async { gateway.log().iter().any(|line| line.contains("is served from now on")).then_some(()) };
    until("the certificate", is_taken).await;
    gateway.home.write(&with_tls("second"));
    assert_eq!(outcome(&reading(&gateway, 2).await), (json!("files"), json!(true)));
    assert!(config(&gateway).await["files"][0]["text"].as_str().is_some_and(|text| text.contains("name: second")), "none came before");
}

#[tokio::test]
async fn the_rules_in_force_are_shown_with_their_secrets_masked_and_so_is_what_was_refused() {
    let sink = Sink::always(Reply::status(200));
    let secrets = format!(
        "allow: [literal-secret, state-without-kind, unsigned-field]\n\
         sources:\n  ottu: {{ secret: [test-hmac-key, 'canary one'] }} # secret: canary-old\n\
         # erp: {{ url: 'http://canary:canary@erp.internal/?canary', auth: {{ bearer: canary }} }}\n\
         destinations:\n  orders:\n    url: '{}?key=canary'\n    headers: {{ authorization: 'Bearer canary', x-tenant: canary }}\n\
         \x20   auth: {{ basic: {{ user: canary, password: canary }} }}\n    sign: {{ scheme: standard-webhooks, secret: whsec_canarycanarycanarycanary }}\n\
         rules:\n  - {{ name: paid, when: {{ state: paid }}, to: orders }}\n",
        sink.url("/hooks")
    )
    .replace("headers: { authorization: 'Bearer canary', ", "headers: { ");
    let gateway = Gateway::start(&secrets).await;
    // Whatever the admin listener answers is looked through for canaries.
    let shown = config(&gateway).await;
    let text = shown["files"][0]["text"].as_str().expect("a text");
    for line in [
        "  ottu: { secret: [***, ***] } # secret:***",
        "    headers: { x-tenant: *** }",
        "  - { name: paid, when: { state: paid }, to: orders }",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
    }
    assert_eq!(text.lines().count(), fs::read_to_string(gateway.home.rules_file()).expect("it is there").lines().count());
    let hash = shown["hash"].as_str().expect("a hash").to_owned();
    let output = Command::new("sha256sum").arg(gateway.home.rules_file()).output().expect("sha256sum is there");
    assert!(hash.len() == 12 && output.stdout.starts_with(hash.as_bytes()), "{hash}");
    assert_eq!((&shown["rules"], &shown["lints"], &shown["reloads"][0]["rules"]), (&json!(1), &json!([]), &json!(1)));

    gateway
        .home
        .write(&secrets.replace("bearer", "x").replace("url: 'http://", "url: 'http://canary:canary@").replace("to: orders", "to: order"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 422);
    let after = config(&gateway).await;
    assert_eq!((&after["hash"], &after["files"], &after["taken_at"]), (&json!(hash), &shown["files"], &shown["taken_at"]));
    let refused = &after["reloads"][0];
    assert_eq!(outcome(refused), (json!("api"), json!(false)));
    assert_eq!((refused["hash"] == hash, &refused["rules"], &after["reloads"][1]["by"]), (false, &json!(null), &json!("start")));
}
