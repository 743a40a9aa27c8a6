//! `hookgate verify`: whether a payload's signature holds, by the very code that the gateway runs.

use super::{Exit, event_file, secret_env, streams::print};
use crate::provider::{self, Check, Verification};
use std::{fmt::Write, path::PathBuf};

/// Say whether the signature in a payload of Ottu holds, and if not, why
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Verify {
    /// The payload, byte for byte as it was received; `-` for standard input
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,

    /// The environment variable that holds the key
    #[arg(long, value_name = "NAME")]
    secret_env: String,
}

const EXAMPLES: &str = "\
Ends with 0 where the signature holds, also of an event that the gateway would keep in quarantine; with 1 where not.

Examples:
  hookgate verify event.json --secret-env OTTU_HMAC_KEY
  hookgate sample payment.paid | hookgate verify - --secret-env OTTU_HMAC_KEY";

impl Verify {
    pub fn run(self) -> anyhow::Result<Exit> {
        let secret = secret_env::read(&self.secret_env)?;
        let payload = event_file::read(&self.event)?;
        let verification = provider::ottu::verify(&payload, &[secret]);
        let (word, exit) = match verification.check {
            Check::Holds { .. } => ("ok", Exit::Ok),
            Check::NotAnObject { .. } | Check::NoSignature | Check::NotHexadecimal { .. } | Check::NoText | Check::Wrong { .. } => {
                ("no", Exit::No)
            }
        };
        print(format!("{word}: {}{}", verification.check, describe(&verification)))?;
        Ok(exit)
    }
}

/// What was signed, so that it can be laid beside what the sender signed.
fn describe(verification: &Verification) -> String {
    let mut text = match verification.check {
        Check::Holds { anomaly: Some(reason), .. } => format!("; the gateway would keep the event in quarantine: {}", reason.as_str()),
        Check::Holds { anomaly: None, .. } => String::new(),
        Check::NotAnObject { .. } | Check::NoSignature | Check::NotHexadecimal { .. } | Check::NoText | Check::Wrong { .. } => {
            String::new()
        }
    };
    text.push('\n');
    if !verification.fields.is_empty() {
        text.push_str("signed fields, in their order:\n");
    }
    for (name, value) in &verification.fields {
        writeln!(text, "  {name} = {}", value.escape_debug()).expect("writing to a text does not fail");
    }
    if let Some(message) = &verification.message {
        writeln!(text, "message: {}", message.escape_debug()).expect("writing to a text does not fail");
    }
    text
}
