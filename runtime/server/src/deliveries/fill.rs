//! Puts the values of `${VAR}` into a body that a component has made.
//!
//! A component is shown each `${VAR}` as it was written. Afterwards the value goes in, found by JSON pointer, only where
//! the configuration had it: the text before the first `{{` and behind the last `}}` of that string. What an event's
//! data brought is in between and is never looked at, so data that says `${X}` stays text.
//!
//! Invariant: nothing but the strings at those places changes, byte for byte.

use std::fmt;
use std::ops::Range;

use openclaw_domain::Secret;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A string of the configuration in which a `${VAR}` stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where it stands: keys and places in lists, outermost first.
    pointer: Vec<String>,
    /// The text before the first `{{`, or all of it.
    head: Piece,
    /// The text behind the last `}}`; `None` if there is no placeholder.
    tail: Option<Piece>,
}

/// A part of such a string, as it was written and with its values filled in.
#[derive(Clone, PartialEq, Eq)]
struct Piece {
    written: String,
    filled: Secret<String>,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

/// Why a `${VAR}` cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotError {
    /// Expanding failed; whoever expands has said why.
    NotExpanded,
    /// It stands between two `{{…}}`, where data could stand in its place.
    BetweenPlaceholders,
}

/// Finds every string under `settings` in which a `${` stands; `expand` gives a text with its variables filled in.
///
/// What is wrong is told to `problem` with the pointer of the string, and leaves its slot out.
pub fn slots(
    settings: &Value,
    expand: &mut impl FnMut(&[String], &str) -> Option<String>,
    problem: &mut impl FnMut(&[String], SlotError),
) -> Vec<Slot> {
    let mut found = Vec::new();
    walk(settings, &mut Vec::new(), &mut |pointer, text| {
        if !text.contains("${") {
            return;
        }
        let (head, middle, tail) = match (text.find("{{"), text.rfind("}}")) {
            (Some(start), Some(end)) if start < end => (&text[..start], &text[start..end + 2], Some(&text[end + 2..])),
            _ => (text, "", None),
        };
        if middle.contains("${") {
            return problem(pointer, SlotError::BetweenPlaceholders);
        }
        let mut piece = |written: &str| {
            let filled = Secret::new(expand(pointer, written)?);
            Some(Piece { written: written.to_owned(), filled })
        };
        let (Some(head), tail) = (piece(head), tail.map(&mut piece)) else {
            return problem(pointer, SlotError::NotExpanded);
        };
        if tail == Some(None) {
            return problem(pointer, SlotError::NotExpanded);
        }
        found.push(Slot { pointer: pointer.to_vec(), head, tail: tail.flatten() });
    });
    found
}

fn walk(value: &Value, pointer: &mut Vec<String>, each: &mut impl FnMut(&[String], &str)) {
    match value {
        Value::String(text) => each(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push(index.to_string());
                walk(item, pointer, each);
                pointer.pop();
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                pointer.push(key.clone());
                walk(item, pointer, each);
                pointer.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The body with the values in their places. A body that is no JSON, or lacks a place, is left as it is there.
pub(super) fn fill(slots: &[Slot], body: &[u8]) -> Secret<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(body) else { return Secret::new(body.to_vec()) };
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for slot in slots {
        let Some(range) = locate(text, &slot.pointer) else { continue };
        let Ok(string) = serde_json::from_str::<String>(&text[range.clone()]) else { continue };
        if let Some(filled) = slot.filled(&string)
            && let Ok(printed) = serde_json::to_string(&filled)
        {
            edits.push((range, printed));
        }
    }
    // From the back, so that the places in front stay where they were found.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut filled = text.to_owned();
    for (range, printed) in edits {
        filled.replace_range(range, &printed);
    }
    Secret::new(filled.into_bytes())
}

impl Slot {
    /// The texts its variables are filled in to, so that they can be kept out of what is stored.
    pub(super) fn values(&self) -> impl Iterator<Item = String> + '_ {
        std::iter::once(&self.head)
            .chain(&self.tail)
            .filter(|piece| piece.written != *piece.filled.expose())
            .map(|piece| piece.filled.expose().clone())
    }

    fn filled(&self, string: &str) -> Option<String> {
        // Exposed into the body that is about to be sent.
        let head = self.head.filled.expose();
        match &self.tail {
            None => (string == self.head.written).then(|| head.clone()),
            Some(tail) => {
                let rest = string.strip_prefix(self.head.written.as_str())?;
                let middle = rest.strip_suffix(tail.written.as_str())?;
                Some(format!("{head}{middle}{}", tail.filled.expose()))
            }
        }
    }
}

/// Where the value at a pointer stands in a JSON text; `None` if it is not there, or there twice.
fn locate(text: &str, pointer: &[String]) -> Option<Range<usize>> {
    let mut inner = text;
    for segment in pointer {
        let mut deserializer = serde_json::Deserializer::from_str(inner);
        inner = deserializer.deserialize_any(Entry(segment)).ok()??;
    }
    let inner = inner.trim();
    let start = inner.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(start..start + inner.len())
}

/// Reads one entry of an object or list as the text it is.
struct Entry<'k>(&'k str);

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut times) = (None, 0);
        while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            let value: &'de RawValue = entries.next_value()?;
            if key == self.0 {
                (found, times) = (Some(value.get()), times + 1);
            }
        }
        Ok(found.filter(|_| times == 1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = self.0.parse::<usize>().ok();
        let (mut found, mut index) = (None, 0);
        while let Some(value) = items.next_element::<&'de RawValue>()? {
            if wanted == Some(index) {
                found = Some(value.get());
            }
            index += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn expanded(text: &str) -> String {
        text.replace("$${", "\0").replace("${KEY}", "s3cr\"et").replace("${B}", "b").replace('\0', "${")
    }

    fn slots_of(settings: &Value) -> Vec<Slot> {
        slots(settings, &mut |_, text| Some(expanded(text)), &mut |pointer, error| panic!("{pointer:?}: {error:?}"))
    }

    fn filled(settings: &Value, body: &str) -> String {
        String::from_utf8(fill(&slots_of(settings), body.as_bytes()).expose().clone()).unwrap()
    }

    #[test]
    fn a_value_goes_where_the_configuration_had_it_and_nothing_else_moves() {
        let settings = json!({"routing_key": "${KEY}", "payload": {"list": ["x", "a ${B} c"]}, "text": "{{event.x}}"});
        let body = "{ \"text\":\"${KEY} ${B}\", \"n\": 1.50e3,\n\"payload\":{\"list\":[ \"x\" , \"a ${B} c\" ]},\"routing_key\" : \"${KEY}\" }";
        assert_eq!(
            filled(&settings, body),
            "{ \"text\":\"${KEY} ${B}\", \"n\": 1.50e3,\n\"payload\":{\"list\":[ \"x\" , \"a b c\" ]},\"routing_key\" : \"s3cr\\\"et\" }"
        );
    }

    #[test]
    fn data_between_the_configured_texts_is_never_looked_at() {
        let settings = json!({"text": "key ${KEY}: {{event.x}} and {{event.y}} by ${B}"});
        assert_eq!(
            filled(&settings, r#"{"text":"key ${KEY}: ${KEY} ${B} and ${B} by ${B}"}"#),
            r#"{"text":"key s3cr\"et: ${KEY} ${B} and ${B} by b"}"#
        );
        assert_eq!(filled(&json!({"text": "$${KEY}"}), r#"{"text":"$${KEY}"}"#), r#"{"text":"${KEY}"}"#);
    }

    #[test]
    fn a_body_of_another_shape_is_left_as_it_is() {
        let settings = json!({"a": {"b": "${KEY}"}});
        for body in [
            "",
            "no json",
            "[]",
            r#"{"a":"${KEY}"}"#,
            r#"{"a":{"b":"other ${KEY}"}}"#,
            r#"{"a":{"b":["${KEY}"]}}"#,
            r#"{"a":{"b":"${KEY}","b":"${KEY}"}}"#,
            r#"{"a":{"b":"${KEY}"}"#,
        ] {
            assert_eq!(filled(&settings, body), body);
        }
        assert_eq!(fill(&slots_of(&settings), b"\xff\xfe").expose(), b"\xff\xfe");
    }

    #[test]
    fn a_variable_between_placeholders_is_a_problem() {
        let mut problems = Vec::new();
        let settings = json!({"x": ["{{event.a}} ${KEY} {{event.b}}"]});
        let found = slots(&settings, &mut |_, text| Some(text.to_owned()), &mut |pointer, error| {
            problems.push((pointer.to_vec(), error));
        });
        assert!(found.is_empty());
        assert_eq!(problems, [(vec!["x".to_owned(), "0".to_owned()], SlotError::BetweenPlaceholders)]);
    }

    proptest! {
        #[test]
        fn whatever_the_data_say_it_arrives_as_it_is(data in ".{0,40}|(\\$\\{KEY\\}|[ {}$\"\\\\]){0,12}") {
            let settings = json!({"text": "to ${KEY}: {{event.x}}.", "key": "${KEY}"});
            let body = json!({"text": format!("to ${{KEY}}: {data}."), "key": "${KEY}", "other": data}).to_string();
            let read: Value = serde_json::from_str(&filled(&settings, &body)).unwrap();
            prop_assert_eq!(&read["text"], &json!(format!("to s3cr\"et: {data}.")));
            prop_assert_eq!(&read["other"], &json!(data));
            prop_assert_eq!(&read["key"], &json!("s3cr\"et"));
        }
    }
}
