//! The law of canonical forms: an IPv4 address that needs the second key needs it in every dress.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use openclaw_egress::{AddressPolicy as _, Strict};
use proptest::prelude::*;

fn v6(segments: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(segments))
}

/// The address in every format that carries one; `fill` is for the bits a format leaves free.
fn dresses(address: Ipv4Addr, fill: u16) -> Vec<IpAddr> {
    let [a, b, c, d] = address.octets();
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    let (high, low) = (pair(a, b), pair(c, d));
    vec![
        IpAddr::V4(address),
        // Mapped, compatible, translated.
        v6([0, 0, 0, 0, 0, 0xffff, high, low]),
        v6([0, 0, 0, 0, 0, 0, high, low]),
        v6([0, 0, 0, 0, 0xffff, 0, high, low]),
        // NAT64, and its local prefix at each length (RFC 6052 §2.2: the bits 64 to 71 stay zero).
        v6([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
        v6([0x64, 0xff9b, 1, fill, fill, fill, high, low]),
        v6([0x64, 0xff9b, 1, high, pair(0, c), pair(d, 0), 0, 0]),
        v6([0x64, 0xff9b, 1, pair(fill as u8, a), pair(0, b), low, 0, 0]),
        v6([0x64, 0xff9b, 1, fill, pair(0, a), pair(b, c), pair(d, 0), 0]),
        // 6to4, Teredo as server and as client, ISATAP.
        v6([0x2002, high, low, fill, fill, 0, 0, fill]),
        v6([0x2001, 0, high, low, fill, fill, !0x0808, !0x0808]),
        v6([0x2001, 0, 0x0808, 0x0808, fill, fill, !high, !low]),
        v6([0x2a00, fill, fill, fill, 0, 0x5efe, high, low]),
        v6([0x2a00, fill, fill, fill, 0x200, 0x5efe, high, low]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_special_address_is_refused_in_every_dress(bits in any::<u32>(), block in 0usize..9, fill in any::<u16>()) {
        let (network, prefix) = [
            (0x7f00_0000_u32, 8), (0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16), (0xa9fe_0000, 16),
            (0x6440_0000, 10), (0x0000_0000, 8), (0xe000_0000, 4), (0xf000_0000, 4),
        ][block];
        let mask = u32::MAX << (32 - prefix);
        let address = Ipv4Addr::from_bits(network | bits & !mask);
        for dress in dresses(address, fill) {
            prop_assert!(Strict.check(dress, false).is_err(), "{} as {}", address, dress);
        }
    }

    #[test]
    fn no_key_opens_what_is_for_many_machines(bits in any::<u32>(), fill in any::<u16>()) {
        let address = Ipv4Addr::from_bits(0xe000_0000 | bits >> 4);
        // At a shorter prefix than /96 only the translator knows where the address is.
        for dress in dresses(address, fill).into_iter().enumerate().filter(|(at, _)| !(6..=8).contains(at)) {
            prop_assert!(Strict.check(dress.1, true).is_err(), "{} as {}", address, dress.1);
        }
    }

    #[test]
    fn a_public_address_is_public_only_by_itself_and_mapped(bits in any::<u32>(), fill in any::<u16>()) {
        let address = Ipv4Addr::from_bits(bits);
        prop_assume!(Strict.check(IpAddr::V4(address), false).is_ok());
        for (at, dress) in dresses(address, fill).into_iter().enumerate() {
            prop_assert_eq!(Strict.check(dress, false).is_ok(), at < 2, "{} as {}", address, dress);
        }
    }
}
