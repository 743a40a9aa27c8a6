//! Lets a lane go on when it is time: after a hold, for a probe, at its rate.

use super::{gate::Cause, track::Track};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Timers are no finer.
const SHORTEST: Duration = Duration::from_millis(1);

/// Looks after one lane, for ever.
pub(super) async fn keep_time(track: Arc<Track>) {
    loop {
        let began = track.clock.instant();
        let wait = track.queue().set_alarm(began);
        match wait {
            None => track.turn.notified().await,
            Some(wait) => {
                let time = wait.until.saturating_duration_since(began).max(SHORTEST);
                // Both ends of the wait are a reason to look.
                let _ = timeout(time, track.turn.notified()).await;
                if wait.cause == Cause::Rate
                    && let Some(metrics) = &track.metrics
                {
                    metrics.rate_limited(track.clock.instant().duration_since(began));
                }
            }
        }
        track.staff();
    }
}
