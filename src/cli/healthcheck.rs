//! `hookgate healthcheck`: whether the gateway is ready, for the health checks of containers.

use super::{Exit, gateway::GatewayOptions, query::Query, streams::print, table::shown};
use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// Say whether the gateway is ready, and if not, why
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Healthcheck {
    #[command(flatten)]
    gateway: GatewayOptions,
}

const EXAMPLES: &str = "\
Ends with 0 (ready), 1 (not ready) or 4 (not reachable).

Examples:
  hookgate healthcheck
  HOOKGATE_ADMIN=http://10.0.0.7:9090 hookgate healthcheck";

impl Healthcheck {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let answer = self.gateway.gateway()?.call(Method::GET, &Query::of("/readyz"), Bytes::new()).await?;
        if answer.status.is_success() {
            print("ready\n")?;
            return Ok(Exit::Ok);
        }
        print(format!("not ready: {}\n", shown(&reasons(&answer.body).unwrap_or_else(|| format!("answered {}", answer.status)))))?;
        Ok(Exit::No)
    }
}

/// What the document gives as reasons, each a text, or an object whose texts count.
fn reasons(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let texts = document["reasons"].as_array()?.iter().map(|reason| match reason.as_object() {
        Some(object) => object.values().filter_map(Value::as_str).collect::<Vec<_>>().join(": "),
        None => reason.as_str().map_or_else(|| reason.to_string(), str::to_owned),
    });
    Some(texts.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}
