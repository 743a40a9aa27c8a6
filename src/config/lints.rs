//! What is valid but doubtful.

use super::{
    diagnostics::Code,
    problem::{Problem, Problems},
    tree::Span,
};
use crate::domain::quantity::show_duration;
use http::Uri;
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// How much longer than the provider a held request should wait, so that the provider is never the last to give up.
const HOLD_MARGIN: Duration = Duration::from_secs(5);
const LOCAL_SUFFIXES: [&str; 7] = [".internal", ".local", ".lan", ".svc", ".cluster.local", ".home.arpa", ".localhost"];

/// `hold` should outlast the provider's patience.
pub fn hold_too_short(hold: Duration, provider_timeout: Duration, of: &str, at: Span, problems: &mut Problems) {
    if hold >= provider_timeout + HOLD_MARGIN {
        return;
    }
    let message = format!(
        "{of} holds a request for {}, which is not 5s longer than the provider waits ({})",
        show_duration(hold),
        show_duration(provider_timeout)
    );
    let hint = "a request that we give up first is lost at the provider; only its own timeout is sent again";
    problems.push(Problem::warning(Code::HoldTooShort, at, message).help(hint));
}

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
