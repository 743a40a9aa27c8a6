//! The store in memory, on which the stories of the lanes rest, leases and settles as the real one does.

use super::*;
use crate::support::fake_store::FakeStore;
use proptest::{prelude::*, test_runner::TestRunner};

const DESTINATION: &str = "orders";

#[derive(Debug, Clone)]
enum Step {
    Accept,
    Lease(usize),
    Settle(usize, Next),
    GiveBack(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let next = || {
        prop_oneof![
            Just(Next::Delivered),
            Just(Next::Dead),
            Just(Next::RetryAt(Timestamp::from_millis(0))),
            Just(Next::RetryAt(in_an_hour()))
        ]
    };
    let step = prop_oneof![
        6 => Just(Step::Accept),
        4 => (0usize..6).prop_map(Step::Lease),
        6 => (any::<usize>(), next()).prop_map(|(place, next)| Step::Settle(place, next)),
        2 => any::<usize>().prop_map(Step::GiveBack),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// Both, and the leases that both have given: the same deliveries, each with keys of its own.
struct Pair {
    real: Arc<dyn Store>,
    fake: Arc<FakeStore>,
    held: Vec<(Lease, Lease)>,
    /// The keys of the events.
    seqs: Vec<(Seq, Seq)>,
}

impl Pair {
    async fn step(&mut self, house: &House, step: Step) {
        match step {
            Step::Accept => self.accept().await,
            Step::Lease(max) => self.lease(house, max).await,
            Step::Settle(place, next) if !self.held.is_empty() => {
                let (real, fake) = self.held.swap_remove(place % self.held.len());
                self.real.settle(settlement(&real, next)).await.unwrap();
                self.fake.settle(settlement(&fake, next)).await.unwrap();
            }
            Step::GiveBack(place) if !self.held.is_empty() => {
                let (real, fake) = self.held.swap_remove(place % self.held.len());
                self.real.give_back(vec![real]);
                self.fake.give_back(vec![fake]);
            }
            Step::Settle(..) | Step::GiveBack(_) => {}
            Step::Restart => {
                self.real.close().await.unwrap();
                self.held.clear();
                self.real = house.open();
                self.fake.restarted(house.clock.clone());
            }
        }
    }

    async fn accept(&mut self) {
        let new = event(self.seqs.len());
        let body = new.payload.bytes().to_vec();
        let (real, leases, deferred) = stored(&self.real, to(new, &[DESTINATION])).await;
        let fake = if deferred.is_empty() {
            let fake = self.fake.accept(&[DESTINATION], &body);
            let seq = fake[0].event.seq;
            self.held.extend(leases.into_iter().zip(fake));
            seq
        } else {
            self.fake.add(&[DESTINATION], &body)
        };
        self.seqs.push((real, fake));
        assert_eq!(self.real.body(real).await.unwrap(), self.fake.body(fake).await.unwrap());
        let [real, fake] = [self.real.kept(real).await, self.fake.kept(fake).await].map(|kept| kept.unwrap().map(|kept| kept.body));
        assert_eq!(real, fake);
    }

    async fn lease(&mut self, house: &House, max: usize) {
        let real = self.real.lease(&name(DESTINATION), max).await.unwrap();
        let fake = self.fake.lease(&name(DESTINATION), max).await.unwrap();
        let number = |seq| self.seqs.iter().position(|(real, _)| *real == seq).expect("it was accepted");
        let place = |seq| self.seqs.iter().position(|(_, fake)| *fake == seq).expect("it was accepted");
        let real_leases: Vec<_> = real.leases.iter().map(|lease| (number(lease.event.seq), lease.attempts, lease.run)).collect();
        let fake_leases: Vec<_> = fake.leases.iter().map(|lease| (place(lease.event.seq), lease.attempts, lease.run)).collect();
        assert_eq!(real_leases, fake_leases);
        let is_due = |due: Option<Timestamp>| due.map(|due| due <= house.clock.now());
        assert_eq!(is_due(real.next_due), is_due(fake.next_due));
        self.held.extend(real.leases.into_iter().zip(fake.leases));
    }
}

#[test]
fn the_store_in_memory_leases_the_same_in_the_same_order_on_any_walk() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let walk = |steps: Vec<Step>| {
        runtime.block_on(async {
            let house = House::new(SQLITE);
            let mut pair = Pair { real: house.open(), fake: FakeStore::new(house.clock.clone()), held: Vec::new(), seqs: Vec::new() };
            for step in steps {
                pair.step(&house, step).await;
            }
            pair.step(&house, Step::Restart).await;
            pair.lease(&house, 100).await;
        });
        Ok(())
    };
    runner.run(&steps(), walk).unwrap();
}
