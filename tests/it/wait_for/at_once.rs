//! Where no attempt can start now nobody waits for one. Were it waited for, these would take minutes.

use super::*;

/// Whose failure is tried again in an hour, and whose breaker opens with it.
const FRAGILE: &str = ", retry: { initial_interval: 1h, max_interval: 1h, jitter: none }, breaker: { open_after: 1, probe_every: PROBE }";

async fn refused(gateway: &Gateway, reference: &str, reason: &str) {
    let answer = paid(gateway, reference).await;
    assert_eq!(answer.code, 201, "{reason}");
    let line = told(gateway, &answer.event()).await;
    assert_eq!((&line["wait"], &line["not_now"]), (&json!("failed"), &json!(reason)));
    assert_eq!(gateway.event(&answer.event()).await["deliveries"][0]["attempts"], 0, "{reason}");
}

async fn act(gateway: &Gateway, what: &str) {
    assert_eq!(gateway.call("POST", &format!("/api/v1/destinations/orders/{what}"), b"").await.code, 200);
}

async fn reload(gateway: &Gateway, rules: &str) {
    gateway.home.write(rules);
    let answer = gateway.call("POST", "/-/reload", b"").await;
    assert_eq!(answer.code, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_paused_destination_is_not_waited_for_whoever_paused_it() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, ", paused: true", WITHIN)).await;
    refused(&gateway, "R1", "paused").await;
    reload(&gateway, &rules(&sink, "", WITHIN)).await;
    act(&gateway, "pause").await;
    refused(&gateway, "R2", "paused").await;
    assert_eq!(sink.connections(), 1, "the first one went out between the two pauses");
    act(&gateway, "resume").await;
    assert_eq!(paid(&gateway, "R3").await.code, 200);
    gateway.until_status(&id_of("R2"), "delivered").await;
}

#[tokio::test]
async fn a_pause_tells_those_who_wait_for_their_turn_and_not_those_whose_attempt_is_made() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 1", WITHIN)).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let second = pays(gateway.public, "R2");
    stored(&gateway, "R2").await;
    act(&gateway, "pause").await;
    assert_eq!(second.await.expect("an answer").code, 201);
    gate.send_replace(true);
    assert_eq!(first.await.expect("an answer").code, 200);
}

#[tokio::test]
async fn a_destination_whose_breaker_is_open_is_not_waited_for() {
    let sink = Sink::always(Reply::status(500));
    let gateway = Gateway::start(&rules(&sink, &FRAGILE.replace("PROBE", "1h"), WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    refused(&gateway, "R2", "breaker open").await;
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn a_probe_that_is_due_is_the_attempt_that_is_waited_for() {
    let sink = Sink::in_turn([Reply::status(500), Reply::status(200)]);
    let gateway = Gateway::start(&rules(&sink, &FRAGILE.replace("PROBE", "1s"), WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    until("a probe to be due, of which there is nothing to make", || async {
        let state = gateway.get("/api/v1/destinations").await.json()["destinations"][0].clone();
        let at = hookgate::domain::clock::Timestamp::parse(state["next_probe_at"].as_str()?)?;
        (at < Clock::system().now()).then_some(())
    })
    .await;
    assert_eq!(sink.requests().len(), 1);
    let answer = paid(&gateway, "R2").await;
    assert_eq!(answer.code, 200);
    assert_eq!(sink.requests()[1].header("webhook-id"), Some(answer.event().as_str()));
}

#[tokio::test]
async fn a_destination_that_asked_for_more_time_than_there_is_is_not_waited_for() {
    let sink = Sink::always(Reply::with_header(429, "retry-after", "900"));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    refused(&gateway, "R2", "held by retry-after").await;
}

#[tokio::test]
async fn a_destination_that_leaves_the_rules_file_is_waited_for_no_longer() {
    let gate = watch::Sender::new(false);
    let (sink, other) = (Sink::always(Reply::status(200).when(&gate)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 1", WITHIN)).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let second = pays(gateway.public, "R2");
    stored(&gateway, "R2").await;
    reload(&gateway, &rules(&other, "", WITHIN).replace("orders", "mail")).await;
    assert_eq!(second.await.expect("an answer").code, 201, "its turn never came");
    assert_eq!(told(&gateway, &id_of("R2")).await["not_now"], "not served");
    let again = paid(&gateway, "R2").await;
    assert_eq!(again.code, 201);
    until("its duplicate to be told why", || async {
        let is_said = |line: &String| line.contains("given up, parked or closed") && line.contains(&again.event());
        gateway.log().iter().any(is_said).then_some(())
    })
    .await;
    gate.send_replace(true);
    assert_eq!(first.await.expect("an answer").code, 200, "its attempt was under way");
}
