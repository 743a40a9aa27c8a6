//! `tests`, as written.

use super::{
    super::{
        diagnostics::Code,
        keys::{self, Fields, Scalars, mapping},
        problem::{Problem, Problems},
        text::quote,
        tree::{Entry, Kind, Node, Scalar, Span},
    },
    pairs,
};

/// One of `tests`.
pub struct Case<'t> {
    /// Where it starts.
    pub at: Span,
    pub name: Option<Scalar<'t>>,
    pub event: Option<&'t Entry>,
    pub sample: Option<Scalar<'t>>,
    /// Whether the key is there at all, be it right or wrong.
    pub says_sample: bool,
    pub set: Option<&'t Entry>,
    pub from: Option<Scalar<'t>>,
    pub expect: Option<Expect<'t>>,
}

/// `expect` of a test.
pub struct Expect<'t> {
    /// Where the key is.
    pub at: Span,
    pub to: Option<Scalars<'t>>,
    pub not_to: Option<Scalars<'t>>,
    pub unmatched: Option<Scalar<'t>>,
    pub drop: Option<Scalar<'t>>,
    pub respond: Option<Respond<'t>>,
    pub rules: Option<Scalars<'t>>,
    pub requests: Vec<Request<'t>>,
}

/// `respond` of `expect`.
pub enum Respond<'t> {
    /// A code, or what should be.
    Code(Scalar<'t>),
    /// What is expected of an answer that waits.
    Wait(Box<Wait<'t>>),
}

/// The same, where it waits.
pub struct Wait<'t> {
    pub wait_for: Option<Scalar<'t>>,
    pub within: Option<Scalar<'t>>,
    pub ok: Option<Scalar<'t>>,
    pub otherwise: Option<Scalar<'t>>,
}

/// `request` of `expect`, for one destination.
pub struct Request<'t> {
    pub destination: Scalar<'t>,
    pub method: Option<Scalar<'t>>,
    pub path: Option<Scalar<'t>>,
    pub headers: Vec<(Scalar<'t>, Scalar<'t>)>,
    pub body: Option<&'t Entry>,
}

pub(super) fn cases<'t>(top: &Fields<'t>, problems: &mut Problems) -> Vec<Case<'t>> {
    let Some(entry) = top.entry("tests") else { return Vec::new() };
    let Kind::Sequence(items) = &entry.value.kind else {
        let code = if entry.value.is_null() { Code::NullValue } else { Code::WrongType };
        let found = Problem::error(code, entry.value.span, format!("`tests` wants a list of tests, found {}", entry.value.what()));
        problems.push(found.help("each test starts with `- name: …`"));
        return Vec::new();
    };
    items.iter().enumerate().filter_map(|(index, node)| case(index + 1, node, problems)).collect()
}

fn case<'t>(number: usize, node: &'t Node, problems: &mut Problems) -> Option<Case<'t>> {
    let name = node.value("name").and_then(Node::scalar);
    let of = name.map_or_else(|| format!("test {number}"), |name| format!("test {}", quote(name.text)));
    let first = match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(node.span, |entry| entry.key.span),
        Kind::Scalar(..) | Kind::Sequence(_) => node.span,
    };
    let at = name.map_or(first, |name| name.span);
    let fields = Fields::read(of, at, node, &keys::TEST, problems)?;
    fields.require("name", problems);
    fields.require("expect", problems);
    Some(Case {
        at,
        name: fields.scalar("name", problems),
        event: fields.entry("event"),
        sample: fields.scalar("sample", problems),
        says_sample: fields.entry("sample").is_some(),
        set: fields.entry("set"),
        from: fields.scalar("from", problems),
        expect: fields.entry("expect").and_then(|entry| expect(entry, &fields.of, problems)),
    })
}

fn expect<'t>(entry: &'t Entry, of: &str, problems: &mut Problems) -> Option<Expect<'t>> {
    let fields =
        some(entry, format!("`expect` of {of}"), &keys::EXPECT, "say at least where the event goes, as in `to: [orders]`", problems)?;
    Some(Expect {
        at: entry.key.span,
        to: fields.one_or_more("to", problems),
        not_to: fields.one_or_more("not_to", problems),
        unmatched: fields.scalar("unmatched", problems),
        drop: fields.scalar("drop", problems),
        respond: respond(&fields, problems),
        rules: fields.one_or_more("rules", problems),
        requests: requests(&fields, problems),
    })
}

fn respond<'t>(expect: &Fields<'t>, problems: &mut Problems) -> Option<Respond<'t>> {
    let entry = expect.entry("respond")?;
    if !matches!(entry.value.kind, Kind::Mapping(_)) || entry.value.was_refused() {
        return expect.scalar("respond", problems).map(Respond::Code);
    }
    let of = format!("`respond` in {}", expect.of);
    let fields = some(entry, of, &keys::RESPOND, "as in `respond: { wait_for: orders }`, or a code", problems)?;
    Some(Respond::Wait(Box::new(Wait {
        wait_for: fields.scalar("wait_for", problems),
        within: fields.scalar("within", problems),
        ok: fields.scalar("ok", problems),
        otherwise: fields.scalar("otherwise", problems),
    })))
}

fn requests<'t>(expect: &Fields<'t>, problems: &mut Problems) -> Vec<Request<'t>> {
    let Some(entry) = expect.entry("request") else { return Vec::new() };
    let of = format!("`request` in {}", expect.of);
    let entries = mapping(&of, entry.key.span, &entry.value, problems);
    let hint = "name a destination and what it gets, as in `request: { orders: { method: POST } }`";
    if entries.is_some_and(<[Entry]>::is_empty) {
        problems
            .push(Problem::error(Code::EmptyCondition, entry.value.span, format!("{of} is empty: it would look at nothing")).help(hint));
    }
    let one = |entry: &'t Entry| {
        let destination = entry.key.scalar()?;
        let of = format!("{} in {of}", quote(destination.text));
        let fields = some(entry, of, &keys::REQUEST, hint, problems)?;
        let request = Request {
            destination,
            method: fields.scalar("method", problems),
            path: fields.scalar("path", problems),
            headers: pairs(&fields, "headers", "the header", problems),
            body: fields.entry("body"),
        };
        Some(request)
    };
    entries.unwrap_or_default().iter().filter_map(one).collect()
}

/// A mapping that looks at nothing unless it has a key.
fn some<'t>(entry: &'t Entry, of: String, keys: &keys::Keys, hint: &str, problems: &mut Problems) -> Option<Fields<'t>> {
    let fields = Fields::read(of, entry.key.span, &entry.value, keys, problems)?;
    if matches!(&entry.value.kind, Kind::Mapping(entries) if entries.is_empty()) {
        let message = format!("{} is empty: it would look at nothing", fields.of);
        problems.push(Problem::error(Code::EmptyCondition, entry.value.span, message).help(hint));
    }
    Some(fields)
}
