//! Turns the inside of a JSON string into the text it means.

use std::borrow::Cow;

/// Unescapes `raw`, the checked text between a string's quotes; borrows it when nothing is escaped.
///
/// Half a surrogate pair becomes U+FFFD: the grammar allows it and UTF-8 has no place for it.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else { return Cow::Borrowed(raw) };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(code) = rest.strip_prefix('\\') {
        let (meant, after) = one(code);
        text.push(meant);
        let next = after.find('\\').unwrap_or(after.len());
        text.push_str(&after[..next]);
        rest = &after[next..];
    }
    Cow::Owned(text)
}

/// Iterates over the characters a string means, so a long one can be read no further than needed.
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    rest: &'a str,
}

impl<'a> Chars<'a> {
    /// Reads `raw`, the checked text between a string's quotes.
    pub(crate) fn new(raw: &'a str) -> Self {
        Self { rest: raw }
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        let after = &self.rest[character.len_utf8()..];
        let (meant, after) = if character == '\\' { one(after) } else { (character, after) };
        self.rest = after;
        Some(meant)
    }
}

/// The character that the escape after a backslash means, and what follows it.
fn one(code: &str) -> (char, &str) {
    let simple = match code.as_bytes().first() {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(&code[1..]),
        Some(&itself) => char::from(itself),
        None => return (char::REPLACEMENT_CHARACTER, code),
    };
    (simple, &code[1..])
}

/// The character of `\u` with these digits, together with a low surrogate where one belongs to it.
fn unicode(digits: &str) -> (char, &str) {
    let Some((unit, after)) = unit(digits) else { return (char::REPLACEMENT_CHARACTER, digits) };
    if let Some(character) = char::from_u32(unit) {
        return (character, after);
    }
    let low = after.strip_prefix("\\u").and_then(self::unit);
    match low {
        Some((low @ 0xdc00..=0xdfff, after)) if unit < 0xdc00 => {
            let point = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), after)
        }
        _ => (char::REPLACEMENT_CHARACTER, after),
    }
}

/// Four hex digits and what follows them.
fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, after) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_become_what_they_mean() {
        assert_eq!(unescape(r#"a\"b\\c\/\b\f\n\r\té"#), "a\"b\\c/\u{8}\u{c}\n\r\té");
        assert_eq!(unescape(r"\u00e9\u0041\ud83e\udd80!"), "éA🦀!");
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        assert_eq!(unescape(r"a\ud83eb"), "a\u{fffd}b");
        assert_eq!(unescape(r"\udd80\ud83e\ud83e\udd80"), "\u{fffd}\u{fffd}🦀");
        assert_eq!(unescape(r"\ud83e\u0041"), "\u{fffd}A");
    }

    proptest! {
        #[test]
        fn what_another_library_escapes_comes_back(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            let raw = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(Chars::new(raw).collect::<String>(), text.as_str());
            prop_assert_eq!(unescape(raw), text);
        }
    }
}
