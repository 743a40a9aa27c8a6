//! `hookgate serve`: runs the gateway.

use super::{
    Exit,
    config_file::ConfigFile,
    streams::{Colours, tell},
};
use crate::{
    app::{self, ServeError, ServeOptions},
    log::Format,
};

/// Run the gateway until SIGTERM or SIGINT
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    config: ConfigFile,

    /// Try it out: a built-in sink in place of every destination, data in a temporary folder, `test-hmac-key` for
    /// secrets that are not set, logs for people
    #[arg(long)]
    dev: bool,
}

const EXAMPLES: &str = "\
Ends with 0 once it was told to stop, 2 where --dev must not be used, 78 when the configuration is wrong or one of its
own tests fails (all problems are listed, as `check` lists them), and 1 when anything else keeps it from running.

Examples:
  hookgate serve --dev --config rules.example.yaml
  HOOKGATE_CONFIG=/etc/hookgate/rules.yaml hookgate serve
  OTTU_HMAC_KEY=... hookgate serve --config rules.yaml";

impl Serve {
    pub async fn run(self) -> anyhow::Result<Exit> {
        let format = if self.dev { Format::Text { is_coloured: Colours::of_stderr() == Colours::On } } else { Format::Json };
        match app::serve(ServeOptions { config: self.config.path(), dev: self.dev }, format).await {
            Ok(()) => Ok(Exit::Ok),
            // Told as it is, not as the cause of something else: its problems are a list.
            Err(ServeError::Config(error)) => Err(error.into()),
            // The rules file may be right: it is `--dev` that does not fit.
            Err(error @ ServeError::Dev(_)) => {
                tell(format_args!("error: {error}"));
                Ok(Exit::Usage)
            }
            Err(error) => Err(error.into()),
        }
    }
}
