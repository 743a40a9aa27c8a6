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

/// A core file would have the keys in it, and so would whatever may read the memory of a process that can be dumped.
fn keep_out_of_cores() -> std::io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

fn run(command: Command) -> anyhow::Result<cli::Exit> {
    keep_out_of_cores()?;
    let mut builder = if matches!(command, Command::Serve(_)) { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(command.run());
    // A look-up of a name may still block a thread: nobody waits for its answer any more.
    runtime.shutdown_background();
    ended
}
