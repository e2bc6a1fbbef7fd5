//! Checks that a text is one JSON value (RFC 8259), by a loop.
//!
//! Invariant: stack and memory use do not depend on the input. Nesting is bounded by [`MAX_DEPTH`],
//! and everything that follows a successful check may trust the text.

use std::fmt;

use crate::scan::{skip_space, stop_in_string};

/// Most levels of arrays and objects inside one another.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What was expected or found, for a person.
    pub reason: &'static str,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at line {}, column {}", self.reason, self.line, self.column)
    }
}

/// Checks `text` and returns its value without the whitespace around it.
pub(crate) fn check(text: &str) -> Result<&str, SyntaxError> {
    let bytes = text.as_bytes();
    let start = skip_space(bytes, 0);
    let mut reader = Reader { bytes, at: start };
    match reader.value() {
        Ok(end) => Ok(&text[start..end]),
        Err(reason) => Err(locate(bytes, reader.at, reason)),
    }
}

/// Turns an index into a line and a column.
fn locate(bytes: &[u8], at: usize, reason: &'static str) -> SyntaxError {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    // Every byte but those that continue a UTF-8 sequence begins a character.
    let column = before[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() + 1;
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    SyntaxError { reason, line, column }
}

/// A place in the text, moving forward only.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Reads one value and whatever whitespace follows it; returns where the value ended.
    fn value(&mut self) -> Result<usize, &'static str> {
        // The bytes that close what is open, innermost last.
        let mut closers = [0_u8; MAX_DEPTH];
        let mut depth = 0;
        loop {
            self.space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    let close = if open == b'{' { b'}' } else { b']' };
                    *closers.get_mut(depth).ok_or("nested deeper than 128 levels")? = close;
                    depth += 1;
                    self.at += 1;
                    self.space();
                    if self.peek() != Some(close) {
                        if close == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                    depth -= 1;
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(_) => return Err("expected a value"),
                None => return Err("expected a value, found the end"),
            }
            // A value is complete; close what it completes.
            loop {
                let end = self.at;
                self.space();
                let Some(&close) = depth.checked_sub(1).and_then(|top| closers.get(top)) else {
                    return if self.peek().is_none() { Ok(end) } else { Err("expected the end") };
                };
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if close == b'}' {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.at += 1;
                        depth -= 1;
                    }
                    _ if close == b'}' => return Err("expected `,` or `}`"),
                    _ => return Err("expected `,` or `]`"),
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = skip_space(self.bytes, self.at);
    }

    /// A member's name and its colon.
    fn key(&mut self) -> Result<(), &'static str> {
        if self.peek() != Some(b'"') {
            return Err("expected a name in double quotes");
        }
        self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err("expected `:`");
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), &'static str> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err("expected a value");
        }
        self.at += word.len();
        Ok(())
    }

    fn string(&mut self) -> Result<(), &'static str> {
        self.at += 1;
        loop {
            self.at = stop_in_string(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err("a control character inside a string must be escaped"),
                None => return Err("a string has no closing quote"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err("`\\u` needs four hex digits");
                }
                self.at += 6;
            }
            _ => return Err("unknown escape in a string"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), &'static str> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err("a number must not begin with 0");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err("expected a digit") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        assert_eq!(error(""), "expected a value, found the end at line 1, column 1");
        assert_eq!(error("{\n \"é\" 1}"), "expected `:` at line 2, column 6");
        assert_eq!(error("[1,]"), "expected a value at line 1, column 4");
        assert_eq!(error("{\"a\":1,}"), "expected a name in double quotes at line 1, column 8");
        assert_eq!(error("{\"a\":01}"), "a number must not begin with 0 at line 1, column 7");
        assert_eq!(error("[1 2]"), "expected `,` or `]` at line 1, column 4");
        assert_eq!(error("{} x"), "expected the end at line 1, column 4");
        assert_eq!(error("\"a"), "a string has no closing quote at line 1, column 3");
        assert_eq!(error("tru"), "expected a value at line 1, column 1");
    }

    #[test]
    fn nesting_is_bounded_exactly() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(check(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH + 1)), "nested deeper than 128 levels at line 1, column 129");
        assert!(check(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn whitespace_around_the_value_is_left_out() {
        assert_eq!(check(" \n{\"a\": 1}\t"), Ok("{\"a\": 1}"));
    }

    /// Text that is nearly JSON: pieces of it in any order.
    fn almost_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\"",
            "\"\\u0041\"",
            "\"\\x\"",
            "1",
            "-0",
            "1.5e+3",
            "01",
            "1.",
            "true",
            "null",
            " ",
            "\n",
            "\"",
            "\\",
            "é",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_passes_is_what_another_parser_accepts(text in almost_json()) {
            // RawValue keeps to the grammar and does not look at what numbers or surrogates mean.
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
            prop_assert_eq!(check(&text).is_ok(), theirs.is_ok(), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = check(&text);
        }
    }
}
