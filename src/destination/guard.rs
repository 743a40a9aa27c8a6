//! The egress guard: the addresses that no destination is called at unless it says so. Pure.

use http::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a destination may be at a link-local address, or where a cloud hands out its machines' credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkLocal {
    /// Such an address is never dialled.
    #[default]
    Refused,
    /// The rules file says that it is meant.
    Allowed,
}

/// Of Alibaba Cloud and Azure, whose services for their machines are outside of 169.254.0.0/16.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// Of AWS (metadata, and the credentials of pods), and of Google Cloud.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl LinkLocal {
    /// Whether an address may be dialled.
    pub fn lets(self, address: IpAddr) -> bool {
        match self {
            Self::Refused => !is_guarded(address),
            Self::Allowed => true,
        }
    }
}

/// The address that stands in the url itself, in any notation that a resolver reads, if the guard refuses it.
pub fn refused_literal(url: &Uri) -> Option<IpAddr> {
    literal(url.host()?).filter(|address| is_guarded(*address))
}

/// Link-local or a cloud's metadata, also as an IPv6 address that a translator or tunnel takes there.
fn is_guarded(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_guarded_v4(address),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || METADATA_V6.contains(&address) || inside(address).into_iter().flatten().any(is_guarded_v4)
        }
    }
}

fn is_guarded_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_V4.contains(&address)
}

/// The IPv4 addresses that an IPv6 address may stand for.
fn inside(address: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let bits = address.to_bits();
    let at = |shift: u32| Some(Ipv4Addr::from_bits((bits >> shift) as u32));
    let only = |found| [found, None, None, None];
    match (bits >> 32, bits >> 80, bits >> 112) {
        // Compatible, mapped, translated (RFC 2765), NAT64.
        (0 | 0xffff | 0xffff_0000 | 0x0064_ff9b_0000_0000_0000_0000, _, _) => only(at(0)),
        // NAT64 in a network of one's own, whose prefix may have 48, 56, 64 or 96 bits; bits 64 to 71 are none of the address
        // (RFC 6052).
        (_, 0x0064_ff9b_0001, _) => {
            let around = |before: u32| {
                let high = (bits >> 64) as u32 & (u32::MAX >> (32 - before));
                let low = (bits >> (24 + before)) as u32 & (u32::MAX >> before);
                Some(Ipv4Addr::from_bits(high << (32 - before) | low))
            };
            [around(16), around(8), at(24), at(0)]
        }
        // 6to4.
        (_, _, 0x2002) => only(at(80)),
        _ => only(None),
    }
}

/// `169.254.169.254`, `[fe80::1]`; also `0xa9fea9fe`, `2852039166` and `0251.254.43518`, which resolvers take for addresses.
fn literal(host: &str) -> Option<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().or_else(|| numbers(host).map(IpAddr::V4))
}

/// One to four numbers, the last of which fills what is left.
fn numbers(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let left = 32 - 8 * u32::try_from(first.len()).ok().filter(|count| *count < 4)?;
    if first.iter().any(|part| *part > 255) || u64::from(*last) >= 1 << left {
        return None;
    }
    let high = first.iter().enumerate().fold(0, |bits, (place, part)| bits | part << (24 - 8 * place));
    Some(Ipv4Addr::from_bits(high | last))
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (&*lower, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, base).ok()
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
