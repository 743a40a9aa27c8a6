//! Events come in: new, known, too many, and back after a restart.

use super::*;
use hookgate::{
    domain::event::Reason,
    store::{BODIES_PER_SIGNATURE, EventStatus, Retried},
};
use std::collections::HashSet;

contract! {
    a_new_event_is_stored_leased_and_read_back
    bodies_come_back_byte_for_byte
    the_same_bytes_again_are_a_duplicate_and_counted
    duplicates_that_come_at_once_are_stored_once
    known_ids_survive_a_restart
    another_body_of_a_signature_is_kept_back
    a_harmless_one_goes_on_with_a_flag_also_after_a_restart
    a_further_body_names_the_first_one_of_its_signature_also_after_a_kill
    a_quarantined_event_is_stored_and_leased_to_nobody
    a_thousand_at_once_are_all_stored
    a_closed_store_says_so
}

async fn a_new_event_is_stored_leased_and_read_back(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut new = event(1);
    new.flags = Flags::TYPED;
    new.fields.amount = Some("10.000".into());
    new.fields.order_no = Some("".into());
    let (id, received_at) = (new.id, new.received_at);
    let (seq, leases, deferred) = stored(&store, to(new, &["orders", "audit"])).await;
    assert!(deferred.is_empty());
    assert_eq!(leases.iter().map(|lease| lease.destination.as_str()).collect::<Vec<_>>(), ["orders", "audit"]);
    let lease = &leases[0];
    assert_eq!((lease.attempts, lease.run, lease.event.id, lease.event.seq), (0, Run::default(), id, seq));
    assert_eq!((lease.event.flags, lease.rules.clone()), (Flags::TYPED, vec![name("all")]));
    assert_eq!(lease.body.as_ref().unwrap().bytes, "{\"number\":1}");
    let detail = store.event(id).await.unwrap().unwrap();
    let summary = detail.summary;
    assert_eq!((summary.seq, summary.id, summary.received_at, summary.answer), (seq, id, received_at, Some(201)));
    assert_eq!((summary.fields.amount.as_deref(), summary.fields.order_no), (Some("10.000"), None));
    assert_eq!((summary.flags, summary.verified, summary.duplicates), (Flags::TYPED, true, 0));
    assert_eq!((summary.source.as_str(), &*summary.rules, summary.routing), ("shop", &[name("all")][..], Routing::Routed));
    assert_eq!(detail.content_type.as_deref(), Some("application/json"));
    assert!(detail.attempts.is_empty());
    assert_eq!(states(&store, id).await, [DeliveryStatus::Waiting; 2]);
    assert!(store.event(event(2).id).await.unwrap().is_none());
    assert!(store.lease(&name("orders"), 10).await.unwrap().leases.is_empty(), "leased already");
}

async fn bodies_come_back_byte_for_byte(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let bodies = [Vec::new(), vec![0; 5], (0..=255).collect::<Vec<u8>>(), vec![b'x'; 1 << 20]];
    let (mut seqs, mut received) = (Vec::new(), Vec::new());
    for (number, body) in bodies.iter().enumerate() {
        let mut new = event(number);
        received.push(new.received_at);
        new.payload = Document::read(body.clone().into());
        new.content_type = Some("text/plain; charset=latin-1".into());
        seqs.push(stored(&store, to(new, &["orders"])).await.0);
    }
    store.close().await.unwrap();
    drop(store);
    let store = house.open();
    for (seq, body) in seqs.iter().zip(&bodies) {
        assert_eq!(store.body(*seq).await.unwrap().unwrap(), body);
    }
    assert!(store.body(Seq(1)).await.unwrap().is_none());
    assert!(store.kept(Seq(1)).await.unwrap().is_none());
    for (number, (seq, body)) in seqs.iter().zip(&bodies).enumerate() {
        let (sent, kept) = (event(number), store.kept(*seq).await.unwrap().unwrap());
        assert_eq!((kept.id, kept.source, kept.received_at, kept.kind), (sent.id, sent.source, received[number], sent.kind));
        assert_eq!((kept.fields, kept.verified, kept.flags), (sent.fields, sent.verified, sent.flags));
        assert_eq!((&kept.body[..], kept.content_type.as_deref()), (&body[..], Some("text/plain; charset=latin-1")));
    }
    let lease = store.lease(&name("orders"), 1).await.unwrap().leases.remove(0);
    assert_eq!(lease.event.content_type.as_deref(), Some("text/plain; charset=latin-1"));
}

async fn the_same_bytes_again_are_a_duplicate_and_counted(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    stored(&store, to(event(1), &["orders"])).await;
    for _ in 0..3 {
        let mut again = to(event(1), &["elsewhere"]);
        again.plan.answer = Respond::Now(200);
        assert!(
            matches!(store.append(again).await.unwrap(), Appended::Duplicate { answer: Respond::Now(201), .. }),
            "the answer is the stored one"
        );
    }
    assert_eq!(store.event(event(1).id).await.unwrap().unwrap().summary.duplicates, 3);
    assert_eq!(ids(&store, all()).await.len(), 1);
}

async fn duplicates_that_come_at_once_are_stored_once(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let store = store.clone();
            hookgate::tasks::spawn(async move { store.append(to(event(number % 3), &["orders"])).await.unwrap() })
        })
        .collect();
    let (mut new, mut again) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Appended::Stored { leases, .. } => new += leases.len(),
            Appended::Duplicate { .. } => again += 1,
            Appended::Variant { .. } => panic!("the bytes are the same"),
        }
    }
    assert_eq!((new, again, ids(&store, all()).await.len()), (3, 57, 3));
}

async fn known_ids_survive_a_restart(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    for start in 0..3 {
        for number in 0..50 {
            let appended = store.append(to(event(number), &[])).await.unwrap();
            assert_eq!(matches!(appended, Appended::Duplicate { .. }), start > 0, "{number} in start {start}");
            let variant = store.append(to(signed(&format!("signature {number}"), "other"), &[])).await.unwrap();
            assert_eq!(matches!(variant, Appended::Variant { stored: true }), start == 0, "{number} in start {start}");
        }
        let killed = house.killed().1;
        assert!(matches!(killed.append(to(event(7), &[])).await.unwrap(), Appended::Duplicate { .. }));
        store.close().await.unwrap();
        drop(store);
        store = house.open();
    }
}

async fn another_body_of_a_signature_is_kept_back(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    stored(&store, to(signed("one", "first"), &["orders"])).await;
    for body in 1..BODIES_PER_SIGNATURE {
        let variant = store.append(to(signed("one", &format!("body {body}")), &["orders"])).await.unwrap();
        assert!(matches!(variant, Appended::Variant { stored: true }), "{body}: {variant:?}");
    }
    let surplus = signed("one", "one too many");
    let id = surplus.id;
    assert!(matches!(store.append(to(surplus, &["orders"])).await.unwrap(), Appended::Variant { stored: false }));
    assert!(store.event(id).await.unwrap().is_none());
    let kept = store.event(signed("one", "body 1").id).await.unwrap().unwrap().summary;
    assert_eq!((kept.verdict, kept.status()), (Verdict::Quarantined(Reason::Variant), EventStatus::Quarantined));
    assert!(kept.deliveries.is_empty() && kept.rules.is_empty());
    assert_eq!(kept.answer, Some(201));
    assert!(matches!(store.append(to(signed("one", "body 1"), &[])).await.unwrap(), Appended::Duplicate { answer: Respond::Now(201), .. }));
    let quarantined = store.stats().await.unwrap().quarantined;
    assert_eq!(quarantined, [(name("shop"), Reason::Variant, BODIES_PER_SIGNATURE as u64 - 1)]);
    // The next day there is room again.
    for _ in 0..2 {
        house.clock.jump(50_000_000);
        store.append(to(event(1), &[])).await.unwrap();
    }
    assert!(matches!(store.append(to(signed("one", "one too many"), &[])).await.unwrap(), Appended::Variant { stored: true }));
}

async fn a_quarantined_event_is_stored_and_leased_to_nobody(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut new = event(1);
    new.verdict = Verdict::Quarantined(Reason::Ambiguous);
    let (_, leases, deferred) = stored(&store, to(new, &["orders"])).await;
    assert!(leases.is_empty() && deferred.is_empty());
    assert_eq!(store.retry(event(1).id, None).await.unwrap(), Some(Retried::default()));
    assert!(store.lease(&name("orders"), 10).await.unwrap().leases.is_empty());
    let found = ids(&store, Query { status: Some(EventStatus::Quarantined), ..all() }).await;
    assert_eq!(found, [event(1).id]);
}

async fn a_thousand_at_once_are_all_stored(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let tasks: Vec<_> = (0..1_000)
        .map(|number| {
            let store = store.clone();
            hookgate::tasks::spawn(async move { stored(&store, to(event(number), &["orders"])).await.0 })
        })
        .collect();
    let mut seqs = HashSet::new();
    for task in tasks {
        seqs.insert(task.await.unwrap());
    }
    assert_eq!(seqs.len(), 1_000);
    let (_other, killed) = house.killed();
    assert_eq!(killed.lease(&name("orders"), 2_000).await.unwrap().leases.len(), 1_000, "what was answered is on the disk");
}

async fn a_closed_store_says_so(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert!(store.health().is_ok());
    store.close().await.unwrap();
    assert!(matches!(store.append(to(event(1), &[])).await, Err(StoreError::Closed)));
    assert!(matches!(store.event(event(1).id).await, Err(StoreError::Closed)));
    assert!(matches!(store.health(), Err(StoreError::Closed)));
    assert!(house.open().health().is_ok(), "another handle may have the folder now");
}

async fn a_further_body_names_the_first_one_of_its_signature_also_after_a_kill(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (first, again, other) = (signed("one", "body"), signed("one", "body "), signed("one", "other"));
    let [first_id, again_id, other_id] = [first.id, again.id, other.id];
    let (_, leases, _) = stored(&store, to(first, &["orders"])).await;
    assert_eq!(leases[0].event.first, None);
    let (_, leases, _) = stored(&store, to(again, &["orders"])).await;
    assert_eq!(leases[0].event.first, Some(first_id));
    store.append(to(other, &["orders"])).await.unwrap();
    let (_house, store) = house.killed();
    let leased = store.lease(&name("orders"), 10).await.unwrap().leases;
    let named: Vec<_> = leased.iter().map(|lease| (lease.event.id, lease.event.first)).collect();
    assert_eq!(named, [(first_id, None), (again_id, Some(first_id))]);
    assert_eq!(store.event(other_id).await.unwrap().unwrap().summary.first, Some(first_id), "also where it is kept back");
}

async fn a_harmless_one_goes_on_with_a_flag_also_after_a_restart(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    stored(&store, to(signed("one", "body"), &["orders"])).await;
    stored(&store, to(signed("two", "body"), &["orders"])).await;
    for signature in ["one", "two"] {
        let appended = store.append(to(signed(signature, "body "), &["audit"])).await.unwrap();
        assert!(matches!(appended, Appended::Stored { is_variant: true, .. }), "{appended:?}");
        let harmless = signed(signature, "body ").id;
        assert_eq!(store.event(harmless).await.unwrap().unwrap().summary.flags, Flags::RENOTIFIED);
        assert_eq!(states(&store, harmless).await, [DeliveryStatus::Waiting]);
        // Compared is with the first one, not with the last.
        let third = store.append(to(signed(signature, "body  "), &["audit"])).await.unwrap();
        assert!(matches!(third, Appended::Variant { stored: true }), "{third:?}");
        let mut odd = signed(signature, "odd body ");
        odd.verdict = Verdict::Quarantined(Reason::Amount);
        assert!(matches!(store.append(to(odd, &["audit"])).await.unwrap(), Appended::Variant { stored: true }));
        store.close().await.unwrap();
        drop(store);
        store = house.open();
    }
}
