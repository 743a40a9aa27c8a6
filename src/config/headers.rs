//! Checks `headers` of a destination, and of `defaults`.

use super::{diagnostics::Code, problem::Problem, raw, retry::Read, template, text::quote, tree::Scalar, values::Checks};
use crate::domain::template::Template;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use std::collections::HashSet;

/// Each name once.
pub type Headers = Vec<(HeaderName, Template)>;

/// As in YAML.
type Pair<'t> = (Scalar<'t>, Scalar<'t>);

/// A destination's headers behind those of `defaults` that it does not set itself, be it by `auth`.
pub fn of_destination(raw: &raw::Destination<'_>, defaults: &Headers, of: &str, checks: &mut Checks<'_>) -> Headers {
    let own = headers(&raw.headers, of, Checks::setting, checks);
    let authorization = raw.headers.iter().find(|(name, _)| name.text.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
    if let Some((name, _)) = authorization.filter(|_| raw.auth.is_some()) {
        let message = format!("`headers` of {of} sets \"authorization\", which its `auth` sets");
        checks.problems.push(Problem::error(Code::ReservedHeader, name.span, message).help("keep one of them"));
    }
    let is_own = |name: &HeaderName| own.iter().any(|(own, _)| own == name) || *name == AUTHORIZATION && raw.auth.is_some();
    defaults.iter().filter(|(name, _)| !is_own(name)).cloned().chain(own.iter().cloned()).collect()
}

/// `headers`, in the order of the file.
pub fn headers<'c>(raw: &[Pair<'_>], of: &str, read: Read<'c>, checks: &mut Checks<'c>) -> Headers {
    let mut seen = HashSet::new();
    let mut headers = Vec::with_capacity(raw.len());
    for (name, value) in raw {
        let Some(name) = header_name(*name, of, checks) else { continue };
        if !seen.insert(name.0.clone()) {
            checks.problems.error(Code::DuplicateKey, name.1.span, format!("`headers` of {of} has {} twice", quote(name.0.as_str())));
        }
        let Some(value) = read(checks, Some(*value)) else { continue };
        let what = format!("the header {} of {of}", quote(name.0.as_str()));
        let Some(template) = template::read(&value, &what, checks) else { continue };
        if HeaderValue::from_str(&template.with("x")).is_ok() {
            headers.push((name.0, template));
        } else {
            let message = format!("{what} has a character that no header can have");
            let hint = "visible ASCII and spaces are wanted; a line break at the end of a value is the usual culprit".to_owned();
            checks.say(&value, Code::InvalidHeader, message, Some(hint));
        }
    }
    headers
}

fn header_name<'t>(scalar: Scalar<'t>, of: &str, checks: &mut Checks<'_>) -> Option<(HeaderName, Scalar<'t>)> {
    let Ok(name) = scalar.text.parse::<HeaderName>() else {
        let message = format!("`headers` of {of} has {}, which is no name of a header", quote(scalar.text));
        checks.problems.error(Code::InvalidHeader, scalar.span, message);
        return None;
    };
    if crate::destination::is_reserved(&name) {
        let message = format!("`headers` of {of} sets {}, which the gateway sets itself or never sends", quote(name.as_str()));
        checks.problems.error(Code::ReservedHeader, scalar.span, message);
        return None;
    }
    Some((name, scalar))
}
