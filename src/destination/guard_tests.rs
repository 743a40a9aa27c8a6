use super::*;
use proptest::prelude::*;

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect(text)
}

/// An IPv4 address in every form that leads there over IPv6.
fn forms(address: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = address.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    let last = |prefix: &str| Ipv6Addr::from_bits(v6(prefix).to_bits() | u128::from(address.to_bits()));
    vec![
        last("::"),
        last("::ffff:0:0"),
        last("::ffff:0:0:0"),
        last("64:ff9b::"),
        last("64:ff9b:1::"),
        last("64:ff9b:1:abcd:12:3456::"),
        Ipv6Addr::new(0x64, 0xff9b, 1, high, c, d << 8, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0xab00 | a, b, low, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0xabcd, a, b << 8 | c, d << 8, 0),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
    ]
}

#[test]
fn link_local_and_metadata_addresses_are_refused_and_internal_ones_are_not() {
    for (address, refused) in [
        ("169.254.0.0", true),
        ("169.254.169.254", true),
        ("169.254.170.2", true),
        ("169.254.255.255", true),
        ("169.253.255.255", false),
        ("169.255.0.0", false),
        ("100.100.100.200", true),
        ("168.63.129.16", true),
        ("127.0.0.1", false),
        ("0.0.0.0", false),
        ("10.0.0.1", false),
        ("172.16.0.1", false),
        ("192.168.1.1", false),
        ("100.64.0.1", false),
        ("198.51.100.7", false),
        ("fe80::1", true),
        ("febf:ffff::1", true),
        ("fe7f::1", false),
        ("fec0::1", false),
        ("fd00:ec2::254", true),
        ("fd00:ec2::23", true),
        ("fd20:ce::254", true),
        ("fd00:ec2::253", false),
        ("fd00::1", false),
        ("::1", false),
        ("::", false),
        ("2001:db8::a9fe:a9fe", false),
        ("64:ff9b:2::a9fe:a9fe", false),
    ] {
        assert_eq!(is_guarded(address.parse().expect(address)), refused, "{address}");
        assert!(LinkLocal::Allowed.lets(address.parse().expect(address)), "{address}");
    }
}

#[test]
fn an_address_that_stands_in_a_url_is_found_in_every_notation() {
    for (host, refused) in [
        ("169.254.169.254", true),
        ("2852039166", true),
        ("0xa9fea9fe", true),
        ("0XA9FEA9FE", true),
        ("025177524776", true),
        ("169.16689662", true),
        ("169.254.43518", true),
        ("0xa9.0376.169.0xfe", true),
        ("[::ffff:169.254.169.254]", true),
        ("[::ffff:a9fe:a9fe]", true),
        ("[fe80::1]", true),
        ("[64:ff9b::169.254.169.254]", true),
        ("[2002:a9fe:a9fe::1]", true),
        ("127.1", false),
        ("2130706433", false),
        ("169.254.169.254.nip.io", false),
        ("169.254.169.254.1", false),
        ("169.254.65536", false),
        ("orders.internal", false),
        ("0x", false),
        ("cafe", false),
    ] {
        let url: Uri = format!("http://{host}:80/x").parse().expect(host);
        assert_eq!(refused_literal(&url).is_some(), refused, "{host}");
    }
}

proptest! {
    #[test]
    fn every_link_local_address_is_refused_in_every_form(low in any::<u16>()) {
        let address = Ipv4Addr::from_bits(0xa9fe_0000 | u32::from(low));
        prop_assert!(is_guarded(address.into()));
        for form in forms(address) {
            prop_assert!(is_guarded(form.into()), "{form}");
        }
    }

    #[test]
    fn no_address_of_a_private_network_is_refused_in_any_form(network in prop::sample::select(vec![0x0a00_0000_u32, 0xac10_0000, 0xc0a8_0000]), low in any::<u16>()) {
        let address = Ipv4Addr::from_bits(network | u32::from(low));
        prop_assert!(!is_guarded(address.into()));
        for form in [0, 1, 2, 3, 9].map(|form| forms(address)[form]) {
            prop_assert!(!is_guarded(form.into()), "{form}");
        }
    }

    #[test]
    fn notations_of_one_address_are_one_address(bits in any::<u32>()) {
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        for text in [
            address.to_string(),
            bits.to_string(),
            format!("{bits:#x}"),
            format!("0{bits:o}"),
            format!("{a}.{}", bits & 0xff_ffff),
            format!("{a:#x}.0{b:o}.{}", bits & 0xffff),
            format!("{a:#X}.{b}.{c}.0{d:o}"),
        ] {
            // A leading zero before a zero is a zero.
            prop_assert_eq!(literal(&text), Some(IpAddr::V4(address)), "{}", text);
        }
    }
}
