//! A JSON value as the part of the text that spells it.
//!
//! Nothing is converted until it is asked for, so numbers keep their source text: `1.0`, `1e400` and
//! 2^53 + 1 come out as they went in. When a name occurs twice in an object the last one counts, as
//! in `JSON.parse`.

use std::borrow::Cow;

use crate::check::{SyntaxError, check};
use crate::escape::{Chars, unescape};
use crate::scan::{skip_space, string_end, value_end};

/// What sort of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, of any size.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One JSON value, without the whitespace around it. Always valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    text: &'a str,
}

impl<'a> Value<'a> {
    /// Checks a whole text.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        check(text).map(|text| Self { text })
    }

    /// A value whose text was checked before and is trimmed.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self { text }
    }

    /// What sort of value it is.
    pub fn kind(self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The text that spells it.
    pub fn source(self) -> &'a str {
        self.text
    }

    /// The text a string means; `None` for anything else.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        self.raw_str().map(unescape)
    }

    /// The characters a string means, one at a time; `None` for anything else.
    pub fn chars(self) -> Option<Chars<'a>> {
        self.raw_str().map(Chars::new)
    }

    /// What stands between a string's quotes.
    fn raw_str(self) -> Option<&'a str> {
        self.text.strip_prefix('"')?.strip_suffix('"')
    }

    /// The value of a member; `None` when this is not an object or has no such member.
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().filter(|(key, _)| key.means(name)).last().map(|(_, value)| value)
    }

    /// An element of an array; `None` when this is not an array or is shorter.
    pub fn at(self, index: usize) -> Option<Self> {
        self.elements().nth(index)
    }

    /// The members of an object in order, doubles included; nothing for any other kind.
    pub fn members(self) -> Members<'a> {
        Members(Walk::into(self, b'{'))
    }

    /// The elements of an array in order; nothing for any other kind.
    pub fn elements(self) -> Elements<'a> {
        Elements(Walk::into(self, b'['))
    }

    /// The compact text, piece by piece, with the strings that are values told from everything else.
    pub fn tokens(self) -> Tokens<'a> {
        Tokens { text: self.text, at: 0 }
    }

    /// The text without whitespace between its parts, piece by piece.
    pub fn compact(self) -> Pieces<'a> {
        Pieces { text: self.text, at: 0 }
    }
}

/// A member's name as it is spelled.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// Whether it means `name`.
    pub fn means(self, name: &str) -> bool {
        self.0 == name || (self.0.contains('\\') && unescape(self.0) == name)
    }

    /// What it means.
    pub fn text(self) -> Cow<'a, str> {
        unescape(self.0)
    }
}

/// A place inside a container.
#[derive(Clone, Debug)]
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Steps into `value` if it opens with `open`; else the walk is over before it begins.
    fn into(value: Value<'a>, open: u8) -> Self {
        let opens = value.text.as_bytes().first() == Some(&open);
        Self { text: value.text, at: if opens { 1 } else { value.text.len() } }
    }

    /// Moves to the next member or element; `None` at the end.
    fn advance(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        if bytes.get(self.at) == Some(&b',') {
            self.at = skip_space(bytes, self.at + 1);
        }
        bytes.get(self.at).copied().filter(|byte| !matches!(byte, b'}' | b']'))
    }

    fn value(&mut self) -> Value<'a> {
        let start = self.at;
        self.at = value_end(self.text.as_bytes(), start);
        Value { text: &self.text[start..self.at] }
    }
}

/// Iterates over an object's members.
#[derive(Clone, Debug)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Name<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let walk = &mut self.0;
        walk.advance()?;
        let bytes = walk.text.as_bytes();
        let end = string_end(bytes, walk.at);
        let name = Name(&walk.text[walk.at + 1..end - 1]);
        let colon = skip_space(bytes, end);
        walk.at = skip_space(bytes, colon + 1);
        Some((name, walk.value()))
    }
}

/// Iterates over an array's elements.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.advance()?;
        Some(self.0.value())
    }
}

/// Iterates over the parts of a value's text that are not whitespace between its parts.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = skip_space(bytes, self.at);
        let mut at = start;
        loop {
            match bytes.get(at) {
                Some(b'"') => at = string_end(bytes, at),
                Some(b' ' | b'\t' | b'\n' | b'\r') | None => break,
                Some(_) => at += 1,
            }
        }
        self.at = at;
        (start < at).then(|| &self.text[start..at])
    }
}

/// A part of a value's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Punctuation, a number, a word, or the name of a member: stands as it is.
    Fixed(&'a str),
    /// A string that is a value.
    Text(Value<'a>),
}

/// Iterates over the parts of a value's text, without the whitespace between them.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        let start = skip_space(bytes, self.at);
        if *bytes.get(start)? == b'"' {
            self.at = string_end(bytes, start);
            let text = &self.text[start..self.at];
            let is_name = bytes.get(skip_space(bytes, self.at)) == Some(&b':');
            return Some(if is_name { Token::Fixed(text) } else { Token::Text(Value { text }) });
        }
        let rest = &bytes[start..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b' ' | b'\t' | b'\n' | b'\r'));
        self.at = start + length.unwrap_or(rest.len());
        Some(Token::Fixed(&self.text[start..self.at]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_and_elements_are_found_past_their_neighbours() {
        let text = r#" { "a" : [ {"x":"}"} , [1, 2 ] , "th\"ree" ] , "b\u0021":-1.50e+2,"c":null,"d":{} } "#;
        let value = Value::parse(text).unwrap();
        let list = value.get("a").unwrap();
        assert_eq!(list.at(0).unwrap().get("x").unwrap().as_str().unwrap(), "}");
        assert_eq!(list.at(1).unwrap().at(1).unwrap().source(), "2");
        assert_eq!(list.at(2).unwrap().as_str().unwrap(), "th\"ree");
        assert_eq!(list.at(3), None);
        assert_eq!(value.get("b!").unwrap().source(), "-1.50e+2");
        assert_eq!(value.get("c").unwrap().kind(), Kind::Null);
        assert_eq!(value.get("d").unwrap().members().count(), 0);
        assert_eq!(value.get("e"), None);
        assert_eq!(value.at(0), None);
        assert_eq!(list.get("0"), None);
    }

    #[test]
    fn the_last_of_two_members_with_one_name_counts() {
        let value = Value::parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap();
        assert_eq!(value.get("a").unwrap().source(), "3");
    }

    #[test]
    fn compact_text_keeps_strings_numbers_and_order() {
        let value = Value::parse("{ \"b\" : [ 1.0 ,\n 9007199254740993 ] ,\t\"a\": \" x \\\" y \" }").unwrap();
        assert_eq!(value.compact().collect::<String>(), r#"{"b":[1.0,9007199254740993],"a":" x \" y "}"#);
    }

    #[test]
    fn strings_that_are_values_are_told_from_names() {
        let value = Value::parse(r#"{ "a" : "x" , "b\"": [ "y", 1.0 ,{"c":true}] }"#).unwrap();
        let texts = value.tokens().filter_map(|token| match token {
            Token::Text(text) => text.as_str(),
            Token::Fixed(_) => None,
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(Value::parse(" \"x\" ").unwrap().tokens().count(), 1);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|flag| json!(flag)),
            any::<i64>().prop_map(|number| json!(number)),
            any::<String>().prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|list| json!(list)),
                prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    /// Both readers agree about every value inside.
    fn agree(ours: Value<'_>, theirs: &serde_json::Value) {
        match theirs {
            serde_json::Value::Object(map) => {
                assert_eq!(ours.members().count(), map.len());
                map.iter().for_each(|(name, value)| agree(ours.get(name).unwrap(), value));
            }
            serde_json::Value::Array(list) => {
                assert_eq!(ours.elements().count(), list.len());
                list.iter().enumerate().for_each(|(index, value)| agree(ours.at(index).unwrap(), value));
            }
            serde_json::Value::String(text) => assert_eq!(ours.as_str().unwrap(), text.as_str()),
            other => assert_eq!(ours.source(), other.to_string()),
        }
    }

    proptest! {
        #[test]
        fn every_value_is_found_and_compact_text_is_what_another_library_prints(json in any_json()) {
            let spaced = serde_json::to_string_pretty(&json).unwrap();
            let value = Value::parse(&spaced).unwrap();
            agree(value, &json);
            prop_assert_eq!(value.compact().collect::<String>(), json.to_string());
            let tokens = value.tokens().map(|token| match token {
                Token::Fixed(text) => text,
                Token::Text(value) => value.source(),
            });
            prop_assert_eq!(tokens.collect::<String>(), json.to_string());
        }
    }
}
