//! How a command ends: the exit codes, and which error leads to which.

use super::{
    client::ClientError,
    gateway::Refused,
    streams::{self, StdoutError},
};
use crate::{
    config::ConfigError,
    domain::{edit::EditError, standard_webhooks::KeyError},
    rehearse::UnknownSource,
};
use std::{io, path::PathBuf, process::ExitCode};

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Yes, or done.
    Ok = 0,
    /// The answer is no: a bad signature, nothing found, not ready, not accepted.
    No = 1,
    /// The command line cannot be followed.
    Usage = 2,
    /// `check --deny-warnings` found some.
    WarningsDenied = 3,
    /// The gateway is not reachable.
    Unreachable = 4,
    /// The configuration is wrong.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command line that was understood but cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A filter with two values could mean either, or both.
    #[error("--filter {0} is there twice, and takes one value")]
    FilterTwice(&'static str),
    #[error("cannot read the event file {path:?}")]
    EventFile {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the event file {path:?} is larger than {} MiB", limit >> 20)]
    EventTooLarge { path: PathBuf, limit: u64 },
    #[error("cannot sign {path:?}")]
    CannotSign {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no sample and no file is named {name:?}{}", suggestion(.similar))]
    NoSuchEvent { name: PathBuf, similar: Option<&'static str> },
    #[error("there is no sample {name:?}{}", suggestion(.similar))]
    NoSuchSample { name: Box<str>, similar: Option<&'static str> },
    #[error("`--secret-env` takes the name of an environment variable that holds the secret, never the secret itself")]
    NotAVariable,
    #[error("the environment variable {0}, which `--secret-env` names, is not set or empty")]
    SecretUnset(Box<str>),
    #[error("what was changed has to be signed anew: name the variable that holds the key with `--secret-env`")]
    SecretNeeded,
    #[error("webhooks of this provider are always signed: name the variable that holds the secret with `--secret-env`")]
    SecretMissing,
    #[error("the secret that `--secret-env` names {0}")]
    SecretForm(#[source] KeyError),
    #[error("HOOKGATE_ADMIN_TOKEN has characters that no token has")]
    TokenCharacters,
    #[error("{found:?} is no URL to send to; wanted one like {wanted}")]
    Url { found: Box<str>, wanted: &'static str },
    #[error("a URL with a user or password in it: secrets never come as arguments")]
    UrlWithSecret,
    #[error("cannot set {path}")]
    Set {
        path: Box<str>,
        #[source]
        cause: EditError,
    },
    #[error(transparent)]
    Source(#[from] UnknownSource),
    #[error("{found:?} is no filter; wanted KEY=VALUE with one of {wanted}{}", suggestion(.similar))]
    Filter { found: Box<str>, wanted: Box<str>, similar: Option<&'static str> },
}

/// Says what went wrong and gives the exit code.
pub fn report(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<StdoutError>().is_some_and(StdoutError::is_broken_pipe) {
        return Exit::Ok;
    }
    match error.downcast_ref::<ConfigError>() {
        // All problems, each with its lines: nothing to fold into one.
        Some(problems) => streams::tell(problems),
        None => streams::tell(format_args!("error: {}", sentence(error))),
    }
    exit_of(error)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        if cause.is::<UsageError>() {
            Some(Exit::Usage)
        } else if cause.is::<ClientError>() {
            Some(Exit::Unreachable)
        } else if cause.is::<ConfigError>() {
            Some(Exit::Configuration)
        } else {
            cause.downcast_ref::<Refused>().map(Refused::exit)
        }
    };
    error.chain().find_map(code).unwrap_or(Exit::No)
}

/// The chain, each part beginning in lower case and none told twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = lower_first(&cause.to_string());
        if !parts.last().is_some_and(|before| before.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(std::iter::once(second)).chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn suggestion(similar: &Option<&'static str>) -> String {
    similar.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn the_exit_code_is_found_anywhere_in_the_chain() {
        let usage = Err::<(), _>(UsageError::SecretNeeded).context("while signing").expect_err("an error");
        assert_eq!(exit_of(&usage), Exit::Usage);
        let config = anyhow::Error::new(ConfigError { problems: Vec::new() }).context("cannot start");
        assert_eq!(exit_of(&config), Exit::Configuration);
        assert_eq!(exit_of(&anyhow!("anything else")), Exit::No);
    }

    #[test]
    fn a_chain_is_one_line_in_lower_case_and_repeats_nothing() {
        let chain = anyhow!("Connection refused (os error 111)").context("cannot reach x: connection refused (os error 111)");
        assert_eq!(sentence(&chain), "cannot reach x: connection refused (os error 111)");
        assert_eq!(sentence(&anyhow!("TLS failed").context("Not sent")), "not sent: TLS failed");
        assert_eq!(sentence(&anyhow!("")), "");
    }
}
