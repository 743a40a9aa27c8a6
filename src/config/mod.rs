//! The rules file, checked: everything the gateway is told.

use crate::{admin, deliver, destination, domain::name::Name, provider, receive, route::Rules, store};
use std::{net::SocketAddr, path::Path, time::Duration};

/// A whole and valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public listener's address.
    pub listen: SocketAddr,
    /// How long new connections are accepted after the order to stop.
    pub drain_delay: Duration,
    /// The admin listener.
    pub admin: admin::Settings,
    /// The store.
    pub store: store::Settings,
    /// In the order of the file; at least one.
    pub sources: Vec<Source>,
    /// In the order of the file.
    pub destinations: Vec<Destination>,
    /// The rules.
    pub rules: Rules,
}

/// A source: how it is received and how it is verified.
#[derive(Debug, Clone)]
pub struct Source {
    /// For the front door.
    pub receive: receive::SourceSettings,
    /// For the provider.
    pub provider: provider::Settings,
}

/// A destination: how it is called and how its lane works.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: Name,
    /// How it is called.
    pub settings: destination::Settings,
    /// How its lane works.
    pub policy: deliver::Policy,
}

/// A valid configuration and what is doubtful about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// Lints, and unset variables where those were allowed.
    pub warnings: Vec<Diagnostic>,
}

/// One problem or lint of a file. (Its fields are in `diagnostics.rs`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {}

/// All that is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the file; never empty.
    pub problems: Vec<Diagnostic>,
}

/// What an unset variable comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// An error that names it.
    Error,
    /// A warning, and a placeholder in its place: `check --allow-unset`.
    Placeholder,
    /// `serve --dev`: a secret becomes `test-hmac-key`, anything else empty, with a warning.
    /// A destination's url that is empty or unfinished for that reason is no error: it is replaced anyway.
    Dev,
}

/// Reads and checks the file and what it names; `variable` gives the environment.
///
/// # Errors
/// All problems of the file.
pub fn load(path: &Path, variable: &dyn Fn(&str) -> Option<String>, unset: Unset) -> Result<Loaded, ConfigError> {
    let _ = (path, variable, unset);
    todo!("config")
}
