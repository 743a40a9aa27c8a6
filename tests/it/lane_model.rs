//! A lane under anything that may happen to it, against a simple reference: a destination in any mood, reloads, pauses, a store
//! that stumbles, orderly stops and crashes. Time stands still and leaps to the next timer, so that days pass at once.
//! `reference` says when an attempt may start, `witness` asks it at each one that does, `ledger` looks at each delivery afterwards.

use crate::support::fake_store::FakeStore;
use hookgate::{
    deliver::{
        Policy,
        breaker::Settings,
        lanes::{Lane, Lanes},
        retry::{Jitter, Retry},
    },
    domain::{clock::Clock, clock::Timestamp, name::Name, quantity::Rate, status_set::StatusSet},
    metrics::{Labels, Metrics},
    provider,
};
use proptest::{
    option,
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use reference::Gate;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;
use witness::{Answer, Door, FAILURES, Record};

mod ledger;
mod reference;
mod witness;

const DESTINATION: &str = "orders";
const BEGIN: Timestamp = Timestamp::from_millis(1_795_386_473_000);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// How long the store takes to give leases: much happens meanwhile.
const LEASING: Duration = Duration::from_millis(40);

/// A lane that is free and has work that is due takes it up within this time, though the store stumbled before.
const PROMPT: Duration = Duration::from_secs(5);

/// Things that happen.
#[derive(Debug, Clone)]
enum Step {
    /// So many events come, and are leased as they are stored.
    Accept(usize),
    /// So many come, and wait in the store.
    Defer(usize),
    /// From now on the destination answers with one of these, by chance.
    Turn(Vec<Answer>),
    /// A reload.
    Follow(Policy),
    /// A reload that changes how the destination is called, too.
    Replace(Policy),
    /// A reload of a rules file without it.
    Remove,
    Pause,
    Resume,
    /// The next calls of that operation fail.
    Stumble(&'static str, usize),
    Pass(Duration),
    /// An orderly stop, and a start so much later.
    Stop(Duration),
    Crash(Duration),
}

fn any_step() -> impl Strategy<Value = Step> {
    let failures = || proptest::collection::vec(proptest::sample::select(&FAILURES[..]), 1..4);
    let mood = prop_oneof![
        2 => Just(vec![Answer::Takes(200)]),
        2 => failures(),
        3 => failures().prop_map(|mut mood| {
            mood.extend([Answer::Takes(200), Answer::Takes(204)]);
            mood
        }),
    ];
    let time = |longest: u64| (0..longest).prop_map(Duration::from_millis);
    prop_oneof![
        5 => (1..20usize).prop_map(Step::Accept),
        2 => (1..20usize).prop_map(Step::Defer),
        5 => mood.prop_map(Step::Turn),
        2 => any_policy().prop_map(Step::Follow),
        1 => any_policy().prop_map(Step::Replace),
        1 => Just(Step::Remove),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => (prop_oneof![Just("lease"), Just("settle")], 1..3usize).prop_map(|(operation, times)| Step::Stumble(operation, times)),
        6 => prop_oneof![time(2_000), time(60_000), time(2_000_000)].prop_map(Step::Pass),
        1 => time(100_000).prop_map(Step::Stop),
        1 => time(100_000).prop_map(Step::Crash),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let jitter = prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None)];
    let retry = (0..20u32, 1..4u32, 1..600u32, jitter, 1..8u32, 1..3_600u32).prop_map(
        |(initial, multiplier, max, jitter, max_attempts, elapsed)| Retry {
            initial_interval: (initial * (SECOND / 2)).min(max * SECOND),
            multiplier: f64::from(multiplier),
            max_interval: max * SECOND,
            jitter,
            max_attempts,
            max_elapsed: elapsed * SECOND,
        },
    );
    let breaker = option::weighted(
        0.7,
        (1..12u32, 1..400u32).prop_map(|(open_after, seconds)| Settings { open_after, probe_every: seconds * SECOND }),
    );
    let rate = option::weighted(0.3, prop_oneof![Just("20/s"), Just("1/s"), Just("30/m"), Just("3/m")]);
    let give_up_on = proptest::sample::subsequence(vec!["410", "401", "4xx", "302"], 0..3);
    let paused = proptest::bool::weighted(0.1);
    (1..9usize, retry, give_up_on, breaker, rate, paused).prop_map(|(concurrency, retry, give_up_on, breaker, rate, paused)| Policy {
        concurrency,
        retry,
        give_up_on: StatusSet::parse(give_up_on).expect("four valid items"),
        breaker,
        rate_limit: rate.map(|text| Rate::parse(text).expect("a rate")),
        order_wait: 600 * SECOND,
        paused,
    })
}

/// Under which all that waits is delivered in the end.
fn patient() -> Policy {
    let retry = Retry { max_attempts: 10_000, max_elapsed: 1_000 * HOUR, ..Retry::FAST };
    Policy {
        concurrency: 8,
        retry,
        give_up_on: StatusSet::gone(),
        breaker: None,
        rate_limit: None,
        order_wait: 600 * SECOND,
        paused: false,
    }
}

/// What outlasts a process, and what is known of it.
struct World {
    store: Arc<FakeStore>,
    door: Door,
    crashed: BTreeSet<usize>,
    chance: u64,
}

/// One process.
struct Life<'a> {
    world: &'a mut World,
    lanes: Arc<Lanes>,
    name: Name,
    /// How the destination is called at present.
    destination: Arc<Door>,
}

impl World {
    fn new(policy: Policy, chance: u64) -> Self {
        let record = Record {
            gate: Gate::new(policy, BEGIN),
            life: 0,
            clock: Clock::system(),
            mood: vec![Answer::Takes(200)],
            chance: fastrand::Rng::with_seed(chance),
            accepted: BTreeMap::new(),
            tried: BTreeMap::new(),
        };
        Self { store: FakeStore::new(Clock::system()), door: Door(Arc::new(Mutex::new(record))), crashed: BTreeSet::new(), chance }
    }

    /// Lives through the steps, each process on a runtime of its own: where that is dropped, all of it ends in the middle.
    fn live_through(&mut self, steps: &[Step]) {
        let mut now = BEGIN;
        let mut rest = steps;
        loop {
            let end = rest.iter().position(|step| matches!(step, Step::Stop(_) | Step::Crash(_)));
            let (steps, end) = rest.split_at(end.unwrap_or(rest.len()));
            // Jitter is drawn by the thread's own generator.
            fastrand::seed(self.chance.wrapping_add(self.crashed.len() as u64));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
            now = runtime.block_on(async {
                let mut life = Life::begin(self, now);
                for step in steps {
                    life.step(step).await;
                    life.look();
                }
                match end.first() {
                    None => life.end().await,
                    Some(end) => life.leave(end).await,
                }
            });
            match end.split_first() {
                None => return,
                Some((_, after)) => rest = after,
            }
        }
    }
}

impl<'a> Life<'a> {
    fn begin(world: &'a mut World, now: Timestamp) -> Self {
        let clock = Clock::by_timers(now);
        world.store.restarted(clock.clone());
        world.store.slows(LEASING);
        let (name, destination) = (Name::unchecked(DESTINATION), Arc::new(world.door.clone()));
        let (lanes, paused) = {
            let mut record = world.door.record();
            record.gate.forgets(now);
            record.clock = clock.clone();
            let lane = Lane { name: name.clone(), policy: record.gate.policy.clone(), destination: destination.clone() };
            let paused = record.gate.is_paused_by_operator.then(|| name.clone());
            (Vec::from_iter(record.gate.is_there.then_some(lane)), Vec::from_iter(paused))
        };
        let metrics = Arc::new(Metrics::new(&Labels { destinations: vec![name.clone()], ..Labels::default() }));
        let lanes = Lanes::start(lanes, paused, world.store.clone(), provider::restore, clock, metrics);
        Self { world, lanes, name, destination }
    }

    async fn step(&mut self, step: &Step) {
        let store = self.world.store.clone();
        match step {
            Step::Accept(count) => (0..*count).for_each(|_| {
                let body = self.next_body();
                let leases = store.accept(&[DESTINATION], body.as_bytes());
                self.record().accepted.insert(leases[0].event.seq, body);
                self.lanes.push(leases);
            }),
            Step::Defer(count) => {
                for _ in 0..*count {
                    let body = self.next_body();
                    let seq = store.add(&[DESTINATION], body.as_bytes());
                    self.record().accepted.insert(seq, body);
                }
                self.lanes.wake(&self.name);
            }
            Step::Turn(mood) => self.record().mood = mood.clone(),
            Step::Follow(policy) => self.reload(policy),
            Step::Replace(policy) => {
                {
                    let mut record = self.record();
                    let now = record.clock.now();
                    record.gate.is_another(policy, now);
                }
                self.destination = Arc::new(self.world.door.clone());
                self.reload(policy);
            }
            // After a second reload without it, what was learnt of it may be forgotten.
            Step::Remove if !self.record().gate.is_there => {}
            Step::Remove => {
                self.record().gate.is_there = false;
                self.lanes.replace(Vec::new());
            }
            Step::Pause => {
                let paused = self.lanes.pause(&self.name).await.expect("the store takes it");
                self.record().gate.is_paused_by_operator |= paused.is_some();
            }
            Step::Resume => {
                {
                    let mut record = self.record();
                    let now = record.clock.now();
                    record.gate.is_resumed(now);
                }
                self.lanes.resume(&self.name).await.expect("the store takes it");
            }
            Step::Stumble(operation, times) => store.fail(operation, *times),
            Step::Pass(time) => sleep(*time).await,
            Step::Stop(_) | Step::Crash(_) => unreachable!("a life ends with it"),
        }
    }

    /// No two are alike.
    fn next_body(&self) -> String {
        format!("event {}", self.record().accepted.len())
    }

    fn reload(&self, policy: &Policy) {
        {
            let mut record = self.record();
            let now = record.clock.now();
            record.gate.is_there = true;
            record.gate.follows(policy.clone(), now);
        }
        self.lanes.replace(vec![Lane { name: self.name.clone(), policy: policy.clone(), destination: self.destination.clone() }]);
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.world.door.record()
    }

    /// What operators see is so, and nothing stands still that could go on.
    fn look(&self) {
        let record = self.record();
        let now = record.clock.now();
        let states = self.lanes.states();
        assert_eq!(states.len(), usize::from(record.gate.is_there));
        // One that is being settled still has its worker.
        let in_flight = states.iter().map(|state| state.in_flight).sum::<usize>();
        for state in states {
            assert_eq!(state.breaker, record.gate.breaker_state());
            assert_eq!(state.is_paused(), record.gate.is_paused());
            assert!(state.in_flight >= record.gate.in_flight);
        }
        let has_hands = in_flight < record.gate.policy.concurrency;
        if has_hands && record.gate.is_free_since(now.minus(PROMPT)) {
            for (seq, due, _) in self.world.store.pending() {
                let is_tried = record
                    .tried
                    .get(&seq)
                    .is_some_and(|tried| tried.iter().any(|tried| tried.life == record.life && tried.ended.is_none()));
                assert!(is_tried || due.plus(PROMPT) >= now, "{seq:?} is due since {due}, the lane is free, and it is {now}");
            }
        }
    }

    /// The process ends, and the next one begins then.
    async fn leave(self, end: &Step) -> Timestamp {
        let later = match end {
            Step::Crash(later) => {
                let life = self.record().life;
                self.world.crashed.insert(life);
                later
            }
            Step::Stop(later) => {
                self.record().gate.is_stopping = true;
                self.lanes.drain().await;
                assert_eq!(self.record().gate.in_flight, 0, "what was in flight ends first");
                later
            }
            _ => unreachable!("nothing else ends a life"),
        };
        let mut record = self.record();
        record.life += 1;
        record.clock.now().plus(*later)
    }

    /// All is well at last: each delivery is delivered, or dead for a reason.
    async fn end(mut self) -> Timestamp {
        for step in [Step::Turn(vec![Answer::Takes(200)]), Step::Follow(patient()), Step::Resume] {
            self.step(&step).await;
        }
        for _ in 0..200 {
            sleep(60 * SECOND).await;
            self.look();
        }
        assert_eq!(self.world.store.pending(), [], "neither delivered nor dead");
        let tried = self.record().tried.clone().into_values().map(|tried| tried.len()).sum::<usize>();
        sleep(24 * HOUR).await;
        assert_eq!(self.record().tried.values().map(Vec::len).sum::<usize>(), tried, "what is over is not tried again");
        self.record().gate.is_stopping = true;
        self.lanes.drain().await;
        assert_eq!(self.world.store.held(), 0, "no bytes stay in memory");
        ledger::audit(&self.record(), &self.world.store.settlements(), &self.world.crashed);
        self.record().clock.now()
    }
}

#[test]
fn whatever_happens_nothing_is_lost_or_sent_that_should_not_be_and_each_delivery_goes_by_its_policy() {
    let seed: u64 = std::env::var("LANE_MODEL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let story = (any_policy(), proptest::collection::vec(any_step(), 0..60), any::<u64>());
    let told = TestRunner::new_with_rng(config, rng).run(&story, |(policy, steps, chance)| {
        World::new(policy, chance).live_through(&steps);
        Ok(())
    });
    if let Err(fault) = told {
        panic!("{fault}\nrepeat it with LANE_MODEL_SEED={seed}");
    }
}
