//! Reading a mapping by the keys it may have: unknown ones, repeated ones, wrong shapes.

use super::{
    diagnostics::Code,
    hints,
    problem::{Problem, Problems},
    text::quote,
    tree::{Entry, Kind, Node, Scalar, Span},
};

pub use super::schema::{
    AUTH, BASIC, CLIENT_TLS, DEFAULTS, DESTINATION, EXPECT, Keys, OAUTH2, REQUEST, RESPOND, RETRY, RULE, SERVER, SIGN, SIGNATURE, SOURCE,
    STORE, TEST, TLS, TOP, WAIT,
};

/// What may stand in an included file; what else a rules file has is said once, in the rules file itself.
pub const INCLUDED: [&str; 5] = ["version", "sources", "destinations", "rules", "tests"];

/// Parts of a destination whose values are secrets.
const SECRET_PARTS: [&str; 4] = ["`sign`", "`auth`", "`basic`", "`oauth2`"];

const GLUED: &str = "a `:` wants a space behind it: `state: paid`, not `state:paid`";

/// A mapping whose keys were looked at.
pub struct Fields<'t> {
    /// For messages: `destination "orders"`.
    pub of: String,
    /// Where it is named.
    pub at: Span,
    entries: &'t [Entry],
}

/// A value or a list of values.
pub type Scalars<'t> = Vec<Scalar<'t>>;

impl<'t> Fields<'t> {
    /// The mapping with its keys looked at; `None`: it is no mapping, which was said.
    pub fn read(of: impl Into<String>, at: Span, node: &'t Node, keys: &Keys, problems: &mut Problems) -> Option<Self> {
        let of = of.into();
        let entries = mapping(&of, at, node, problems)?;
        for entry in entries {
            let Some(key) = key(entry) else { continue };
            if !keys.names().any(|name| name == key) {
                let hint = if key == "<<" {
                    Some("YAML's merge key is not read: what destinations share goes under `defaults`".to_owned())
                } else if keys.known.len() > 3 {
                    Some(format!("the keys here are {}", keys.names().collect::<Vec<_>>().join(", ")))
                } else {
                    None
                };
                if of == "`defaults`" && DESTINATION.names().any(|name| name == key) {
                    let message = format!("`{key}` cannot stand in `defaults`: it is each destination's own");
                    let hint = "say it of each destination; an anchor (`&name`) and its alias (`*name`) spare writing it twice";
                    problems.push(Problem::error(Code::MisplacedKey, entry.key.span, message).help(hint));
                    continue;
                }
                // What has no value may be one whose key is missing: not shown, since it may be a secret.
                if entry.value.is_null() && SECRET_PARTS.iter().any(|part| of.starts_with(part)) {
                    let message = format!("{of} has a value without its key");
                    problems.push(Problem::error(Code::UnknownKey, entry.key.span, message).maybe_help(hint));
                    continue;
                }
                // What is glued to a key may be its value, and a secret.
                let name = hints::name_of(key);
                let glued = key[name.len()..].starts_with(':');
                let near = problems.did_you_mean(name, keys.names().filter(|known| *known != name));
                let hint = if glued { Some(GLUED.to_owned()) } else { hint.filter(|_| near.is_empty()) };
                let rest = if name.len() < key.len() { ", with what is glued to it" } else { "" };
                let message = format!("{of} has no key {}{rest}{near}", quote(name));
                problems.push(Problem::error(Code::UnknownKey, entry.key.span, message).maybe_help(hint));
            }
        }
        Some(Self { of, at, entries })
    }

    /// The key and the value, where they are there.
    pub fn entry(&self, key: &str) -> Option<&'t Entry> {
        self.entries.iter().find(|entry| self::key(entry) == Some(key))
    }

    /// The value, where it is there.
    pub fn node(&self, key: &str) -> Option<&'t Node> {
        self.entry(key).map(|entry| &*entry.value)
    }

    /// A single value.
    pub fn scalar(&self, key: &str, problems: &mut Problems) -> Option<Scalar<'t>> {
        let node = self.node(key)?;
        single(&format!("`{key}` of {}", self.of), node, problems)
    }

    /// A list of single values.
    pub fn list(&self, key: &str, problems: &mut Problems) -> Option<Scalars<'t>> {
        if let Some(scalar) = self.node(key)?.scalar() {
            let message = format!("`{key}` of {} wants a list, found a single value", self.of);
            problems.push(Problem::error(Code::WrongType, scalar.span, message).help("put it in brackets: `[…]`"));
            return None;
        }
        self.one_or_more(key, problems)
    }

    /// A single value or a list of them.
    pub fn one_or_more(&self, key: &str, problems: &mut Problems) -> Option<Scalars<'t>> {
        let node = self.node(key)?;
        let of = format!("`{key}` of {}", self.of);
        scalars(&of, node, problems)
    }

    /// A key that has to be there.
    pub fn require(&self, key: &str, problems: &mut Problems) {
        if self.entry(key).is_none() {
            problems.error(Code::MissingKey, self.at, format!("{} has no `{key}`", self.of));
        }
    }
}

/// The entries of a mapping.
pub fn mapping<'t>(of: &str, at: Span, node: &'t Node, problems: &mut Problems) -> Option<&'t [Entry]> {
    match &node.kind {
        Kind::Mapping(entries) => Some(entries),
        Kind::Scalar(..) | Kind::Sequence(_) if node.was_refused() => None,
        Kind::Scalar(..) | Kind::Sequence(_) if node.is_null() => {
            let hint = "leave the key out, or write what belongs under it, further in than the key";
            problems.push(Problem::error(Code::NullValue, at, format!("{of} wants a mapping, found nothing")).help(hint));
            None
        }
        Kind::Scalar(..) | Kind::Sequence(_) => {
            let glued = node.scalar().and_then(|scalar| hints::glued(scalar.text)).is_some();
            let hint = glued.then(|| GLUED.to_owned());
            let message = format!("{of} wants a mapping, found {}", node.what());
            problems.push(Problem::error(Code::WrongType, node.span, message).maybe_help(hint));
            None
        }
    }
}

/// A single value that is not null.
pub fn single<'t>(of: &str, node: &'t Node, problems: &mut Problems) -> Option<Scalar<'t>> {
    if node.was_refused() {
        return None;
    }
    let scalar = node.scalar();
    if node.is_null() {
        problems.error(Code::NullValue, node.span, format!("{of} wants a value, found nothing"));
    } else if scalar.is_none() {
        problems.error(Code::WrongType, node.span, format!("{of} wants a single value, found {}", node.what()));
    }
    scalar
}

/// A single value or a list of them, none of them null.
pub fn scalars<'t>(of: &str, node: &'t Node, problems: &mut Problems) -> Option<Scalars<'t>> {
    let Kind::Sequence(items) = &node.kind else { return single(of, node, problems).map(|scalar| vec![scalar]) };
    let found: Vec<_> = items.iter().filter_map(|item| single(&format!("each of {of}"), item, problems)).collect();
    (found.len() == items.len()).then_some(found)
}

/// The text of a key; one that is no text was refused before.
pub fn key(entry: &Entry) -> Option<&str> {
    match &entry.key.kind {
        Kind::Scalar(text, _) => Some(text),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}
