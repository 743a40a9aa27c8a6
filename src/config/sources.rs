//! Checks `sources`.

use super::{
    Source, Unset,
    diagnostics::Code,
    interpolate::{Origin, Purpose, Value},
    lints, providers, raw,
    text::quote,
    tree::Scalar,
    values::Checks,
};
use crate::{
    domain::{
        name::Name,
        secret::Secret,
        standard_webhooks::{self, KeyError},
    },
    provider::{self, Scheme, Unsigned},
    receive::{Network, SourceSettings},
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// What can become of an unsigned event.
pub const UNSIGNED: [(&str, Unsigned); 3] =
    [("reject", Unsigned::Reject), ("quarantine", Unsigned::Quarantine), ("accept", Unsigned::Accept)];
const LONGEST: Duration = Duration::from_secs(600);
const SHORTEST: Duration = Duration::from_millis(1);
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(15);
const HOLD: Duration = Duration::from_secs(60);
const DEDUPE: Duration = Duration::from_secs(3_600);
const LONGEST_DEDUPE: Duration = Duration::from_secs(365 * 86_400);
const ANSWER: u16 = 200;
/// `test-hmac-key` as a secret of Standard Webhooks.
pub const DEV_SECRET: &str = "whsec_dGVzdC1obWFjLWtleQ==";

/// Checks all sources; with the answer of each.
pub fn sources(raw: &[raw::Source<'_>], checks: &mut Checks<'_>) -> (Vec<Source>, HashMap<Name, u16>) {
    let mut answers = HashMap::new();
    let mut paths = HashSet::new();
    let mut sources = Vec::new();
    for raw in raw {
        let of = format!("source {}", quote(raw.name.text));
        let name = name(raw.name, &of, checks);
        let scheme = providers::scheme(raw, &of, checks);
        let answer = checks.setting(raw.respond).and_then(|value| answer(&value, &format!("`respond` of {of}"), &scheme, None, checks));
        answers.insert(name.clone(), answer.unwrap_or(ANSWER));
        sources.push(source(raw, name, scheme, &of, &mut paths, checks));
    }
    (sources, answers)
}

/// The name of a source or destination; what is wrong with it is said.
pub fn name(scalar: Scalar<'_>, of: &str, checks: &mut Checks<'_>) -> Name {
    Name::of_part(scalar.text).unwrap_or_else(|error| {
        checks.problems.error(Code::InvalidName, scalar.span, format!("{of} has no valid name: {error}"));
        Name::unchecked(scalar.text)
    })
}

/// An answer to a sender of that scheme; `hint` where more has to be said than what is wanted.
pub fn answer(value: &Value<'_>, of: &str, scheme: &Scheme, hint: Option<String>, checks: &mut Checks<'_>) -> Option<u16> {
    let is_quoted = value.origin == Origin::Written(super::tree::Style::Quoted);
    let found = scheme.answers().find(|code| !is_quoted && code.to_string() == value.text);
    if found.is_none() {
        let (wanted, why) = match scheme {
            Scheme::Ottu => ("200 or 201", Some("to ottu anything else is a failure, and it never sends the event again")),
            Scheme::StandardWebhooks(_) | Scheme::Hmac(..) => ("a code from 200 to 299", None),
        };
        let quoted = is_quoted.then(|| "write it without quotes".to_owned());
        checks.wrong(value, of, wanted, quoted.or(hint).or(why.map(str::to_owned)));
    }
    found
}

fn source(raw: &raw::Source<'_>, name: Name, scheme: Scheme, of: &str, paths: &mut HashSet<String>, checks: &mut Checks<'_>) -> Source {
    let path = path(raw, &name, of, paths, checks);
    let allow_ips = allow_ips(raw, of, checks);
    let unsigned = unsigned(raw, of, checks);
    let mut time = |scalar, key: &str, longest| {
        let value = checks.setting(scalar)?;
        checks.duration(&value, &format!("`{key}` of {of}"), SHORTEST..=longest)
    };
    let provider_timeout = time(raw.provider_timeout, "provider_timeout", LONGEST).unwrap_or(PROVIDER_TIMEOUT);
    let hold = time(raw.hold, "hold", LONGEST).unwrap_or(HOLD);
    let dedupe = time(raw.dedupe, "dedupe", LONGEST_DEDUPE).unwrap_or(DEDUPE);
    let place = raw.hold.or(raw.provider_timeout).map_or(raw.name.span, |scalar| scalar.span);
    lints::hold_too_short(hold, provider_timeout, of, place, &mut checks.problems);
    let (secrets, keys) = secrets(raw, &scheme, of, checks);
    Source {
        receive: SourceSettings { name, path, allow_ips, provider_timeout, hold, dedupe, keys: keys.into() },
        provider: provider::Settings { scheme, secrets, unsigned },
    }
}

fn path(raw: &raw::Source<'_>, name: &Name, of: &str, paths: &mut HashSet<String>, checks: &mut Checks<'_>) -> String {
    let value = checks.setting(raw.path);
    let path = value.as_ref().map_or_else(|| format!("/webhooks/{name}"), |value| value.text.to_string());
    if let Some(value) = &value {
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !br#"?#"<>\^`{|}%"#.contains(&byte));
        if !is_path || path.len() > 1024 {
            let wanted = "a path that starts with `/` and has only letters, digits and marks such as `-`, `_`, `.`";
            checks.wrong(value, &format!("`path` of {of}"), wanted, None);
        } else if path == "/healthz" {
            let message = format!("`path` of {of} is `/healthz`, where the gateway says that it lives");
            checks.say(value, Code::DuplicatePath, message, None);
        }
    }
    if !paths.insert(path.clone()) {
        let message = format!("{of} has the path {} of a source before it", quote(value.as_ref().map_or(&path, |value| value.written)));
        match &value {
            Some(value) => checks.say(value, Code::DuplicatePath, message, None),
            None => checks.problems.error(Code::DuplicatePath, raw.name.span, message),
        }
    }
    path
}

fn allow_ips(raw: &raw::Source<'_>, of: &str, checks: &mut Checks<'_>) -> Vec<Network> {
    let Some(scalars) = &raw.allow_ips else { return Vec::new() };
    if scalars.is_empty() {
        let message = format!("`allow_ips` of {of} is empty, which would let nobody in; leave it out to let everybody in");
        checks.problems.error(Code::InvalidValue, raw.allow_ips_at.unwrap_or(raw.name.span), message);
    }
    networks(scalars, &format!("each of `allow_ips` of {of}"), checks)
}

/// Addresses and ranges of them; what is wrong with one is said.
pub fn networks(scalars: &[Scalar<'_>], each: &str, checks: &mut Checks<'_>) -> Vec<Network> {
    let values = checks.settings(scalars);
    let mut networks = Vec::with_capacity(values.len());
    for value in &values {
        match Network::parse(&value.text) {
            Ok(network) => networks.push(network),
            Err(_) => checks.wrong(value, each, "an address or a range of addresses such as `203.0.113.0/24`", None),
        }
    }
    networks
}

fn unsigned(raw: &raw::Source<'_>, of: &str, checks: &mut Checks<'_>) -> Unsigned {
    let Some(value) = checks.setting(raw.unsigned) else { return Unsigned::default() };
    let unsigned = checks.word(&value, &format!("`unsigned` of {of}"), &UNSIGNED).unwrap_or_default();
    if unsigned == Unsigned::Accept && raw.allow_ips_at.is_none() {
        let message = format!("{of} accepts unsigned events and has no `allow_ips`: anybody could send it some");
        let hint = "name the addresses that may send them, or write `unsigned: quarantine`".to_owned();
        checks.say(&value, Code::UnsignedWithoutAllowIps, message, Some(hint));
    }
    unsigned
}

/// The keys, and how the file writes each.
fn secrets(raw: &raw::Source<'_>, scheme: &Scheme, of: &str, checks: &mut Checks<'_>) -> (Vec<Secret>, Vec<String>) {
    let Some(scalars) = &raw.secret else { return Default::default() };
    if scalars.is_empty() || scalars.len() > 3 {
        let at = scalars.first().map_or(raw.name.span, |scalar| scalar.span);
        checks.problems.error(Code::WeakSecret, at, format!("`secret` of {of} wants 1 to 3 keys, found {}", scalars.len()));
    }
    let mut secrets: Vec<Secret> = Vec::new();
    let mut names = Vec::new();
    for scalar in scalars {
        let Some(value) = checks.interpolator.value(*scalar, Purpose::Key, &mut checks.problems) else { continue };
        // What stands in for a key that is not set verifies nothing, so that nobody takes a refusal for an answer.
        if value.origin == Origin::Unset && checks.interpolator.unset == Unset::Placeholder {
            continue;
        }
        let key = value.text.trim_end_matches('\0');
        if key.trim().is_empty() {
            let what = if key.is_empty() { "empty" } else { "nothing but white space" };
            let message = format!("a key of {of} is {what}; such a key proves nothing");
            checks.say(&value, Code::WeakSecret, message, Some("set it to the key that the provider shows".to_owned()));
        } else if key.trim() != key {
            let message = format!("a key of {of} has white space at its start or end, and no event would verify with it");
            checks.say(
                &value,
                Code::WeakSecret,
                message,
                Some("set it to the key as the provider shows it, without blanks and line breaks".to_owned()),
            );
        } else if let Some(error) = misshapen(&value, scheme) {
            let hint = "set it to the secret as the sender shows it: `whsec_` and base64, such as `whsec_dGVzdC1obWFjLWtleQ==`";
            checks.say(&value, Code::WeakSecret, format!("a key of {of} {error}"), Some(hint.to_owned()));
            // What stands in for a variable that is not set is no such secret.
            if value.origin == Origin::Unset && secrets.is_empty() {
                secrets.push(Secret::new(DEV_SECRET));
            }
        } else if !secrets.iter().any(|known| known.expose() == key) {
            secrets.push(Secret::new(key));
            names.push(value.reference().unwrap_or("***").to_owned());
        } else {
            checks.say(&value, Code::WeakSecret, format!("{of} has the same key twice"), Some("keep one of them".to_owned()));
        }
    }
    (secrets, names)
}

/// Why a text is no key of that scheme.
fn misshapen(value: &Value<'_>, scheme: &Scheme) -> Option<KeyError> {
    match scheme {
        Scheme::Ottu | Scheme::Hmac(..) => None,
        Scheme::StandardWebhooks(_) => standard_webhooks::key(&Secret::new(&*value.text)).err(),
    }
}
