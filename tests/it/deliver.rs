//! Stories of the lanes: what is leased is attempted, tried again, given up, and never in another one's way.

use crate::support::{
    fake_store::FakeStore,
    sink::{Reply, Sink},
};
use hookgate::{
    deliver::{
        Policy,
        lanes::{Lane, Lanes},
        retry::{Jitter, Retry},
    },
    destination::{self, Destination, Receipt, SendError, Sending, Settings},
    domain::{
        attempt::{AttemptResult, Next},
        clock::Clock,
        delivery::{Delivery, Settlement},
        event::Event,
        name::Name,
        status_set::StatusSet,
    },
    metrics::{Labels, Metrics},
    provider,
    store::WINDOW,
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// A retry soon after, a thousand times.
pub(crate) const SOON: Retry = Retry {
    initial_interval: Duration::from_millis(5),
    multiplier: 1.0,
    max_interval: Duration::from_millis(5),
    jitter: Jitter::None,
    max_attempts: 1000,
    max_elapsed: Duration::from_secs(3600),
};

pub(crate) struct Gateway {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) lanes: Arc<Lanes>,
    metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

impl Gateway {
    pub(crate) fn start(lanes: Vec<Lane>) -> Self {
        let clock = Clock::system();
        let store = FakeStore::new(clock.clone());
        Self::over(store, lanes, clock)
    }

    pub(crate) fn over(store: Arc<FakeStore>, lanes: Vec<Lane>, clock: Clock) -> Self {
        let destinations = lanes.iter().map(|lane| lane.name.clone()).collect();
        let metrics = Arc::new(Metrics::new(&Labels { destinations, ..Labels::default() }));
        let lanes = Lanes::start(lanes, Vec::new(), store.clone(), provider::restore, clock.clone(), metrics.clone());
        Self { store, lanes, metrics, clock }
    }

    pub(crate) fn accept(&self, destinations: &[&str], body: &str) {
        self.lanes.push(self.store.accept(destinations, body.as_bytes()));
    }

    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.metrics.render()).unwrap()
    }

    fn metric(&self, line: &str) -> bool {
        self.metrics().lines().any(|found| found == line)
    }
}

pub(crate) fn policy(concurrency: usize) -> Policy {
    Policy {
        concurrency,
        retry: SOON,
        give_up_on: StatusSet::gone(),
        breaker: None,
        order_wait: Duration::ZERO,
        rate_limit: None,
        paused: false,
    }
}

fn lane(name: &str, url: &str, policy: Policy) -> Lane {
    let settings = Settings { timeout: Duration::from_secs(20), ..Settings::to(url.parse().unwrap()) };
    let name = Name::unchecked(name);
    Lane { destination: destination::build(&name, settings), name, policy }
}

pub(crate) fn finished(settlements: &[Settlement]) -> usize {
    settlements.iter().filter(|settlement| !matches!(settlement.next, Next::RetryAt(_))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_delivered_once_and_settled() {
    let sink = Sink::always(Reply::status(201));
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/hooks"), policy(4))]);
    gateway.accept(&["orders"], "{\"state\":\"paid\"}");
    let settlements = gateway.store.wait_for("the settlement", |settlements| !settlements.is_empty()).await;
    let [settlement] = &settlements[..] else { panic!("one settlement") };
    assert_eq!((settlement.next, settlement.run.attempts), (Next::Delivered, 1));
    let attempt = &settlement.attempt;
    assert_eq!((attempt.number, attempt.result, attempt.status), (1, AttemptResult::Status2xx, Some(201)));
    let requests = sink.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].body, b"{\"state\":\"paid\"}");
    assert_eq!(requests[0].header("hookgate-rules"), Some("paid"));
    gateway.lanes.drain().await;
    assert_eq!(gateway.store.held(), 0, "the body is let go");
    assert!(gateway.metric("hookgate_deliveries_total{destination=\"orders\",outcome=\"delivered\"} 1"));
    assert!(gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"2xx\"} 1"));
    assert!(gateway.lanes.states()[0].latency_ms.is_some());
}

#[tokio::test]
async fn a_failed_delivery_is_tried_until_it_succeeds() {
    let sink = Sink::in_turn([Reply::with_body(500, "no"), Reply::WrongChunks, Reply::status(302), Reply::status(200)]);
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(4))]);
    gateway.accept(&["orders"], "x");
    let settlements = gateway.store.wait_for("success", |settlements| finished(settlements) == 1).await;
    let results: Vec<_> = settlements.iter().map(|settlement| settlement.attempt.result).collect();
    assert_eq!(results, [AttemptResult::Status5xx, AttemptResult::Protocol, AttemptResult::Status3xx, AttemptResult::Status2xx]);
    assert_eq!(settlements.iter().map(|settlement| settlement.attempt.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(settlements[0].attempt.response.as_deref(), Some("no"));
    assert!(settlements[1].attempt.error.is_some() && settlements[1].attempt.response.is_none());
    assert_eq!(settlements[3].run.attempts, 4);
    let requests = sink.requests();
    let numbers: Vec<_> = requests.iter().map(|request| request.header("hookgate-attempt").unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    let id = requests[0].header("webhook-id");
    assert!(id.is_some() && requests.iter().all(|request| request.header("webhook-id") == id && request.body == b"x"));
}

#[tokio::test]
async fn a_name_that_leads_to_cloud_metadata_is_refused_counted_and_tried_again() {
    let gateway = Gateway::start(vec![lane("orders", "http://0xa9fea9fe/latest/meta-data", policy(4))]);
    gateway.accept(&["orders"], "x");
    // A change of the name's address mends it, so it is tried again like any failure.
    let settlements = gateway.store.wait_for("a second attempt", |settlements| settlements.len() > 1).await;
    let attempt = &settlements[0].attempt;
    assert_eq!((attempt.result, attempt.status), (AttemptResult::Refused, None));
    let said = attempt.error.as_deref().unwrap();
    assert!(said.contains("169.254.169.254") && said.contains("allow_link_local"), "{said}");
    gateway.lanes.drain().await;
    assert!(!gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"refused\"} 0"));
}

#[tokio::test]
async fn a_destination_that_asks_for_time_gets_it() {
    let sink = Sink::in_turn([Reply::with_header(429, "retry-after", "1"), Reply::status(200)]);
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(4))]);
    gateway.accept(&["orders"], "x");
    let settlements = gateway.store.wait_for("success", |settlements| finished(settlements) == 1).await;
    assert!(settlements[1].run.elapsed < Duration::from_secs(1), "the time that it asked for does not count");
    let requests = sink.requests();
    let pause = requests[1].at.duration_since(requests[0].at);
    assert!(pause >= Duration::from_millis(990) && pause < Duration::from_secs(3), "{pause:?}");
}

#[tokio::test]
async fn a_destination_that_says_never_is_given_up_at_once() {
    let sink = Sink::always(Reply::status(422));
    let give_up_on = StatusSet::parse(["410", "422"]).unwrap();
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), Policy { give_up_on, ..policy(4) })]);
    gateway.accept(&["orders"], "x");
    let settlements = gateway.store.wait_for("the end", |settlements| finished(settlements) == 1).await;
    assert_eq!((settlements.len(), settlements[0].next), (1, Next::Dead));
    gateway.lanes.drain().await;
    assert!(gateway.metric("hookgate_deliveries_total{destination=\"orders\",outcome=\"dead\"} 1"));
}

#[tokio::test]
async fn after_its_last_attempt_a_delivery_is_dead() {
    let sink = Sink::always(Reply::status(500));
    let retry = Retry { max_attempts: 3, ..SOON };
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), Policy { retry, ..policy(4) })]);
    gateway.accept(&["orders"], "x");
    let settlements = gateway.store.wait_for("the end", |settlements| finished(settlements) == 1).await;
    assert_eq!(settlements.len(), 3);
    assert_eq!((settlements[2].next, settlements[2].run.attempts), (Next::Dead, 3));
    assert_eq!(sink.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_a_silent_and_a_slow_destination_do_not_delay_a_healthy_one() {
    let silent = Sink::always(Reply::Silence);
    let slow = Sink::always(Reply::status(200).after(Duration::from_secs(15)));
    let healthy = Sink::always(Reply::status(200));
    let gateway = Gateway::start(vec![
        lane("dead", "http://127.0.0.1:1/", policy(4)),
        lane("silent", &silent.url("/"), policy(4)),
        lane("slow", &slow.url("/"), policy(4)),
        lane("healthy", &healthy.url("/"), policy(4)),
    ]);
    for number in 0..300 {
        gateway.accept(&["dead", "silent", "slow", "healthy"], &number.to_string());
    }
    let of = |settlements: &[Settlement], name: &str| settlements.iter().filter(|settlement| &*settlement.destination == name).count();
    let settlements = gateway.store.wait_for("all of the healthy one", |all| of(all, "healthy") == 300).await;
    assert_eq!((of(&settlements, "silent"), of(&settlements, "slow")), (0, 0));
    let failed: Vec<_> = settlements.iter().filter(|one| &*one.destination == "healthy" && one.next != Next::Delivered).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let mut bodies: Vec<_> = healthy.requests().into_iter().map(|request| String::from_utf8(request.body).unwrap()).collect();
    bodies.sort_by_key(|body| body.parse::<u32>().unwrap());
    assert_eq!(bodies, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(healthy.connections() <= 4, "connections are used again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_is_reached_and_never_passed() {
    let (gate, _) = watch::channel(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(3))]);
    for number in 0..20 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sink.wait_in_hand(3).await;
    let state = &gateway.lanes.states()[0];
    assert_eq!((state.in_flight, state.queued, state.is_paused()), (3, 17, false));
    gate.send_replace(true);
    gateway.store.wait_for("all", |settlements| finished(settlements) == 20).await;
    assert_eq!(sink.peak(), 3);
    assert_eq!(sink.connections(), 3);
}

#[tokio::test]
async fn a_paused_lane_sends_nothing() {
    let paused = Sink::always(Reply::status(200));
    let other = Sink::always(Reply::status(200));
    let standing = lane("paused", &paused.url("/"), Policy { paused: true, ..policy(4) });
    let gateway = Gateway::start(vec![standing, lane("other", &other.url("/"), policy(1))]);
    for number in 0..50 {
        gateway.accept(&["paused", "other"], &number.to_string());
    }
    gateway.lanes.wake(&Name::unchecked("paused"));
    gateway.store.wait_for("all of the other one", |settlements| settlements.len() == 50).await;
    assert_eq!(paused.connections(), 0);
    let state = &gateway.lanes.states()[0];
    assert_eq!((state.in_flight, state.queued, state.is_paused()), (0, 50, true));
    assert!(gateway.metric("hookgate_destination_paused{destination=\"paused\"} 1"));
    assert!(gateway.metric("hookgate_destination_paused{destination=\"other\"} 0"));
    timeout(Duration::from_secs(5), gateway.lanes.drain()).await.unwrap();
}

#[tokio::test]
async fn a_drain_waits_for_what_is_in_flight_and_starts_nothing() {
    let (gate, _) = watch::channel(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(2))]);
    for number in 0..5 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sink.wait_in_hand(2).await;
    let mut drain = pin!(gateway.lanes.drain());
    assert!(timeout(Duration::ZERO, &mut drain).await.is_err(), "two are in flight");
    gateway.accept(&["orders"], "late");
    gate.send_replace(true);
    timeout(Duration::from_secs(20), drain).await.unwrap();
    assert_eq!(gateway.store.settlements().len(), 2);
    assert_eq!(sink.requests().len(), 2);
    assert_eq!(gateway.lanes.states()[0].queued, 0, "the rest waits in the store for the next start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_beyond_the_window_is_delivered_in_the_order_of_acceptance() {
    let sink = Sink::always(Reply::status(200));
    let clock = Clock::system();
    let store = FakeStore::new(clock.clone());
    let count = WINDOW + WINDOW / 2;
    for number in 0..count {
        store.add(&["orders"], number.to_string().as_bytes());
    }
    let gateway = Gateway::over(store, vec![lane("orders", &sink.url("/"), policy(1))], clock);
    gateway.store.wait_for("all", |settlements| settlements.len() == count).await;
    let bodies: Vec<_> = sink.requests().into_iter().map(|request| String::from_utf8(request.body).unwrap()).collect();
    assert_eq!(bodies, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(sink.connections(), 1);
    assert!(gateway.store.calls("lease") < 10, "it is asked for many at once");
}

#[tokio::test]
async fn a_lane_that_is_told_of_a_backlog_asks_for_it() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(4))]);
    gateway.accept(&["orders"], "first");
    gateway.store.wait_for("the first", |settlements| settlements.len() == 1).await;
    gateway.store.add(&["orders"], b"deferred");
    gateway.lanes.wake(&Name::unchecked("orders"));
    gateway.lanes.wake(&Name::unchecked("unknown"));
    gateway.store.wait_for("the deferred one", |settlements| settlements.len() == 2).await;
    assert_eq!(sink.requests()[1].body, b"deferred");
    assert_eq!(gateway.store.calls("body"), 1, "only what was not in memory is read");
}

#[tokio::test]
async fn a_store_that_fails_is_called_again_and_the_attempt_is_not_repeated() {
    let sink = Sink::always(Reply::status(200));
    let clock = Clock::system();
    let store = FakeStore::new(clock.clone());
    store.add(&["orders"], b"x");
    for (operation, times) in [("lease", 2), ("body", 2), ("settle", 2)] {
        store.fail(operation, times);
    }
    let gateway = Gateway::over(store, vec![lane("orders", &sink.url("/"), policy(4))], clock);
    let settlements = gateway.store.wait_for("the settlement", |settlements| settlements.len() == 1).await;
    assert_eq!((settlements[0].next, settlements[0].attempt.number), (Next::Delivered, 1));
    assert_eq!(sink.requests().len(), 1);
    assert_eq!((gateway.store.calls("body"), gateway.store.calls("settle")), (3, 3));
    assert_eq!(gateway.store.calls("lease"), 3, "there is a pause between the calls");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever_for_a_store_that_fails() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(vec![lane("orders", &sink.url("/"), policy(4))]);
    gateway.store.fail("settle", usize::MAX);
    gateway.accept(&["orders"], "x");
    sink.wait_for("the attempt", |requests| requests.len() == 1).await;
    timeout(Duration::from_secs(25), gateway.lanes.drain()).await.unwrap();
    assert_eq!(gateway.store.settlements().len(), 0);
}

#[tokio::test]
async fn a_delivery_whose_bytes_are_gone_is_dead_and_says_why() {
    let sink = Sink::always(Reply::status(200));
    let clock = Clock::system();
    let store = FakeStore::new(clock.clone());
    let seq = store.add(&["orders"], b"x");
    store.lose_body(seq);
    let gateway = Gateway::over(store, vec![lane("orders", &sink.url("/"), policy(4))], clock);
    let settlements = gateway.store.wait_for("the end", |settlements| settlements.len() == 1).await;
    assert_eq!(settlements[0].next, Next::Dead);
    assert!(settlements[0].attempt.error.as_deref().unwrap().contains("no longer has the bytes"));
    assert_eq!(sink.connections(), 0);
}

/// Panics at its first attempt, fails at its second, and then works.
#[derive(Debug, Default)]
struct Moody(AtomicUsize);

impl Destination for Moody {
    fn send<'a>(&'a self, _: &'a Delivery, _: Option<&'a Event>) -> Sending<'a> {
        Box::pin(async move {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("expected in this test"),
                1 => Err(SendError::Connect("expected in this test".into())),
                _ => Ok(Receipt { status: 200 }),
            }
        })
    }
}

#[tokio::test]
async fn a_panic_in_an_attempt_is_a_failed_attempt() {
    let moody = Lane { name: Name::unchecked("moody"), policy: policy(1), destination: Arc::new(Moody::default()) };
    let gateway = Gateway::start(vec![moody]);
    gateway.accept(&["moody"], "first");
    gateway.accept(&["moody"], "second");
    let settlements = gateway.store.wait_for("both", |settlements| finished(settlements) == 2).await;
    assert_eq!(settlements.len(), 4);
    assert!(settlements[0].attempt.error.as_deref().unwrap().contains("own code failed"));
    assert!(settlements.iter().filter(|settlement| settlement.next == Next::Delivered).count() == 2);
}

/// Real time stands still here, tokio's runs by itself: the lane's timer looks again and again.
#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_is_noticed_by_a_lane_that_waits() {
    let patient = Retry { initial_interval: Duration::from_secs(7200), max_interval: Duration::from_secs(7200), ..SOON };
    let destination = Moody(AtomicUsize::new(1));
    let moody = Lane { name: Name::unchecked("moody"), policy: Policy { retry: patient, ..policy(1) }, destination: Arc::new(destination) };
    let gateway = Gateway::start(vec![moody]);
    gateway.accept(&["moody"], "x");
    let settled = async |count: usize| {
        for _ in 0..300 {
            if gateway.store.settlements().len() >= count {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    };
    assert!(settled(1).await);
    assert!(!settled(2).await, "two hours have not passed on the wall");
    gateway.clock.jump(7_200_000);
    assert!(settled(2).await);
    gateway.clock.jump(-86_400_000);
    gateway.accept(&["moody"], "y");
    assert!(settled(3).await, "what is new does not wait for the old time to come back");
    assert_eq!(gateway.store.settlements().len(), 3);
}
