//! `hookgate sample`: the built-in sample events.

use super::{Exit, exit::UsageError, streams::print};
use crate::{
    domain::text::similar,
    provider::ottu::samples::{self, SAMPLES},
};

/// List the built-in sample events, or print one as the provider sends it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Sample {
    /// The sample to print
    name: Option<String>,
}

const EXAMPLES: &str = "\
The samples are signed with the key `test-hmac-key`, but for those that say they are not.

Examples:
  hookgate sample
  hookgate sample payment.paid > paid.json
  hookgate sample operation.refund | KEY=test-hmac-key hookgate verify - --secret-env KEY
  curl --json \"$(hookgate sample payment.paid)\" http://127.0.0.1:8080/webhooks/ottu
  for name in $(hookgate sample | cut -d' ' -f1); do hookgate sample $name > $name.json; done";

impl Sample {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.name {
            Some(name) => {
                let unknown = || UsageError::NoSuchSample {
                    name: name.as_str().into(),
                    similar: similar(&name, SAMPLES.iter().map(|sample| sample.name)),
                };
                print(samples::find(&name).ok_or_else(unknown)?.payload)?;
            }
            None => print(list())?,
        }
        Ok(Exit::Ok)
    }
}

fn list() -> String {
    let width = SAMPLES.iter().map(|sample| sample.name.len()).max().unwrap_or(0);
    SAMPLES.iter().map(|sample| format!("{:width$}  {}\n", sample.name, sample.about)).collect()
}
