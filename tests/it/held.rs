//! Requests wait while nothing can be stored, for as long as their source says: also those for which there is no memory.

use crate::{
    store_faults::SmallDisk,
    support::{
        gateway::{Gateway, Home},
        sender::{payment, signed},
        sink::{Reply, Sink},
        skipped,
    },
};
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_memory_holds_is_answered_after_its_hold_and_the_stop_comes_to_an_end() {
    let Some(disk) = SmallDisk::mount() else {
        skipped::say("a small disk cannot be mounted here; that takes root");
        return;
    };
    let sink = Sink::always(Reply::status(200));
    let rules = format!(
        "sources: {{ ottu: {{ secret: test-hmac-key, hold: 3s, provider_timeout: 1s }} }}\ndestinations: {{ orders: {{ url: '{}' }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    );
    let gateway = Arc::new(Gateway::start_in(Home::with_data(disk.data(), &rules)).await);
    disk.fill();
    // More than the disk's reserve and the memory for bodies take together.
    let large = |number: usize| {
        let mut payload = payment("paid", &format!("R{number}"));
        payload["message"] = json!("x".repeat(990 << 10));
        let (gateway, body) = (Arc::clone(&gateway), signed(&payload));
        hookgate::tasks::spawn(async move { gateway.send(&body).await.code })
    };
    let sent: Vec<_> = (0..60).map(large).collect();
    let mut held_out = 0;
    for answer in sent {
        match answer.await.expect("an answer") {
            200 => {}
            503 => held_out += 1,
            code => panic!("answered {code}"),
        }
    }
    assert!(held_out > 45, "only the reserve takes some: {held_out}");
    let counted = gateway.metric("hookgate_webhooks_received_total{outcome=\"held_out\",source=\"ottu\"}").await;
    assert_eq!(counted, f64::from(held_out));
    gateway.terminate();
    let (status, log) = Arc::into_inner(gateway).expect("nobody else has it").ended().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
}
