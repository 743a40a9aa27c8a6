//! One attempt: the lease and its body become a request, the outcome becomes a settlement.

use super::{
    Policy,
    caught::caught,
    retry::{self, Counts, Failure},
};
use crate::{
    destination::{Destination, Receipt, SendError},
    domain::{
        attempt::{Attempt, AttemptResult, Next},
        clock::{Clock, Timestamp},
        delivery::{Delivery, Lease, Run, Settlement},
        event::Event,
    },
};
use bytes::Bytes;
use std::time::Duration;

/// What came of a request.
pub(super) struct Sent {
    number: u32,
    at: Timestamp,
    took: Duration,
    outcome: Result<Receipt, SendError>,
}

impl Sent {
    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<&SendError> {
        self.outcome.as_ref().err()
    }
}

/// Why there is nothing to make a request of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    Removed,
    Damaged,
}

impl Gone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "the store no longer has the bytes of this event; nothing was sent",
            Self::Damaged => "the store cannot read this event any more, since what it has of it is damaged; nothing was sent",
        }
    }
}

/// Sends the delivery once. The event is there where the destination asks for it.
pub(super) async fn send(destination: &dyn Destination, lease: &mut Lease, body: Bytes, event: Option<&Event>, clock: &Clock) -> Sent {
    let number = lease.attempts.saturating_add(1);
    let rules = std::mem::take(&mut lease.rules);
    let delivery = Delivery { event: lease.event.clone(), rules, attempt: number, at: clock.now(), body };
    let start = clock.instant();
    let sent = caught(destination.send(&delivery, event)).await;
    let outcome = sent.unwrap_or_else(|| Err(SendError::Protocol("the gateway's own code failed; the log has the place".into())));
    Sent { number, at: delivery.at, took: clock.instant().duration_since(start), outcome }
}

/// A delivery whose event is gone cannot be attempted, now or later.
pub(super) fn without_event(policy: &Policy, lease: &Lease, gone: Gone, clock: &Clock) -> Settlement {
    let attempt = Attempt {
        number: lease.attempts.saturating_add(1),
        at: clock.now(),
        duration: Duration::ZERO,
        result: AttemptResult::Protocol,
        status: None,
        response: None,
        error: Some(gone.as_str().into()),
    };
    tracing::error!(
        event = %lease.event.id, source = %lease.event.source, destination = %lease.destination, attempt = attempt.number,
        "a delivery is dead: {}", gone.as_str()
    );
    let run = retry::with_attempt(lease.run, Duration::ZERO);
    settlement(policy, lease, attempt, run, Next::Dead)
}

/// Decides what follows; `counts` says what of a failure its delivery answers for.
pub(super) fn decide(policy: &Policy, lease: &Lease, sent: Sent, counts: Counts, now: Timestamp) -> Settlement {
    let Sent { number, at, took, outcome } = sent;
    let mut attempt = Attempt { number, at, duration: took, result: AttemptResult::Status2xx, status: None, response: None, error: None };
    let (next, run) = match outcome {
        Ok(receipt) => {
            attempt.result = AttemptResult::of_status(receipt.status);
            attempt.status = Some(receipt.status);
            (Next::Delivered, retry::with_attempt(lease.run, took))
        }
        Err(error) => {
            let (next, run) =
                retry::after(policy, &Failure { error: &error, took, counts, order: lease.order }, lease.run, now, fastrand::f64());
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
                | SendError::Protocol(_)
                | SendError::Unsendable(_)) => attempt.error = Some(error.to_string().into()),
            }
            (next, run)
        }
    };
    settlement(policy, lease, attempt, run, next)
}

fn settlement(policy: &Policy, lease: &Lease, attempt: Attempt, run: Run, next: Next) -> Settlement {
    let order_wait = lease.order.map(|_| policy.order_wait);
    Settlement { seq: lease.event.seq, destination: lease.destination.clone(), attempt, run, next, order_wait }
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
