//! Puts the values of `${VAR}` into a body that a component has made.
//!
//! Which strings they go into is fixed with the body ([`super::marks`]) and found by JSON pointer: the text before the
//! first `{{` and behind the last `}}` of what the configuration had there. What an event's data brought is in between
//! and is never looked at, so data that says `${X}` stays text. A later configuration gives values to names and decides
//! nothing else.
//!
//! Invariant: nothing but the strings at those places changes, byte for byte; no name is sent in place of its value.

use std::fmt;
use std::ops::Range;

use openclaw_domain::{BodySlot, Secret};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A string of the configuration in which a `${VAR}` stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where it stands: keys and places in lists, outermost first.
    pointer: Vec<String>,
    /// The text before the first `{{`, or all of it, as it was written.
    head: String,
    /// The text behind the last `}}`, as it was written; `None` if there is no placeholder.
    tail: Option<String>,
    /// Its variables' names and values.
    variables: Secret<Vec<(String, String)>>,
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
        if expand(pointer, head).is_none() || tail.is_some_and(|tail| expand(pointer, tail).is_none()) {
            return problem(pointer, SlotError::NotExpanded);
        }
        let mut variables = Vec::new();
        for written in [Some(head), tail].into_iter().flatten() {
            // Each by itself, so that its value is known wherever its name stands.
            expanded(written, |name| {
                variables.push((name.to_owned(), expand(pointer, &format!("${{{name}}}"))?));
                Some("")
            });
        }
        found.push(Slot {
            pointer: pointer.to_vec(),
            head: head.to_owned(),
            tail: tail.map(str::to_owned),
            variables: Secret::new(variables),
        });
    });
    found
}

/// A text with each `${NAME}` replaced by its value and each `$${` by `${`; `None` if a value is not known.
fn expanded<'v>(written: &str, mut value: impl FnMut(&str) -> Option<&'v str>) -> Option<String> {
    let (mut text, mut rest) = (String::with_capacity(written.len()), written);
    while let Some((before, from)) = rest.split_once("${") {
        if let Some(kept) = before.strip_suffix('$') {
            text.push_str(kept);
            text.push_str("${");
            rest = from;
            continue;
        }
        let (name, after) = from.split_once('}')?;
        text.push_str(before);
        text.push_str(value(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
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

/// The body with the values in the places that were fixed with it, as `known` slots have them today.
///
/// # Errors
/// The name of a variable that no slot names any more. The body is not to be sent without it.
pub(super) fn fill(slots: &[BodySlot], known: &[Slot], body: &[u8]) -> Result<Secret<Vec<u8>>, String> {
    let Ok(text) = std::str::from_utf8(body) else { return Ok(Secret::new(body.to_vec())) };
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for slot in slots {
        let Some((range, string)) = string_at(text, &slot.pointer) else { continue };
        let Some(middle) = middle(&string, &slot.head, slot.tail.as_deref()) else { continue };
        let mut missing = String::new();
        let mut with_values = |written: &str| {
            expanded(written, |name| {
                // Exposed into the body that is about to be sent.
                let mut values = known.iter().flat_map(|slot| slot.variables.expose());
                let value = values.find(|(known, _)| known == name).map(|(_, value)| value.as_str());
                if value.is_none() {
                    name.clone_into(&mut missing);
                }
                value
            })
        };
        let (head, tail) = (with_values(&slot.head), with_values(slot.tail.as_deref().unwrap_or_default()));
        let (Some(head), Some(tail)) = (head, tail) else { return Err(missing) };
        if let Ok(printed) = serde_json::to_string(&format!("{head}{middle}{tail}")) {
            edits.push((range, printed));
        }
    }
    // From the back, so that the places in front stay where they were found.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut filled = text.to_owned();
    for (range, printed) in edits {
        filled.replace_range(range, &printed);
    }
    Ok(Secret::new(filled.into_bytes()))
}

impl Slot {
    /// Its variables' values, so that they can be kept out of what is stored.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.variables.expose().iter().map(|(_, value)| value.as_str())
    }

    /// This slot in a body, if the string at its place is the configuration's: `shown` is how its text was shown to the
    /// component.
    pub(super) fn in_body(&self, body: &str, shown: impl Fn(&str) -> String) -> Option<BodySlot> {
        let (_, string) = string_at(body, &self.pointer)?;
        middle(&string, &shown(&self.head), self.tail.as_deref().map(shown).as_deref())?;
        Some(BodySlot { pointer: self.pointer.clone(), head: self.head.clone(), tail: self.tail.clone() })
    }
}

/// What is between the configuration's texts; `None` if the string is not made of them.
fn middle<'s>(string: &'s str, head: &str, tail: Option<&str>) -> Option<&'s str> {
    match tail {
        None => (string == head).then_some(""),
        Some(tail) => string.strip_prefix(head)?.strip_suffix(tail),
    }
}

fn string_at(text: &str, pointer: &[String]) -> Option<(Range<usize>, String)> {
    let range = locate(text, pointer)?;
    let string = serde_json::from_str(text.get(range.clone())?).ok()?;
    Some((range, string))
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

    fn by_hand(text: &str) -> String {
        text.replace("$${", "\0").replace("${KEY}", "s3cr\"et").replace("${B}", "b").replace('\0', "${")
    }

    fn slots_of(settings: &Value) -> Vec<Slot> {
        slots(settings, &mut |_, text| Some(by_hand(text)), &mut |pointer, error| panic!("{pointer:?}: {error:?}"))
    }

    /// Filled by the slots of the configuration, as if a component had put every string where it stands there.
    fn filled(settings: &Value, body: &str) -> String {
        let known = slots_of(settings);
        let slots: Vec<_> = known.iter().filter_map(|slot| slot.in_body(body, str::to_owned)).collect();
        String::from_utf8(fill(&slots, &known, body.as_bytes()).unwrap().expose().clone()).unwrap()
    }

    #[test]
    fn a_name_without_a_value_is_never_sent_in_its_place() {
        let known = slots_of(&json!({"b": "${B}"}));
        let slot = |head: &str| BodySlot { pointer: vec!["a".to_owned()], head: head.to_owned(), tail: None };
        let filled = fill(&[slot("x ${B}")], &known, br#"{"a":"x ${B}"}"#).unwrap();
        assert_eq!(filled.expose(), br#"{"a":"x b"}"#);
        assert_eq!(fill(&[slot("${KEY}")], &known, br#"{"a":"${KEY}"}"#), Err("KEY".to_owned()));
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
        let slot = BodySlot { pointer: vec!["a".to_owned()], head: "${KEY}".to_owned(), tail: None };
        assert_eq!(fill(&[slot], &slots_of(&settings), b"\xff\xfe").unwrap().expose(), b"\xff\xfe");
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
