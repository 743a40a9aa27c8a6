//! Waiting deliveries by the hundred thousand, put through the store's own door.

use super::{sender, support::sender::KEY};
use bytes::Bytes;
use hookgate::{
    domain::{
        clock::Clock,
        event::Event,
        name::Name,
        plan::{Plan, Respond, Routing, Target},
        received::Received,
        secret::Secret,
    },
    metrics::{Labels, Metrics},
    provider::{self, Scheme, Unsigned},
    store::{self, Appended, Judge, NewEvent, Settings},
    tasks,
};
use http::HeaderMap;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// As many commits are shared by as many events as at full load.
const AT_ONCE: usize = 256;

const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug)]
struct Never;

impl Judge for Never {
    fn is_harmless(&self, _: Bytes, _: &Event) -> bool {
        false
    }
}

/// Stores that many events for the destination; gives the place of each number in the order of acceptance.
pub async fn fill(folder: &Path, destination: &str, events: usize) -> Vec<u32> {
    let clock = Clock::system();
    let settings = Settings { path: folder.to_owned(), keep: MONTH, keep_unresolved: MONTH };
    let store = store::open(&settings, clock.clone(), Arc::new(Metrics::new(&Labels::default()))).expect("an empty folder");
    let next = Arc::new(AtomicUsize::new(0));
    let work = |_| {
        let (store, next, clock, destination) = (store.clone(), next.clone(), clock.clone(), Name::unchecked(destination));
        tasks::spawn(async move {
            let signing = provider::Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new(KEY)], unsigned: Unsigned::Reject };
            let source = Name::unchecked("ottu");
            let provider = provider::build(&source, &signing);
            let rules = vec![Name::unchecked("paid")];
            let mut stored = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= events {
                    return stored;
                }
                let received = Received {
                    source: source.clone(),
                    headers: HeaderMap::new(),
                    body: Bytes::from(sender::event("paid", number)),
                    peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    at: clock.now(),
                };
                let event = Arc::new(provider.open(&received).expect("it is signed"));
                let targets = vec![Target { destination: destination.clone(), rules: rules.clone(), order: None }];
                let plan = Plan { targets, rules: rules.clone(), routing: Routing::Routed, answer: Respond::Now(200) };
                let new = NewEvent { event, plan, dedupe: Duration::from_secs(3_600), judge: Arc::new(Never) };
                match store.append(new).await.expect("the disk has room") {
                    Appended::Stored { seq, .. } => stored.push((seq, number)),
                    other => panic!("event {number} is new, and it was {other:?}"),
                }
            }
        })
    };
    let workers: Vec<_> = (0..AT_ONCE).map(work).collect();
    let mut stored = Vec::new();
    for worker in workers {
        stored.extend(worker.await.expect("a filler ends"));
    }
    store.close().await.expect("it closes");
    stored.sort_unstable();
    let mut places = vec![0; events];
    stored.iter().enumerate().for_each(|(place, (_, number))| places[*number] = place as u32);
    places
}
