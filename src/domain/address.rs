//! Whose an address is.

use std::net::{IpAddr, Ipv6Addr};

/// What is counted together as one party: an IPv4 address, or the 2^64 addresses around an IPv6 one, all of which whoever has
/// one of them has too.
pub fn origin(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_stands_for_itself_and_an_ipv6_one_for_its_64() {
        for (address, whose) in [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
        ] {
            assert_eq!(origin(address.parse().expect(address)).to_string(), whose);
        }
    }
}
