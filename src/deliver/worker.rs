//! A worker of a lane: takes a lease, attempts it, settles it, takes the next. It leaves when nothing waits.

use super::{
    attempt::{self, Gone},
    breaker::Pass,
    caught::caught,
    lanes::Lane,
    patience::Patience,
    track::Track,
};
use crate::{
    domain::{
        attempt::Next,
        delivery::{Lease, Settlement},
        event::{Event, Flags},
    },
    store::{Answer, StoreError},
};
use bytes::Bytes;
use std::sync::Arc;

/// While stopping, a failing store is given this many more tries; then the attempt is made again after the next start.
const TRIES_WHILE_DRAINING: u32 = 5;

/// Works until the queue is empty or closed.
pub(super) async fn work(track: Arc<Track>) {
    while let Some((lease, pass)) = track.take() {
        let (event, seq) = (lease.event.id, lease.event.seq);
        let mut pass = Some(pass);
        let settlement = caught(handle(&track, lease, &mut pass)).await.unwrap_or_else(|| {
            let destination = &track.name;
            tracing::error!(%event, %destination, "the gateway's own code failed around an attempt; the delivery waits for the next start");
            None
        });
        track.give_back(seq, settlement.as_ref(), pass);
    }
}

/// The settlement, where there was one. Takes the pass once it is known what came of the attempt.
async fn handle(track: &Arc<Track>, mut lease: Lease, pass: &mut Option<Pass>) -> Option<Settlement> {
    let Some((lane, material)) = material(track, &lease).await else {
        track.store.give_back(vec![lease]);
        return None;
    };
    let settlement = match material {
        Ok(Material { body, event }) => {
            let sent = attempt::send(&*lane.destination, &mut lease, body, event.as_ref(), &track.clock).await;
            let now = track.clock.now();
            let counts = track.ended(pass.take(), &lane.policy, sent.failure(), now);
            attempt::decide(&lane.policy, &lease, sent, counts, now)
        }
        Err(gone) => attempt::without_event(&lane.policy, &lease, gone, &track.clock),
    };
    track.tell(settlement.seq, lease.order, &settlement);
    if let Some(metrics) = &track.metrics {
        metrics.attempt(settlement.attempt.result, settlement.attempt.duration);
    }
    settle(track, &settlement).await?;
    if let Some(metrics) = &track.metrics {
        match settlement.next {
            Next::Delivered => {
                let is_first = !lease.event.flags.contains(Flags::REPLAYED);
                metrics.delivered(is_first.then(|| track.clock.now().since(lease.event.received_at)));
            }
            Next::Dead => metrics.dead(),
            Next::RetryAt(_) => {}
        }
    }
    Some(settlement)
}

/// What a request is made of.
struct Material {
    body: Bytes,
    /// Where the destination asks for its fields.
    event: Option<Event>,
}

/// The lane as it is now, and what its destination needs; `None`: the store does not give it, and is closed.
async fn material(track: &Track, lease: &Lease) -> Option<(Arc<Lane>, Result<Material, Gone>)> {
    if !track.lane().destination.needs_event() {
        let body = match &lease.body {
            Some(held) => Ok(held.bytes.clone()),
            None => insist(track, || track.store.body(lease.event.seq)).await?,
        };
        // A reload may have come while the store was asked.
        let lane = track.lane();
        if !lane.destination.needs_event() {
            return Some((lane, body.map(|body| Material { body, event: None })));
        }
    }
    let kept = insist(track, || track.store.kept(lease.event.seq)).await?;
    let event = kept.map(track.open);
    Some((track.lane(), event.map(|event| Material { body: event.payload.bytes().clone(), event: Some(event) })))
}

/// What the store has; `None`: it does not say, and is closed.
async fn insist<'s, T>(track: &Track, ask: impl Fn() -> Answer<'s, Option<T>>) -> Option<Result<T, Gone>> {
    let mut insistence = Insistence::new(track, "read");
    loop {
        match ask().await {
            Ok(found) => return Some(found.ok_or(Gone::Removed)),
            Err(error) if error.is_damage() => return Some(Err(Gone::Damaged)),
            Err(error) => insistence.after(&error).await?,
        }
    }
}

async fn settle(track: &Track, settlement: &Settlement) -> Option<()> {
    let mut insistence = Insistence::new(track, "settle");
    loop {
        match track.store.settle(settlement.clone()).await {
            Ok(()) => return Some(()),
            Err(error) => insistence.after(&error).await?,
        }
    }
}

/// Calls a failing store again, until it is closed.
struct Insistence<'a> {
    track: &'a Track,
    operation: &'static str,
    patience: Patience,
    tries_left: u32,
}

impl<'a> Insistence<'a> {
    fn new(track: &'a Track, operation: &'static str) -> Self {
        Self { track, operation, patience: Patience::new(), tries_left: TRIES_WHILE_DRAINING }
    }

    /// Waits for the next try; `None`: there is none, and the delivery waits for the next start.
    async fn after(&mut self, error: &StoreError) -> Option<()> {
        let (destination, operation) = (&self.track.name, self.operation);
        if self.track.queue().gate().is_draining() {
            self.tries_left -= 1;
        }
        if self.tries_left == 0 || matches!(error, StoreError::Closed) {
            tracing::error!(%destination, operation, "the store does not do its part, so an attempt is made again after the next start: {error}");
            return None;
        }
        tracing::warn!(%destination, operation, "the store does not do its part and is tried again: {error}");
        self.patience.pause().await;
        Some(())
    }
}
