//! The rules file, checked: everything the gateway is told. From text (`text`) to a tree (`yaml`, `tree`), to what the
//! file says (`raw`), to what it means (here and in the files named after its parts).

mod auth;
mod destinations;
mod diagnostics;
mod files;
mod interpolate;
mod keys;
mod lanes;
mod lints;
mod mask;
mod order;
mod problem;
mod providers;
mod raw;
mod respond;
mod retry;
mod rules;
mod server;
mod sign;
mod sources;
mod text;
mod tls;
mod traps;
mod tree;
mod url;
mod values;
mod when;
mod yaml;

use self::{
    interpolate::Interpolator,
    problem::Problems,
    raw::Raw,
    rules::Known,
    text::{Text, Texts},
    tree::FileId,
    values::Checks,
};
use crate::{admin, deliver, destination, domain::name::Name, provider, receive, route::Rules, store};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use diagnostics::{Code, ConfigError, Diagnostic, Severity};
pub use files::Files;

/// A whole and valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public listener's address.
    pub listen: SocketAddr,
    /// How it treats its connections.
    pub public: receive::server::Settings,
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
/// All problems of the file, its warnings among them.
pub fn load(path: &Path, variable: &dyn Fn(&str) -> Option<String>, unset: Unset) -> Result<Loaded, ConfigError> {
    load_noting(path, variable, unset, &mut Files::default())
}

/// The same, and notes which files were read, and what was in them: also where something is wrong.
///
/// # Errors
/// All problems of the file, its warnings among them.
pub fn load_noting(path: &Path, variable: &dyn Fn(&str) -> Option<String>, unset: Unset, files: &mut Files) -> Result<Loaded, ConfigError> {
    let mut text = Text::read(path, files)?;
    let root = match yaml::read(&text.text, FileId::MAIN) {
        Ok(root) => root,
        Err(problem) => {
            text.mask(mask::of_text(text.until(problem.span.start.offset)));
            return Err(ConfigError::of(text.diagnose(traps::explain(problem, &text.text))));
        }
    };
    text.mask(mask::of_tree(&text.text, &root));
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut checks = Checks { problems: Problems::default(), interpolator: Interpolator { variable, unset, folder, files } };
    traps::inspect(&root, &text, &mut checks.problems);
    let texts = Texts::new(text);
    let config = Raw::read(&root, &mut checks.problems).map(|raw| check(&raw, &mut checks));
    let found = checks.problems.diagnose(&texts);
    match config {
        Some(config) if found.iter().all(|one| one.severity == Severity::Warning) => Ok(Loaded { config, warnings: found }),
        Some(_) | None => Err(ConfigError { problems: found }),
    }
}

/// The store's folder as the file names it, whatever else is wrong or unset in it; the default where it names none.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn store_folder(path: &Path) -> Result<PathBuf, ConfigError> {
    let text = Text::read(path, &mut Files::default())?;
    let named = || {
        let root = yaml::read(&text.text, FileId::MAIN).ok()?;
        let path = root.value("store")?.value("path")?.scalar()?.text.to_owned();
        Some(PathBuf::from(path))
    };
    Ok(named().unwrap_or_else(default_store_folder))
}

/// The store's folder where no file names one.
pub fn default_store_folder() -> PathBuf {
    PathBuf::from(server::FOLDER)
}

/// From what the file says to what it means. Where it is wrong a default stands in, so that all problems are found.
fn check(raw: &Raw<'_>, checks: &mut Checks<'_>) -> Config {
    let known = Known::of(raw);
    let server = server::server(&raw.server, checks);
    let store = server::store(&raw.store, checks);
    let (sources, answers) = sources::sources(&raw.sources, checks);
    let (destinations, orders) = destinations::destinations(&raw.destinations, &raw.defaults, checks);
    let rules = rules::rules(&raw.rules, &known, &sources, checks);
    let unmatched = rules::unmatched(raw.unmatched, &known, checks);
    Config {
        listen: server.listen,
        public: server.public,
        drain_delay: server.drain_delay,
        admin: server.admin,
        store,
        sources,
        destinations,
        rules: Rules { rules: rules.into(), unmatched, answers, orders },
    }
}
