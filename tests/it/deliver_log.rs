//! What the lanes write into the log, and what never.

use crate::{
    deliver::{Gateway, finished, policy},
    support::sink::{Reply, Sink},
};
use hookgate::{
    deliver::lanes::Lane,
    destination::{self, Settings},
    domain::{name::Name, template::Template},
};
use std::sync::{Arc, Mutex};

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Listens to this thread. Where a process has one subscriber alone, a line that another thread is the first to log is off for all
/// (`tracing` asks that thread's subscriber, and it has none); so here there are two.
fn listen() -> (Lines, impl Sized) {
    let lines = Lines::default();
    let writer = lines.clone();
    let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    (lines, (tracing::subscriber::set_default(subscriber), second))
}

#[tokio::test]
async fn a_failed_attempt_is_one_line_in_the_log_and_tells_nothing_it_should_not() {
    let (lines, _listening) = listen();
    let sink = Sink::in_turn([Reply::with_body(503, "canary-response"), Reply::status(200)]);
    let settings = Settings {
        headers: vec![(http::header::AUTHORIZATION, Template::secret("Bearer canary-token"))],
        ..Settings::to(sink.url("/canary-path?canary-query").parse().unwrap())
    };
    let name = Name::unchecked("orders");
    let gateway = Gateway::start(vec![Lane { destination: destination::build(&name, settings), name, policy: policy(1) }]);
    gateway.accept(&["orders"], "canary-payload");
    gateway.store.wait_for("success", |settlements| finished(settlements) == 1).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let failed: Vec<_> = text.lines().filter(|line| line.contains("an attempt failed")).collect();
    assert_eq!(failed.len(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(failed[0]).unwrap();
    let fields = &line["fields"];
    assert!(fields["event"].as_str().unwrap().starts_with("evt_"));
    for (field, value) in [("source", "ottu"), ("destination", "orders"), ("result", "5xx")] {
        assert_eq!(fields[field], value, "{field}");
    }
    assert_eq!((fields["attempt"].as_u64(), fields["status"].as_u64()), (Some(1), Some(503)));
    assert!(fields["ms"].is_u64() && fields["next"].as_str().unwrap().ends_with('Z'));
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_lane_that_is_held_is_one_line_in_the_log_however_many_answers_ask_for_it() {
    let (lines, _listening) = listen();
    let sink = Sink::always(Reply::with_header(429, "retry-after", "600"));
    let settings = Settings::to(sink.url("/").parse().unwrap());
    let name = Name::unchecked("orders");
    let gateway = Gateway::start(vec![Lane { destination: destination::build(&name, settings), name, policy: policy(3) }]);
    for number in 0..3 {
        gateway.accept(&["orders"], &number.to_string());
    }
    sink.wait_for("three attempts", |requests| requests.len() == 3).await;
    gateway.store.wait_for("their settlements", |settlements| settlements.len() == 3).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let held: Vec<_> = text.lines().filter(|line| line.contains("asks to be left alone")).collect();
    assert!(held.len() == 1 && held[0].contains("\"destination\":\"orders\"") && held[0].contains("\"until\":\""), "{text}");
    assert!(!text.contains("deliveries begin again"), "{text}");
}
