//! Checks the urls of a destination. A url can hold secrets, so no message shows one.

use super::{
    diagnostics::Code,
    interpolate::{Origin, Value},
    lints, template,
    values::Checks,
};
use crate::{
    destination::{LinkLocal, refused_literal},
    domain::template::Target,
};
use http::Uri;
use std::net::Ipv6Addr;

/// Stands in where a variable is unset and that is no error; nothing answers there.
const NOWHERE: &str = "http://unset.invalid/";

/// Where a destination is, which may have fields of the event in its path and query. With it the path and query once more,
/// where they have such places, or something in them that is not to be shown.
pub fn destination(value: &Value<'_>, of: &str, link_local: LinkLocal, checks: &mut Checks<'_>) -> (Uri, Option<Target>) {
    let Some(template) = template::read(value, &format!("`url` of {of}"), checks) else { return (nowhere(), None) };
    let Some((host, target)) = Target::split(&template) else {
        if !template.has_places() {
            return (url(value, "url", of, link_local, checks), None);
        }
        let message = format!("`url` of {of} has a field before its path");
        let hint = "fields go into the path and the query alone: an event does not say where it is sent";
        checks.say(value, Code::InvalidTemplate, message, Some(hint.to_owned()));
        return (nowhere(), None);
    };
    // With something in each of its places it is a url like any other.
    let url = url(&value.with_text(template.with("x")), "url", of, link_local, checks);
    if url == nowhere() || !target.has_places() && !target.is_secret() {
        return (url, None);
    }
    let url = if target.has_places() { format!("{host}/").parse().unwrap_or(url) } else { url };
    (url, Some(target))
}

/// Where tokens are fetched.
pub fn token_url(value: &Value<'_>, of: &str, link_local: LinkLocal, checks: &mut Checks<'_>) -> Uri {
    if value.written.contains("{{") {
        let message = format!("`token_url` of {of} cannot have fields of an event in it: a token is not for one event");
        checks.say(value, Code::InvalidTemplate, message, None);
        return nowhere();
    }
    url(value, "token_url", of, link_local, checks)
}

/// Absolute, http or https, with a host, without user-info and fragment.
/// `key` is what the file calls it, `of` whose it is.
fn url(value: &Value<'_>, key: &str, of: &str, link_local: LinkLocal, checks: &mut Checks<'_>) -> Uri {
    match parse(&value.text) {
        Ok(url) => {
            if let Some(address) = refused_literal(&url).filter(|address| !link_local.lets(*address)) {
                let message =
                    format!("`{key}` of {of} names {address}, a link-local address or one of cloud metadata, which is never called");
                let hint = "where a service of yours is there, add `allow_link_local: true` to the destination";
                checks.say(value, Code::InvalidUrl, message, Some(hint.to_owned()));
            } else if value.origin != Origin::Unset {
                lints::plain_http(&url, of, value.span, &mut checks.problems);
            }
            url
        }
        Err((what, hint)) => {
            checks.say(value, Code::InvalidUrl, format!("`{key}` of {of} {what}"), hint.map(str::to_owned));
            nowhere()
        }
    }
}

/// Where nothing answers.
pub fn nowhere() -> Uri {
    Uri::from_static(NOWHERE)
}

type Wrong = (&'static str, Option<&'static str>);

fn parse(text: &str) -> Result<Uri, Wrong> {
    if text.is_empty() {
        return Err(("is empty", None));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("is not absolute", Some("start it with `https://`, or `http://` inside of a private network")));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(("is neither http nor https", None));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(("has a space or another character that a url cannot have", Some("encode it: a space is `%20`")));
    }
    if rest.contains('#') {
        return Err(("has a fragment (`#…`), which is never sent", Some("leave it out; a `#` that belongs to the path is `%23`")));
    }
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    if authority.contains('@') {
        let hint = "leave them out, and say `auth: { basic: { user: …, password: … } }`";
        return Err(("has a user or password in it", Some(hint)));
    }
    check_authority(authority)?;
    text.parse().map_err(|_| ("is no valid url", None))
}

fn check_authority(authority: &str) -> Result<(), Wrong> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(("has a `[` without its `]`", None))?;
            host.parse::<Ipv6Addr>().map_err(|_| ("has no valid IPv6 address between `[` and `]`", None))?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(("has no host", None));
    }
    if !authority.starts_with('[') && !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(("has a host with characters other than letters, digits, `-`, `_` and `.`", None));
    }
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|port: u16| port > 0);
    match port.strip_prefix(':') {
        Some(port) if is_port(port) => Ok(()),
        None if port.is_empty() => Ok(()),
        Some(_) | None => Err(("has no valid port", Some("a port is a number from 1 to 65535"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_http_urls_with_a_host() {
        for good in [
            "http://orders",
            "https://orders.internal:8443/hooks/payments?x=1",
            "http://127.0.0.1:1/",
            "http://[::1]:8080/x",
            "HTTPS://A_b.c",
            "https://h?x=1",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for (bad, what) in [
            ("", "empty"),
            ("orders", "absolute"),
            ("/x", "absolute"),
            ("ftp://h/", "neither"),
            ("http://", "host"),
            ("http:///x", "host"),
            ("http://:80/", "host"),
            ("http://h:0/", "port"),
            ("http://h:65536/", "port"),
            ("http://h:/", "port"),
            ("http://h:8x/", "port"),
            ("http://[::1", "["),
            ("http://[x]/", "IPv6"),
            ("http://[::1]x/", "port"),
            ("http://u:p@h/", "user"),
            ("http://h/#f", "fragment"),
            ("http://h/a b", "space"),
            ("http://h/é", "space"),
            ("http://h,i/", "characters"),
            ("http://h/<>", "valid"),
        ] {
            let (found, _) = parse(bad).expect_err(bad);
            assert!(found.contains(what), "{bad}: {found}");
        }
    }
}
