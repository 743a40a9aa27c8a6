//! Many events and many who wait: those who wait go first, and take nothing from the others.

use super::*;

/// Sends events that nobody waits for, over a few connections, and gives how long each answer took.
async fn flood(to: SocketAddr, connections: usize, each: usize) -> Vec<Duration> {
    let send = |connection: usize| async move {
        let clock = Clock::system();
        let mut open = Connection::open(to).await;
        let mut took = Vec::new();
        for number in 0..each {
            let body = signed(&payment("failed", &format!("{connection}-{number}")));
            let began = clock.instant();
            open.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
            assert_eq!(open.answer().await.expect("an answer").code, 200);
            took.push(clock.instant().duration_since(began));
        }
        took
    };
    let senders: Vec<_> = (0..connections).map(|connection| tasks::spawn(send(connection))).collect();
    let mut took = Vec::new();
    for sender in senders {
        took.extend(sender.await.expect("all are answered"));
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_waited_for_goes_ahead_of_thousands_that_wait_already() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 1", WITHIN)).await;
    flood(gateway.public, 50, 100).await;
    let (first, second) = (pays(gateway.public, "R1"), id_of("R2"));
    stored(&gateway, "R1").await;
    let (also, twice) = (pays(gateway.public, "R2"), id_of("R1"));
    stored(&gateway, "R2").await;
    sink.wait_in_hand(1).await;
    gate.send_replace(true);
    assert_eq!((first.await.expect("an answer").code, also.await.expect("an answer").code), (200, 200));
    let order: Vec<_> = sink.requests().iter().take(3).map(|request| request.header("webhook-id").expect("an id").to_owned()).collect();
    assert_eq!(order[1..], [twice, second], "they go before all but the one that was under way");
    sink.wait_for("the others", |requests| requests.len() == 5_002).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_too_goes_ahead_of_what_the_store_has_not_leased_yet() {
    let gate = watch::Sender::new(false);
    let blocked = Reply::status(200).when(&gate);
    let sink = Sink::scripted(move |number, _| if number == 0 { Reply::status(500) } else { blocked.clone() });
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 1, retry: none, breaker: off", WITHIN)).await;
    assert_eq!(paid(&gateway, "R1").await.code, 201);
    gateway.until_status(&id_of("R1"), "dead").await;
    flood(gateway.public, 50, 50).await;
    sink.wait_in_hand(1).await;
    let again = pays(gateway.public, "R1");
    stored(&gateway, "R1").await;
    duplicates(&gateway, 1.0).await;
    gate.send_replace(true);
    assert_eq!(again.await.expect("an answer").code, 200);
    assert_eq!(sink.requests()[2].header("webhook-id"), Some(id_of("R1").as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_who_wait_delay_neither_the_others_nor_the_store() {
    let sink = Sink::scripted(|_, request| match String::from_utf8_lossy(&request.body).contains("\"paid\"") {
        true => Reply::Silence,
        false => Reply::status(200),
    });
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 600", WITHIN)).await;
    let alone = flood(gateway.public, 4, 50).await;
    let waiting: Vec<_> = (0..500).map(|number| pays(gateway.public, &format!("W{number}"))).collect();
    sink.wait_in_hand(500).await;
    let crowded = flood(gateway.public, 5, 40).await;
    let p99 = |took: &[Duration]| took[took.len() * 99 / 100];
    println!("p99 of the others: {:?} alone, {:?} beside 500 who wait", p99(&alone), p99(&crowded));
    assert!(p99(&crowded) < (p99(&alone) * 10).max(Duration::from_millis(500)), "{:?} {:?}", p99(&alone), p99(&crowded));
    assert!(waiting.iter().all(|answer| !answer.is_finished()));
    assert_eq!(gateway.metric("hookgate_held_requests").await, 0.0, "nobody waits for the store");
    waiting.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_takes_nothing_of_the_memory_for_bodies() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, ", concurrency: 100", WITHIN)).await;
    let large = |state: &str, reference: &str| {
        let mut payload = payment(state, reference);
        payload["message"] = json!("x".repeat(990 << 10));
        posts(gateway.public, signed(&payload))
    };
    // More than there is for all bodies that are read or held.
    let waiting: Vec<_> = (0..60).map(|number| large("paid", &format!("W{number}"))).collect();
    sink.wait_in_hand(60).await;
    let other = large("failed", "R1").await.expect("an answer");
    assert_eq!(other.code, 200);
    assert!(waiting.iter().all(|answer| !answer.is_finished()));
    gate.send_replace(true);
    for answer in waiting {
        assert_eq!(answer.await.expect("an answer").code, 200);
    }
}
