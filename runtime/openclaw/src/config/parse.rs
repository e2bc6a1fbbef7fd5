//! JSON5 text to JSON values. A key that stands twice is an error: which of the two is meant cannot be known.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses a configuration file's text.
///
/// # Errors
/// What is wrong and at which line and column.
pub(crate) fn parse(text: &str) -> Result<Value, json5::Error> {
    json5::from_str::<Strict>(text.trim_start_matches('\u{feff}')).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON5 value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Strict>()? {
            list.push(item.0);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<String, Strict>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!("the key `{key}` stands twice in one object")));
            }
            map.insert(key, value.0);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_trailing_commas_and_bare_keys_are_read() {
        let text = "\u{feff}// the gateway\n{ gateway: { port: 18789, host: '127.0.0.1', on: true, none: null, hex: 0x10, list: [1.5, -2,], }, }";
        assert_eq!(
            parse(text).unwrap(),
            json!({"gateway": {"port": 18789, "host": "127.0.0.1", "on": true, "none": null, "hex": 16, "list": [1.5, -2]}})
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = parse("{ a: 1, b: { c: 1, c: 2 } }").unwrap_err().to_string();
        assert!(error.contains("the key `c` stands twice"), "{error}");
    }

    #[test]
    fn a_syntax_error_says_where() {
        let error = parse("{\n  a: 1\n  b: 2\n}").unwrap_err().to_string();
        assert!(error.contains("line 3") || error.contains("3:"), "{error}");
    }
}
