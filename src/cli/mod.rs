//! The command line: one file per command; what they share stands beside them.

use clap::{Parser, Subcommand};

mod check;
mod client;
mod config_file;
mod destinations;
mod discard;
mod event;
mod event_file;
mod event_tables;
mod events;
mod exit;
mod explain;
mod explanation;
mod filter;
mod follow;
mod gateway;
mod healthcheck;
mod init;
mod junit;
mod pause;
mod payload;
mod query;
mod rejected;
mod release;
mod reload;
mod replay;
mod replays;
mod resume;
mod retry;
mod sample;
mod schema;
mod secret_env;
mod send;
mod serve;
mod sign;
mod streams;
mod table;
mod test;
mod token;
mod verify;
mod webhook;

pub use exit::{Exit, report};

/// Receives payment webhooks, verifies their signature, and forwards each durably by rules.
#[derive(Debug, Parser)]
#[command(name = "hookgate", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each command's own file says what it does, and its help shows that")]
pub enum Command {
    Serve(serve::Serve),
    Init(init::Init),
    Check(check::Check),
    Test(test::Test),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Sample(sample::Sample),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Send(send::Send),
    Events(events::Events),
    Event(event::Event),
    Retry(retry::Retry),
    Replay(replay::Replay),
    Replays(replays::Replays),
    Release(release::Release),
    Discard(discard::Discard),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Destinations(destinations::Destinations),
    Rejected(rejected::Rejected),
    Reload(reload::Reload),
    Healthcheck(healthcheck::Healthcheck),
}

impl Command {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Whatever keeps it from its end; [`report`] knows the exit code of each.
    pub async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Serve(command) => command.run().await,
            Self::Init(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Test(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Sample(command) => command.run(),
            Self::Sign(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Send(command) => command.run().await,
            Self::Events(command) => command.run().await,
            Self::Event(command) => command.run().await,
            Self::Retry(command) => command.run().await,
            Self::Replay(command) => command.run().await,
            Self::Replays(command) => command.run().await,
            Self::Release(command) => command.run().await,
            Self::Discard(command) => command.run().await,
            Self::Pause(command) => command.run().await,
            Self::Resume(command) => command.run().await,
            Self::Destinations(command) => command.run().await,
            Self::Rejected(command) => command.run().await,
            Self::Reload(command) => command.run().await,
            Self::Healthcheck(command) => command.run().await,
        }
    }
}

const EXAMPLES: &str = "\
Exit codes:
  0 yes, done · 1 the answer is no · 2 wrong usage · 3 warnings denied
  4 the gateway is not reachable · 78 the configuration is wrong

Examples:
  hookgate serve --dev --config rules.yaml
  hookgate check rules.yaml
  hookgate test rules.yaml --coverage
  hookgate explain payment.paid --config rules.yaml
  hookgate send payment.paid --to http://127.0.0.1:8080/webhooks/ottu --secret-env KEY
  hookgate events --filter status=dead --since 2h";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_ends_with_examples() {
        let mut commands = Cli::command();
        commands.build();
        for command in commands.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = command.render_long_help().to_string();
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let (_, examples) = help.split_once("\nExamples:\n").expect(name);
            let last = examples.trim_end().lines().last().expect(name);
            assert!(last.contains(&format!("hookgate {name}")), "{name}: {last}");
        }
    }
}
