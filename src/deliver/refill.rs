//! Asks the store for what is due: at the start, when told of a backlog, and when the next retry falls due.

use super::{caught::caught, patience::Patience, queue::Refill, track::Track};
use crate::store::StoreError;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// However far away the next due time is, the store is asked this often: the clock may be set.
const LOOK: Duration = Duration::from_secs(60);

/// Retries that fall due within this time are leased together.
const GATHER: Duration = Duration::from_millis(10);

/// How long a store that says "now" and gives nothing is left alone.
const STUCK: Duration = Duration::from_millis(100);

/// Keeps one lane filled, until the store is closed.
pub(super) async fn keep_filled(track: Arc<Track>) {
    let mut patience = Patience::new();
    let mut tidied = track.clock.instant();
    loop {
        let step = track.queue().refill(track.clock.now());
        match step {
            Refill::Ask(max) => match caught(ask(&track, max)).await {
                Some(Ok(())) => patience = Patience::new(),
                Some(Err(StoreError::Closed)) => return,
                failed => {
                    let cause = failed.and_then(Result::err).map_or("a panic".to_owned(), |error| error.to_string());
                    tracing::warn!(destination = %track.name, "the store gives no leases and is asked again: {cause}");
                    patience.pause().await;
                    track.queue().told_of_backlog();
                }
            },
            Refill::Wait(time) => {
                let time = time.map_or(LOOK, |time| time.clamp(GATHER, LOOK));
                if timeout(time, track.news.notified()).await.is_err() && time == LOOK {
                    track.queue().doubt();
                }
                let now = track.clock.instant();
                if now.duration_since(tidied) >= LOOK {
                    track.lane().destination.tidy();
                    tidied = now;
                }
            }
        }
    }
}

async fn ask(track: &Arc<Track>, max: usize) -> Result<(), StoreError> {
    let leased = track.store.lease(&track.name, max).await?;
    let stuck = leased.leases.is_empty() && leased.next_due.is_some_and(|due| due <= track.clock.now());
    let unwanted = track.queue().leased(leased);
    track.store.give_back(unwanted);
    track.staff();
    if stuck {
        tokio::time::sleep(STUCK).await;
    }
    Ok(())
}
