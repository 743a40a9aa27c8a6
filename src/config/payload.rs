//! Checks `body` and `remove` of a destination.

use super::{
    diagnostics::Code,
    json::word,
    keys::key,
    problem::Problem,
    raw,
    retry::Read,
    template,
    text::quote,
    tree::{Entry, Kind, Node, Scalar, Style},
    values::Checks,
};
use crate::{
    destination::Payload,
    domain::{path::Path, template::Body},
};

/// What the destination gets. Where it says nothing, what `defaults` removes is left out.
pub fn payload(raw: &raw::Destination<'_>, removed: &[Path], of: &str, checks: &mut Checks<'_>) -> Payload {
    let body = raw.body.map(|entry| made(entry, of, checks));
    let paths = match &raw.remove {
        None if removed.is_empty() => None,
        None => Some(removed.to_vec()),
        // It gets what is removed for all others.
        Some(remove) if remove.paths.is_empty() && !removed.is_empty() => None,
        Some(remove) => Some(paths(remove, of, Checks::setting, checks)),
    };
    if let (Some(_), Some(remove)) = (&body, &raw.remove) {
        let message = format!("{of} has both `body` and `remove`, which exclude each other");
        let hint = "a `body` has only what it says: leave `remove` out";
        checks.problems.push(Problem::error(Code::InvalidValue, remove.at, message).help(hint));
    }
    match (body, paths) {
        (Some(Some(body)), _) => Payload::Made(body),
        (None, Some(paths)) => Payload::Without(paths),
        (Some(None) | None, _) => Payload::AsReceived,
    }
}

fn made(entry: &Entry, of: &str, checks: &mut Checks<'_>) -> Option<Body> {
    let of = format!("`body` of {of}");
    if entry.value.is_null() {
        let found = Problem::error(Code::NullValue, entry.key.span, format!("{of} wants what is to be sent, found nothing"));
        checks.problems.push(found.help("as in `body: { reference: \"{{ order_no }}\" }`; leave it out to send the bytes received"));
        return None;
    }
    body(&entry.value, &of, checks)
}

fn body(node: &Node, of: &str, checks: &mut Checks<'_>) -> Option<Body> {
    if node.was_refused() {
        return None;
    }
    match &node.kind {
        Kind::Scalar(..) if let Some(word) = word(node) => Some(Body::Plain(word.into())),
        Kind::Scalar(text, style) => {
            let value = checks.setting(Some(Scalar { span: node.span, text, style: *style }))?;
            Some(Body::Text(template::read(&value, &format!("a text in {of}"), checks)?))
        }
        Kind::Sequence(items) => Some(Body::List(items.iter().filter_map(|item| body(item, of, checks)).collect())),
        Kind::Mapping(entries) => Some(Body::Map(entries.iter().filter_map(|entry| member(entry, of, checks)).collect())),
    }
}

fn member(entry: &Entry, of: &str, checks: &mut Checks<'_>) -> Option<(Box<str>, Body)> {
    if let Kind::Scalar(text, Style::Plain) = &entry.key.kind
        && **text == *"<<"
    {
        let found = Problem::error(Code::UnknownKey, entry.key.span, format!("{of} has YAML's merge key, which is not read"));
        checks.problems.push(found.help("write out what it would bring; a member that is called so goes in quotes: `\"<<\"`"));
    }
    let key = key(entry)?;
    if key.contains("{{") || key.contains("${") {
        let found = Problem::error(Code::InvalidTemplate, entry.key.span, format!("a key in {of} is fixed: nothing is put into it"));
        checks.problems.push(found.help("put the field into the value"));
    }
    Some((key.into(), body(&entry.value, of, checks)?))
}

/// `remove`, as fields of the payload.
pub fn paths<'c>(remove: &raw::Remove<'_>, of: &str, read: Read<'c>, checks: &mut Checks<'c>) -> Vec<Path> {
    if remove.paths.is_empty() {
        let message = format!("`remove` of {of} is empty");
        checks.problems.push(Problem::error(Code::InvalidValue, remove.at, message).help("name the fields to leave out, or leave it out"));
    }
    let mut paths = Vec::with_capacity(remove.paths.len());
    for value in remove.paths.iter().filter_map(|path| read(checks, Some(*path))).collect::<Vec<_>>() {
        match Path::parse(&value.text) {
            Ok(path) if !value.text.contains("{{") => paths.push(path),
            Ok(_) => checks.wrong(&value, &format!("`remove` of {of}"), "fields of the payload, as they are called there", None),
            Err(error) => {
                let message = format!("`remove` of {of} has {}, which names no field: {error}", quote(value.written));
                let hint = "as in `[token, pg_params.card_number, extra.\"flight.number\"]`".to_owned();
                checks.say(&value, Code::InvalidValue, message, Some(hint));
            }
        }
    }
    paths
}
