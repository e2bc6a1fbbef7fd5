//! Hosts that are addresses, in every spelling that some program somewhere reads as one.
//!
//! Invariant: what the C library's `inet_aton` reads as an address never reaches a nameserver as a name: it is that
//! address. What ends like an address and is none is no host at all (WHATWG URL, "ends in a number").

use std::net::{IpAddr, Ipv4Addr};

/// What a host's text is, before anybody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// This address.
    Address(IpAddr),
    /// Not a name either.
    Broken,
    /// A name.
    Name,
}

/// Reads `127.0.0.1`, `127.1`, `2130706433`, `0x7f.1`, `0177.0.0.1`, `[::1]`.
pub(crate) fn read(host: &str) -> Literal {
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse().map_or(Literal::Broken, |address| Literal::Address(IpAddr::V6(address)));
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    if number(last).is_none() && !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Literal::Name;
    }
    aton(host).map_or(Literal::Broken, |address| Literal::Address(IpAddr::V4(address)))
}

/// One to four numbers; the last fills all bytes that are left.
fn aton(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let free = 8 * (4 - first.len() as u32);
    if *last >= 1 << free {
        return None;
    }
    let high = first.iter().fold(0, |sum, part| sum << 8 | part) << free;
    u32::try_from(high | last).ok().map(Ipv4Addr::from_bits)
}

/// Decimal, octal after `0`, hexadecimal after `0x`; `0x` alone is zero.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // `from_str_radix` takes a sign; an address has none.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn an_address_is_itself_however_many_numbers_it_is_written_in(bits in any::<u32>(), radix in 0usize..3) {
            let write = |number: u32| match radix {
                0 => number.to_string(),
                1 => format!("0{number:o}"),
                _ => format!("0x{number:x}"),
            };
            let [a, b, c, d] = bits.to_be_bytes().map(u32::from);
            for text in [
                write(bits),
                format!("{}.{}", write(a), write(bits & 0x00ff_ffff)),
                format!("{}.{}.{}", write(a), write(b), write(bits & 0xffff)),
                format!("{}.{}.{}.{}", write(a), write(b), write(c), write(d)),
            ] {
                prop_assert_eq!(read(&text), Literal::Address(Ipv4Addr::from_bits(bits).into()), "{}", text);
            }
        }
    }

    #[test]
    fn every_spelling_of_loopback_is_loopback() {
        for text in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "0x7F.0.0.0x1",
        ] {
            assert_eq!(read(text), Literal::Address("127.0.0.1".parse().unwrap()), "{text}");
        }
        assert_eq!(read("[::1]"), Literal::Address("::1".parse().unwrap()));
        assert_eq!(read("0"), Literal::Address("0.0.0.0".parse().unwrap()));
        assert_eq!(read("0x"), Literal::Address("0.0.0.0".parse().unwrap()));
    }

    #[test]
    fn what_ends_like_an_address_and_is_none_is_no_name_either() {
        for text in ["127.0.0.256", "1.2.3.4.5", "08.1.1.1", "4294967296", "example.1", "1.2.3.0x1ffff", "09", "a.0x1"]
        {
            assert_eq!(read(text), Literal::Broken, "{text}");
        }
        for text in ["example.com", "localhost", "1password.com", "3com", "0xg.example", "a.b0", "0x7f.example", "x-1"]
        {
            assert_eq!(read(text), Literal::Name, "{text}");
        }
    }
}
