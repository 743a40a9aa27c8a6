//! Random walks through deliveries that are kept in order, against a plain list per value of what has to be true.

use super::*;
use proptest::{prelude::*, test_runner::TestRunner};

const VALUES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Lease(usize),
    Settle(usize, Outcome),
    GiveBack(usize),
    Retry(usize),
    Leave,
    Back,
    Pass(i64),
    Restart,
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Dead,
    Again,
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    /// Failed; due again, and to be passed, at these times.
    Failed(i64, i64),
    Dead,
    Delivered,
}

#[derive(Debug)]
struct Entry {
    number: usize,
    fate: Fate,
    is_leased: bool,
    /// It was passed, or goes without an earlier one.
    flagged: bool,
    /// Of a dead one: another one came or waited behind it.
    followed: bool,
    attempts: u32,
}

/// The lines in the order in which they are to be sent. Times are the seconds that the clock was moved by: a walk itself takes
/// no time to speak of.
struct Model {
    lines: [Vec<Entry>; 3],
    leases: Vec<Lease>,
    added: usize,
    is_served: bool,
    now: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(Outcome::Delivered), Just(Outcome::Dead), Just(Outcome::Again), Just(Outcome::Later)];
    let step = prop_oneof![
        8 => (0usize..3).prop_map(Step::Append),
        8 => prop_oneof![1 => 0usize..4, 2 => Just(100)].prop_map(Step::Lease),
        8 => (any::<usize>(), outcome).prop_map(|(at, outcome)| Step::Settle(at, outcome)),
        1 => any::<usize>().prop_map(Step::GiveBack),
        2 => any::<usize>().prop_map(Step::Retry),
        1 => Just(Step::Leave),
        2 => Just(Step::Back),
        // Far from each other, and so are their sums from the times at which something falls due.
        2 => prop_oneof![Just(700), Just(4_000)].prop_map(Step::Pass),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..80)
}

fn is_open(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Waiting | Fate::Failed(..))
}

impl Model {
    /// Where an event is.
    fn find(&self, id: EventId) -> (usize, usize) {
        let at = |line: &Vec<Entry>| line.iter().position(|entry| event(entry.number).id == id);
        self.lines.iter().enumerate().find_map(|(value, line)| Some((value, at(line)?))).expect("it was added")
    }

    /// Those of a value of which one may be leased now.
    fn eligible(&self, value: usize) -> Vec<usize> {
        let line = &self.lines[value];
        if !self.is_served || line.iter().any(|entry| entry.is_leased) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (at, entry) in line.iter().enumerate().filter(|(_, entry)| is_open(entry)) {
            match entry.fate {
                Fate::Failed(due, passes) => {
                    if due <= self.now {
                        found.push(at);
                    }
                    if passes > self.now {
                        break;
                    }
                }
                Fate::Waiting | Fate::Dead | Fate::Delivered => {
                    found.push(at);
                    break;
                }
            }
        }
        found
    }

    /// A lease that was given: it is one that may go, and told rightly whether it is in order.
    fn take(&mut self, lease: Lease) {
        let (value, at) = self.find(lease.event.id);
        let eligible = self.eligible(value);
        assert_eq!(eligible.first(), Some(&at), "of those that may go the first goes: {:?}", self.lines[value]);
        let is_behind = self.lines[value][..at].iter().any(is_open);
        let entry = &mut self.lines[value][at];
        assert_eq!(lease.event.flags.contains(Flags::OUT_OF_ORDER), entry.flagged || is_behind, "{entry:?}");
        assert_eq!(lease.attempts, entry.attempts);
        entry.is_leased = true;
        self.leases.push(lease);
    }

    async fn append(&mut self, store: &Arc<dyn Store>, value: usize) {
        let number = self.added;
        self.added += 1;
        let line = &mut self.lines[value];
        let mut flagged = false;
        for dead in line.iter_mut().filter(|entry| entry.fate == Fate::Dead && !entry.followed) {
            (dead.followed, dead.flagged, flagged) = (true, true, true);
        }
        let is_alone = !line.iter().any(|entry| is_open(entry) || entry.is_leased);
        line.push(Entry { number, fate: Fate::Waiting, is_leased: false, flagged, followed: false, attempts: 0 });
        let (_, leases, deferred) = stored(store, in_order(event(number), &["orders"], VALUES[value])).await;
        assert_eq!(leases.len() + deferred.len(), usize::from(self.is_served));
        assert!(leases.is_empty() || is_alone);
        leases.into_iter().for_each(|lease| self.take(lease));
    }

    async fn lease(&mut self, store: &Arc<dyn Store>, max: usize) {
        let leased = store.lease(&name("orders"), max).await.unwrap();
        assert!(leased.leases.len() <= max);
        let is_all = leased.leases.len() < max;
        leased.leases.into_iter().for_each(|lease| self.take(lease));
        for value in 0..3 {
            let is_busy = self.lines[value].iter().any(|entry| entry.is_leased);
            if is_all {
                assert!(self.eligible(value).is_empty(), "all that may go is given: {:?}", self.lines[value]);
            }
            if self.is_served && !is_busy && self.lines[value].iter().any(is_open) {
                assert!(leased.next_due.is_some(), "every value goes on some time: {:?}", self.lines[value]);
            }
        }
    }

    async fn settle(&mut self, house: &House, store: &Arc<dyn Store>, at: usize, outcome: Outcome) {
        if self.leases.is_empty() {
            return;
        }
        let lease = self.leases.swap_remove(at % self.leases.len());
        let in_an_hour = house.clock.now().plus(Duration::from_secs(3_600));
        let next = match outcome {
            Outcome::Delivered => Next::Delivered,
            Outcome::Dead => Next::Dead,
            Outcome::Again => Next::RetryAt(house.clock.now()),
            Outcome::Later => Next::RetryAt(in_an_hour),
        };
        store.settle(settlement(&lease, next)).await.unwrap();
        let (value, at) = self.find(lease.event.id);
        let (before, rest) = self.lines[value].split_at_mut(at);
        before.iter_mut().filter(|entry| is_open(entry)).for_each(|entry| entry.flagged = true);
        let (entry, behind) = rest.split_first_mut().expect("it is there");
        let passes = match entry.fate {
            Fate::Failed(_, passes) => passes,
            Fate::Waiting | Fate::Dead | Fate::Delivered => self.now + ORDER_WAIT.as_secs() as i64,
        };
        entry.is_leased = false;
        entry.attempts += 1;
        entry.fate = match outcome {
            Outcome::Delivered => Fate::Delivered,
            Outcome::Dead => Fate::Dead,
            Outcome::Again => Fate::Failed(self.now, passes),
            Outcome::Later => Fate::Failed(self.now + 3_600, passes),
        };
        if outcome == Outcome::Dead {
            entry.followed = false;
            if let Some(next) = behind.iter_mut().find(|entry| is_open(entry)) {
                next.flagged = true;
                (entry.followed, entry.flagged) = (true, true);
            }
        }
    }

    async fn retry(&mut self, store: &Arc<dyn Store>, number: usize) {
        if self.added == 0 || !self.is_served {
            return;
        }
        let id = event(number % self.added).id;
        let retried = store.retry(id, None).await.unwrap().expect("it is stored");
        let (value, at) = self.find(id);
        let line = &mut self.lines[value];
        let orders = vec![name("orders")];
        if line[at].is_leased || line[at].fate == Fate::Delivered {
            let in_flight = if line[at].is_leased { orders } else { Vec::new() };
            assert_eq!((retried.in_flight, retried.due.len() + retried.held_back.len()), (in_flight, 0));
            return;
        }
        match &mut line[at].fate {
            Fate::Failed(due, _) => *due = self.now,
            Fate::Dead => {
                let again = line.remove(at);
                line.push(Entry { fate: Fate::Waiting, followed: false, ..again });
            }
            Fate::Waiting | Fate::Delivered => {}
        }
        let (_, at) = self.find(id);
        let is_eligible = self.eligible(value).contains(&at);
        let (told, untold) = if is_eligible { (&retried.due, &retried.held_back) } else { (&retried.held_back, &retried.due) };
        assert!(told == &orders && untold.is_empty(), "{retried:?} of {:?}", self.lines[value]);
    }

    async fn serve(&mut self, store: &Arc<dyn Store>, is_served: bool) {
        let names = is_served.then(|| name("orders")).into_iter().collect();
        store.serve(names).await.unwrap();
        let is_back = is_served && !self.is_served;
        self.is_served = is_served;
        for entry in self.lines.iter_mut().flatten().filter(|_| is_back) {
            if let Fate::Failed(due, _) = &mut entry.fate {
                *due = self.now;
            }
        }
    }

    async fn step(&mut self, house: &mut House, store: &mut Option<Arc<dyn Store>>, step: Step) {
        let open = store.as_ref().expect("it is open").clone();
        match step {
            Step::Append(value) => self.append(&open, value).await,
            Step::Lease(max) => self.lease(&open, max).await,
            Step::Settle(at, outcome) => self.settle(house, &open, at, outcome).await,
            Step::GiveBack(at) => {
                if !self.leases.is_empty() {
                    let lease = self.leases.swap_remove(at % self.leases.len());
                    let (value, at) = self.find(lease.event.id);
                    self.lines[value][at].is_leased = false;
                    open.give_back(vec![lease]);
                }
            }
            Step::Retry(number) => self.retry(&open, number).await,
            Step::Leave => self.serve(&open, false).await,
            Step::Back => self.serve(&open, true).await,
            Step::Pass(seconds) => {
                house.clock.jump(seconds * 1_000);
                self.now += seconds;
            }
            Step::Restart | Step::Kill => {
                // What an operator says is durable, and so is what was settled before.
                open.resume(name("orders")).await.unwrap();
                *store = None;
                let reopened = if matches!(step, Step::Kill) {
                    let (killed, reopened) = house.killed();
                    drop(open);
                    *house = killed;
                    reopened
                } else {
                    open.close().await.unwrap();
                    drop(open);
                    house.open()
                };
                self.leases.clear();
                self.lines.iter_mut().flatten().for_each(|entry| entry.is_leased = false);
                reopened.serve(self.is_served.then(|| name("orders")).into_iter().collect()).await.unwrap();
                *store = Some(reopened);
            }
        }
    }

    /// From wherever a walk has led, everything goes out.
    async fn go_on(&mut self, house: &mut House, store: &mut Option<Arc<dyn Store>>) {
        self.step(house, store, Step::Back).await;
        for _ in 0..self.added * 2 + 10 {
            if !self.lines.iter().flatten().any(is_open) {
                return;
            }
            while !self.leases.is_empty() {
                self.step(house, store, Step::Settle(0, Outcome::Delivered)).await;
            }
            self.step(house, store, Step::Lease(100)).await;
            if self.leases.is_empty() {
                self.step(house, store, Step::Pass(4_000)).await;
            }
        }
        panic!("something stands still: {:?}", self.lines);
    }
}

#[test]
fn on_any_walk_each_value_goes_out_one_at_a_time_in_its_order_and_none_stands_still() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() });
    let walk = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut house = House::new(SQLITE);
            let mut store = Some(house.open());
            let mut model = Model { lines: Default::default(), leases: Vec::new(), added: 0, is_served: true, now: 0 };
            for step in steps {
                model.step(&mut house, &mut store, step).await;
            }
            model.go_on(&mut house, &mut store).await;
        });
        Ok(())
    };
    runner.run(&steps(), walk).unwrap();
}

/// More of them with `HOOKGATE_TEST_WALKS`.
fn cases() -> u32 {
    std::env::var("HOOKGATE_TEST_WALKS").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}
