//! Random walks through append, lease, settle, retry, replay, serve, restart and kill, against a plain map of what has to be true.

use super::*;
use hookgate::store::{Replayed, Retried, Selection};
use proptest::{prelude::*, test_runner::TestRunner};
use std::collections::BTreeMap;

const DESTINATIONS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Append(usize, usize),
    Lease(usize, usize),
    Settle(usize, u8),
    Retry(usize),
    Replay(usize, usize),
    Serve(usize),
    Restart,
    Kill,
}

/// What a delivery has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Leased,
    Due,
    Later,
    Done,
    Dead,
    Parked,
}

struct Model {
    /// A bit for each destination.
    served: usize,
    fates: BTreeMap<(usize, usize), Fate>,
    attempts: BTreeMap<(usize, usize), u32>,
    events: BTreeMap<usize, usize>,
    held: Vec<((usize, usize), Lease)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..40, 0usize..8).prop_map(|(number, set)| Step::Append(number, set)),
        4 => (0usize..3, 0usize..6).prop_map(|(destination, max)| Step::Lease(destination, max)),
        8 => (any::<usize>(), 0u8..4).prop_map(|(place, next)| Step::Settle(place, next)),
        2 => (0usize..40).prop_map(Step::Retry),
        3 => (0usize..40, 1usize..8).prop_map(|(number, set)| Step::Replay(number, set)),
        2 => (0usize..8).prop_map(Step::Serve),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..60)
}

fn place(lease: &Lease) -> usize {
    DESTINATIONS.iter().position(|text| *text == &*lease.destination).unwrap()
}

impl Model {
    async fn step(&mut self, house: &mut House, store: &mut Option<Arc<dyn Store>>, step: Step) {
        let open = store.as_ref().unwrap().clone();
        match step {
            Step::Append(number, set) => self.append(&open, number, set).await,
            Step::Lease(destination, max) => self.lease(&open, destination, max).await,
            Step::Settle(at, next) => self.settle(&open, at, next).await,
            Step::Retry(number) => self.retry(&open, number).await,
            Step::Replay(number, set) => self.replay(&open, number, set).await,
            Step::Serve(set) => self.serve(&open, set).await,
            Step::Restart => {
                open.close().await.unwrap();
                (*store, self.held) = (None, Vec::new());
                drop(open);
                *store = Some(house.open());
                self.lapse();
            }
            Step::Kill => {
                self.check(&open).await;
                let (next, reopened) = house.killed();
                (*store, self.held) = (Some(reopened), Vec::new());
                drop(open);
                *house = next;
                self.lapse();
            }
        }
    }

    fn serves(&self, place: usize) -> bool {
        self.served >> place & 1 == 1
    }

    /// A new process has no leases, and nobody has told it what is served.
    fn lapse(&mut self) {
        let served = std::mem::replace(&mut self.served, 7);
        for ((_, place), fate) in self.fates.iter_mut().filter(|(_, fate)| **fate == Fate::Leased) {
            *fate = if served >> place & 1 == 1 { Fate::Due } else { Fate::Parked };
        }
    }

    async fn serve(&mut self, store: &Arc<dyn Store>, set: usize) {
        let names = (0..3).filter(|place| set >> place & 1 == 1).map(|place| name(DESTINATIONS[place]));
        store.serve(names.collect()).await.unwrap();
        self.served = set;
        for ((_, place), fate) in &mut self.fates {
            *fate = match (*fate, set >> place & 1 == 1) {
                (Fate::Due | Fate::Later, false) => Fate::Parked,
                (Fate::Parked, true) => Fate::Due,
                (fate, _) => fate,
            };
        }
    }

    async fn append(&mut self, store: &Arc<dyn Store>, number: usize, set: usize) {
        let chosen: Vec<_> = (0..3).filter(|place| set >> place & 1 == 1).collect();
        let names: Vec<_> = chosen.iter().map(|place| DESTINATIONS[*place]).collect();
        match store.append(to(event(number), &names)).await.unwrap() {
            Appended::Stored { leases, deferred, .. } => {
                assert!(self.events.insert(number, set).is_none(), "{number} was known");
                assert_eq!(leases.len() + deferred.len(), chosen.iter().filter(|place| self.serves(**place)).count());
                for place in chosen {
                    self.fates.insert((number, place), if self.serves(place) { Fate::Due } else { Fate::Parked });
                }
                for lease in leases {
                    let key = (number, place(&lease));
                    self.fates.insert(key, Fate::Leased);
                    self.held.push((key, lease));
                }
            }
            Appended::Duplicate { due, .. } => {
                let before = *self.events.get(&number).unwrap_or_else(|| panic!("{number} was lost"));
                let mut due: Vec<_> = due.iter().map(|due| DESTINATIONS.iter().position(|text| **text == **due).unwrap()).collect();
                due.sort_unstable();
                assert_eq!(due, self.repeat(number, before, chosen));
            }
            Appended::Variant { .. } => panic!("each event has one body"),
        }
    }

    /// What the same bytes again change: dead ones are due, and what went nowhere goes where the plan says.
    fn repeat(&mut self, number: usize, before: usize, chosen: Vec<usize>) -> Vec<usize> {
        let serves = |place: usize| self.served >> place & 1 == 1;
        if before == 0 {
            self.events.insert(number, chosen.iter().map(|place| 1 << place).sum());
            for place in &chosen {
                self.fates.insert((number, *place), if serves(*place) { Fate::Due } else { Fate::Parked });
            }
            return chosen.into_iter().filter(|place| serves(*place)).collect();
        }
        let helped = |((of, place), fate): &(&(usize, usize), &mut Fate)| *of == number && **fate == Fate::Dead && serves(*place);
        let dead = self.fates.iter_mut().filter(helped);
        dead.map(|((_, place), fate)| {
            *fate = Fate::Due;
            *place
        })
        .collect()
    }

    async fn lease(&mut self, store: &Arc<dyn Store>, destination: usize, max: usize) {
        let leased = store.lease(&name(DESTINATIONS[destination]), max).await.unwrap();
        let due = self.fates.iter().filter(|((_, place), fate)| *place == destination && **fate == Fate::Due).count();
        assert_eq!(leased.leases.len(), due.min(max));
        let more = due > max || self.fates.iter().any(|((_, place), fate)| *place == destination && *fate == Fate::Later);
        assert_eq!(leased.next_due.is_some(), more);
        for lease in leased.leases {
            let number = *self.events.keys().find(|number| event(**number).id == lease.event.id).unwrap();
            let key = (number, destination);
            assert_eq!(self.fates.insert(key, Fate::Leased), Some(Fate::Due));
            assert_eq!(lease.attempts, self.attempts.get(&key).copied().unwrap_or(0));
            self.held.push((key, lease));
        }
    }

    async fn settle(&mut self, store: &Arc<dyn Store>, at: usize, next: u8) {
        if self.held.is_empty() {
            return;
        }
        let (key, lease) = self.held.swap_remove(at % self.held.len());
        let (next, mut fate) = match next {
            0 => (Next::RetryAt(Timestamp::from_millis(0)), Fate::Due),
            1 => (Next::RetryAt(in_an_hour()), Fate::Later),
            2 => (Next::Dead, Fate::Dead),
            3.. => (Next::Delivered, Fate::Done),
        };
        if matches!(next, Next::RetryAt(_)) && !self.serves(key.1) {
            fate = Fate::Parked;
        }
        store.settle(settlement(&lease, next)).await.unwrap();
        *self.attempts.entry(key).or_default() += 1;
        self.fates.insert(key, fate);
    }

    async fn retry(&mut self, store: &Arc<dyn Store>, number: usize) {
        let retried = store.retry(event(number).id, None).await.unwrap();
        assert_eq!(retried.is_some(), self.events.contains_key(&number));
        for destination in retried.map(|retried| retried.due).unwrap_or_default() {
            let place = DESTINATIONS.iter().position(|text| **text == *destination).unwrap();
            let before = self.fates.insert((number, place), Fate::Due);
            assert!(matches!(before, Some(Fate::Due | Fate::Later | Fate::Dead | Fate::Parked)) && self.serves(place), "{before:?}");
        }
        let is_left = |((of, place), fate): (&(usize, usize), &Fate)| {
            *of == number && self.serves(*place) && matches!(fate, Fate::Later | Fate::Dead | Fate::Parked)
        };
        assert!(!self.fates.iter().any(is_left));
    }

    /// To those of the set: what is on its way stays as it is, everything else that is served begins anew.
    async fn replay(&mut self, store: &Arc<dyn Store>, number: usize, set: usize) {
        let chosen: Vec<_> = (0..3).filter(|place| set >> place & 1 == 1).collect();
        let names: Vec<_> = chosen.iter().map(|place| name(DESTINATIONS[*place])).collect();
        let replayed = store.replay(event(number).id, Selection::to(&names)).await.unwrap();
        let Some(before) = self.events.get(&number).copied() else { return assert_eq!(replayed, None) };
        let mut wanted = Retried::default();
        for place in chosen {
            let destination = name(DESTINATIONS[place]);
            match self.fates.get(&(number, place)) {
                Some(Fate::Leased) => wanted.in_flight.push(destination),
                _ if !self.serves(place) => wanted.removed.push(destination),
                // One that failed and is due again is retrying; one that was never tried in its run waits.
                Some(Fate::Due) if replayed_in_flight(&replayed, &destination) => wanted.in_flight.push(destination),
                Some(Fate::Due | Fate::Later | Fate::Done | Fate::Dead | Fate::Parked) | None => {
                    self.fates.insert((number, place), Fate::Due);
                    *self.events.entry(number).or_insert(before) |= 1 << place;
                    wanted.due.push(destination);
                }
            }
        }
        assert_eq!(replayed, Some(Replayed::Begun(wanted)));
    }

    /// Everything is as it has to be, at last.
    async fn check(&self, store: &Arc<dyn Store>) {
        until("the store is as the model", || async {
            let mut found = BTreeMap::new();
            for event in store.search(Query { limit: 1_000, ..all() }).await.unwrap().events {
                let number = *self.events.keys().find(|number| super::event(**number).id == event.id).unwrap();
                for delivery in event.deliveries {
                    let place = DESTINATIONS.iter().position(|text| **text == *delivery.destination).unwrap();
                    found.insert((number, place), (delivery.status, delivery.attempts));
                }
            }
            let is_right = |(key, fate): (&(usize, usize), &Fate)| {
                let Some((status, attempts)) = found.get(key) else { return false };
                let waits = matches!(status, DeliveryStatus::Waiting | DeliveryStatus::Retrying);
                let fits = match fate {
                    Fate::Leased if !self.serves(key.1) => *status == DeliveryStatus::Parked,
                    Fate::Leased | Fate::Due => waits,
                    Fate::Parked => *status == DeliveryStatus::Parked,
                    Fate::Later => *status == DeliveryStatus::Retrying,
                    Fate::Done => *status == DeliveryStatus::Delivered,
                    Fate::Dead => *status == DeliveryStatus::Dead,
                };
                fits && *attempts == self.attempts.get(key).copied().unwrap_or(0)
            };
            found.len() == self.fates.len() && self.fates.iter().all(is_right)
        })
        .await;
    }
}

fn replayed_in_flight(replayed: &Option<Replayed>, destination: &Name) -> bool {
    matches!(replayed, Some(Replayed::Begun(Retried { in_flight, .. })) if in_flight.contains(destination))
}

#[test]
fn nothing_is_lost_on_any_walk() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let walk = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut house = House::new(SQLITE);
            let mut store = Some(house.open());
            let mut model =
                Model { served: 7, fates: BTreeMap::new(), attempts: BTreeMap::new(), events: BTreeMap::new(), held: Vec::new() };
            for step in steps {
                model.step(&mut house, &mut store, step).await;
            }
            model.check(store.as_ref().unwrap()).await;
            model.step(&mut house, &mut store, Step::Restart).await;
            for destination in 0..3 {
                model.lease(store.as_ref().unwrap(), destination, 100).await;
            }
        });
        Ok(())
    };
    runner.run(&steps(), walk).unwrap();
}
