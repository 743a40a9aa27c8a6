//! The rules file exactly as in YAML: which keys there are and of what shape. What they mean is checked later.

use super::{
    diagnostics::Code,
    keys::{self, Fields, Scalars, mapping, not_yet, single},
    problem::{Problem, Problems},
    text::quote,
    tree::{Entry, Kind, Node, Position, Scalar, Span, Style},
};

/// The file. `None` is what it does not say, or says wrongly: that is among the problems then.
pub struct Raw<'t> {
    pub server: Server<'t>,
    pub store: Store<'t>,
    pub sources: Vec<Source<'t>>,
    pub defaults: Defaults<'t>,
    pub destinations: Vec<Destination<'t>>,
    pub rules: Vec<Rule<'t>>,
    pub unmatched: Option<Scalar<'t>>,
}

/// `server`.
#[derive(Default)]
pub struct Server<'t> {
    pub listen: Option<Scalar<'t>>,
    pub admin: Option<Scalar<'t>>,
    pub admin_token: Option<Scalar<'t>>,
    pub admin_hosts: Scalars<'t>,
    pub drain_delay: Option<Scalar<'t>>,
    pub tls: Option<Tls<'t>>,
    pub trusted_proxies: Scalars<'t>,
}

/// `tls` of `server`.
pub struct Tls<'t> {
    pub cert: Option<Scalar<'t>>,
    pub key: Option<Scalar<'t>>,
}

/// `store`.
#[derive(Default)]
pub struct Store<'t> {
    pub path: Option<Scalar<'t>>,
    pub keep: Option<Scalar<'t>>,
    pub keep_unresolved: Option<Scalar<'t>>,
}

/// One of `sources`.
pub struct Source<'t> {
    pub name: Scalar<'t>,
    pub provider: Option<Scalar<'t>>,
    pub path: Option<Scalar<'t>>,
    pub secret: Option<Scalars<'t>>,
    pub signature: Option<Signature<'t>>,
    /// Where that key is, be its value right or wrong.
    pub signature_at: Option<Span>,
    pub fields: Vec<(Scalar<'t>, Scalar<'t>)>,
    /// Where that key is, be its value right or wrong.
    pub fields_at: Option<Span>,
    pub allow_ips: Option<Scalars<'t>>,
    /// Where that key is, be its value right or wrong.
    pub allow_ips_at: Option<Span>,
    pub unsigned: Option<Scalar<'t>>,
    pub provider_timeout: Option<Scalar<'t>>,
    pub hold: Option<Scalar<'t>>,
    pub dedupe: Option<Scalar<'t>>,
    pub respond: Option<Scalar<'t>>,
}

/// `signature` of a source.
pub struct Signature<'t> {
    pub header: Option<Scalar<'t>>,
    pub algorithm: Option<Scalar<'t>>,
    pub encoding: Option<Scalar<'t>>,
    pub prefix: Option<Scalar<'t>>,
    pub timestamp_header: Option<Scalar<'t>>,
    pub tolerance: Option<Scalar<'t>>,
}

/// `defaults`.
#[derive(Default)]
pub struct Defaults<'t> {
    pub timeout: Option<Scalar<'t>>,
    pub concurrency: Option<Scalar<'t>>,
    pub retry: Option<Retry<'t>>,
}

/// One of `destinations`.
pub struct Destination<'t> {
    pub name: Scalar<'t>,
    pub url: Option<Scalar<'t>>,
    pub method: Option<Scalar<'t>>,
    pub timeout: Option<Scalar<'t>>,
    pub retry: Option<Retry<'t>>,
    pub success: Option<Scalars<'t>>,
    pub give_up_on: Option<Scalars<'t>>,
    pub concurrency: Option<Scalar<'t>>,
    pub headers: Vec<(Scalar<'t>, Scalar<'t>)>,
    pub paused: Option<Scalar<'t>>,
}

/// `retry`.
pub enum Retry<'t> {
    /// A preset's name.
    Preset(Scalar<'t>),
    /// A schedule.
    Schedule(Box<Schedule<'t>>),
}

/// `retry` in full.
pub struct Schedule<'t> {
    pub initial_interval: Option<Scalar<'t>>,
    pub multiplier: Option<Scalar<'t>>,
    pub max_interval: Option<Scalar<'t>>,
    pub jitter: Option<Scalar<'t>>,
    pub max_attempts: Option<Scalar<'t>>,
    pub max_elapsed: Option<Scalar<'t>>,
}

/// One of `rules`.
pub struct Rule<'t> {
    /// Where it starts.
    pub at: Span,
    pub name: Option<Scalar<'t>>,
    pub when: Option<&'t Entry>,
    pub to: Option<Scalars<'t>>,
    /// Whether the key is there at all, be it right or wrong.
    pub says_to: bool,
    pub stop: Option<Scalar<'t>>,
    pub drop: Option<Scalar<'t>>,
    pub tap: Option<Scalar<'t>>,
    pub respond: Option<Scalar<'t>>,
}

impl<'t> Raw<'t> {
    /// Walks the tree. `None`: no more can be said of it than what is among the problems.
    pub fn read(root: &'t Node, problems: &mut Problems) -> Option<Self> {
        let start = Span { start: Position::START, end: 0 };
        if !matches!(root.kind, Kind::Mapping(_)) {
            let code = if root.is_null() { Code::EmptyFile } else { Code::NotAMapping };
            let found = Problem::error(code, root.span, format!("the rules file wants keys with their values, found {}", root.what()));
            problems.push(found.help("the smallest file has `version: 1`, `sources`, `destinations` and `rules`"));
            return None;
        }
        check_version(root, start, problems)?;
        let fields = Fields::read("the rules file", start, root, &keys::TOP, problems)?;
        fields.require("sources", problems);
        Some(Self {
            server: section(&fields, "server", &keys::SERVER, problems, server).unwrap_or_default(),
            store: section(&fields, "store", &keys::STORE, problems, store).unwrap_or_default(),
            sources: named(&fields, "sources", "source", problems, source),
            defaults: section(&fields, "defaults", &keys::DEFAULTS, problems, defaults).unwrap_or_default(),
            destinations: named(&fields, "destinations", "destination", problems, destination),
            rules: rules(&fields, problems),
            unmatched: fields.scalar("unmatched", problems),
        })
    }
}

/// A file of another version may differ in every key, so nothing more is said of it.
fn check_version(root: &Node, start: Span, problems: &mut Problems) -> Option<()> {
    let Kind::Mapping(entries) = &root.kind else { return None };
    let Some(entry) = entries.iter().find(|entry| keys::key(entry) == Some("version")) else {
        problems.push(Problem::error(Code::MissingKey, start, "the rules file has no `version`").help("start it with `version: 1`"));
        return Some(());
    };
    match entry.value.scalar() {
        Some(Scalar { text: "1", style: Style::Plain, .. }) => Some(()),
        Some(Scalar { text, span, style: Style::Quoted, .. }) => {
            let found = Problem::error(Code::UnsupportedVersion, span, "`version` wants a number, found a text in quotes");
            problems.push(found.help("write `version: 1`"));
            (text == "1").then_some(())
        }
        Some(scalar) => {
            let message = format!("version {} of the rules file is not known; this program reads version 1", quote(scalar.text));
            problems.push(Problem::error(Code::UnsupportedVersion, scalar.span, message).help("write `version: 1`"));
            None
        }
        None => {
            let found = Problem::error(Code::UnsupportedVersion, entry.value.span, "`version` wants a number");
            problems.push(found.help("write `version: 1`"));
            None
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
    let entries = mapping(&format!("`{key}`"), entry.key.span, &entry.value, problems);
    if key == "sources" && entries.is_some_and(<[Entry]>::is_empty) {
        problems.error(Code::MissingKey, entry.value.span, "`sources` is empty; at least one source is wanted");
    }
    let entries = entries.unwrap_or_default();
    let named = entries.iter().filter_map(|entry| match &entry.key.kind {
        Kind::Scalar(text, style) => Some((Scalar { span: entry.key.span, text, style: *style }, &*entry.value)),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    });
    named.filter_map(|(name, value)| read(name, &format!("{what} {}", quote(name.text)), value, problems)).collect()
}

fn server<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Server<'t> {
    Server {
        listen: fields.scalar("listen", problems),
        admin: fields.scalar("admin", problems),
        admin_token: fields.scalar("admin_token", problems),
        admin_hosts: fields.list("admin_hosts", problems).unwrap_or_default(),
        drain_delay: fields.scalar("drain_delay", problems),
        tls: tls(fields, problems),
        trusted_proxies: fields.list("trusted_proxies", problems).unwrap_or_default(),
    }
}

fn tls<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Tls<'t>> {
    let entry = fields.entry("tls")?;
    let fields = Fields::read("`tls` of `server`", entry.key.span, &entry.value, &keys::TLS, problems)?;
    fields.require("cert", problems);
    fields.require("key", problems);
    Some(Tls { cert: fields.scalar("cert", problems), key: fields.scalar("key", problems) })
}

fn store<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Store<'t> {
    Store {
        path: fields.scalar("path", problems),
        keep: fields.scalar("keep", problems),
        keep_unresolved: fields.scalar("keep_unresolved", problems),
    }
}

fn source<'t>(name: Scalar<'t>, of: &str, node: &'t Node, problems: &mut Problems) -> Option<Source<'t>> {
    if node.scalar().is_some() && !node.was_refused() {
        let found = Problem::error(Code::WrongType, node.span, format!("{of} wants a mapping, found a single value"));
        problems.push(found.help("its key goes under `secret`: `{ secret: \"${NAME}\" }`"));
        return None;
    }
    let fields = Fields::read(of, name.span, node, &keys::SOURCE, problems)?;
    fields.require("secret", problems);
    Some(Source {
        name,
        provider: fields.scalar("provider", problems),
        path: fields.scalar("path", problems),
        secret: fields.one_or_more("secret", problems),
        signature: signature(&fields, problems),
        signature_at: fields.entry("signature").map(|entry| entry.key.span),
        fields: pairs(&fields, "fields", "the field", problems),
        fields_at: fields.entry("fields").map(|entry| entry.key.span),
        allow_ips: fields.list("allow_ips", problems),
        allow_ips_at: fields.entry("allow_ips").map(|entry| entry.key.span),
        unsigned: fields.scalar("unsigned", problems),
        provider_timeout: fields.scalar("provider_timeout", problems),
        hold: fields.scalar("hold", problems),
        dedupe: fields.scalar("dedupe", problems),
        respond: fields.scalar("respond", problems),
    })
}

fn signature<'t>(source: &Fields<'t>, problems: &mut Problems) -> Option<Signature<'t>> {
    let entry = source.entry("signature")?;
    let of = format!("`signature` of {}", source.of);
    let fields = Fields::read(of, entry.key.span, &entry.value, &keys::SIGNATURE, problems)?;
    fields.require("header", problems);
    Some(Signature {
        header: fields.scalar("header", problems),
        algorithm: fields.scalar("algorithm", problems),
        encoding: fields.scalar("encoding", problems),
        prefix: fields.scalar("prefix", problems),
        timestamp_header: fields.scalar("timestamp_header", problems),
        tolerance: fields.scalar("tolerance", problems),
    })
}

fn defaults<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Defaults<'t> {
    Defaults {
        timeout: fields.scalar("timeout", problems),
        concurrency: fields.scalar("concurrency", problems),
        retry: retry(fields, problems),
    }
}

fn destination<'t>(name: Scalar<'t>, of: &str, node: &'t Node, problems: &mut Problems) -> Option<Destination<'t>> {
    if let Some(url) = node.scalar() {
        let url = Some(url);
        let (method, timeout, retry, success, give_up_on, concurrency, paused) = (None, None, None, None, None, None, None);
        return Some(Destination { name, url, method, timeout, retry, success, give_up_on, concurrency, headers: Vec::new(), paused });
    }
    if node.is_null() || matches!(node.kind, Kind::Sequence(_)) {
        let code = if node.is_null() { Code::NullValue } else { Code::WrongType };
        problems.error(code, node.span, format!("{of} wants a url or a mapping, found {}", node.what()));
        return None;
    }
    let fields = Fields::read(of, name.span, node, &keys::DESTINATION, problems)?;
    fields.require("url", problems);
    Some(Destination {
        name,
        url: fields.scalar("url", problems),
        method: fields.scalar("method", problems),
        timeout: fields.scalar("timeout", problems),
        retry: retry(&fields, problems),
        success: fields.list("success", problems),
        give_up_on: fields.list("give_up_on", problems),
        concurrency: fields.scalar("concurrency", problems),
        headers: pairs(&fields, "headers", "the header", problems),
        paused: fields.scalar("paused", problems),
    })
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

fn retry<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Retry<'t>> {
    let entry = fields.entry("retry")?;
    let of = format!("`retry` of {}", fields.of);
    if !matches!(entry.value.kind, Kind::Mapping(_)) {
        return single(&of, &entry.value, problems).map(Retry::Preset);
    }
    let fields = Fields::read(of, entry.key.span, &entry.value, &keys::RETRY, problems)?;
    Some(Retry::Schedule(Box::new(Schedule {
        initial_interval: fields.scalar("initial_interval", problems),
        multiplier: fields.scalar("multiplier", problems),
        max_interval: fields.scalar("max_interval", problems),
        jitter: fields.scalar("jitter", problems),
        max_attempts: fields.scalar("max_attempts", problems),
        max_elapsed: fields.scalar("max_elapsed", problems),
    })))
}

fn rules<'t>(top: &Fields<'t>, problems: &mut Problems) -> Vec<Rule<'t>> {
    let Some(entry) = top.entry("rules") else { return Vec::new() };
    let Kind::Sequence(items) = &entry.value.kind else {
        let code = if entry.value.is_null() { Code::NullValue } else { Code::WrongType };
        let found = Problem::error(code, entry.value.span, format!("`rules` wants a list of rules, found {}", entry.value.what()));
        problems.push(found.help("each rule starts with `- name: …`"));
        return Vec::new();
    };
    items.iter().enumerate().filter_map(|(index, node)| rule(index + 1, node, problems)).collect()
}

fn rule<'t>(number: usize, node: &'t Node, problems: &mut Problems) -> Option<Rule<'t>> {
    let name = match &node.kind {
        Kind::Mapping(entries) => entries.iter().find(|entry| keys::key(entry) == Some("name")).and_then(|entry| entry.value.scalar()),
        Kind::Scalar(..) | Kind::Sequence(_) => None,
    };
    let of = name.map_or_else(|| format!("rule {number}"), |name| format!("rule {}", quote(name.text)));
    // The marker of a whole rule goes under its first key, or its name.
    let first = match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(node.span, |entry| entry.key.span),
        Kind::Scalar(..) | Kind::Sequence(_) => node.span,
    };
    let at = name.map_or(first, |name| name.span);
    let fields = Fields::read(of, at, node, &keys::RULE, problems)?;
    fields.require("name", problems);
    Some(Rule {
        at,
        name: fields.scalar("name", problems),
        when: fields.entry("when"),
        to: fields.one_or_more("to", problems),
        says_to: fields.entry("to").is_some(),
        stop: fields.scalar("stop", problems),
        drop: fields.scalar("drop", problems),
        tap: fields.scalar("tap", problems),
        respond: respond(&fields, problems),
    })
}

fn respond<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Scalar<'t>> {
    if let Some(entry) = fields.entry("respond").filter(|entry| matches!(entry.value.kind, Kind::Mapping(_))) {
        problems.push(not_yet(entry.value.span, &format!("an answer that waits for a destination (`respond` of {})", fields.of)));
        return None;
    }
    fields.scalar("respond", problems)
}
