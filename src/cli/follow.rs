//! Follows a bulk replay: a bar for a person, a line of JSON per step for a program.

use super::{
    Exit,
    gateway::Gateway,
    query::Query,
    streams::{print, tell},
    table::shown,
};
use crate::domain::text::clipped;
use anyhow::Context;
use serde_json::Value;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// How often the gateway is asked.
const EVERY: Duration = Duration::from_millis(300);

/// Signs of the bar, and of the line that it is in.
const BAR: usize = 24;
const LINE: usize = 78;

/// Who reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// At a terminal.
    Person,
    /// In a pipe or a file.
    Program,
}

impl Reader {
    /// As standard output is.
    pub fn of_stdout() -> Self {
        if io::stdout().is_terminal() { Self::Person } else { Self::Program }
    }
}

/// Shows how far a replay is until it has ended, or somebody has seen enough.
///
/// # Errors
/// The gateway does not answer any more, or standard output takes nothing.
pub async fn follow(gateway: &Gateway, mut replay: Value, reader: Reader) -> anyhow::Result<Exit> {
    let id = replay["id"].as_str().unwrap_or_default().to_owned();
    let query = Query::of(&format!("/api/v1/replays/{id}"));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut before = Value::Null;
    loop {
        if replay != before {
            match reader {
                Reader::Person => draw(&line(&replay)),
                Reader::Program => print(format!("{replay}\n"))?,
            }
        }
        if replay["state"] != "running" {
            return ended(&replay, reader);
        }
        let next = async {
            tokio::time::sleep(EVERY).await;
            gateway.get(&query).await
        };
        let asked = tokio::select! {
            asked = next => asked,
            _ = interrupt.recv() => {
                rub_out(reader);
                tell(format_args!("the replay goes on; `hookgate replays {id} --follow` shows it, `hookgate replays {id} --cancel` ends it"));
                return Ok(Exit::Ok);
            }
        };
        if asked.is_err() {
            rub_out(reader);
        }
        before = replay;
        replay = asked.with_context(|| format!("replay {id} cannot be followed any more, and may go on (`hookgate replays {id}`)"))?;
    }
}

fn ended(replay: &Value, reader: Reader) -> anyhow::Result<Exit> {
    rub_out(reader);
    let found = replay["total"].as_u64().or(replay["done"].as_u64()).unwrap_or(0);
    if reader == Reader::Person && found > 0 {
        print(summary(replay) + "\n")?;
    }
    if found == 0 {
        tell("no event found");
    }
    Ok(if replay["state"] == "done" && found > 0 { Exit::Ok } else { Exit::No })
}

/// What came of it, in a sentence.
pub fn summary(replay: &Value) -> String {
    let text = |member: &str| shown(replay[member].as_str().unwrap_or("-"));
    let due = count(&replay["deliveries"]["due"], "delivery", "deliveries");
    format!("replay {} is {}: {}, {due} begun{}", text("id"), text("state"), events(&replay["done"]), left_out(replay))
}

/// How many events.
pub fn events(number: &Value) -> String {
    count(number, "event", "events")
}

fn count(number: &Value, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What was left out and why, as it goes on after a comma; empty where nothing was.
pub fn left_out(replay: &Value) -> String {
    // The deliveries that a dry run finds are counted by destination, which may have any name.
    let counted = if replay["dry_run"] == true { replay } else { &replay["deliveries"] };
    let counts = [
        (&counted["in_flight"], "on their way already"),
        (&counted["removed"], "to destinations that are gone"),
        (&replay["skipped"]["quarantined"], "in quarantine"),
        (&replay["skipped"]["discarded"], "discarded"),
        (&replay["skipped"]["no_destination"], "without a destination"),
        (&replay["skipped"]["expired"], "removed after their time"),
        (&replay["skipped"]["damaged"], "that cannot be read"),
    ];
    let some = counts.into_iter().filter(|(count, _)| count.as_u64().is_some_and(|count| count > 0));
    some.map(|(count, what)| format!(", {count} {what}")).collect()
}

/// How far it is, in one line.
fn line(replay: &Value) -> String {
    let done = replay["done"].as_u64().unwrap_or(0);
    let Some(total) = replay["total"].as_u64() else { return "counting the events …".to_owned() };
    // More can be found than were there at the count.
    let part = |of: u64| (done.min(total) * of).checked_div(total).unwrap_or(of);
    let full = usize::try_from(part(BAR as u64)).unwrap_or(BAR);
    let held = replay["held_by"].as_str().map_or_else(String::new, |name| format!(", waits for {}", shown(name)));
    let text = format!(
        "[{:·<BAR$}] {:>3} %  {done} of {total} at {}{held}",
        "#".repeat(full),
        part(100),
        shown(replay["rate"].as_str().unwrap_or("-"))
    );
    clipped(&text, LINE).into_owned()
}

/// In the place of what was drawn before. Where standard error is no terminal there is nobody to see it.
fn draw(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        // A bar that cannot be drawn is no failure.
        drop(write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush()));
    }
}

fn rub_out(reader: Reader) {
    match reader {
        Reader::Person => draw(""),
        Reader::Program => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_says_how_far_it_is_and_fits_a_terminal() {
        for (replay, wanted) in [
            (json!({ "total": null, "done": 0 }), "counting the events …"),
            (json!({ "total": 4, "done": 1, "rate": "50/s" }), "[######··················]  25 %  1 of 4 at 50/s"),
            (json!({ "total": 3, "done": 3, "rate": "1/h" }), "[########################] 100 %  3 of 3 at 1/h"),
            (json!({ "total": 3, "done": 5, "rate": "1/h" }), "[########################] 100 %  5 of 3 at 1/h"),
            (json!({ "total": 0, "done": 0, "rate": "1/h" }), "[########################] 100 %  0 of 0 at 1/h"),
            (
                json!({ "total": 9, "done": 0, "rate": "1/m", "held_by": "er\u{1b}p" }),
                "[························]   0 %  0 of 9 at 1/m, waits for er\\u{1b}p",
            ),
        ] {
            assert_eq!(line(&replay), wanted);
        }
        let long = json!({ "total": u64::MAX, "done": 1, "rate": "1/s", "held_by": "x".repeat(63) });
        assert!(line(&long).chars().count() <= LINE + 1, "{}", line(&long));
    }

    #[test]
    fn a_destination_may_be_called_anything() {
        let dry_run =
            json!({ "dry_run": true, "deliveries": { "in_flight": 4, "removed": 5 }, "in_flight": 0, "removed": 1, "skipped": {} });
        assert_eq!(left_out(&dry_run), ", 1 to destinations that are gone");
    }

    #[test]
    fn the_summary_names_only_what_there_was() {
        let mut replay = json!({
            "id": "7", "state": "done", "done": 12, "deliveries": { "due": 9, "in_flight": 0, "removed": 0 },
            "skipped": { "quarantined": 0, "discarded": 0, "no_destination": 0, "expired": 0, "damaged": 0 },
        });
        assert_eq!(summary(&replay), "replay 7 is done: 12 events, 9 deliveries begun");
        replay["deliveries"]["removed"] = json!(2);
        replay["skipped"]["quarantined"] = json!(1);
        assert_eq!(summary(&replay), "replay 7 is done: 12 events, 9 deliveries begun, 2 to destinations that are gone, 1 in quarantine");
        (replay["state"], replay["done"], replay["deliveries"]["due"]) = (json!("cancelled"), json!(1), json!(1));
        assert!(summary(&replay).starts_with("replay 7 is cancelled: 1 event, 1 delivery begun, "));
    }
}
