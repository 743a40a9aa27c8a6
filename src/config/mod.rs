//! The rules file, checked: everything the gateway is told. From text (`text`) to a tree (`yaml`, `tree`), to what the
//! file says (`raw`), to what it means (here and in the files named after its parts).

mod auth;
mod calls;
mod cases;
mod defaults;
mod destinations;
mod diagnostics;
mod encoding;
mod expect;
mod files;
mod glob;
mod headers;
mod hints;
mod include;
mod interpolate;
mod json;
mod keys;
mod lanes;
mod lints;
mod mask;
mod names;
mod order;
mod payload;
mod problem;
mod providers;
mod raw;
mod rehearsal;
mod respond;
mod retry;
mod rules;
mod schema;
mod server;
mod sign;
mod sources;
mod template;
mod text;
mod tls;
mod traps;
mod tree;
mod trees;
mod url;
mod values;
mod when;
mod yaml;

use self::{cases::Stage, interpolate::Interpolator, raw::Raw, rules::Known, trees::Reader, values::Checks};
use crate::{
    admin, deliver, destination,
    domain::{name::Name, quantity::show_duration},
    provider, receive,
    rehearse::{self, Subject},
    route::Rules,
    store,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use diagnostics::{Code, ConfigError, Diagnostic, Severity};
pub use files::{Files, Marks};
pub use schema::json as json_schema;
pub use text::Shown;

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
    /// The tests that the file has of itself, in its order.
    pub tests: Vec<Test>,
}

/// A test of the file.
#[derive(Debug, Clone)]
pub struct Test {
    /// What it says.
    pub case: rehearse::Case,
    /// Where it is: what is said of it when it fails.
    at: Diagnostic,
}

impl Config {
    /// What it says of events: for whoever asks what would become of one.
    pub fn subject(&self) -> Subject {
        let source = |source: &Source| rehearse::Source { name: source.receive.name.clone(), provider: source.provider.clone() };
        let destination = |destination: &Destination| {
            let Destination { name, settings, policy } = destination.clone();
            rehearse::Destination { name, settings, policy }
        };
        Subject {
            sources: self.sources.iter().map(source).collect(),
            destinations: self.destinations.iter().map(destination).collect(),
            rules: self.rules.clone(),
        }
    }
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
    /// The files of rules, as they may be shown.
    pub texts: Vec<Shown>,
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

/// Reads and checks the rules file, those that it includes and what they name; `variable` gives the environment.
///
/// # Errors
/// All problems of the file, its warnings among them.
pub fn load(path: &Path, variable: &dyn Fn(&str) -> Option<String>, unset: Unset) -> Result<Loaded, ConfigError> {
    load_noting(path, variable, unset, &mut Files::default())
}

/// The same, and notes which files were read, and what was in them: also where something is wrong.
///
/// # Errors
/// All problems of the files, their warnings among them.
pub fn load_noting(path: &Path, variable: &dyn Fn(&str) -> Option<String>, unset: Unset, files: &mut Files) -> Result<Loaded, ConfigError> {
    let mut reader = Reader::new(files);
    let trees = reader.all(path);
    let Reader { texts, problems, .. } = reader;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut checks = Checks { problems, interpolator: Interpolator { variable, unset, folder, files }, texts: &texts };
    let config = trees.as_ref().and_then(|trees| {
        let raw = Raw::read(trees, &mut checks.problems)?;
        raw.is_whole.then(|| check(&raw, &mut checks))
    });
    let found = checks.problems.diagnose(&texts);
    match config {
        Some(config) if found.iter().all(|one| one.severity == Severity::Warning) => {
            Ok(Loaded { config, warnings: found, texts: texts.masked() })
        }
        Some(_) | None => Err(ConfigError { problems: found }),
    }
}

/// What to say of files that were not read in time.
pub fn too_slow(path: &Path, limit: Duration) -> ConfigError {
    let message = format!("the rules file, or one that it names, was not read and checked within {}", show_duration(limit));
    let problem = Diagnostic::of_file(&path.display().to_string(), Code::UnreadableFile, message);
    let hint = Some("look at the disk or the network that it is on, and at how busy this machine is".to_owned());
    ConfigError { problems: vec![Diagnostic { hint, ..problem }] }
}

/// What to say where reading the files ended in the middle.
pub fn came_to_no_end(path: &Path, cause: &dyn std::error::Error) -> ConfigError {
    let message = format!("reading the rules file came to no end: {cause}");
    ConfigError { problems: vec![Diagnostic::of_file(&path.display().to_string(), Code::UnreadableFile, message)] }
}

/// The store's folder as the file names it, whatever else is wrong or unset in it; the default where it names none.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn store_folder(path: &Path) -> Result<PathBuf, ConfigError> {
    let mut files = Files::default();
    let mut reader = Reader::new(&mut files);
    let main = reader.main(path);
    let problems = reader.problems.diagnose(&reader.texts);
    // Of what can be read, every problem has a line.
    if problems.iter().any(|problem| problem.line == 0) {
        return Err(ConfigError { problems });
    }
    let named = || {
        let root = main?;
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
    names::once("source", raw.sources.iter().map(|source| source.name), checks);
    names::once("destination", raw.destinations.iter().map(|destination| destination.name), checks);
    let server = server::server(&raw.server, checks);
    let store = server::store(&raw.store, checks);
    let (sources, answers) = sources::sources(&raw.sources, checks);
    let (destinations, orders) = destinations::destinations(&raw.destinations, &raw.defaults, checks);
    let rules = rules::rules(&raw.rules, &known, &sources, checks);
    let tests = cases::cases(&raw.tests, &Stage::new(&known, &sources, &rules), checks);
    let unmatched = rules::unmatched(raw.unmatched, &known, checks);
    let config = Config {
        listen: server.listen,
        public: server.public,
        drain_delay: server.drain_delay,
        admin: server.admin,
        store,
        sources,
        destinations,
        rules: Rules { rules: rules.into(), unmatched, answers, orders },
        tests,
    };
    let mut allowed = lints::Allowed::read(raw, &mut checks.problems);
    let is_weighed = !checks.problems.has_errors() && lints::weigh(raw, &config, checks);
    allowed.silence(&mut checks.problems);
    if is_weighed {
        allowed.unused(&mut checks.problems);
    }
    config
}
