//! The same event again: the provider asks a second time, and joins the wait.

use super::*;

const HOURLY: &str = ", retry: { initial_interval: 1h, max_interval: 1h, jitter: none }";

#[tokio::test]
async fn a_duplicate_joins_the_wait_and_both_are_answered_by_one_attempt() {
    for (status, code) in [(200, 200), (500, 201)] {
        let gate = watch::Sender::new(false);
        let sink = Sink::always(Reply::status(status).when(&gate));
        let gateway = Gateway::start(&rules(&sink, HOURLY, WITHIN)).await;
        let first = pays(gateway.public, "R1");
        sink.wait_in_hand(1).await;
        let second = pays(gateway.public, "R1");
        duplicates(&gateway, 1.0).await;
        gate.send_replace(true);
        let (first, second) = (first.await.expect("an answer"), second.await.expect("an answer"));
        assert_eq!((first.code, &first.body), (code, &second.body));
        assert_eq!((second.code, sink.requests().len()), (code, 1));
    }
}

#[tokio::test]
async fn a_duplicate_of_what_was_delivered_has_the_good_answer_at_once_also_after_a_restart() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let answer = paid(&gateway, "R1").await;
    gateway.until_status(&answer.event(), "delivered").await;
    assert_eq!(paid(&gateway, "R1").await.code, 200);
    let home = gateway.kill();
    home.write(&rules(&sink, ", paused: true", WITHIN));
    let gateway = Gateway::start_in(home).await;
    assert_eq!(paid(&gateway, "R1").await.code, 200, "though the destination is paused");
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn the_event_is_durable_before_anybody_waits_and_after_a_crash_a_duplicate_joins_what_goes_on() {
    let gate = watch::Sender::new(false);
    let blocked = Reply::status(200).when(&gate);
    let sink = Sink::in_turn([Reply::Silence, blocked]);
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let unanswered = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let home = gateway.kill();
    assert!(unanswered.await.is_err(), "the connection ended without an answer");
    let gateway = Gateway::start_in(home).await;
    sink.wait_for("the delivery to go on", |requests| requests.len() == 2).await;
    assert_eq!(gateway.event(&id_of("R1")).await["answer"], Value::Null, "none was given");
    let again = pays(gateway.public, "R1");
    duplicates(&gateway, 1.0).await;
    gate.send_replace(true);
    let again = again.await.expect("an answer");
    assert_eq!((again.code, again.event(), sink.requests().len()), (200, id_of("R1"), 2));
}

#[tokio::test]
async fn a_duplicate_of_what_was_given_up_waits_for_the_attempt_that_it_brings_about() {
    let sink = Sink::in_turn([Reply::status(500), Reply::status(200)]);
    let gateway = Gateway::start(&rules(&sink, ", retry: none", WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    gateway.until_status(&id_of("R1"), "dead").await;
    assert_eq!(paid(&gateway, "R1").await.code, 200);
    until("the last answer to be noted", || async { (gateway.event(&id_of("R1")).await["answer"] == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_duplicate_of_what_is_tried_again_only_later_is_not_kept_waiting() {
    let sink = Sink::always(Reply::status(500));
    let gateway = Gateway::start(&rules(&sink, HOURLY, WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    stored(&gateway, "R1").await;
    assert_eq!(paid(&gateway, "R1").await.code, 201, "the last attempt is less than 30 s old");
    assert_eq!((&told(&gateway, &id_of("R1")).await["not_now"], sink.requests().len()), (&json!("waits for its retry"), 1));
}

#[tokio::test]
async fn a_reload_changes_neither_what_somebody_waits_for_nor_what_a_duplicate_joins() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let before = rules(&sink, "", WITHIN).replace("otherwise: 201", "ok: 201, otherwise: 200");
    let gateway = Gateway::start(&before).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    gateway.home.write(&before.replace(&format!("{{ wait_for: orders, within: {WITHIN}, ok: 201, otherwise: 200 }}"), "200"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    assert_eq!(paid(&gateway, "R2").await.code, 200, "the new rule does not wait");
    let second = pays(gateway.public, "R1");
    duplicates(&gateway, 1.0).await;
    assert!(!first.is_finished() && !second.is_finished());
    gate.send_replace(true);
    assert_eq!((first.await.expect("an answer").code, second.await.expect("an answer").code), (201, 201));
}

#[tokio::test]
async fn a_duplicate_from_an_impatient_source_waits_no_longer_than_its_provider() {
    let sink = Sink::always(Reply::Silence);
    let rules = rules(&sink, "", WITHIN).replace("sources: {", "sources: { hasty: { secret: test-hmac-key, provider_timeout: 3100ms },");
    let rules = rules.replace("when: { state: paid }", "when: { state: paid, from: ottu }");
    let gateway = Gateway::start(&rules).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let again = crate::support::sender::post(gateway.public, "/webhooks/hasty", &signed(&payment("paid", "R1"))).await;
    assert_eq!(again.code, 201);
    assert_eq!(told(&gateway, &again.event()).await["wait"], "timeout");
    first.abort();
}
