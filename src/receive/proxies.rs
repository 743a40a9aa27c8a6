//! Proxies whose word on the caller's address is taken.

use super::Network;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// The networks of proxies whose `x-forwarded-for` is believed; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Those in the networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether the address is one of theirs.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who made the request that came in from `from`: the last address of the list that is no trusted proxy's. Where there is
    /// none, or what should be an address cannot be read, the one nearest to it: whoever wrote that is trusted no further.
    pub fn caller(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = from;
        let mut lines = headers.get_all("x-forwarded-for").iter().rev();
        let mut list = lines.by_ref().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        while self.contains(caller) {
            let Some(address) = list.next().and_then(address) else { break };
            caller = address;
        }
        caller
    }
}

/// An address, with or without a port, an IPv6 one also in brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_caller_is_the_last_one_that_no_trusted_proxy_is() {
        let trusted = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].map(|network| Network::parse(network).expect(network)).to_vec());
        for (from, lines, caller) in [
            ("10.0.0.1", &["203.0.113.7"][..], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            // Whoever calls can write what they like before what the proxy adds.
            ("10.0.0.1", &["192.0.2.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["192.0.2.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["10.9.9.9, 203.0.113.7 ,10.0.0.2", "10.0.0.3"], "203.0.113.7"),
            ("203.0.113.9", &["192.0.2.1"], "203.0.113.9"),
            // All are trusted.
            ("10.0.0.1", &["10.0.0.5, 10.0.0.2"], "10.0.0.5"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, ,10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["192.0.2.1, 203.0.113.7:4711"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["192.0.2.1", "\u{e9}"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
            }
            let found = trusted.caller(from.parse::<IpAddr>().expect(from).to_canonical(), &headers);
            assert_eq!(found, caller.parse::<IpAddr>().expect(caller), "{from} {lines:?}");
        }
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([("x-forwarded-for".parse().expect("a name"), HeaderValue::from_static("192.0.2.1"))]);
        assert_eq!(nobody.caller(IpAddr::from([10, 0, 0, 1]), &headers), IpAddr::from([10, 0, 0, 1]));
    }
}
