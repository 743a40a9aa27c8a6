//! The lane alone: who waits for what, and what becomes of that when nobody waits any more.

use crate::{
    deliver::{Gateway, policy},
    support::until::until,
};
use hookgate::{
    deliver::lanes::Lane,
    destination::{Destination, Receipt, Sending},
    domain::{
        clock::Clock,
        delivery::{Delivery, Lease},
        event::Event,
        name::Name,
        waited::{NotNow, Waited},
    },
    store::WINDOW,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// A destination that takes what comes once its gate is open.
#[derive(Debug)]
struct Gated(watch::Sender<bool>);

impl Destination for Gated {
    fn send<'a>(&'a self, _: &'a Delivery, _: Option<&'a Event>) -> Sending<'a> {
        let mut gate = self.0.subscribe();
        Box::pin(async move {
            drop(gate.wait_for(|is_open| *is_open).await);
            Ok(Receipt { status: 200 })
        })
    }
}

fn start() -> (Gateway, Arc<Gated>, Name) {
    let (gated, orders) = (Arc::new(Gated(watch::Sender::new(false))), Name::unchecked("orders"));
    let lane = Lane { name: orders.clone(), policy: policy(1), destination: gated.clone() };
    (Gateway::start(vec![lane]), gated, orders)
}

fn soon() -> hookgate::domain::clock::Instant {
    Clock::system().instant() + Duration::from_secs(8)
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_does_not_pile_up_in_memory_and_is_delivered_all_the_same() {
    let (gateway, gated, orders) = start();
    let count = 2 * WINDOW + 50;
    let waits: Vec<_> = (0..count)
        .map(|number| {
            let leases = gateway.store.accept(&["orders"], format!("{number}").as_bytes());
            let waits = gateway.lanes.watch(&orders, leases[0].event.seq, None, soon());
            gateway.lanes.push(leases);
            waits
        })
        .collect();
    until("the first attempt", || async { (gateway.lanes.states()[0].in_flight == 1).then_some(()) }).await;
    assert_eq!(gateway.lanes.states()[0].queued, count - 1);
    drop(waits);
    assert_eq!(gateway.lanes.states()[0].queued, 2 * WINDOW - 1, "what is too much waits in the store");
    gated.0.send_replace(true);
    let settled = gateway.store.wait_for("all of them", |settlements| settlements.len() == count).await;
    assert_eq!(settled.len(), count);
}

#[tokio::test]
async fn everyone_who_waits_is_told_and_a_wait_that_comes_too_late_for_one_attempt_is_for_the_next() {
    let (gateway, gated, orders) = start();
    let leases = gateway.store.accept(&["orders"], b"x");
    let seq = leases[0].event.seq;
    let first = gateway.lanes.watch(&orders, seq, None, soon());
    gateway.lanes.push(leases);
    let second = gateway.lanes.watch(&orders, seq, None, soon());
    gated.0.send_replace(true);
    assert_eq!((first.outcome().await, second.outcome().await), (Waited::Confirmed, Waited::Confirmed));
    gateway.store.wait_for("its settlement", |settlements| settlements.len() == 1).await;
    let late = gateway.lanes.watch(&orders, seq, None, soon()).outcome();
    assert!(tokio::time::timeout(Duration::from_millis(20), late).await.is_err(), "there is no next one");
}

#[tokio::test]
async fn who_waits_while_the_lanes_drain_is_told_at_once_unless_the_attempt_is_made() {
    let (gateway, gated, orders) = start();
    let mut leases: Vec<Lease> = ["made", "not made"].iter().flat_map(|body| gateway.store.accept(&["orders"], body.as_bytes())).collect();
    let waits: Vec<_> = leases.iter().map(|lease| gateway.lanes.watch(&orders, lease.event.seq, None, soon())).collect();
    let second = leases.split_off(1);
    gateway.lanes.push(leases);
    until("the first attempt", || async { (gateway.lanes.states()[0].in_flight == 1).then_some(()) }).await;
    gateway.lanes.push(second);
    let lanes = Arc::clone(&gateway.lanes);
    let drained = hookgate::tasks::spawn(async move { lanes.drain().await });
    let mut waits = waits.into_iter();
    let (made, not_made) = (waits.next().expect("two"), waits.next().expect("two"));
    assert_eq!(not_made.outcome().await, Waited::NotNow(NotNow::NotServed));
    assert!(!drained.is_finished());
    gated.0.send_replace(true);
    assert_eq!(made.outcome().await, Waited::Confirmed);
    drained.await.expect("it ends");
    let nobody = gateway.lanes.watch(&Name::unchecked("nobody"), hookgate::domain::delivery::Seq(1), None, soon());
    assert_eq!(nobody.outcome().await, Waited::NotNow(NotNow::NotServed));
}
