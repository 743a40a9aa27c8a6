//! Where a destination keeps an order, who is waited for waits its turn, and not behind one that failed.

use super::*;

const IN_ORDER: &str = ", order_by: state, breaker: off, retry: { initial_interval: 1h, max_interval: 1h, jitter: none }";

#[tokio::test]
async fn an_event_that_is_kept_in_order_is_waited_for_in_its_turn() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, IN_ORDER, WITHIN)).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let second = pays(gateway.public, "R2");
    stored(&gateway, "R2").await;
    assert_eq!(sink.requests().len(), 1, "one at a time");
    gate.send_replace(true);
    assert_eq!([first.await.expect("an answer").code, second.await.expect("an answer").code], [200, 200]);
    assert_eq!(sink.requests()[1].header("webhook-id"), Some(id_of("R2").as_str()));
}

#[tokio::test]
async fn behind_one_that_waits_for_its_retry_nobody_waits() {
    let sink = Sink::always(Reply::status(500));
    let gateway = Gateway::start(&rules(&sink, IN_ORDER, WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    for again in [false, true] {
        assert_eq!(paid(&gateway, "R2").await.code, 201, "again: {again}");
        let line = told(&gateway, &id_of("R2")).await;
        assert_eq!((&line["wait"], &line["not_now"]), (&json!("failed"), &json!("behind one that waits for its retry")));
    }
    assert_eq!(gateway.event(&id_of("R2")).await["deliveries"][0]["attempts"], 0);
}

#[tokio::test]
async fn who_waits_in_line_is_told_once_the_one_ahead_has_failed() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(500).when(&gate));
    let gateway = Gateway::start(&rules(&sink, IN_ORDER, WITHIN)).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let second = pays(gateway.public, "R2");
    stored(&gateway, "R2").await;
    let again = pays(gateway.public, "R2");
    duplicates(&gateway, 1.0).await;
    gate.send_replace(true);
    for answer in [first, second, again] {
        assert_eq!(answer.await.expect("an answer").code, 201);
    }
    assert_eq!(sink.requests().len(), 1);
}
