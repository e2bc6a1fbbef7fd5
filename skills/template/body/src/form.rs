//! A form (`application/x-www-form-urlencoded`) as the text that spells it.
//!
//! Decoding follows the URL Standard: `+` is a space, `%XX` a byte, anything else itself, and bytes
//! that are not UTF-8 become U+FFFD. So no form is invalid.

use std::borrow::Cow;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    text: &'a str,
}

/// One field, as it is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Form<'a> {
    /// The form that `text` spells.
    pub fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The exact text.
    pub fn source(self) -> &'a str {
        self.text
    }

    /// Its fields in order.
    pub fn fields(self) -> Fields<'a> {
        Fields { rest: self.text }
    }

    /// The values of every field of this name, in order.
    pub fn values(self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.fields().filter(move |field| field.name() == name).map(Field::value)
    }
}

impl<'a> Field<'a> {
    /// Its name, decoded.
    pub fn name(self) -> Cow<'a, str> {
        decode(self.name)
    }

    /// Its value, decoded; empty when there is no `=`.
    pub fn value(self) -> Cow<'a, str> {
        decode(self.value)
    }
}

/// Iterates over the fields of a form.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some(Field { name, value });
            }
        }
    }
}

/// Decodes a name or a value; borrows it when nothing is encoded.
fn decode(raw: &str) -> Cow<'_, str> {
    let bytes = raw.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = if byte == b'%' { hex(bytes.get(at + 1), bytes.get(at + 2)) } else { None };
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// The byte of two hex digits.
fn hex(high: Option<&u8>, low: Option<&u8>) -> Option<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        Form::new(text).fields().map(|field| (field.name().into(), field.value().into())).collect()
    }

    #[test]
    fn fields_are_decoded_in_order() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("&a=1+2&&b%20c=%C3%a9=x&d&a=%zz%4&=e&"),
            [pair("a", "1 2"), pair("b c", "é=x"), pair("d", ""), pair("a", "%zz%4"), pair("", "e")]
        );
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("a=%ff"), [pair("a", "\u{fffd}")]);
    }

    #[test]
    fn every_value_of_a_repeated_field_is_there() {
        assert_eq!(Form::new("t=a&u=x&%74=b").values("t").collect::<Vec<_>>(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn encoded_bytes_come_back(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn no_form_panics(text in any::<String>()) {
            pairs(&text);
        }
    }
}
