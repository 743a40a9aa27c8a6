//! `hookgate reload`: tells the gateway to read its rules file again.

use super::{
    Exit,
    gateway::{GatewayOptions, Refused},
    query::Query,
    streams::{print, tell},
    table::shown,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

/// Have the running gateway read its rules file again: it is taken whole, or not at all
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Reload {
    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 78 where something is wrong with the file; the rules before it stay in force then.

Examples:
  hookgate check rules.yaml && hookgate reload
  hookgate reload";

impl Reload {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let gateway = self.gateway.gateway()?;
        let answer = gateway.call(Method::POST, &Query::of("/-/reload"), Bytes::from_static(b"{}")).await?;
        if answer.status != StatusCode::UNPROCESSABLE_ENTITY {
            let taken = gateway.accepted(answer)?;
            findings(&taken["warnings"]).for_each(|warning| tell(&warning));
            print("the rules file is in force\n")?;
            return Ok(Exit::Ok);
        }
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        findings(&document["errors"]).for_each(|error| tell(&error));
        tell(Refused::of(&answer).to_string());
        Ok(Exit::Configuration)
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
