//! The keys that each part of the rules file has, and reading a mapping by them: unknown ones, repeated ones, wrong shapes.

use super::{
    diagnostics::Code,
    hints,
    problem::{Problem, Problems},
    text::quote,
    tree::{Entry, Kind, Node, Scalar, Span},
};

/// The keys of a part of the file.
pub struct Keys {
    /// Those it has.
    pub known: &'static [&'static str],
}

/// The file itself.
pub const TOP: Keys = Keys {
    known: &["version", "server", "store", "sources", "defaults", "destinations", "rules", "unmatched", "include", "tests", "allow"],
};
/// What may stand in an included file; what else a rules file has is said once, in the rules file itself.
pub const INCLUDED: [&str; 5] = ["version", "sources", "destinations", "rules", "tests"];
/// `server`.
pub const SERVER: Keys = Keys { known: &["listen", "admin", "admin_token", "admin_hosts", "drain_delay", "tls", "trusted_proxies"] };
/// `tls` of `server`.
pub const TLS: Keys = Keys { known: &["cert", "key"] };
/// `store`.
pub const STORE: Keys = Keys { known: &["path", "keep", "keep_unresolved"] };
/// One of `sources`.
pub const SOURCE: Keys = Keys {
    known: &["provider", "path", "secret", "signature", "fields", "allow_ips", "unsigned", "provider_timeout", "hold", "dedupe", "respond"],
};
/// `signature` of a source.
pub const SIGNATURE: Keys = Keys { known: &["header", "algorithm", "encoding", "prefix", "timestamp_header", "tolerance"] };
/// `defaults`.
pub const DEFAULTS: Keys = Keys {
    known: &[
        "method",
        "timeout",
        "retry",
        "success",
        "give_up_on",
        "concurrency",
        "headers",
        "remove",
        "breaker",
        "rate_limit",
        "order_by",
        "order_wait",
    ],
};
/// One of `destinations`.
pub const DESTINATION: Keys = Keys {
    known: &[
        "url",
        "method",
        "timeout",
        "retry",
        "success",
        "give_up_on",
        "concurrency",
        "sign",
        "auth",
        "tls",
        "headers",
        "allow_link_local",
        "breaker",
        "rate_limit",
        "order_by",
        "order_wait",
        "paused",
        "body",
        "remove",
    ],
};
/// `sign`.
pub const SIGN: Keys = Keys { known: &["scheme", "secret"] };
/// `auth`.
pub const AUTH: Keys = Keys { known: &["bearer", "basic", "oauth2"] };
/// `basic` of `auth`.
pub const BASIC: Keys = Keys { known: &["user", "password"] };
/// `oauth2` of `auth`.
pub const OAUTH2: Keys = Keys { known: &["token_url", "client_id", "client_secret", "scope"] };
/// `tls` of a destination.
pub const CLIENT_TLS: Keys = Keys { known: &["ca", "cert", "key"] };
/// `retry`, where it is no preset.
pub const RETRY: Keys = Keys { known: &["initial_interval", "multiplier", "max_interval", "jitter", "max_attempts", "max_elapsed"] };
/// One of `rules`.
pub const RULE: Keys = Keys { known: &["name", "when", "to", "stop", "drop", "tap", "respond", "allow"] };

/// One of `tests`.
pub const TEST: Keys = Keys { known: &["name", "event", "sample", "set", "from", "expect"] };
/// `expect` of a test.
pub const EXPECT: Keys = Keys { known: &["to", "not_to", "unmatched", "drop", "respond", "rules", "request"] };
/// `request` of `expect`, for one destination.
pub const REQUEST: Keys = Keys { known: &["method", "path", "headers", "body"] };
/// `respond`, where it is no code.
pub const WAIT: Keys = Keys { known: &["wait_for", "within", "ok", "otherwise"] };

/// Parts of a destination whose values are secrets.
const SECRET_PARTS: [&str; 4] = ["`sign`", "`auth`", "`basic`", "`oauth2`"];

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
            if !keys.known.contains(&key) {
                let hint = if key == "<<" {
                    Some("YAML's merge key is not read: what destinations share goes under `defaults`".to_owned())
                } else if keys.known.len() > 3 {
                    Some(format!("the keys here are {}", keys.known.join(", ")))
                } else {
                    None
                };
                if of == "`defaults`" && DESTINATION.known.contains(&key) {
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
                let near = problems.did_you_mean(key, keys.known.iter().copied());
                let hint = hint.filter(|_| near.is_empty());
                let message = format!("{of} has no key {}{near}", quote(key));
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
            let hint = glued.then(|| "a `:` wants a space behind it: `state: paid`, not `state:paid`".to_owned());
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
