//! Parses the command line, runs the command, prints the chain of errors, and ends with the exit code.

use clap::Parser;
use hookgate::cli::{self, Cli, Command};
use std::process::ExitCode;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(exit) => exit.into(),
        Err(error) => cli::report(&error).into(),
    }
}

fn run(command: Command) -> anyhow::Result<cli::Exit> {
    let mut builder = if matches!(command, Command::Serve(_)) { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(command.run());
    // A look-up of a name may still block a thread: nobody waits for its answer any more.
    runtime.shutdown_background();
    ended
}
