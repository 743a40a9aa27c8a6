//! How a wait ends early, or with the gateway.

use super::*;

#[tokio::test]
async fn a_sender_that_goes_away_ends_its_wait_and_nothing_else() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let mut connection = Connection::open(gateway.public).await;
    connection.send(&request("POST", "/webhooks/ottu", &[], &signed(&payment("paid", "R1")))).await;
    sink.wait_in_hand(1).await;
    drop(connection);
    until("the gateway to notice", || async {
        let is_said = |line: &String| line.contains("went away while its answer waited") && line.contains(&id_of("R1"));
        gateway.log().iter().any(is_said).then_some(())
    })
    .await;
    let again = pays(gateway.public, "R1");
    duplicates(&gateway, 1.0).await;
    gate.send_replace(true);
    assert_eq!(again.await.expect("an answer").code, 200);
    gateway.until_status(&id_of("R1"), "delivered").await;
    assert_eq!((sink.requests().len(), waits(&gateway, "confirmed").await), (1, 1.0));
}

#[tokio::test]
async fn a_stop_lets_those_who_wait_have_their_attempt_and_their_answer() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 1", WITHIN)).await;
    let first = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    let second = pays(gateway.public, "R2");
    stored(&gateway, "R2").await;
    gateway.terminate();
    until("the stop to begin", || async { (gateway.get("/readyz").await.code == 503).then_some(()) }).await;
    gate.send_replace(true);
    for answer in [first, second] {
        let answer = answer.await.expect("an answer");
        assert_eq!((answer.code, answer.header("connection")), (200, Some("close")));
    }
    let (status, log, home) = gateway.ended_in().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let gateway = Gateway::start_in(home).await;
    for reference in ["R1", "R2"] {
        let event = gateway.event(&id_of(reference)).await;
        assert_eq!((&event["status"], &event["answer"]), (&json!("delivered"), &json!(200)), "{reference}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_those_who_wait() {
    let sink = Sink::always(Reply::Silence);
    let home = Home::new(&rules(&sink, "", "300ms").replace("timeout: 9m", "timeout: 1s"));
    let gateway = Gateway::start_in(home).await;
    let answer = pays(gateway.public, "R1");
    sink.wait_in_hand(1).await;
    gateway.terminate();
    assert_eq!(answer.await.expect("an answer").code, 201);
    assert_eq!(gateway.ended().await.0.code(), Some(0));
}
