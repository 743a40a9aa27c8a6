//! `hookgate reload`: tells the gateway to read its rules file again, or asks what that would change.

use super::{
    Exit,
    gateway::{GatewayOptions, Refused},
    query::Query,
    streams::{Colours, print, tell},
    table::{Cell, Format, Table, json, shown},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Have the running gateway read its rules file again: it is taken whole, or not at all
///
/// It reads it by itself too, seconds after a change; with this you see at once what comes of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Reload {
    /// Of a dry run: a file beside the gateway's rules file, by its name; without it the rules file itself
    #[arg(value_name = "FILE", requires = "dry_run")]
    file: Option<String>,

    /// Take nothing: only check the file, and say which stored events would go elsewhere by it
    #[arg(long)]
    dry_run: bool,

    /// Of so many, the newest, up to 10000 [default: 1000]
    #[arg(long, value_name = "N", requires = "dry_run", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    last: Option<u32>,

    /// How that is printed
    #[arg(long, value_enum, default_value_t = Format::Table, requires = "dry_run")]
    format: Format,

    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 78 where something is wrong with the file; the rules before it stay in force then.
The gateway takes a changed rules file by itself, so try new rules under another name in the same
folder, and move the file in place when you like what they do.

Examples:
  hookgate reload --dry-run rules.next.yaml --last 10000
  hookgate reload --dry-run rules.next.yaml --format json
  hookgate check rules.yaml && hookgate reload";

impl Reload {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let gateway = self.gateway.gateway()?;
        let body = if self.dry_run { json!({ "dry_run": true, "last": self.last, "file": self.file }) } else { json!({}) };
        let answer = gateway.call(Method::POST, &Query::of("/-/reload"), body.to_string().into()).await?;
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            findings(&document["errors"]).for_each(|error| tell(&error));
            tell(Refused::of(&answer).to_string());
            return Ok(Exit::Configuration);
        }
        let done = gateway.accepted(answer)?;
        if let (true, Format::Json) = (self.dry_run, self.format) {
            print(json(&done))?;
            return Ok(Exit::Ok);
        }
        findings(&done["warnings"]).for_each(|warning| tell(&warning));
        if self.dry_run {
            would_change(&done)?
        } else {
            print("the rules file is in force\n")?
        }
        Ok(Exit::Ok)
    }
}
/// What was found in the file, each as `check` shows it.
fn findings(found: &Value) -> impl Iterator<Item = String> {
    found.as_array().into_iter().flatten().map(finding)
}

fn finding(found: &Value) -> String {
    let text = |key: &str| found[key].as_str().map(shown);
    let said = |key: &str| text(key).unwrap_or_default();
    let line = found["line"].as_u64().unwrap_or(0);
    let place = if line > 0 { format!("{line}:{}:", found["column"].as_u64().unwrap_or(0)) } else { String::new() };
    let mut lines = format!("{}:{place} {}[{}]: {}", said("file"), said("severity"), said("code"), said("message"));
    if let Some(source) = text("source_line") {
        lines += &format!("\n  {line} | {source}");
    }
    if let Some(hint) = text("hint") {
        lines += &format!("\n    = help: {hint}");
    }
    lines
}

/// What a dry run found, for people.
fn would_change(found: &Value) -> anyhow::Result<()> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    for (what, names) in ["added", "removed", "changed"].map(|what| (what, &found["rules"][what])) {
        if names.as_array().is_some_and(|names| !names.is_empty()) {
            tell(format_args!("rules {what}: {}", Cell::value(names).as_str()));
        }
    }
    if found["rules"]["reordered"] == true {
        tell("rules that stay stand in another order");
    }
    let mut table = Table::new(["EVENTS", "NOW", "THEN", "SUCH AS"]);
    for change in found["changes"].as_array().into_iter().flatten() {
        let [now, then] = ["before", "after"].map(|key| Cell::text(&course(&change[key])));
        table.row([Cell::of(change, "events"), now, then, Cell::of(change, "examples")]);
    }
    if count(&found["elsewhere"]) > 0 {
        print(table.render(Colours::of_stdout()))?;
    }
    let left_out = [
        ("quarantined", "in quarantine"),
        ("source_removed", "of a source that the file does not have"),
        ("unreadable", "that cannot be read"),
    ];
    let left_out = left_out.map(|(key, what)| (count(&found["left_out"][key]), what));
    let left_out: String =
        left_out.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("; {number} {what} left out")).collect();
    let (events, elsewhere) = (count(&found["events"]), count(&found["elsewhere"]));
    let of = if events == 1 { "1 event".to_owned() } else { format!("{events} events") };
    tell(format_args!("{elsewhere} of {of} would be treated otherwise{left_out}; nothing is taken by a dry run"));
    if found["complete"] == false {
        tell("there are more: not all could be looked at in time");
    }
    Ok(())
}

/// Where an event goes and what is answered, in a few words.
fn course(course: &Value) -> String {
    let to = Cell::value(&course["to"]);
    let routing = course["routing"].as_str().unwrap_or_default();
    let place = match (routing, to.as_str()) {
        ("routed", to) => to.to_owned(),
        (routing, "-") => routing.to_owned(),
        (routing, to) => format!("{routing}, {to}"),
    };
    let answer = &course["answer"];
    let answer = match answer.as_object() {
        None => answer.to_string(),
        Some(_) => format!("{} or {}, by {}", answer["ok"], answer["otherwise"], answer["wait_for"].as_str().unwrap_or_default()),
    };
    format!("{place} ({answer})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_told_in_a_few_words() {
        for (found, told) in [
            (json!({ "to": ["erp", "orders"], "routing": "routed", "answer": 200 }), "erp, orders (200)"),
            (json!({ "to": [], "routing": "dropped", "answer": 201 }), "dropped (201)"),
            (json!({ "to": ["mail"], "routing": "unmatched", "answer": 200 }), "unmatched, mail (200)"),
            (
                json!({ "to": ["erp"], "routing": "routed", "answer": { "wait_for": "erp", "within_ms": 8000, "ok": 200, "otherwise": 201 } }),
                "erp (200 or 201, by erp)",
            ),
        ] {
            assert_eq!(course(&found), told);
        }
    }
}
