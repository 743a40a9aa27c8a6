//! Several rules files, served: what a reload makes of a change in one that is included.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{exchange, payment, request, signed},
    sink::{Reply, Sink},
    until::until,
};
use serde_json::json;

const MAIN: &str = "include: ['team-*.yaml']\nsources: { ottu: { secret: test-hmac-key } }\n";

fn team(sink: &Sink) -> Vec<u8> {
    let url = sink.url("/hooks");
    format!("destinations: {{ shop: '{url}' }}\nrules: [ {{ name: shop, when: {{ state: paid }}, to: shop }} ]\n").into_bytes()
}

async fn pay(gateway: &Gateway, reference: &str) {
    let answer = gateway.send(&signed(&payment("paid", reference))).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_reload_takes_a_change_of_an_included_file_whole_or_not_at_all() {
    let (old, new) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let home = Home::new(MAIN);
    home.write_file("team-shop.yaml", &team(&old));
    let gateway = Gateway::start_in(home).await;
    pay(&gateway, "R1").await;
    old.wait_for("the event", |requests| requests.len() == 1).await;

    // The broken one first, so that nothing is taken in between.
    gateway.home.write_file("team-mail.yaml", b"rules: [ { name: shop, to: shpo } ]\n");
    gateway.home.write_file("team-shop.yaml", &team(&new));
    let refused = gateway.call("POST", "/-/reload", b"").await;
    assert_eq!(refused.code, 422, "{}", refused.text());
    let problem = refused.json();
    let told = problem["errors"].as_array().expect("a list").iter().map(|error| {
        let file = error["file"].as_str().expect("a text").rsplit('/').next().expect("a name").to_owned();
        (file, error["code"].clone())
    });
    let told: Vec<_> = told.collect();
    // In the order of the files.
    let expected = [("team-mail.yaml", json!("unknown-destination")), ("team-shop.yaml", json!("duplicate-name"))];
    assert_eq!(told, expected.map(|(file, code)| (file.to_owned(), code)));
    pay(&gateway, "R2").await;
    old.wait_for("the event, by the old rules", |requests| requests.len() == 2).await;

    gateway.home.write_file("team-mail.yaml", b"rules: [ { name: mail, when: { state: failed }, drop: true } ]\n");
    let taken = gateway.call("POST", "/-/reload", b"").await;
    assert_eq!(taken.code, 200, "{}", taken.text());
    pay(&gateway, "R3").await;
    new.wait_for("the event, by the new rules", |requests| requests.len() == 1).await;
    assert_eq!(gateway.metric("hookgate_config_rules").await, 2.0);
    assert_eq!(old.requests().len(), 2);
}

#[tokio::test]
async fn a_development_start_reads_included_files_and_replaces_their_destinations() {
    let home = Home::new(&MAIN.replace("test-hmac-key", "'${NOT_SET_ANYWHERE}'"));
    home.write_file("team-shop.yaml", b"destinations: { shop: '${NOT_SET_EITHER}' }\nrules: [ { name: shop, to: shop } ]\n");
    let mut command = hookgate();
    let folder = home.rules_file().parent().expect("it is in a folder").to_owned();
    command.args(["serve", "--dev", "--config"]).arg(home.rules_file()).env("TMPDIR", folder);
    let gateway = Gateway::run(command, home).await;
    pay(&gateway, "R1").await;
    let host = gateway.admin.to_string();
    until("the sink to have it", || async {
        let listed = exchange(gateway.admin, &request("GET", "/dev/sink/shop", &[("host", &host)], b"")).await;
        (listed.json()["received"] == 1).then_some(())
    })
    .await;
}
