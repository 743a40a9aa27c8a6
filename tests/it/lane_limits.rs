//! Stories of when a lane does not send: a destination that fails, that asks for time, or that gets no more than its rate.
//! In all but the last, time stands still and jumps to the next timer, so that hours pass at once and to the millisecond.

use crate::{
    deliver::{Gateway, SOON, policy},
    support::{
        gateway,
        sender::{payment, signed},
        sink::{Reply, Sink},
        until::until,
    },
};
use hookgate::{
    deliver::{
        Policy,
        breaker::{BreakerState, Settings},
        lanes::Lane,
        retry::{Jitter, Retry},
    },
    destination::{Destination, Receipt, SendError, Sending},
    domain::{
        attempt::Next,
        clock::Clock,
        delivery::{Delivery, Settlement},
        event::Event,
        name::Name,
        quantity::Rate,
    },
    store::WINDOW,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

mod at_random;

const SECOND: Duration = Duration::from_secs(1);

/// Again at once, so that only the lane decides when.
const AT_ONCE: Retry = Retry { initial_interval: Duration::ZERO, jitter: Jitter::None, max_attempts: 10, ..SOON };

/// How a destination behaves.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Works,
    Fails,
    Answers(u16),
    AsksForTime(u16, &'static str),
}

/// A destination whose answers take a second, and that notes when it was asked.
#[derive(Debug)]
struct Actor(Mutex<Notes>);

#[derive(Debug)]
struct Notes {
    mood: Mood,
    began: Instant,
    /// Milliseconds since the beginning, and the body.
    asked: Vec<(u128, String)>,
    in_flight: usize,
    peak: usize,
}

impl Actor {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Notes { mood, began: Clock::system().instant().into(), asked: Vec::new(), in_flight: 0, peak: 0 })))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    fn began(&self) -> Instant {
        self.notes().began
    }

    fn turns(&self, mood: Mood) {
        self.notes().mood = mood;
    }

    /// How many attempts began at which millisecond.
    fn rounds(&self) -> Vec<(u128, usize)> {
        let mut rounds = BTreeMap::new();
        for (at, _) in &self.notes().asked {
            *rounds.entry(*at).or_default() += 1;
        }
        rounds.into_iter().collect()
    }

    fn lane(self: &Arc<Self>, name: &str, policy: Policy) -> Lane {
        Lane { name: Name::unchecked(name), policy, destination: self.clone() }
    }
}

impl Destination for Actor {
    fn send<'a>(&'a self, delivery: &'a Delivery, _: Option<&'a Event>) -> Sending<'a> {
        let mood = {
            let mut notes = self.notes();
            let asked = (notes.began.elapsed().as_millis(), String::from_utf8(delivery.body.to_vec()).unwrap());
            notes.asked.push(asked);
            notes.in_flight += 1;
            notes.peak = notes.peak.max(notes.in_flight);
            notes.mood
        };
        let status = |status, retry_after: Option<&str>| {
            Err(SendError::Status { status, response: "".into(), retry_after: retry_after.map(Into::into) })
        };
        Box::pin(async move {
            sleep(SECOND).await;
            self.notes().in_flight -= 1;
            match mood {
                Mood::Works => Ok(Receipt { status: 200 }),
                Mood::Fails => Err(SendError::Connect("expected in this test".into())),
                Mood::Answers(code) => status(code, None),
                Mood::AsksForTime(code, time) => status(code, Some(time)),
            }
        })
    }
}

fn breaking(concurrency: usize) -> Policy {
    Policy { retry: AT_ONCE, breaker: Some(Settings { open_after: 5, probe_every: 30 * SECOND }), ..policy(concurrency) }
}

fn delivered(settlements: &[Settlement], name: &str) -> usize {
    settlements.iter().filter(|one| &*one.destination == name && one.next == Next::Delivered).count()
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_gets_one_probe_per_interval_and_no_delivery_burns_its_attempts() {
    let (dead, healthy) = (Actor::new(Mood::Fails), Actor::new(Mood::Works));
    let gateway = Gateway::start(vec![dead.lane("dead", breaking(5)), healthy.lane("healthy", breaking(50))]);
    for number in 0..50 {
        gateway.accept(&["dead", "healthy"], &number.to_string());
    }
    sleep_until(dead.began() + Duration::from_secs(1500)).await;
    // It opens with the fifth failure, when four have begun anew; each probe takes a second.
    let probes = [31, 92, 213, 454, 755, 1056, 1357].map(|second| (second * 1000, 1));
    assert_eq!(dead.rounds(), [&[(0, 5), (1_000, 4)], &probes[..]].concat());
    let settlements = gateway.store.settlements();
    let of_dead: Vec<_> = settlements.iter().filter(|one| &*one.destination == "dead").collect();
    assert_eq!(of_dead.len(), 16);
    assert!(of_dead.iter().all(|one| matches!(one.next, Next::RetryAt(_)) && one.run.attempts <= 1), "{of_dead:?}");
    assert!(of_dead[5..].iter().all(|one| one.run.elapsed <= SECOND), "the time in which it is open does not count");
    let state = &gateway.lanes.states()[0];
    assert_eq!((state.breaker, state.in_flight), (BreakerState::Open, 0));
    assert!(state.next_probe_at.is_some());
    assert!(gateway.metrics().contains("hookgate_destination_breaker_open{destination=\"dead\"} 1"));
    assert_eq!(delivered(&settlements, "healthy"), 50);
    assert_eq!(healthy.rounds(), [(0, 50)]);
    assert!(gateway.metrics().contains("hookgate_destination_breaker_open{destination=\"healthy\"} 0"));
    sleep_until(dead.began() + Duration::from_millis(1_658_500)).await;
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Probing);
    assert!(gateway.metrics().contains("hookgate_destination_breaker_open{destination=\"dead\"} 1"), "it stays 1 while probing");
}

#[tokio::test(start_paused = true)]
async fn when_it_is_back_the_requests_in_flight_grow_by_rounds_and_the_backlog_goes_out_in_the_order_of_acceptance() {
    let actor = Actor::new(Mood::Fails);
    let gateway = Gateway::start(vec![actor.lane("orders", breaking(8))]);
    for number in 0..8 {
        gateway.accept(&["orders"], &format!("early {number}"));
    }
    sleep(10 * SECOND).await;
    assert_eq!(actor.rounds(), [(0, 8)]);
    let count = WINDOW + 100;
    for number in 0..count {
        gateway.store.add(&["orders"], format!("{number:05}").as_bytes());
    }
    gateway.lanes.wake(&Name::unchecked("orders"));
    actor.turns(Mood::Works);
    sleep(17 * SECOND).await;
    let queued = gateway.lanes.states()[0].queued;
    assert_eq!(queued, WINDOW, "memory is bounded");
    sleep(15 * SECOND).await;
    let rounds = actor.rounds();
    assert_eq!(&rounds[1..6], [(31_000, 1), (32_000, 2), (33_000, 4), (34_000, 8), (35_000, 8)]);
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Closed);
    assert!(gateway.metrics().contains("hookgate_destination_breaker_open{destination=\"orders\"} 0"));
    while delivered(&gateway.store.settlements(), "orders") < count + 8 {
        sleep(SECOND).await;
    }
    let bodies: Vec<_> = actor.notes().asked.iter().map(|(_, body)| body.clone()).filter(|body| !body.starts_with("early")).collect();
    assert_eq!(bodies, (0..count).map(|number| format!("{number:05}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_back_while_its_probe_is_in_flight_is_probed_anew_at_once_and_keeps_its_time() {
    let (before, now) = (Actor::new(Mood::Fails), Actor::new(Mood::Fails));
    let gateway = Gateway::start(vec![before.lane("orders", breaking(2))]);
    for number in 0..5 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sleep_until(before.began() + Duration::from_millis(33_500)).await;
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Probing);
    gateway.lanes.replace(Vec::new());
    gateway.lanes.replace(vec![now.lane("orders", breaking(2))]);
    sleep_until(now.began() + 50 * SECOND).await;
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Open, "what came of the old probe says nothing");
    now.turns(Mood::Works);
    sleep_until(now.began() + 120 * SECOND).await;
    assert_eq!(before.rounds().last(), Some(&(33_000, 1)));
    assert_eq!(now.rounds()[..2], [(33_500, 1), (94_500, 1)]);
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Closed);
    assert_eq!(delivered(&gateway.store.settlements(), "orders"), 5);
}

#[tokio::test(start_paused = true)]
async fn answers_that_refuse_one_event_do_not_open_the_breaker_and_server_errors_do() {
    for (code, wanted) in [(404, BreakerState::Closed), (422, BreakerState::Closed), (401, BreakerState::Open), (500, BreakerState::Open)] {
        let actor = Actor::new(Mood::Answers(code));
        let gateway = Gateway::start(vec![actor.lane("orders", breaking(1))]);
        gateway.accept(&["orders"], "x");
        sleep(Duration::from_millis(7_500)).await;
        assert_eq!(gateway.lanes.states()[0].breaker, wanted, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_asks_for_time_holds_its_whole_lane() {
    for code in [429, 503] {
        let actor = Actor::new(Mood::AsksForTime(code, "60"));
        let gateway = Gateway::start(vec![actor.lane("orders", Policy { breaker: None, ..breaking(4) })]);
        gateway.accept(&["orders"], "asked for time");
        sleep(SECOND / 2).await;
        actor.turns(Mood::Works);
        for number in 0..30 {
            gateway.accept(&["orders"], &number.to_string());
        }
        sleep(SECOND).await;
        let state = &gateway.lanes.states()[0];
        let held = state.held_until.expect("the lane is held").since(gateway.clock.now());
        assert!(held > 55 * SECOND && held <= 60 * SECOND, "{held:?}");
        assert_eq!(state.in_flight, 3, "what is in flight goes on");
        sleep(70 * SECOND).await;
        let rounds = actor.rounds();
        assert_eq!(rounds[..5], [(0, 1), (500, 3), (61_000, 1), (62_000, 2), (63_000, 4)], "{code}");
        assert_eq!(gateway.lanes.states()[0].held_until, None);
        assert_eq!(delivered(&gateway.store.settlements(), "orders"), 30);
        gateway.clock.jump(60_000);
        sleep(120 * SECOND).await;
        assert_eq!(delivered(&gateway.store.settlements(), "orders"), 31);
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_leaves_the_rules_and_is_back_before_its_last_attempt_has_ended_is_still_held() {
    let actor = Actor::new(Mood::AsksForTime(503, "60"));
    let policy = || Policy { breaker: None, ..breaking(2) };
    let gateway = Gateway::start(vec![actor.lane("orders", policy())]);
    gateway.accept(&["orders"], "asked for time");
    sleep(SECOND / 2).await;
    actor.turns(Mood::Works);
    gateway.accept(&["orders"], "in flight");
    sleep(SECOND * 7 / 10).await;
    gateway.lanes.replace(Vec::new());
    gateway.lanes.replace(vec![actor.lane("orders", policy())]);
    gateway.accept(&["orders"], "waits");
    sleep_until(actor.began() + 90 * SECOND).await;
    assert_eq!(actor.rounds()[..3], [(0, 1), (500, 1), (61_000, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_starts_nothing_leaves_the_room_for_bytes_in_memory_to_the_others_and_reads_its_own_later() {
    let (dead, slow) = (Actor::new(Mood::Fails), Actor::new(Mood::Works));
    let gateway = Gateway::start(vec![dead.lane("dead", breaking(5)), slow.lane("slow", breaking(1))]);
    let accept = |count| (0..count).for_each(|_| gateway.accept(&["dead", "slow"], "0123456789"));
    accept(40);
    assert_eq!(gateway.store.held(), 800);
    sleep(SECOND * 3 / 2).await;
    accept(10);
    sleep(SECOND).await;
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Open);
    assert_eq!(gateway.store.held(), 10 * gateway.lanes.states()[1].queued + 10, "those of the slow one, one of them in flight");
    gateway.lanes.pause(&Name::unchecked("slow")).await.unwrap().expect("it is there");
    sleep(SECOND).await;
    assert_eq!(gateway.store.held(), 0);
    gateway.lanes.resume(&Name::unchecked("slow")).await.unwrap().expect("it is there");
    dead.turns(Mood::Works);
    gateway.clock.jump(100_000);
    sleep(100 * SECOND).await;
    assert!(dead.notes().asked.iter().chain(&slow.notes().asked).all(|(_, body)| body == "0123456789"));
    let settlements = gateway.store.settlements();
    assert_eq!(["dead", "slow"].map(|name| delivered(&settlements, name)), [50, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_the_time_that_is_waited_for_it_alone_is_counted() {
    let actor = Actor::new(Mood::Works);
    let limited = Policy { rate_limit: Rate::parse("20/s").ok(), ..breaking(100) };
    let gateway = Gateway::start(vec![actor.lane("orders", limited)]);
    for number in 0..100 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sleep(10 * SECOND).await;
    let asked: Vec<u128> = actor.notes().asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(asked.len(), 100);
    for from in [0, 500, 1_700, 2_900] {
        let within = asked.iter().filter(|at| (from..from + 2_000).contains(*at)).count();
        assert!((36..=44).contains(&within), "{within} within two seconds from {from}");
    }
    let metrics = gateway.metrics();
    let waited = metrics.lines().find_map(|line| line.strip_prefix("hookgate_rate_limited_seconds_total{destination=\"orders\"} "));
    let waited: f64 = waited.unwrap().parse().unwrap();
    assert!((4.7..5.1).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_without_limits_counts_no_waiting_for_a_rate() {
    let actor = Actor::new(Mood::Works);
    let slow = Policy { rate_limit: Rate::parse("1000/s").ok(), ..breaking(1) };
    let gateway = Gateway::start(vec![actor.lane("orders", slow)]);
    for number in 0..5 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sleep(10 * SECOND).await;
    assert_eq!(actor.rounds().len(), 5);
    assert!(gateway.metrics().contains("hookgate_rate_limited_seconds_total{destination=\"orders\"} 0\n"), "it waited for the destination");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_switched_off_never_opens() {
    let actor = Actor::new(Mood::Fails);
    let gateway = Gateway::start(vec![actor.lane("orders", Policy { breaker: None, ..breaking(1) })]);
    gateway.accept(&["orders"], "x");
    sleep(20 * SECOND).await;
    let settlements = gateway.store.settlements();
    assert_eq!((settlements.len(), settlements[9].next), (10, Next::Dead));
    assert_eq!(gateway.lanes.states()[0].breaker, BreakerState::Off);
}

#[tokio::test]
async fn an_open_breaker_is_seen_everywhere_and_a_reload_that_mends_the_url_probes_at_once() {
    let (broken, sound) = (Sink::always(Reply::status(500)), Sink::always(Reply::status(200)));
    let rules = |sink: &Sink| {
        let retry = "{ initial_interval: 1ms, multiplier: 1, max_interval: 1ms, jitter: none, max_attempts: 20 }";
        format!(
            "sources: {{ ottu: {{ secret: test-hmac-key }} }}\n\
             destinations: {{ orders: {{ url: '{}', breaker: {{ open_after: 3, probe_every: 1h }}, retry: {retry} }} }}\n\
             rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
            sink.url("/")
        )
    };
    let gateway = gateway::Gateway::start(&rules(&broken)).await;
    let id = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    let open = until("the breaker to open", || async {
        let orders = gateway.get("/api/v1/destinations").await.json()["destinations"][0].clone();
        (orders["breaker"] == "open").then_some(orders)
    });
    let orders = open.await;
    assert!(orders["next_probe_at"].is_string() && orders["held_until"].is_null(), "{orders}");
    assert_eq!(gateway.metric("hookgate_destination_breaker_open{destination=\"orders\"}").await, 1.0);
    let changes = || gateway.log().into_iter().filter(|line| line.contains("\"to\":\"")).collect::<Vec<_>>();
    let lines = until("the log", || async { Some(changes()).filter(|lines| !lines.is_empty()) }).await;
    assert!(lines.len() == 1 && lines[0].contains("\"from\":\"closed\",\"to\":\"open\""), "{lines:#?}");
    let later = gateway.send(&signed(&payment("paid", "R2"))).await.event();
    assert_eq!(broken.requests().len(), 3);
    gateway.home.write(&rules(&sound));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    for id in [&id, &later] {
        gateway.until_status(id, "delivered").await;
    }
    assert_eq!(broken.requests().len(), 3);
    assert_eq!(gateway.metric("hookgate_destination_breaker_open{destination=\"orders\"}").await, 0.0);
}
