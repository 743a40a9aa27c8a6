//! Where log lines go: into a bounded buffer that a thread writes to stderr. A line that cannot be written is dropped and
//! counted; it never panics, never blocks, and never changes an answer.

use crate::tasks;
use prometheus::IntCounter;
use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people, in colour where that is wanted.
    Text {
        /// Whether stderr is a terminal that takes colours.
        is_coloured: bool,
    },
}

/// Bytes that wait to be written at most.
const BOUND: usize = 1 << 20;
/// Lines are written together: at most so much later.
const DELAY: Duration = Duration::from_millis(20);

/// The buffer between those who log and the thread that writes.
#[derive(Debug, Default)]
pub struct Log {
    state: Mutex<State>,
    changed: Condvar,
    dropped: OnceLock<IntCounter>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    is_closed: bool,
}

impl Log {
    /// Starts the thread and makes this the log of the process. Lines go to stderr.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(format: Format) -> io::Result<Arc<Self>> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        tasks::thread("log", move || writer.run(&mut io::stderr()))?;
        let layer = tracing_subscriber::fmt::layer().with_writer(To(Arc::clone(&log))).with_target(false);
        let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
        // A second log in one process (in tests) leaves the first one in place.
        match format {
            Format::Json => registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init().ok(),
            Format::Text { is_coloured } => registry.with(layer.with_ansi(is_coloured)).try_init().ok(),
        };
        Ok(log)
    }

    /// Counts dropped lines there from now on.
    pub fn count_dropped(&self, counter: IntCounter) {
        self.dropped.set(counter).ok();
    }

    /// Waits until all that was logged is written, a second at most.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.notify_all();
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.changed.wait_timeout_while(state, Duration::from_secs(1), is_busy));
    }

    fn run(&self, out: &mut dyn Write) {
        let mut lines = Vec::new();
        loop {
            let state = self.lock();
            let mut state = self
                .changed
                .wait_while(state, |state| state.waiting.is_empty() && !state.is_closed)
                .unwrap_or_else(PoisonError::into_inner);
            if !state.is_closed {
                let waited = self.changed.wait_timeout_while(state, DELAY, |state| state.waiting.len() < BOUND / 2 && !state.is_closed);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.is_closed && state.waiting.is_empty() {
                return;
            }
            std::mem::swap(&mut lines, &mut state.waiting);
            state.is_writing = true;
            drop(state);
            if out.write_all(&lines).is_err() {
                self.drop_lines(&lines);
            }
            lines.clear();
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > BOUND || state.is_closed {
            drop(state);
            self.drop_lines(line);
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        let is_full = state.waiting.len() >= BOUND / 2;
        drop(state);
        if was_empty || is_full {
            self.changed.notify_all();
        }
    }

    fn drop_lines(&self, lines: &[u8]) {
        if let Some(counter) = self.dropped.get() {
            counter.inc_by(lines.iter().filter(|byte| **byte == b'\n').count() as u64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer for one line.
struct To(Arc<Log>);

impl<'a> MakeWriter<'a> for To {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Log);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn counted() -> (Log, IntCounter) {
        let (log, counter) = (Log::default(), IntCounter::new("dropped", "lines").unwrap());
        log.count_dropped(counter.clone());
        (log, counter)
    }

    #[test]
    fn lines_are_written_in_order_and_whole() {
        let (log, counter) = counted();
        for number in 0..100 {
            log.push(format!("{number}\n").as_bytes());
        }
        log.lock().is_closed = true;
        let mut out = Vec::new();
        log.run(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap().lines().map(|line| line.parse().unwrap()).collect::<Vec<u32>>(),
            (0..100).collect::<Vec<_>>()
        );
        assert_eq!(counter.get(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_dropped_and_counted() {
        let (log, counter) = counted();
        log.push(b"one\n");
        log.push(b"two\n");
        log.lock().is_closed = true;
        log.run(&mut Full);
        assert_eq!(counter.get(), 2);
    }

    #[test]
    fn beyond_the_bound_lines_are_dropped_and_counted() {
        let (log, counter) = counted();
        let line = [b'x'; 1023].iter().copied().chain([b'\n']).collect::<Vec<_>>();
        for _ in 0..BOUND / 1024 + 10 {
            log.push(&line);
        }
        assert_eq!(counter.get(), 10);
        assert!(log.lock().waiting.len() <= BOUND);
    }
}
