//! Works off bulk replays: all that go on, each at its own rate, step by step, until the store is closed.
//! A step is read here and made whole by the store, so a stop or a crash between two loses nothing and repeats nothing.

use super::{Gateway, replay::selection};
use crate::{
    deliver::lanes::Lanes,
    domain::{
        clock::{Clock, Instant},
        delivery::Seq,
        event::Flags,
        name::Name,
        quantity::Rate,
    },
    metrics::Metrics,
    store::{
        Aim, Bulk, BulkId, BulkOrder, BulkState, BulkStep, Direction, EventSummary, Query, Selection, Stepped, Store, StoreError, Which,
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};

/// Steps of a bulk replay come about so often: so many events as its rate allows in that time are in one.
const STRIDE: Duration = Duration::from_millis(100);

/// No step has more events: some milliseconds of the store, for which events wait.
const STEP: usize = 100;

/// Events counted at once.
const COUNTED: usize = 1_000;

/// How long a destination that has enough to do is left alone, and a store that fails.
const REST: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(1);

/// All bulk replays.
pub struct Bulks {
    store: Arc<dyn Store>,
    gateway: Arc<dyn Gateway>,
    lanes: Arc<Lanes>,
    metrics: Arc<Metrics>,
    clock: Clock,
    news: Notify,
    held_by: Mutex<HashMap<BulkId, Name>>,
}

/// What is known of a bulk replay beside the store.
struct Course {
    /// Its next step is not before.
    due_at: Instant,
    /// How many events there are, as far as they are counted, and up to where.
    counted: u64,
    counted_to: Option<Seq>,
    /// The count, once it is whole.
    total: Option<u64>,
}

impl Bulks {
    /// None is looked at before [`Bulks::run`].
    pub fn new(store: Arc<dyn Store>, gateway: Arc<dyn Gateway>, lanes: Arc<Lanes>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { store, gateway, lanes, metrics, clock, news: Notify::new(), held_by: Mutex::default() }
    }

    /// Works until the store is closed.
    pub async fn run(&self) {
        let mut courses: HashMap<BulkId, Course> = HashMap::new();
        loop {
            let wait = match self.round(&mut courses).await {
                Ok(wait) => wait,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "bulk replays wait for the store");
                    Some(PATIENCE)
                }
            };
            match wait {
                // Whether there was news or not, the next round looks at everything.
                Some(wait) => drop(timeout(wait, self.news.notified()).await),
                None => self.news.notified().await,
            }
        }
    }

    /// One was ordered or cancelled.
    pub(super) fn told(&self) {
        self.news.notify_one();
    }

    /// The destination that one waits for, since it has enough to do.
    pub(super) fn held_by(&self, id: BulkId) -> Option<Name> {
        self.held_by.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// What the aim means for an event; `None`: the store holds a damaged row of it.
    pub(super) async fn choose(&self, aim: &Aim, event: &EventSummary) -> Result<Option<Selection>, StoreError> {
        // Nothing is to be decided of what is not sent.
        let aim = if event.flags.contains(Flags::DISCARDED) { &Aim::Planned } else { aim };
        match selection(&*self.store, &*self.gateway, aim, event.id).await {
            // It is gone by now, which the step will find too.
            Ok(found) => Ok(Some(found.unwrap_or(Selection::Planned))),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the steps that are due; gives how long nothing is. `None`: until there is news.
    async fn round(&self, courses: &mut HashMap<BulkId, Course>) -> Result<Option<Duration>, StoreError> {
        let running = self.store.bulks(Which::Running).await?;
        let goes_on = |id: &BulkId| running.iter().any(|bulk| bulk.id == *id);
        courses.retain(|id, _| goes_on(id));
        self.held_by.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| goes_on(id));
        for bulk in &running {
            let now = self.clock.instant();
            let course = courses.entry(bulk.id).or_insert_with(|| {
                if bulk.tally.events > 0 {
                    tracing::info!(replay = %bulk.id, events = bulk.tally.events, "a bulk replay goes on after a restart");
                }
                Course::new(now)
            });
            if course.due_at <= now {
                self.step(bulk, course).await?;
            }
        }
        let now = self.clock.instant();
        Ok(courses.values().map(|course| course.due_at.saturating_duration_since(now)).min())
    }

    /// Counts first, then replays.
    async fn step(&self, bulk: &Bulk, course: &mut Course) -> Result<(), StoreError> {
        if bulk.total.or(course.total).is_none() {
            let page = self.store.search(query(&bulk.order, course.counted_to, bulk.last, COUNTED)).await?;
            course.counted += page.events.len() as u64;
            course.counted_to = page.next;
            course.total = page.next.is_none().then_some(course.counted);
            return Ok(());
        }
        let rate = bulk.order.rate;
        let page = self.store.search(query(&bulk.order, Some(bulk.cursor), bulk.last, events_per_step(rate))).await?;
        let mut events = Vec::with_capacity(page.events.len());
        for event in &page.events {
            events.push((event.seq, self.choose(&bulk.order.aim, event).await?));
        }
        let step = BulkStep { id: bulk.id, from: bulk.cursor, events, damaged: page.damaged, to: page.next, total: course.total };
        let Some(stepped) = self.store.advance(step).await? else { return Ok(()) };
        let made = u32::try_from(stepped.bulk.tally.events - bulk.tally.events).unwrap_or(u32::MAX);
        course.paced(rate, made, self.clock.instant());
        if stepped.held_by.is_some() || stepped.bulk.cursor == bulk.cursor {
            course.due_at = course.due_at.max(self.clock.instant() + REST);
        }
        self.tell(stepped);
        Ok(())
    }

    fn tell(&self, stepped: Stepped) {
        let Stepped { bulk, due, held_by } = stepped;
        for (name, count) in &due {
            if let Some(metrics) = self.metrics.destination(name) {
                metrics.replayed(*count);
            }
            self.lanes.wake(name);
        }
        {
            let mut held = self.held_by.lock().unwrap_or_else(PoisonError::into_inner);
            match held_by {
                Some(name) => held.insert(bulk.id, name),
                None => held.remove(&bulk.id),
            };
        }
        if bulk.state == BulkState::Done {
            let tally = bulk.tally;
            tracing::info!(replay = %bulk.id, events = tally.events, deliveries = tally.due, "a bulk replay is done");
        }
    }
}

impl Course {
    fn new(now: Instant) -> Self {
        Self { due_at: now, counted: 0, counted_to: None, total: None }
    }

    /// After so many events the next step is as much later as their rate wants. Time in which nothing was done is not made up for.
    fn paced(&mut self, rate: Rate, events: u32, now: Instant) {
        let from = now.checked_sub(STRIDE).map_or(self.due_at, |earliest| self.due_at.max(earliest));
        self.due_at = from + rate.interval() * events;
    }
}

/// A page of the events that an order is about, the oldest first.
pub(super) fn query(order: &BulkOrder, cursor: Option<Seq>, last: Seq, limit: usize) -> Query {
    Query { direction: Direction::OldestFirst, cursor, last: Some(last), limit, ..order.filter.clone() }
}

fn events_per_step(rate: Rate) -> usize {
    let per_stride = STRIDE.as_nanos() / rate.interval().as_nanos().max(1);
    usize::try_from(per_stride).unwrap_or(STEP).clamp(1, STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    #[test]
    fn a_step_has_as_many_events_as_the_rate_allows_in_its_time_and_never_too_many() {
        for (text, events) in [("100000/s", 100), ("1000/s", 100), ("500/s", 50), ("50/s", 5), ("10/s", 1), ("1/s", 1), ("1/h", 1)] {
            assert_eq!(events_per_step(rate(text)), events, "{text}");
        }
    }

    #[test]
    fn over_many_steps_the_rate_is_kept_and_what_was_missed_is_not_made_up_for() {
        let start = Clock::system().instant();
        for (text, events) in [("1000/s", 100), ("50/s", 5), ("7/s", 1), ("30/m", 1)] {
            let mut course = Course::new(start);
            for _ in 0..100 {
                // The step itself takes a while, which does not add up.
                let now = course.due_at + Duration::from_millis(20);
                course.paced(rate(text), events, now);
            }
            assert_eq!(course.due_at - start, rate(text).interval() * events * 100, "{text}");
            let later = course.due_at + Duration::from_secs(3_600);
            course.paced(rate(text), events, later);
            assert_eq!(course.due_at, later - STRIDE + rate(text).interval() * events, "{text}");
        }
    }
}
