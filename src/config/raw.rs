//! The rules file exactly as in YAML: which keys there are and of what shape. What they mean is checked later.
//! Its parts are in the files named after them.

use super::{
    diagnostics::Code,
    keys::{self, Fields, Scalars, mapping, single},
    problem::{Problem, Problems},
    text::quote,
    tree::{Entry, Kind, Node, Position, Scalar, Span, Style},
    trees::Trees,
};

mod case;
mod destination;
mod included;
mod rule;
mod server;
mod source;

pub use case::{Case, Expect, Request, Respond};
pub use destination::{Auth, ClientTls, Defaults, Destination, Remove, Retry, Schedule, Sign, Statuses};
pub use rule::Rule;
pub use server::{Server, Store, Tls};
pub use source::{Signature, Source};

/// The rules file with those that it includes. `None` is what it does not say, or says wrongly: that is among the problems then.
pub struct Raw<'t> {
    pub server: Server<'t>,
    pub store: Store<'t>,
    pub sources: Vec<Source<'t>>,
    pub defaults: Defaults<'t>,
    pub destinations: Vec<Destination<'t>>,
    pub rules: Vec<Rule<'t>>,
    pub unmatched: Option<Scalar<'t>>,
    pub tests: Vec<Case<'t>>,
    /// Whether all files are in it. Where not, nothing can be said of names that it does not have.
    pub is_whole: bool,
    pub allow: Scalars<'t>,
}

impl<'t> Raw<'t> {
    /// Walks the trees.
    pub fn read(trees: &'t Trees, problems: &mut Problems) -> Option<Self> {
        let fields = Fields::read("the rules file", START, &trees.main, &keys::TOP, problems)?;
        let included: Vec<_> = trees.included.iter().filter_map(|root| included::fields(root, problems)).collect();
        let is_whole = trees.is_whole && included.len() == trees.included.len();
        if is_whole {
            included::require_sources(&fields, &included, problems);
        }
        let mut raw = Self {
            server: section(&fields, "server", &keys::SERVER, problems, server::server).unwrap_or_default(),
            store: section(&fields, "store", &keys::STORE, problems, server::store).unwrap_or_default(),
            sources: named(&fields, "sources", "source", problems, source::source),
            defaults: section(&fields, "defaults", &keys::DEFAULTS, problems, destination::defaults).unwrap_or_default(),
            destinations: named(&fields, "destinations", "destination", problems, destination::destination),
            rules: rule::rules(&fields, problems),
            unmatched: fields.scalar("unmatched", problems),
            tests: case::cases(&fields, problems),
            allow: fields.list("allow", problems).unwrap_or_default(),
            is_whole,
        };
        for file in &included {
            raw.sources.extend(named(file, "sources", "source", problems, source::source));
            raw.destinations.extend(named(file, "destinations", "destination", problems, destination::destination));
            raw.rules.extend(rule::rules(file, problems));
            raw.tests.extend(case::cases(file, problems));
        }
        Some(raw)
    }
}

const START: Span = Span { start: Position::START, end: 0 };

/// Whether the file is one that this program knows; if not, that is among the problems, and nothing more is said of it.
pub fn is_known(root: &Node, problems: &mut Problems) -> bool {
    let Kind::Mapping(entries) = &root.kind else {
        let code = if root.is_null() { Code::EmptyFile } else { Code::NotAMapping };
        let found = Problem::error(code, root.span, format!("the rules file wants keys with their values, found {}", root.what()));
        problems.push(found.help("the smallest file has `version: 1`, `sources`, `destinations` and `rules`"));
        return false;
    };
    let Some(entry) = entries.iter().find(|entry| keys::key(entry) == Some("version")) else {
        problems.push(Problem::error(Code::MissingKey, START, "the rules file has no `version`").help("start it with `version: 1`"));
        return true;
    };
    is_version_known(entry, problems)
}

/// A file of another version may differ in every key.
fn is_version_known(entry: &Entry, problems: &mut Problems) -> bool {
    match entry.value.scalar() {
        Some(Scalar { text: "1", style: Style::Plain, .. }) => true,
        Some(Scalar { text, span, style: Style::Quoted, .. }) => {
            let found = Problem::error(Code::UnsupportedVersion, span, "`version` wants a number, found a text in quotes");
            problems.push(found.help("write `version: 1`"));
            text == "1"
        }
        Some(scalar) => {
            let message = format!("version {} of the rules file is not known; this program reads version 1", quote(scalar.text));
            problems.push(Problem::error(Code::UnsupportedVersion, scalar.span, message).help("write `version: 1`"));
            false
        }
        None => {
            let found = Problem::error(Code::UnsupportedVersion, entry.value.span, "`version` wants a number");
            problems.push(found.help("write `version: 1`"));
            false
        }
    }
}

fn section<'t, T>(
    top: &Fields<'t>,
    key: &str,
    keys: &keys::Keys,
    problems: &mut Problems,
    read: fn(&Fields<'t>, &mut Problems) -> T,
) -> Option<T> {
    let entry = top.entry(key)?;
    let fields = Fields::read(format!("`{key}`"), entry.key.span, &entry.value, keys, problems)?;
    Some(read(&fields, problems))
}

/// The entries of `sources` or `destinations`, each once.
fn named<'t, T>(
    top: &Fields<'t>,
    key: &str,
    what: &str,
    problems: &mut Problems,
    read: fn(Scalar<'t>, &str, &'t Node, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let Some(entry) = top.entry(key) else { return Vec::new() };
    let entries = mapping(&format!("`{key}`"), entry.key.span, &entry.value, problems).unwrap_or_default();
    let named = entries.iter().filter_map(|entry| match &entry.key.kind {
        Kind::Scalar(text, style) => Some((Scalar { span: entry.key.span, text, style: *style }, &*entry.value)),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    });
    named.filter_map(|(name, value)| read(name, &format!("{what} {}", quote(name.text)), value, problems)).collect()
}

/// A mapping from names of the user's to single values.
fn pairs<'t>(fields: &Fields<'t>, key: &str, what: &str, problems: &mut Problems) -> Vec<(Scalar<'t>, Scalar<'t>)> {
    let Some(entry) = fields.entry(key) else { return Vec::new() };
    let of = format!("`{key}` of {}", fields.of);
    let entries = mapping(&of, entry.key.span, &entry.value, problems).unwrap_or_default();
    let pair = |entry: &'t Entry| {
        let name = entry.key.scalar()?;
        // A name without a value may be a value without its name, so it is not shown.
        let what = if entry.value.is_null() { what.replace("the ", "each ") } else { format!("{what} {}", quote(name.text)) };
        Some((name, single(&format!("{what} of {}", fields.of), &entry.value, problems)?))
    };
    entries.iter().filter_map(pair).collect()
}
