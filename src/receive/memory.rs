//! The bound on the memory of bodies that are being read or held. Reserved as bytes arrive;
//! when it is spent we stop reading, we do not refuse.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for bodies. Small ones have a share of their own, so that large ones cannot keep them out; known senders have one,
/// so that bodies that strangers never finish cannot.
#[derive(Debug, Clone)]
pub struct BodyMemory {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    known: Arc<Semaphore>,
    /// One body at a time may exceed the bound, by one body at most: else many that are half read could wait for each other for ever.
    overdraft: Arc<Semaphore>,
}

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Of one that sent a right signature lately.
    Known,
    /// Of anybody.
    #[default]
    Unknown,
}

/// What one body has reserved; given back when dropped.
#[derive(Debug, Default)]
pub struct Reserved {
    standing: Standing,
    bytes: usize,
    permits: Vec<OwnedSemaphorePermit>,
    overdrawn: bool,
}

/// Bodies up to this size live in the share of their own.
const SMALL: usize = 64 << 10;

impl Reserved {
    /// Nothing yet, for the body of such a sender.
    pub fn of(standing: Standing) -> Self {
        Self { standing, ..Self::default() }
    }
}

impl BodyMemory {
    /// With so many bytes for each share.
    pub fn new(small: usize, large: usize, known: usize) -> Self {
        let [small, large, known, overdraft] = [small, large, known, 1].map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { small, large, known, overdraft }
    }

    /// Reserves room for further bytes of a body; waits while there is none.
    pub async fn reserve(&self, body: &mut Reserved, bytes: usize) {
        let small = bytes.min(SMALL.saturating_sub(body.bytes));
        self.take(&self.small, body, small).await;
        self.take(&self.large, body, bytes - small).await;
        body.bytes += bytes;
    }

    async fn take(&self, share: &Arc<Semaphore>, body: &mut Reserved, bytes: usize) {
        if bytes == 0 || body.overdrawn {
            return;
        }
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        let is_known = body.standing == Standing::Known;
        let permit = match Arc::clone(share).try_acquire_many_owned(count) {
            Ok(permit) => Ok(permit),
            Err(_none_left) => tokio::select! {
                biased;
                permit = Arc::clone(share).acquire_many_owned(count) => permit,
                permit = Arc::clone(&self.known).acquire_many_owned(count), if is_known => permit,
                permit = Arc::clone(&self.overdraft).acquire_owned() => {
                    body.overdrawn = true;
                    permit
                }
            },
        };
        body.permits.push(permit.expect("the semaphores are never closed"));
        merge(&mut body.permits);
    }
}

/// Joins the newest permit with an older one of the same share, so that a body of many small pieces keeps few of them.
fn merge(permits: &mut Vec<OwnedSemaphorePermit>) {
    let Some(newest) = permits.pop() else { return };
    match permits.iter_mut().find(|permit| Arc::ptr_eq(permit.semaphore(), newest.semaphore())) {
        Some(older) => older.merge(newest),
        None => permits.push(newest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::Future, pin::pin, task::Context};

    fn is_pending<T>(future: impl Future<Output = T>) -> bool {
        pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn large_bodies_cannot_keep_small_ones_out() {
        let memory = BodyMemory::new(SMALL, 1 << 20, 0);
        let (mut first, mut second, mut third) = (Reserved::default(), Reserved::default(), Reserved::default());
        memory.large.clone().try_acquire_many_owned(1 << 20).expect("all is free").forget();
        memory.reserve(&mut first, SMALL / 2).await;
        memory.take(&memory.large, &mut second, 1).await;
        assert!(second.overdrawn);
        memory.reserve(&mut third, SMALL / 2).await;
        assert!(!third.overdrawn);
    }

    #[tokio::test]
    async fn when_all_is_spent_one_body_goes_on_and_the_others_wait() {
        let memory = BodyMemory::new(SMALL, 100, 0);
        let mut first = Reserved::default();
        memory.reserve(&mut first, SMALL + 100).await;
        let (mut second, mut third) = (Reserved::default(), Reserved::default());
        memory.reserve(&mut second, 1000).await;
        assert!(second.overdrawn);
        assert!(is_pending(memory.reserve(&mut third, 1)));
        drop(first);
        memory.reserve(&mut third, 1).await;
        assert!(!third.overdrawn);
    }

    #[tokio::test]
    async fn strangers_cannot_keep_known_senders_out() {
        let memory = BodyMemory::new(100, 0, 100);
        let (mut first, mut second, mut third) = (Reserved::default(), Reserved::default(), Reserved::default());
        memory.reserve(&mut first, 100).await;
        memory.reserve(&mut second, 100).await;
        assert!(second.overdrawn && is_pending(memory.reserve(&mut third, 1)));
        let mut known = Reserved::of(Standing::Known);
        memory.reserve(&mut known, 100).await;
        assert!(!known.overdrawn);
        assert!(is_pending(memory.reserve(&mut Reserved::of(Standing::Known), 1)), "that share has its end too");
        drop(known);
        assert_eq!(memory.known.available_permits(), 100);
    }

    #[tokio::test]
    async fn everything_is_given_back() {
        let memory = BodyMemory::new(SMALL, 1 << 20, 0);
        let mut body = Reserved::default();
        for _ in 0..100 {
            memory.reserve(&mut body, 4096).await;
        }
        assert_eq!(body.permits.len(), 2);
        drop(body);
        assert_eq!((memory.small.available_permits(), memory.large.available_permits()), (SMALL, 1 << 20));
    }
}
