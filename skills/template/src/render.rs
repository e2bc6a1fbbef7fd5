//! Fills a message's placeholders from a body.
//!
//! Invariant: what is rendered depends on the arguments alone, and is never longer than
//! 256 KiB.

use std::borrow::Cow;

use webhook_body::{Body, Form, Kind, Value};

use crate::output::{Output, Rendered};
use crate::path::{descend, index_of};
use crate::placeholder::{Part, Root, parse};
use crate::refusal::{Limit, Refusal};

/// Renders the `message` of `settings` (a JSON object as text) for one body.
///
/// The settings are judged first, so a wrong message fails on every request and not only on some.
pub fn render(settings: &str, content_type: Option<&str>, body: &[u8]) -> Result<Rendered, Refusal> {
    let message = message(settings)?;
    let parts = parse(Root::Body, &message)?;
    let body = Body::read(content_type, body)?;
    let mut output = Output::new(Limit::Message, message.len());
    for part in &parts {
        match part {
            Part::Text(text) => output.push(text)?,
            Part::Whole => output.push(body.text())?,
            Part::Path(path) => place(&mut output, &body, path)?,
        }
    }
    Ok(output.finish())
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

/// Pushes what stands at `path`.
fn place(output: &mut Output, body: &Body<'_>, path: &[&str]) -> Result<(), Refusal> {
    match body {
        Body::Json(json) => match descend(json.value(), path) {
            Some(value) => value_of(output, value),
            None => output.missing(),
        },
        Body::Form(form) => field(output, *form, path),
        Body::Text(_) => output.missing(),
    }
}

fn value_of(output: &mut Output, value: Value<'_>) -> Result<(), Refusal> {
    match value.kind() {
        // The sender did say something: that there is no value. Nothing to print, nothing missing.
        Kind::Null => Ok(()),
        Kind::String => output.push(&value.as_str().unwrap_or_default()),
        Kind::Bool | Kind::Number => output.push(value.source()),
        Kind::Array | Kind::Object => value.compact().try_for_each(|piece| output.push(piece)),
    }
}

/// A form's field: a string, or an array of strings where the field is repeated.
fn field(output: &mut Output, form: Form<'_>, path: &[&str]) -> Result<(), Refusal> {
    let Some((name, rest)) = path.split_first() else { return output.missing() };
    let mut values = form.values(name);
    let (Some(first), second) = (values.next(), values.next()) else { return output.missing() };
    match (second, rest) {
        (None, []) => output.push(&first),
        (Some(second), []) => {
            output.push("[")?;
            output.quoted(&first)?;
            for value in [second].into_iter().chain(values) {
                output.push(",")?;
                output.quoted(&value)?;
            }
            output.push("]")
        }
        (Some(_), [index]) => match index_of(index).and_then(|index| form.values(name).nth(index)) {
            Some(value) => output.push(&value),
            None => output.missing(),
        },
        (None | Some(_), _) => output.missing(),
    }
}

#[cfg(test)]
mod tests;
