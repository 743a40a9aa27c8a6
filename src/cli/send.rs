//! `hookgate send`: posts events as the provider would, and shows what was answered and how fast.

use super::{
    Exit, client,
    payload::{Ids, Key, Payload, Set},
    secret_env,
    streams::print,
    webhook::{self, Webhook},
};
use crate::{domain::clock::Clock, provider::ottu::samples::SAMPLES};
use http::StatusCode;
use std::path::PathBuf;

/// Sign an event and post it as the provider would; print the answer and its time
///
/// A sample gets a new `reference_number` and `session_id` and is signed anew. A file goes as it is, unless `--set` or
/// `--repeat` changes it; then it is signed anew. What has no signature is signed only with `--secret-env`.
/// By Standard Webhooks everything is signed, with the time of now and an id that is made of the
/// payload, or new with `--repeat`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Send {
    /// A sample (see `hookgate sample`), else a file; `-` for standard input
    #[arg(value_name = "SAMPLE|EVENT.json", default_value = "payment.paid")]
    event: PathBuf,

    /// Where to: the URL of a source
    #[arg(long, value_name = "URL")]
    to: String,

    /// The environment variable that holds the key
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,

    /// Whose way of signing it is
    #[arg(long, value_enum, default_value_t = Sender::Ottu)]
    provider: Sender,

    /// Set a field first: PATH=TEXT, or PATH:=JSON for anything but text; a path is dotted, a number in it indexes an array
    #[arg(long, value_name = "k=v", value_parser = Set::parse)]
    set: Vec<Set>,

    /// Send so many, one after the other, each with new ids
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// Sign with a wrong key
    #[arg(long)]
    bad_signature: bool,

    /// Send every signed sample instead
    #[arg(long, conflicts_with = "event")]
    all: bool,
}

/// The providers that this command can send as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sender {
    Ottu,
    StandardWebhooks,
}

const EXAMPLES: &str = "\
Ends with 0 where every answer was 200 or 201 (by Standard Webhooks, 200 to 299), with 1 where not, with 4 where there was none.

Examples:
  hookgate send --to http://127.0.0.1:8080/webhooks/ottu --secret-env OTTU_HMAC_KEY
  hookgate send operation.refund --set amount=900.000 --to http://127.0.0.1:8080/in --secret-env KEY
  hookgate send payment.failed --set is_sandbox:=false --to https://example.com/in --secret-env KEY
  hookgate send received.json --to http://127.0.0.1:8080/webhooks/ottu
  hookgate send n.json --provider standard-webhooks --to http://127.0.0.1:8080/in --secret-env KEY
  hookgate send --bad-signature --to http://127.0.0.1:8080/webhooks/ottu";

impl Send {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let to = client::url(&self.to, "http://127.0.0.1:8080/webhooks/ottu")?;
        let key = match &self.secret_env {
            _ if self.bad_signature => Key::Wrong,
            Some(variable) => Key::Right(secret_env::read(variable)?),
            None => Key::Unknown,
        };
        let mut exit = Exit::Ok;
        for (payload, ids, label) in self.payloads()? {
            for _ in 0..self.repeat {
                let webhook = match self.provider {
                    Sender::Ottu => Webhook { body: payload.prepare(&self.set, ids, &key)?, headers: Vec::new() },
                    Sender::StandardWebhooks => payload.prepare_standard(&self.set, ids, &key, Clock::system().now())?,
                };
                let answer = webhook::post(&to, webhook).await?;
                print(format!("{}{label}\n", webhook::line(&answer)))?;
                let is_taken = match self.provider {
                    Sender::Ottu => matches!(answer.status, StatusCode::OK | StatusCode::CREATED),
                    Sender::StandardWebhooks => answer.status.is_success(),
                };
                if !is_taken {
                    exit = Exit::No;
                }
            }
        }
        Ok(exit)
    }

    /// Each with what stands behind its answer.
    fn payloads(&self) -> anyhow::Result<Vec<(Payload, Ids, String)>> {
        if self.all {
            let signed = SAMPLES.iter().filter(|sample| sample.is_signed());
            return Ok(signed.map(|sample| (Payload::sample(sample), Ids::Fresh, format!("  {}", sample.name))).collect());
        }
        let (payload, ids) = Payload::named(&self.event)?;
        Ok(vec![(payload, if self.repeat > 1 { Ids::Fresh } else { ids }, String::new())])
    }
}
