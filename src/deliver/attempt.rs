//! One attempt: the lease and its body become a request, the outcome becomes a settlement.

use super::{Policy, caught::caught, retry};
use crate::{
    destination::{Destination, Receipt, SendError},
    domain::{
        attempt::{Attempt, AttemptResult, Next},
        clock::Clock,
        delivery::{Delivery, Lease, Settlement},
    },
};
use bytes::Bytes;
use std::time::Duration;

/// Sends the delivery once and decides what follows.
pub(super) async fn make(destination: &dyn Destination, policy: &Policy, lease: &mut Lease, body: Bytes, clock: &Clock) -> Settlement {
    let delivery = Delivery {
        event: lease.event.clone(),
        rules: std::mem::take(&mut lease.rules),
        attempt: lease.attempts.saturating_add(1),
        at: clock.now(),
        body,
    };
    let start = clock.instant();
    let sent = caught(destination.send(&delivery)).await;
    let outcome = sent.unwrap_or_else(|| Err(SendError::Protocol("the gateway's own code failed; the log has the place".into())));
    let took = clock.instant().duration_since(start);
    decide(policy, lease, &delivery, outcome, took, clock)
}

/// A delivery whose bytes are gone cannot be attempted, now or later.
pub(super) fn without_body(lease: &Lease, clock: &Clock) -> Settlement {
    let attempt = Attempt {
        number: lease.attempts.saturating_add(1),
        at: clock.now(),
        duration: Duration::ZERO,
        result: AttemptResult::Protocol,
        status: None,
        response: None,
        error: Some("the store no longer has the bytes of this event; nothing was sent".into()),
    };
    tracing::error!(
        event = %lease.event.id, source = %lease.event.source, destination = %lease.destination, attempt = attempt.number,
        "the store no longer has the bytes of an event that waits; its delivery is dead"
    );
    let run = retry::with_attempt(lease.run, Duration::ZERO);
    Settlement { seq: lease.event.seq, destination: lease.destination.clone(), attempt, run, next: Next::Dead }
}

fn decide(
    policy: &Policy,
    lease: &Lease,
    delivery: &Delivery,
    outcome: Result<Receipt, SendError>,
    took: Duration,
    clock: &Clock,
) -> Settlement {
    let mut attempt = Attempt {
        number: delivery.attempt,
        at: delivery.at,
        duration: took,
        result: AttemptResult::Status2xx,
        status: None,
        response: None,
        error: None,
    };
    let (next, run) = match outcome {
        Ok(receipt) => {
            attempt.result = AttemptResult::of_status(receipt.status);
            attempt.status = Some(receipt.status);
            (Next::Delivered, retry::with_attempt(lease.run, took))
        }
        Err(error) => {
            let (next, run) = retry::after(policy, &error, lease.run, took, clock.now(), fastrand::f64());
            attempt.result = error.result();
            attempt.status = error.status();
            log(lease, &attempt, &error, next);
            match error {
                SendError::Status { response, .. } => attempt.response = Some(response).filter(|response| !response.is_empty()),
                error @ (SendError::Timeout(_)
                | SendError::Dns { .. }
                | SendError::Refused { .. }
                | SendError::Connect(_)
                | SendError::Tls(_)
                | SendError::Auth(_)
                | SendError::Protocol(_)) => attempt.error = Some(error.to_string().into()),
            }
            (next, run)
        }
    };
    Settlement { seq: lease.event.seq, destination: lease.destination.clone(), attempt, run, next }
}

fn log(lease: &Lease, attempt: &Attempt, error: &SendError, next: Next) {
    let next = match next {
        Next::RetryAt(at) => at.to_string(),
        Next::Dead => "dead".to_owned(),
        Next::Delivered => "delivered".to_owned(),
    };
    tracing::warn!(
        event = %lease.event.id,
        source = %lease.event.source,
        destination = %lease.destination,
        attempt = attempt.number,
        result = attempt.result.as_str(),
        status = attempt.status,
        ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        next = next.as_str(),
        "an attempt failed: {error}"
    );
}
