//! Checks what a source says of its provider: whose signature it is, its form, and where the payload says what.

use super::{diagnostics::Code, problem::Problem, raw, text::quote, tree::Span, values::Checks};
use crate::{
    domain::path::Path,
    provider::{
        Algorithm, Encoding, Mapping, Scheme,
        hmac::{Form, SignedTime},
    },
};
use http::HeaderName;
use std::{ops::RangeInclusive, time::Duration};

const TOLERANCE: Duration = Duration::from_secs(300);
const TOLERANCES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const LONGEST_PREFIX: usize = 64;

/// The providers by their names.
pub const PROVIDERS: [(&str, Word); 3] = [("ottu", Word::Ottu), ("standard-webhooks", Word::StandardWebhooks), ("hmac", Word::Hmac)];
/// The hashes of an HMAC.
pub const ALGORITHMS: [(&str, Algorithm); 3] = [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
/// How a signature is written.
pub const ENCODINGS: [(&str, Encoding); 2] = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];

/// A provider's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Ottu.
    Ottu,
    /// Any sender of Standard Webhooks.
    StandardWebhooks,
    /// Any sender that signs the body in a header.
    Hmac,
}

impl Word {
    fn as_str(self) -> &'static str {
        PROVIDERS.iter().find(|(_, word)| *word == self).map_or("", |(name, _)| name)
    }
}

/// The scheme of a source. Where its provider is not known nothing more is said of it, and Ottu, the strictest, stands in.
pub fn scheme(raw: &raw::Source<'_>, of: &str, checks: &mut Checks<'_>) -> Scheme {
    let word = match checks.setting(raw.provider) {
        Some(value) => checks.word(&value, &format!("`provider` of {of}"), &PROVIDERS),
        None => raw.provider.is_none().then_some(Word::Ottu),
    };
    let Some(word) = word else { return Scheme::Ottu };
    let mut other = |at: Option<Span>, key: &str, hint: &str| {
        let Some(at) = at else { return };
        let message = format!("`{key}` is not for the provider `{}` ({of})", word.as_str());
        checks.problems.push(Problem::error(Code::UnknownKey, at, message).help(hint));
    };
    let whole = "it has a signature of one form: leave `signature` out, or write `provider: hmac`";
    let always = "its webhooks are always signed: leave it out";
    match word {
        Word::Ottu => {
            other(raw.signature_at, "signature", whole);
            other(raw.fields_at, "fields", "what its payloads say is known: leave it out");
            Scheme::Ottu
        }
        Word::StandardWebhooks => {
            other(raw.signature_at, "signature", whole);
            other(raw.unsigned.map(|scalar| scalar.span), "unsigned", always);
            Scheme::StandardWebhooks(mapping(raw, of, checks))
        }
        Word::Hmac => {
            other(raw.unsigned.map(|scalar| scalar.span), "unsigned", always);
            if raw.signature_at.is_none() {
                let hint = "say which header has the signature: `signature: { header: x-signature }`";
                let message = format!("{of} has no `signature`, which the provider `hmac` needs");
                checks.problems.push(Problem::error(Code::MissingKey, raw.name.span, message).help(hint));
            }
            Scheme::Hmac(form(raw, of, checks), mapping(raw, of, checks))
        }
    }
}

/// How the sender signs. What is wrong is said, and a default stands in.
fn form(raw: &raw::Source<'_>, of: &str, checks: &mut Checks<'_>) -> Form {
    let stand_in = HeaderName::from_static("x-signature");
    let Some(signature) = &raw.signature else {
        let (algorithm, encoding) = (Algorithm::default(), Encoding::default());
        return Form { header: stand_in, algorithm, encoding, prefix: "".into(), time: None };
    };
    let of = format!("`signature` of {of}");
    let algorithm = checks.setting(signature.algorithm).and_then(|value| checks.word(&value, &format!("`algorithm` of {of}"), &ALGORITHMS));
    let encoding = checks.setting(signature.encoding).and_then(|value| checks.word(&value, &format!("`encoding` of {of}"), &ENCODINGS));
    let signed = header(signature.header, "header", &of, checks);
    Form {
        time: time(signature, signed.as_ref(), &of, checks),
        header: signed.unwrap_or(stand_in),
        algorithm: algorithm.unwrap_or_default(),
        encoding: encoding.unwrap_or_default(),
        prefix: prefix(signature, &of, checks),
    }
}

fn header(scalar: Option<super::tree::Scalar<'_>>, key: &str, of: &str, checks: &mut Checks<'_>) -> Option<HeaderName> {
    let value = checks.setting(scalar)?;
    let name = HeaderName::from_bytes(value.text.as_bytes()).ok();
    if name.is_none() {
        checks.wrong(&value, &format!("`{key}` of {of}"), "the name of a header such as `x-signature`", None);
    }
    name
}

fn prefix(raw: &raw::Signature<'_>, of: &str, checks: &mut Checks<'_>) -> Box<str> {
    let Some(value) = checks.setting(raw.prefix) else { return "".into() };
    let is_printable = value.text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if value.text.len() > LONGEST_PREFIX || !is_printable || value.text.starts_with(' ') {
        let wanted = "what stands before the signature in its header, such as `sha256=`: at most 64 visible characters";
        checks.wrong(&value, &format!("`prefix` of {of}"), wanted, None);
    }
    value.text.into()
}

fn time(raw: &raw::Signature<'_>, signed: Option<&HeaderName>, of: &str, checks: &mut Checks<'_>) -> Option<SignedTime> {
    let tolerance = checks.setting(raw.tolerance).map(|value| {
        if raw.timestamp_header.is_none() {
            let hint = "name the header that has the signed time, or leave `tolerance` out";
            let message = format!("{of} has a `tolerance` but no `timestamp_header`");
            checks.say(&value, Code::MissingKey, message, Some(hint.to_owned()));
        }
        checks.duration(&value, &format!("`tolerance` of {of}"), TOLERANCES).unwrap_or(TOLERANCE)
    });
    let header = header(raw.timestamp_header, "timestamp_header", of, checks)?;
    if signed == Some(&header)
        && let Some(value) = checks.setting(raw.timestamp_header)
    {
        let message = format!("`timestamp_header` of {of} is the header of the signature itself");
        checks.say(&value, Code::DuplicateValue, message, Some("a sender that signs a time sends it in a header of its own".to_owned()));
    }
    Some(SignedTime { header, tolerance: tolerance.unwrap_or(TOLERANCE) })
}

/// Where the payload says what.
fn mapping(raw: &raw::Source<'_>, of: &str, checks: &mut Checks<'_>) -> Mapping {
    let mut mapping = Mapping::default();
    for (name, path) in &raw.fields {
        let known = Mapping::names().find(|known| known.as_str() == name.text);
        if known.is_none() {
            let names: Vec<_> = Mapping::names().map(|name| name.as_str()).collect();
            let near = checks.problems.did_you_mean(name.text, names.iter().copied());
            let hint = near.is_empty().then(|| format!("the fields are {}", names.join(", ")));
            let message = format!("`fields` of {of} has no field {}{near}", quote(name.text));
            checks.problems.push(Problem::error(Code::UnknownKey, name.span, message).maybe_help(hint));
        }
        let Some(value) = checks.setting(Some(*path)) else { continue };
        match (Path::parse(&value.text), known) {
            (Ok(path), Some(name)) => mapping.insert(name, path),
            (Ok(_), None) => {}
            (Err(error), _) => {
                let message = format!("the path {} of the field {} ({of}) is none: {error}", quote(value.written), quote(name.text));
                let hint = "a path is dotted, as in `data.status`, `lines.0.id` or `extra.\"flight.number\"`";
                checks.say(&value, Code::InvalidValue, message, Some(hint.to_owned()));
            }
        }
    }
    mapping
}
