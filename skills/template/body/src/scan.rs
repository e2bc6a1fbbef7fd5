//! Finds where strings and values end.
//!
//! Most of a webhook's bytes are inside strings, so those are read eight at a time. Nothing here
//! checks the grammar: apart from [`stop_in_string`], every function trusts text that was checked.

/// Index of the first byte from `at` on that a string cannot simply contain: `"`, `\` or a control character.
///
/// The length of `bytes` when there is none.
pub(crate) fn stop_in_string(bytes: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
        let word = u64::from_le_bytes(chunk);
        // The classic test for a zero byte. A borrow can only spoil bytes above a true hit, and the
        // lowest hit is the one that counts.
        let equals = |byte: u8| {
            let zero_where_equal = word ^ (LOW * u64::from(byte));
            zero_where_equal.wrapping_sub(LOW) & !zero_where_equal & HIGH
        };
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let hits = equals(b'"') | equals(b'\\') | control;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// Index just past the string whose opening quote is at `at`.
pub(crate) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        at = stop_in_string(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// Index just past the value that begins at `at`.
pub(crate) fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'{' | b'[') => container_end(bytes, at),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            at + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

/// Index just past the object or array that begins at `at`.
fn container_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Index of the first byte from `at` on that is not JSON whitespace.
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_stops_at_the_first_quote_backslash_or_control_wherever_it_stands() {
        for stop in [b'"', b'\\', b'\n', 0, 0x1f] {
            for before in 0..40 {
                // 0x80 and 0xff beside the stop would betray a borrow that runs the wrong way.
                for filler in [b'a', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
                    let mut bytes = vec![filler; before];
                    bytes.push(stop);
                    bytes.extend([filler; 11]);
                    assert_eq!(stop_in_string(&bytes, 0), before, "stop {stop:#x} after {before} of {filler:#x}");
                }
            }
        }
        assert_eq!(stop_in_string(b"abcdefghijk", 0), 11);
        assert_eq!(stop_in_string(b"", 0), 0);
    }

    #[test]
    fn a_value_ends_where_its_container_or_text_does() {
        assert_eq!(value_end(br#"{"a}":[1,"]"]},7"#, 0), 14);
        assert_eq!(value_end(b"12.5e3 ,", 0), 6);
        assert_eq!(value_end(b"true]", 0), 4);
        assert_eq!(value_end(br#""a\"b",1"#, 0), 6);
    }
}
