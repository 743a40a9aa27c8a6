//! Lints on addresses: those that payments are sent to, and those that they may come from.

use super::super::{
    diagnostics::Code,
    problem::{Problem, Problems},
    raw,
    text::quote,
    tree::Span,
};
use crate::provider::Scheme;
use http::Uri;
use std::net::{IpAddr, Ipv4Addr};

const LOCAL_SUFFIXES: [&str; 7] = [".internal", ".local", ".lan", ".svc", ".cluster.local", ".home.arpa", ".localhost"];

/// Payments should not go over plain http to a host that is neither local nor private.
pub fn plain_http(url: &Uri, of: &str, at: Span, problems: &mut Problems) {
    let host = url.host().unwrap_or_default();
    if url.scheme_str() == Some("http") && !is_near(host) {
        let message = format!("{of} is sent over plain http to a host that is neither local nor private");
        problems.push(Problem::warning(Code::PlainHttp, at, message).help("write `https://`"));
    }
}

fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local() || is_carrier_grade(address),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
        Err(_) => !host.contains('.') || LOCAL_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)),
    }
}

/// 100.64.0.0/10.
fn is_carrier_grade(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

/// Of a provider whose addresses nobody knows, some are shut out sooner or later.
pub fn allow_ips_lossy(source: &raw::Source<'_>, scheme: &Scheme, problems: &mut Problems) {
    let Some(at) = source.allow_ips_at.filter(|_| *scheme == Scheme::Ottu) else { return };
    let name = quote(source.name.text);
    let message =
        format!("source {name} takes events from some addresses only, and ottu does not publish the addresses that it sends from");
    let hint = if source.unsigned.is_some_and(|unsigned| unsigned.text == "accept") {
        "an event from any other is answered 403, and never sent again; `unsigned: quarantine` needs no `allow_ips`"
    } else {
        "an event from any other is answered 403, and never sent again; leave it out: the signature keeps strangers out"
    };
    problems.push(Problem::warning(Code::AllowIpsLossy, at, message).help(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_local_or_private() {
        for near in [
            "localhost",
            "orders",
            "orders.internal",
            "a.svc.cluster.local",
            "x.home.arpa",
            "A.LAN",
            "a.local.",
            "127.8.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.9.9",
            "[::1]",
            "[fd00::1]",
            "169.254.10.1",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in
            ["example.com", "internal.example.com", "172.32.0.1", "100.128.0.1", "203.0.113.9", "[2001:db8::1]", "0.0.0.0", "notlocal.dev"]
        {
            assert!(!is_near(far), "{far}");
        }
    }
}
