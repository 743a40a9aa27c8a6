//! An answer that waits for a destination: from the stored event to the code. It holds no more of the event than it says.

use super::Dispatch;
use crate::{
    domain::{
        clock::{Clock, Instant},
        delivery::Seq,
        id::EventId,
        name::Name,
        order::OrderKey,
        plan::{Plan, Respond, Target, Wait},
        waited::{NotNow, Waited},
    },
    store::{Appended, Progress, Store},
};
use std::{future::Future, pin::Pin, time::Duration};

/// A wait for the first attempt at a delivery. It is over when this is dropped.
pub type Waiting = Pin<Box<dyn Future<Output = Waited> + Send>>;

/// Who may wait for an answer, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// When the first byte of the request came.
    pub(super) started: Instant,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

/// What the rules said to an event, as far as its answer may wait.
pub(super) struct Planned {
    answer: Respond,
    orders: Vec<(Name, OrderKey)>,
}

impl Planned {
    /// Of its plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let in_order = |target: &Target| Some((target.destination.clone(), target.order?));
        Self { answer: plan.answer.clone(), orders: plan.targets.iter().filter_map(in_order).collect() }
    }
}

/// An answer that waits.
pub(super) struct Waiter {
    wait: Wait,
    seq: Seq,
    until: Instant,
    /// Whether the store has more to say: the event was there before the request, so the attempt may have been, too; or the
    /// delivery waits for an earlier one that it is kept in order with.
    asks_store: bool,
    waiting: Waiting,
}

/// What a wait came to.
pub(super) struct Came {
    /// The code of the answer.
    pub(super) code: u16,
    /// What came of the attempt.
    pub(super) waited: Waited,
    /// Where it went.
    pub(super) destination: Name,
    /// How long it took.
    pub(super) took: Duration,
}

impl Waiter {
    /// Begins the wait of an event that was stored with that answer, or was there before with another; `None`: nobody waits.
    /// To be called before its deliveries are handed on.
    pub(super) fn begin(asker: Asker, appended: &Appended, planned: &Planned, dispatch: &dyn Dispatch) -> Option<Self> {
        let (seq, answer, deferred) = match appended {
            Appended::Stored { seq, deferred, .. } => (*seq, &planned.answer, Some(deferred)),
            Appended::Duplicate { seq, answer, .. } => (*seq, answer, None),
            Appended::Variant { .. } => return None,
        };
        let wait = answer.wait()?.clone();
        let asks_store = deferred.is_none_or(|deferred| deferred.contains(&wait.destination));
        let until = asker.started + wait.within.min(asker.patience);
        let order = planned.orders.iter().find(|(name, _)| *name == wait.destination).map(|(_, key)| *key);
        let waiting = dispatch.watch(&wait.destination, seq, order, until);
        Some(Self { wait, seq, until, asks_store, waiting })
    }

    /// Waits, and notes the code.
    pub(super) async fn end(self, id: EventId, store: &dyn Store, clock: &Clock) -> Came {
        let Self { wait, seq, until, asks_store, waiting } = self;
        let began = clock.instant();
        let mut unheard = Unheard { id, destination: &wait.destination, is_over: false };
        let outcome = async {
            let known = if asks_store { stands(seq, &wait.destination, until, store, clock).await } else { None };
            match known {
                Some(waited) => waited,
                None => waiting.await,
            }
        };
        let waited = tokio::time::timeout_at(until.into(), outcome).await.unwrap_or(Waited::Late);
        let code = match waited {
            Waited::Confirmed => wait.ok,
            Waited::Failed | Waited::NotNow(_) | Waited::Late => wait.otherwise,
        };
        store.answered(seq, code);
        unheard.is_over = true;
        Came { code, waited, took: clock.instant().saturating_duration_since(began), destination: wait.destination.clone() }
    }
}

/// What is known already of a delivery that may not start at once; `None`: its attempt is still to be waited for.
async fn stands(seq: Seq, destination: &Name, until: Instant, store: &dyn Store, clock: &Clock) -> Option<Waited> {
    let last = || clock.now().plus(until.saturating_duration_since(clock.instant()));
    match store.progress(seq, destination).await {
        Ok(Progress::Delivered) => Some(Waited::Confirmed),
        Ok(Progress::Over) => Some(Waited::NotNow(NotNow::Over)),
        Ok(Progress::Behind) => Some(Waited::NotNow(NotNow::Behind)),
        Ok(Progress::RetryAt(at)) if at > last() => Some(Waited::NotNow(NotNow::Retrying)),
        Ok(Progress::RetryAt(_) | Progress::Open) => None,
        Err(error) => {
            tracing::warn!(%destination, %error, "the store does not say how far a delivery is; its attempt is waited for");
            None
        }
    }
}

/// Says so where the request ends before its answer does.
struct Unheard<'a> {
    id: EventId,
    destination: &'a Name,
    is_over: bool,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            tracing::info!(event = %self.id, wait_for = %self.destination, "the sender went away while its answer waited; the delivery goes on");
        }
    }
}
