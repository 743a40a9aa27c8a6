//! Waiting for conditions: tests never wait for a fixed time.

use hookgate::domain::clock::Clock;
use std::{fmt::Debug, future::Future, time::Duration};

/// The longest that anything is waited for: far more than any of it takes, so that only a real fault ends here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; panics with what was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let clock = Clock::system();
    let start = clock.instant();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(clock.instant().duration_since(start) < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks until the answer is the expected one; panics with the last one.
pub async fn until_eq<T: PartialEq + Debug, F: Future<Output = T>>(what: &str, expected: T, mut ask: impl FnMut() -> F) {
    let clock = Clock::system();
    let start = clock.instant();
    loop {
        let answer = ask().await;
        if answer == expected {
            return;
        }
        assert!(clock.instant().duration_since(start) < PATIENCE, "waited in vain for {what}: {expected:?}, found {answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
