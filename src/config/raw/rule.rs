//! `rules`, as written.

use super::super::{
    diagnostics::Code,
    keys::{self, Fields, Scalars},
    problem::{Problem, Problems},
    respond,
    text::quote,
    tree::{Entry, Kind, Node, Scalar, Span},
};

/// One of `rules`.
pub struct Rule<'t> {
    /// Where it starts.
    pub at: Span,
    /// Which one of its file it is, from 1.
    pub number: usize,
    pub name: Option<Scalar<'t>>,
    pub when: Option<&'t Entry>,
    pub to: Option<Scalars<'t>>,
    /// Whether the key is there at all, be it right or wrong.
    pub says_to: bool,
    pub stop: Option<Scalar<'t>>,
    pub drop: Option<Scalar<'t>>,
    pub tap: Option<Scalar<'t>>,
    pub respond: Option<respond::Raw<'t>>,
    pub allow: Scalars<'t>,
}

pub(super) fn rules<'t>(top: &Fields<'t>, problems: &mut Problems) -> Vec<Rule<'t>> {
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
        number,
        name: fields.scalar("name", problems),
        when: fields.entry("when"),
        to: fields.one_or_more("to", problems),
        says_to: fields.entry("to").is_some(),
        stop: fields.scalar("stop", problems),
        drop: fields.scalar("drop", problems),
        tap: fields.scalar("tap", problems),
        respond: respond::read(&fields, problems),
        allow: fields.list("allow", problems).unwrap_or_default(),
    })
}
