//! The only place that spawns. Every task and thread has a name and an owner, who holds its handle.

use std::{future::Future, io, thread};
use tokio::task::JoinHandle;

/// Starts a task on the runtime that the caller runs on.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(task)
}

/// Runs blocking work away from the tasks.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(work)
}

/// Starts a thread of its own.
///
/// # Errors
/// The system has no thread to give.
pub fn thread<F>(name: &str, work: F) -> io::Result<thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
