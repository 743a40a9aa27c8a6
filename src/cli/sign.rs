//! `hookgate sign`: adds Ottu's signature to a payload.

use super::{Exit, event_file, exit::UsageError, secret_env, streams::print};
use crate::provider;
use std::path::PathBuf;

/// Print a payload with Ottu's signature added or replaced, all else byte for byte
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Sign {
    /// The payload; `-` for standard input
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,

    /// The environment variable that holds the key
    #[arg(long, value_name = "NAME")]
    secret_env: String,
}

const EXAMPLES: &str = "\
Examples:
  hookgate sign event.json --secret-env OTTU_HMAC_KEY > signed.json
  hookgate sample operation.void.unsigned | hookgate sign - --secret-env OTTU_HMAC_KEY";

impl Sign {
    pub fn run(self) -> anyhow::Result<Exit> {
        let secret = secret_env::read(&self.secret_env)?;
        let payload = event_file::read(&self.event)?;
        let signed =
            provider::ottu::sign(&payload, &secret).map_err(|cause| UsageError::CannotSign { path: self.event, cause: cause.into() })?;
        print(signed)?;
        Ok(Exit::Ok)
    }
}
