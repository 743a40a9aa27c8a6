//! A destination leaves the rules file while deliveries wait for it, and comes back.

use crate::support::{
    gateway::Gateway,
    sender::{payment, signed},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::{
    domain::name::Name,
    metrics::{Labels, Metrics},
};
use serde_json::json;
use std::collections::HashMap;

fn rules(erp: &Sink, mail: &Sink, to: &str) -> String {
    let erp = format!("  erp: {{ url: '{}', retry: {{ initial_interval: 1h, max_interval: 1h }} }}\n", erp.url("/erp"));
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n  mail: {{ url: '{}' }}\n{}\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: {to} }} ]\n",
        mail.url("/mail"),
        if to.contains("erp") { &erp } else { "" }
    )
}

const PARKED: &str = "hookgate_queue_deliveries{destination=\"erp\",state=\"parked\"}";

#[tokio::test]
async fn what_waits_for_a_destination_that_was_removed_is_parked_and_seen_and_delivered_when_it_is_back() {
    let erp = Sink::in_turn([Reply::status(503), Reply::Silence, Reply::status(200)]);
    let mail = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&erp, &mail, "[mail, erp]")).await;
    let failed = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    let is_retrying = || async { (gateway.event(&failed).await["deliveries"][1]["status"] == "retrying").then_some(()) };
    until("the first attempt to fail", is_retrying).await;
    let in_flight = gateway.send(&signed(&payment("paid", "R2"))).await.event();
    erp.wait_in_hand(1).await;
    assert_eq!(gateway.metric(PARKED).await, 0.0);

    let home = gateway.kill();
    home.write(&rules(&erp, &mail, "[mail]"));
    let mut gateway = Gateway::start_in(home).await;
    for turn in ["after a kill", "after an orderly stop"] {
        for (id, attempts) in [(&failed, 1), (&in_flight, 0)] {
            let event = gateway.until_status(id, "waiting").await;
            let parked = &event["deliveries"][1];
            assert_eq!(
                (&parked["destination"], &parked["status"], &parked["attempts"], &parked["next_attempt_at"]),
                (&json!("erp"), &json!("parked"), &json!(attempts), &json!(null)),
                "{turn}"
            );
        }
        let listed = gateway.get("/api/v1/events?status=waiting").await.json();
        assert_eq!(listed["events"].as_array().expect("a list").len(), 2, "{turn}: {listed}");
        let destinations = gateway.get("/api/v1/destinations").await.json();
        let all = destinations["destinations"].as_array().expect("a list");
        assert_eq!(all.len(), 2, "{turn}: {destinations}");
        assert_eq!((&all[0]["destination"], &all[0]["removed"], &all[0]["parked"]), (&json!("mail"), &json!(false), &json!(0)));
        assert_eq!((&all[1]["destination"], &all[1]["removed"], &all[1]["parked"]), (&json!("erp"), &json!(true), &json!(2)));
        assert_eq!(gateway.metric(PARKED).await, 2.0, "{turn}");
        let refused = gateway.call("POST", &format!("/api/v1/events/{failed}/retry"), b"").await;
        assert_eq!(refused.code, 409, "{turn}");
        assert!(refused.text().contains("erp, which the rules file no longer has"), "{}", refused.text());
        gateway.terminate();
        let (status, log, home) = gateway.ended_in().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
        gateway = Gateway::start_in(home).await;
    }
    assert_eq!(erp.requests().len(), 2, "nothing goes to a destination that is not there");

    let home = gateway.kill();
    home.write(&rules(&erp, &mail, "[mail, erp]"));
    let gateway = Gateway::start_in(home).await;
    for id in [&failed, &in_flight] {
        gateway.until_status(id, "delivered").await;
    }
    let again: Vec<_> = erp.requests().into_iter().skip(2).collect();
    let numbers = again.iter().map(|request| (request.header("webhook-id"), request.header("hookgate-attempt")));
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by_key(|(_, number)| *number);
    assert_eq!(numbers, [(Some(&*in_flight), Some("1")), (Some(&*failed), Some("2"))], "attempts count on");
    assert_eq!(gateway.metric(PARKED).await, 0.0);
    assert_eq!(gateway.get("/api/v1/destinations").await.json()["destinations"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_figure_of_a_removed_destination_goes_to_zero_when_nothing_is_parked_for_it() {
    let metrics = Metrics::new(&Labels { destinations: vec![Name::unchecked("mail")], ..Labels::default() });
    let shown = || String::from_utf8(metrics.render()).expect("metrics are text");
    assert!(!shown().contains("erp"), "only names of the store or the file");
    for (parked, value) in [(Some(3), 3), (Some(2), 2), (None, 0), (None, 0), (Some(1), 1)] {
        metrics.set_parked(&parked.map(|parked| (Name::unchecked("erp"), parked)).into_iter().collect::<HashMap<_, _>>());
        assert!(shown().lines().any(|line| line == format!("{PARKED} {value}")), "{value} in {}", shown());
    }
}
