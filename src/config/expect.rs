//! Checks `expect` of a test: it looks at something, and what it names is there.

use super::{
    Source,
    cases::Stage,
    diagnostics::Code,
    interpolate::Value,
    json::Payloads,
    keys::Scalars,
    problem::Problem,
    raw,
    sources::answer,
    text::quote,
    tree::{Entry, Scalar},
    values::Checks,
};
use crate::{
    domain::name::Name,
    rehearse::{Answer, Expect, Request, Wait},
};
use http::{HeaderName, Method};
use std::{collections::HashSet, time::Duration};

/// What a test expects of an event from that source; `None`: it is not known which.
pub fn expect(
    raw: &raw::Expect<'_>,
    of: &str,
    source: Option<&Source>,
    stage: &Stage<'_, '_>,
    payloads: &mut Payloads,
    checks: &mut Checks<'_>,
) -> Expect {
    let to = raw.to.as_ref().map(|scalars| destinations(scalars, "to", of, stage, checks));
    let not_to = raw.not_to.as_ref().map(|scalars| destinations(scalars, "not_to", of, stage, checks)).unwrap_or_default();
    for scalar in raw.not_to.iter().flatten().filter(|scalar| raw.to.iter().flatten().any(|to| to.text == scalar.text)) {
        let message = format!("{of} expects {} in `to` and in `not_to`", quote(scalar.text));
        checks.problems.push(Problem::error(Code::InvalidValue, scalar.span, message).help("keep one of them"));
    }
    if raw.not_to.as_ref().is_some_and(Vec::is_empty) {
        let found = Problem::error(
            Code::EmptyCondition,
            raw.at,
            format!("`not_to` in `expect` of {of} is an empty list: it would look at nothing"),
        );
        checks.problems.push(found.help("for an event that goes nowhere write `to: []`"));
    }
    let mut truth = |scalar: Option<Scalar<'_>>, key: &str| {
        scalar.and_then(|scalar| checks.truth(&Value::literal(scalar), &format!("`{key}` in `expect` of {of}")))
    };
    let (unmatched, drop) = (truth(raw.unmatched, "unmatched"), truth(raw.drop, "drop"));
    let respond = raw.respond.as_ref().and_then(|raw| respond(raw, of, source, stage, checks));
    let rules = raw.rules.as_ref().map(|scalars| rules(scalars, of, stage, checks));
    let requests = raw.requests.iter().filter_map(|raw| request(raw, of, stage, payloads, checks)).collect();
    Expect { to, not_to, unmatched, drop, respond, rules, requests }
}

fn destinations(scalars: &Scalars<'_>, key: &str, of: &str, stage: &Stage<'_, '_>, checks: &mut Checks<'_>) -> Vec<Name> {
    let place = format!("`{key}` in `expect` of {of}");
    let known = |scalar: Scalar<'_>, checks: &mut Checks<'_>| destination(scalar, &place, stage, checks);
    each(scalars, &place, known, checks)
}

fn rules(scalars: &Scalars<'_>, of: &str, stage: &Stage<'_, '_>, checks: &mut Checks<'_>) -> Vec<Name> {
    let place = format!("`rules` in `expect` of {of}");
    let known = |scalar: Scalar<'_>, checks: &mut Checks<'_>| {
        if stage.rules.contains(scalar.text) {
            return Some(Name::unchecked(scalar.text));
        }
        let near = checks.problems.did_you_mean(scalar.text, stage.rules.iter().copied());
        let message = format!("{place} names the rule {}, which is not defined{near}", quote(scalar.text));
        checks.say(&Value::literal(scalar), Code::UnknownRule, message, None);
        None
    };
    each(scalars, &place, known, checks)
}

/// The names, each once.
fn each(
    scalars: &Scalars<'_>,
    place: &str,
    known: impl Fn(Scalar<'_>, &mut Checks<'_>) -> Option<Name>,
    checks: &mut Checks<'_>,
) -> Vec<Name> {
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(scalars.len());
    for scalar in scalars {
        if !seen.insert(scalar.text) {
            checks.problems.error(Code::DuplicateValue, scalar.span, format!("{place} names {} twice", quote(scalar.text)));
        } else if let Some(name) = known(*scalar, checks) {
            names.push(name);
        }
    }
    names
}

fn destination(scalar: Scalar<'_>, place: &str, stage: &Stage<'_, '_>, checks: &mut Checks<'_>) -> Option<Name> {
    if stage.known.has_destination(scalar.text) {
        return Some(Name::unchecked(scalar.text));
    }
    let near = checks.problems.did_you_mean(scalar.text, stage.known.destinations.iter().copied());
    let message = format!("{place} names the destination {}, which is not defined{near}", quote(scalar.text));
    checks.say(&Value::literal(scalar), Code::UnknownDestination, message, None);
    None
}

fn respond(raw: &raw::Respond<'_>, of: &str, source: Option<&Source>, stage: &Stage<'_, '_>, checks: &mut Checks<'_>) -> Option<Answer> {
    let of = format!("`respond` in `expect` of {of}");
    let scheme = source.map(|source| &source.provider.scheme);
    let code = |scalar: Scalar<'_>, of: &str, checks: &mut Checks<'_>| answer(&Value::literal(scalar), of, scheme?, None, checks);
    match raw {
        raw::Respond::Code(scalar) => code(*scalar, &of, checks).map(Answer::Code),
        raw::Respond::Wait(wait) => {
            let within = wait.within.map(Value::literal);
            Some(Answer::Wait(Wait {
                wait_for: wait.wait_for.and_then(|scalar| destination(scalar, &format!("`wait_for` in {of}"), stage, checks)),
                within: within.and_then(|value| checks.duration(&value, &format!("`within` in {of}"), Duration::ZERO..=Duration::MAX)),
                ok: wait.ok.and_then(|scalar| code(scalar, &format!("`ok` in {of}"), checks)),
                otherwise: wait.otherwise.and_then(|scalar| code(scalar, &format!("`otherwise` in {of}"), checks)),
            }))
        }
    }
}

const METHODS: [(&str, Method); 3] = [("POST", Method::POST), ("PUT", Method::PUT), ("PATCH", Method::PATCH)];

fn request(
    raw: &raw::Request<'_>,
    of: &str,
    stage: &Stage<'_, '_>,
    payloads: &mut Payloads,
    checks: &mut Checks<'_>,
) -> Option<(Name, Request)> {
    let destination = destination(raw.destination, &format!("`request` in `expect` of {of}"), stage, checks);
    let of = format!("{} in `request` in `expect` of {of}", quote(raw.destination.text));
    let method = raw.method.and_then(|scalar| checks.word(&Value::literal(scalar), &format!("`method` of {of}"), &METHODS));
    if let Some(path) = raw.path.filter(|path| !path.text.starts_with('/')) {
        checks.wrong(&Value::literal(path), &format!("`path` of {of}"), "a path such as `/hooks?shop=1`", None);
    }
    let header = |(name, value): &(Scalar<'_>, Scalar<'_>)| {
        let known = HeaderName::from_bytes(name.text.as_bytes()).ok();
        if known.is_none() {
            let message = format!("{} in `headers` of {of} is no name of a header", quote(name.text));
            checks.problems.error(Code::InvalidHeader, name.span, message);
        }
        Some((known?, value.text.into()))
    };
    let headers = raw.headers.iter().filter_map(header).collect();
    let body = raw.body.and_then(|entry| body(entry, &of, payloads, checks));
    Some((destination?, Request { method, path: raw.path.map(|path| path.text.into()), headers, body }))
}

/// A text as it is; anything else as JSON.
fn body(entry: &Entry, of: &str, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Box<str>> {
    if entry.value.is_null() {
        checks.problems.error(Code::NullValue, entry.key.span, format!("`body` of {of} wants a body, found nothing"));
        return None;
    }
    match payloads.text(&entry.value) {
        Ok(body) => Some(body.into()),
        Err(problem) => {
            checks.problems.push(problem);
            None
        }
    }
}
