//! Fills a message's placeholders from a body.
//!
//! Invariant: what is rendered depends on the arguments alone, and is never longer than
//! [`MAX_MESSAGE_BYTES`].

use std::borrow::Cow;

use webhook_body::{Body, Form, Kind, Value};

use crate::placeholder::{Part, parse};
use crate::refusal::{MAX_MESSAGE_BYTES, Refusal};

/// A rendered message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// What is said.
    pub text: String,
    /// How many placeholders found no value.
    pub missing: u32,
}

/// Renders the `message` of `settings` (a JSON object as text) for one body.
///
/// The settings are judged first, so a wrong message fails on every request and not only on some.
pub fn render(settings: &str, content_type: Option<&str>, body: &[u8]) -> Result<Rendered, Refusal> {
    let message = message(settings)?;
    let parts = parse(&message)?;
    let body = Body::read(content_type, body)?;
    let mut output = Output::with_capacity(message.len());
    for part in &parts {
        match part {
            Part::Text(text) => output.push(text)?,
            Part::Body => output.push(body.text())?,
            Part::Path(path) => output.place(&body, path)?,
        }
    }
    Ok(output.rendered)
}

/// The `message` of the settings.
fn message(settings: &str) -> Result<Cow<'_, str>, Refusal> {
    let settings = Value::parse(settings)
        .map_err(|error| Refusal::settings(format!("the settings are not a JSON object: {error}")))?;
    let message = settings
        .get("message")
        .ok_or_else(|| Refusal::settings("the settings hold no `message`; add the text to say to the endpoint"))?;
    message.as_str().ok_or_else(|| Refusal::settings("`message` is not a string; write the text in double quotes"))
}

/// The text so far.
struct Output {
    rendered: Rendered,
}

impl Output {
    fn with_capacity(message: usize) -> Self {
        // Twice the template holds most messages, and saves growing in an arena that frees nothing.
        let capacity = message.saturating_mul(2).min(MAX_MESSAGE_BYTES);
        Self { rendered: Rendered { text: String::with_capacity(capacity), missing: 0 } }
    }

    fn push(&mut self, text: &str) -> Result<(), Refusal> {
        if text.len() > MAX_MESSAGE_BYTES - self.rendered.text.len() {
            return Err(Refusal::too_long());
        }
        self.rendered.text.push_str(text);
        Ok(())
    }

    /// Pushes what stands at `path`.
    fn place(&mut self, body: &Body<'_>, path: &[&str]) -> Result<(), Refusal> {
        match body {
            Body::Json(json) => match descend(json.value(), path) {
                Some(value) => self.value(value),
                None => self.missing(),
            },
            Body::Form(form) => self.field(*form, path),
            Body::Text(_) => self.missing(),
        }
    }

    fn missing(&mut self) -> Result<(), Refusal> {
        self.rendered.missing = self.rendered.missing.saturating_add(1);
        Ok(())
    }

    fn value(&mut self, value: Value<'_>) -> Result<(), Refusal> {
        match value.kind() {
            // The sender did say something: that there is no value. Nothing to print, nothing missing.
            Kind::Null => Ok(()),
            Kind::String => self.push(&value.as_str().unwrap_or_default()),
            Kind::Bool | Kind::Number => self.push(value.source()),
            Kind::Array | Kind::Object => value.compact().try_for_each(|piece| self.push(piece)),
        }
    }

    /// A form's field: a string, or an array of strings where the field is repeated.
    fn field(&mut self, form: Form<'_>, path: &[&str]) -> Result<(), Refusal> {
        let Some((name, rest)) = path.split_first() else { return self.missing() };
        let mut values = form.values(name);
        let (Some(first), second) = (values.next(), values.next()) else { return self.missing() };
        match (second, rest) {
            (None, []) => self.push(&first),
            (Some(second), []) => {
                self.push("[")?;
                self.quoted(&first)?;
                for value in [second].into_iter().chain(values) {
                    self.push(",")?;
                    self.quoted(&value)?;
                }
                self.push("]")
            }
            (Some(_), [index]) => match index_of(index).and_then(|index| form.values(name).nth(index)) {
                Some(value) => self.push(&value),
                None => self.missing(),
            },
            (None | Some(_), _) => self.missing(),
        }
    }

    /// Pushes `text` as a JSON string.
    fn quoted(&mut self, text: &str) -> Result<(), Refusal> {
        self.push("\"")?;
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => Cow::Borrowed("\\\""),
                b'\\' => Cow::Borrowed("\\\\"),
                b'\n' => Cow::Borrowed("\\n"),
                b'\r' => Cow::Borrowed("\\r"),
                b'\t' => Cow::Borrowed("\\t"),
                0..0x20 => Cow::Owned(format!("\\u{byte:04x}")),
                _ => continue,
            };
            self.push(&text[plain..at])?;
            self.push(&escape)?;
            plain = at + 1;
        }
        self.push(&text[plain..])?;
        self.push("\"")
    }
}

/// The value at `path`; a step is a member's name in an object and an index in an array.
fn descend<'a>(mut value: Value<'a>, path: &[&str]) -> Option<Value<'a>> {
    for step in path {
        value = match value.kind() {
            Kind::Object => value.get(step)?,
            Kind::Array => value.at(index_of(step)?)?,
            Kind::Null | Kind::Bool | Kind::Number | Kind::String => return None,
        };
    }
    Some(value)
}

/// An index as it is written: digits, without a sign and without leading zeros.
fn index_of(step: &str) -> Option<usize> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (step.len() > 1 && step.starts_with('0')) { None } else { step.parse().ok() }
}

#[cfg(test)]
mod tests;
