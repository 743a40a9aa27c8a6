//! A lane under random moods of its destination, pauses, reloads and times.

use super::*;
use hookgate::{
    domain::{delivery::Seq, waited::Waited},
    tasks,
};
use proptest::prelude::*;
use tokio::{task::JoinHandle, time::timeout};

#[derive(Debug, Clone)]
enum Step {
    Accept(u8),
    AcceptAndWait(u64),
    Turn(Mood),
    Pause,
    Resume,
    Follow(usize, Option<&'static str>),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let mood = prop_oneof![
        Just(Mood::Works),
        Just(Mood::Fails),
        Just(Mood::Answers(404)),
        Just(Mood::Answers(500)),
        Just(Mood::AsksForTime(429, "20")),
        Just(Mood::AsksForTime(503, "100"))
    ];
    let rate = prop_oneof![Just(None), Just(Some("10/s")), Just(Some("20/m"))];
    prop_oneof![
        4 => (1..20u8).prop_map(Step::Accept),
        4 => (1..60u64).prop_map(Step::AcceptAndWait),
        4 => mood.prop_map(Step::Turn),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => (1..9usize, rate).prop_map(|(concurrency, rate)| Step::Follow(concurrency, rate)),
        5 => (0..200u64).prop_map(Step::Pass),
    ]
}

/// What somebody who waited was told, and whether an attempt had been settled by then.
type Told = (Seq, Waited, bool);

/// Accepts an event and waits for its first attempt.
fn accept_and_wait(gateway: &Gateway, number: usize, seconds: u64) -> JoinHandle<Told> {
    let leases = gateway.store.accept(&["orders"], number.to_string().as_bytes());
    let (seq, within) = (leases[0].event.seq, Duration::from_secs(seconds));
    let watch = gateway.lanes.watch(&Name::unchecked("orders"), seq, None, gateway.clock.instant() + within);
    gateway.lanes.push(leases);
    let store = Arc::clone(&gateway.store);
    tasks::spawn(async move {
        let waited = timeout(within, watch.outcome()).await.unwrap_or(Waited::Late);
        (seq, waited, store.settlements().iter().any(|one| one.seq == seq))
    })
}

/// Whoever waited was told what came of the first attempt, or that none had ended by then.
fn is_true((seq, waited, was_settled): Told, settlements: &[Settlement]) {
    let first = settlements.iter().find(|one| one.seq == seq).map(|one| one.next == Next::Delivered);
    match waited {
        Waited::Confirmed => assert_eq!(first, Some(true), "{seq:?}"),
        Waited::Failed => assert_eq!(first, Some(false), "{seq:?}"),
        Waited::NotNow(_) | Waited::Late => assert!(!was_settled, "{seq:?} {waited:?}"),
    }
}

/// Whatever happens to a lane, in the end each delivery has been made once, by attempts that count on, and none was given up.
async fn live_through(steps: Vec<Step>) {
    let patient = |concurrency, rate: Option<&str>| {
        let retry = Retry { max_attempts: 10_000, ..AT_ONCE };
        Policy { retry, rate_limit: rate.and_then(|text| Rate::parse(text).ok()), ..breaking(concurrency) }
    };
    let (actor, name) = (Actor::new(Mood::Works), Name::unchecked("orders"));
    let gateway = Gateway::start(vec![actor.lane("orders", patient(8, None))]);
    let mut accepted = 0;
    let mut waiting = Vec::new();
    let mut paused_at = None;
    let end = [Step::Turn(Mood::Works), Step::Resume, Step::Follow(8, None)];
    for step in steps.into_iter().chain(end) {
        match step {
            Step::Accept(count) => {
                for _ in 0..count {
                    gateway.accept(&["orders"], &format!("{accepted}"));
                    accepted += 1;
                }
            }
            Step::AcceptAndWait(seconds) => {
                waiting.push(accept_and_wait(&gateway, accepted, seconds));
                accepted += 1;
            }
            Step::Turn(mood) => actor.turns(mood),
            Step::Pause => {
                gateway.lanes.pause(&name).await.unwrap().expect("it is there");
                paused_at = paused_at.or(Some(actor.notes().asked.len()));
            }
            Step::Resume => {
                if let Some(asked) = paused_at.take() {
                    assert_eq!(actor.notes().asked.len(), asked, "nothing starts while it is paused");
                }
                gateway.lanes.resume(&name).await.unwrap().expect("it is there");
            }
            Step::Follow(concurrency, rate) => gateway.lanes.replace(vec![actor.lane("orders", patient(concurrency, rate))]),
            Step::Pass(seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                gateway.clock.jump(i64::try_from(seconds * 1000).unwrap());
            }
        }
    }
    for _ in 0..100 {
        if delivered(&gateway.store.settlements(), "orders") < accepted {
            sleep(100 * SECOND).await;
            gateway.clock.jump(100_000);
        }
    }
    sleep(100 * SECOND).await;
    let settlements = gateway.store.settlements();
    assert_eq!(delivered(&settlements, "orders"), accepted);
    for told in waiting {
        is_true(told.await.unwrap(), &settlements);
    }
    let mut numbers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in &settlements {
        assert_ne!(one.next, Next::Dead);
        numbers.entry(one.seq.0).or_default().push(one.attempt.number as usize);
    }
    for (seq, numbers) in numbers {
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{seq}");
    }
    assert!(actor.notes().peak <= 8);
    assert!(!gateway.lanes.states()[0].breaker.is_open());
    gateway.lanes.drain().await;
    assert_eq!(gateway.store.held(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_to_a_lane_nothing_is_lost_and_nothing_is_sent_that_should_not_be(
        steps in proptest::collection::vec(any_step(), 0..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(live_through(steps));
    }
}
