//! The provider: numbered events of 1.1 KB, posted over kept-alive connections and timed.

use super::support::sender::{Connection, KEY, request};
use hookgate::{
    domain::{
        clock::{Clock, Instant},
        secret::Secret,
    },
    provider::ottu,
    tasks,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const SAMPLE: &str = include_str!("../../tests/data/ottu/payment.paid.json");

/// The event of that number, in that state, signed. No two are alike.
pub fn event(state: &str, number: usize) -> Vec<u8> {
    let text = SAMPLE.replace("\"Y3ODg\"", &format!("\"number-{number}\"")).replace("\"paid\"", &format!("\"{state}\""));
    ottu::sign(text.as_bytes(), &Secret::new(KEY)).expect("the sample is an object")
}

/// The number of an event that [`event`] made.
pub fn number(body: &[u8]) -> usize {
    let mark = b"\"number-";
    let at = body.windows(mark.len()).position(|window| window == mark).expect("it is one of ours") + mark.len();
    body[at..].iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// How fast events are posted.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Each connection as fast as it is answered.
    Free,
    /// So many a second; the time of an answer counts from when its event was due.
    PerSecond(u32),
}

/// Posts the events over so many connections; gives when it began, and the times of the answers, all of which are 200.
pub async fn post(to: SocketAddr, events: Vec<Vec<u8>>, connections: usize, pace: Pace) -> (Instant, Vec<Duration>) {
    let clock = Clock::system();
    let began = clock.instant();
    let (events, next) = (Arc::new(events), Arc::new(AtomicUsize::new(0)));
    let work = |_| {
        let (events, next, clock) = (events.clone(), next.clone(), clock.clone());
        tasks::spawn(async move {
            let mut connection = Connection::open(to).await;
            let mut times = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = events.get(place) else { return times };
                let due = match pace {
                    Pace::Free => clock.instant(),
                    Pace::PerSecond(rate) => began + Duration::from_secs(1) * place as u32 / rate,
                };
                tokio::time::sleep_until(due.into()).await;
                connection.send(&request("POST", "/webhooks/ottu", &[("content-type", "application/json")], body)).await;
                assert_eq!(connection.answer().await.map(|answer| answer.code), Some(200));
                times.push(clock.instant().duration_since(due));
            }
        })
    };
    let workers: Vec<_> = (0..connections).map(work).collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.expect("a sender ends"));
    }
    (began, times)
}

/// Of so many hundredths of the times none is longer, in milliseconds.
pub fn percentile(times: &[Duration], hundredths: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * hundredths / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}
