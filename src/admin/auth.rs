//! Who may come in: the token of the API, and the checks that keep a web page in an operator's browser from using it.

use crate::domain::{problem::Problem, secret::Secret};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};

/// What a request must show.
#[derive(Debug)]
pub struct Access {
    token: [u8; 32],
    listen: SocketAddr,
    hosts: Vec<String>,
}

impl Access {
    /// With the token, and the hosts that may be named besides the address of the listener.
    pub fn new(token: &Secret, listen: SocketAddr, hosts: Vec<String>) -> Self {
        Self { token: Sha256::digest(token.expose()).into(), listen, hosts }
    }

    /// The `host` has to be the address that the request came in on, or one that the rules file names: a page that has its
    /// name resolved to this address (DNS rebinding) cannot know those. An `origin` has to be the same host.
    pub(super) fn check_host(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), Problem> {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !self.allows(host, local) {
            let detail = "The host of the request is neither the address of the admin listener nor in `server.admin_hosts`; add it there.";
            return Err(Problem::new(421, "Host not allowed", detail));
        }
        let is_own = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let of_page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            of_page.is_some_and(|of_page| of_page.eq_ignore_ascii_case(host))
        };
        if headers.get_all(header::ORIGIN).iter().all(is_own) {
            return Ok(());
        }
        Err(Problem::new(403, "Origin not allowed", "The request comes from a page of another origin."))
    }

    /// The bearer token.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Digests are compared, so the time it takes tells nothing of the token.
        if token.is_some_and(|(_, token)| Sha256::digest(token.trim()).as_slice() == self.token) {
            return Ok(());
        }
        let detail = "The API needs `Authorization: Bearer <token>` with the token of `server.admin_token`, or of the file `admin-token` in the store's folder.";
        Err(Problem::new(401, "Token missing or wrong", detail))
    }

    fn allows(&self, host: &str, local: SocketAddr) -> bool {
        let named = |name: &String| {
            host.eq_ignore_ascii_case(name) || host.rsplit_once(':').is_some_and(|(name_of, _)| name_of.eq_ignore_ascii_case(name))
        };
        if self.hosts.iter().any(named) {
            return true;
        }
        let (name, port) = match host.parse::<SocketAddr>() {
            Ok(address) => return [self.listen, local].iter().any(|own| same(own.ip(), address.ip()) && own.port() == address.port()),
            Err(_) => host.rsplit_once(':').unwrap_or((host, "80")),
        };
        let own_port = port.parse() == Ok(local.port());
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        own_port
            && (address.is_ok_and(|address| same(address, local.ip()))
                || (name.eq_ignore_ascii_case("localhost") && local.ip().to_canonical().is_loopback()))
    }
}

fn same(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn access() -> Access {
        Access::new(&Secret::new("the-token"), "127.0.0.1:9090".parse().unwrap(), vec!["ops.example".to_owned()])
    }

    #[test]
    fn only_own_addresses_and_named_hosts_are_allowed() {
        let local = "127.0.0.1:9090".parse().unwrap();
        for (host, good) in [
            ("127.0.0.1:9090", true),
            ("localhost:9090", true),
            ("LOCALHOST:9090", true),
            ("ops.example", true),
            ("ops.example:443", true),
            ("127.0.0.1:9091", false),
            ("127.0.0.1", false),
            ("localhost", false),
            ("evil.example:9090", false),
            ("127.0.0.1.evil.example:9090", false),
            ("", false),
        ] {
            assert_eq!(access().check_host(&headers(&[("host", host)]), local).is_ok(), good, "{host}");
        }
        let mapped = "[::ffff:10.0.0.7]:9090".parse().unwrap();
        assert!(access().check_host(&headers(&[("host", "10.0.0.7:9090")]), mapped).is_ok());
        assert!(access().check_host(&headers(&[("host", "localhost:9090")]), mapped).is_err());
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let local = "127.0.0.1:9090".parse().unwrap();
        for (origin, good) in [("http://localhost:9090", true), ("http://evil.example", false), ("null", false)] {
            assert_eq!(access().check_host(&headers(&[("host", "localhost:9090"), ("origin", origin)]), local).is_ok(), good, "{origin}");
        }
    }

    #[test]
    fn only_the_token_opens_the_api() {
        for (value, good) in [
            ("Bearer the-token", true),
            ("bearer the-token", true),
            ("Bearer  the-token", true),
            ("Bearer the-toke", false),
            ("Bearer ", false),
            ("Basic the-token", false),
            ("the-token", false),
        ] {
            assert_eq!(access().check_token(&headers(&[("authorization", value)])).is_ok(), good, "{value}");
        }
        assert!(access().check_token(&HeaderMap::new()).is_err());
    }
}
