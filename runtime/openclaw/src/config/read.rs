//! Reads parsed JSON key by key, so that every mistake in a file is found in one go and named by its path.
//!
//! Invariant: a key is either read, or an error with the nearest known key. Nothing is ignored silently.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::problem::Problems;
use super::suggest::nearest;

/// An object of the file, with the path that leads to it.
pub(crate) struct Object<'a> {
    path: String,
    entries: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object at `path`, whose keys must be among `known`; with an empty `known`, any keys.
    pub(crate) fn of(
        path: impl Into<String>,
        value: &'a Value,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let path = path.into();
        let Value::Object(entries) = value else {
            wrong_kind(&path, value, "an object", problems);
            return None;
        };
        let object = Self { path, entries };
        for key in entries.keys().filter(|key| !known.is_empty() && !known.contains(&key.as_str())) {
            let fix = match nearest(key, known) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            problems.error(object.at(key), "is not a known key", fix);
        }
        Some(object)
    }

    /// The path of one of its keys.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Its own path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the key stands there at all.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The value as it is.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.entries.get(key)
    }

    /// All keys with their paths and values, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, String, &'a Value)> + '_ {
        self.entries.iter().map(|(key, value)| (key.as_str(), self.at(key), value))
    }

    /// A string.
    pub(crate) fn text(&self, key: &str, problems: &mut Problems) -> Option<String> {
        let value = self.entries.get(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            wrong_kind(&self.at(key), value, "a string", problems);
        }
        text
    }

    /// A string that is one of `words`.
    pub(crate) fn word<'w>(&self, key: &str, words: &[&'w str], problems: &mut Problems) -> Option<&'w str> {
        let given = self.text(key, problems)?;
        let found = words.iter().copied().find(|word| *word == given);
        if found.is_none() {
            let fix = match nearest(&given, words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("use one of: {}", words.join(", ")),
            };
            problems.error(self.at(key), format!("cannot be `{}`", brief(&given)), fix);
        }
        found
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let value = self.entries.get(key)?;
        if value.as_bool().is_none() {
            wrong_kind(&self.at(key), value, "`true` or `false`", problems);
        }
        value.as_bool()
    }

    /// A whole number within `range`. A string of digits counts, since `${VAR}` can only make strings.
    pub(crate) fn whole(&self, key: &str, range: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
        let value = self.entries.get(key)?;
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| whole_float(number.as_f64()?)),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        let within = number.filter(|number| range.contains(number));
        if within.is_none() {
            problems.error(
                self.at(key),
                format!("cannot be {}", shown(value)),
                format!("use a whole number from {} to {}", range.start(), range.end()),
            );
        }
        within
    }

    /// A list, each item with its path; empty when the key is absent.
    pub(crate) fn list(&self, key: &str, problems: &mut Problems) -> Vec<(String, &'a Value)> {
        match self.entries.get(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(index, item)| (format!("{}[{index}]", self.at(key)), item)).collect()
            }
            Some(value) => {
                wrong_kind(&self.at(key), value, "a list", problems);
                Vec::new()
            }
        }
    }

    /// A list of strings, each with its path.
    pub(crate) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<(String, String)> {
        let items = self.list(key, problems);
        items.into_iter().filter_map(|(path, item)| text_item(path, item, problems)).collect()
    }

    /// One string or a list of them, each with its path; `None` when the key is absent.
    pub(crate) fn text_or_texts(&self, key: &str, problems: &mut Problems) -> Option<Vec<(String, String)>> {
        match self.entries.get(key)? {
            Value::String(text) => Some(vec![(self.at(key), text.clone())]),
            Value::Array(_) => Some(self.texts(key, problems)),
            value => {
                wrong_kind(&self.at(key), value, "a string or a list of strings", problems);
                Some(Vec::new())
            }
        }
    }

    /// An object under a key.
    pub(crate) fn object(&self, key: &str, known: &[&str], problems: &mut Problems) -> Option<Object<'a>> {
        Object::of(self.at(key), self.entries.get(key)?, known, problems)
    }

    /// An object whose values are all strings; only its shape matters.
    pub(crate) fn check_texts_by_name(&self, key: &str, problems: &mut Problems) {
        let Some(object) = self.object(key, &[], problems) else { return };
        for (_, path, value) in object.entries() {
            text_item(path, value, problems);
        }
    }

    /// Notes that a required key is missing.
    pub(crate) fn require(&self, key: &str, fix: &str, problems: &mut Problems) {
        if !self.has(key) {
            problems.error(self.at(key), "is missing", fix);
        }
    }
}

fn text_item(path: String, item: &Value, problems: &mut Problems) -> Option<(String, String)> {
    match item {
        Value::String(text) => Some((path, text.clone())),
        value => {
            wrong_kind(&path, value, "a string", problems);
            None
        }
    }
}

fn wrong_kind(path: &str, value: &Value, wanted: &str, problems: &mut Problems) {
    problems.error(path, format!("is {}", shown(value)), format!("write {wanted} here, or remove the key"));
}

/// What stands there, without quoting a string: it may be a secret.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the guard keeps it whole, positive and far below 2^53"
)]
fn whole_float(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}
