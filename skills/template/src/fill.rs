//! Fills the placeholders of a `transform` object from an event.
//!
//! Invariant: the body has exactly the shape of the object: the same members and elements in the same order, so a
//! place in the one is the same place in the other. Only strings that are values change, and only by what an event
//! holds; a `${VAR}` goes through as it stands.

use webhook_body::{Kind, Token, Value};

use crate::output::{Output, Rendered};
use crate::path::descend;
use crate::placeholder::{Part, Root, parse};
use crate::refusal::{Limit, Refusal};

/// An event: its data, and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// `{{event.id}}`.
    pub id: &'a str,
    /// `{{event.type}}`.
    pub kind: &'a str,
    /// `{{event.timestamp}}`.
    pub timestamp: &'a str,
    /// `{{event.tenant}}`.
    pub tenant: &'a str,
    /// `{{event.trace_id}}`.
    pub trace_id: &'a str,
    /// `{{event.endpoint}}`.
    pub endpoint: &'a str,
    /// `{{event.data}}`: a JSON object as text.
    pub data: &'a str,
}

/// Renders a `transform` object (JSON text) for one event.
///
/// The object is judged wherever the event has a value or not, so a wrong one fails for every event and not only for
/// some.
pub fn fill(transform: &str, event: Envelope<'_>) -> Result<Rendered, Refusal> {
    let template = Value::parse(transform)
        .map_err(|error| Refusal::settings(format!("`transform` is not a JSON object: {error}")))?;
    if template.kind() != Kind::Object {
        return Err(Refusal::settings("`transform` is not a JSON object; write the body to send between `{` and `}`"));
    }
    let data = Value::parse(event.data)
        .map_err(|error| Refusal::event(format!("the data of the event is not JSON: {error}")))?;
    if data.kind() != Kind::Object {
        return Err(Refusal::event("the data of the event is not a JSON object"));
    }
    let mut output = Output::new(Limit::Body, transform.len());
    for token in template.tokens() {
        match token {
            Token::Fixed(text) => output.push(text)?,
            Token::Text(text) => string(&mut output, text, event, data)?,
        }
    }
    Ok(output.finish())
}

/// Renders one string of the object.
fn string(output: &mut Output, source: Value<'_>, event: Envelope<'_>, data: Value<'_>) -> Result<(), Refusal> {
    let text = source.as_str().unwrap_or_default();
    let parts = parse(Root::Event, &text)?;
    let find = |part: &Part<'_>| match part {
        Part::Text(_) => None,
        Part::Whole => Some(Found::Json(data)),
        Part::Path(path) => find(event, data, path),
    };
    match parts.as_slice() {
        [] | [Part::Text(_)] => output.push(source.source()),
        // Nothing around it: the value keeps its type.
        [only] => match find(only) {
            Some(Found::Json(value)) => value.compact().try_for_each(|piece| output.push(piece)),
            Some(Found::Text(text)) => output.quoted(text),
            None => {
                output.missing()?;
                output.push("null")
            }
        },
        several => {
            output.push("\"")?;
            for part in several {
                match (part, find(part)) {
                    (Part::Text(text), _) => output.escaped(text)?,
                    (_, Some(Found::Text(text))) => output.escaped(text)?,
                    (_, Some(Found::Json(value))) => within(output, value)?,
                    (_, None) => output.missing()?,
                }
            }
            output.push("\"")
        }
    }
}

/// Pushes a value into the middle of a string, as text.
fn within(output: &mut Output, value: Value<'_>) -> Result<(), Refusal> {
    match value.kind() {
        // The event does say something: that there is no value. Nothing to print, nothing missing.
        Kind::Null => Ok(()),
        Kind::String => output.escaped(&value.as_str().unwrap_or_default()),
        Kind::Bool | Kind::Number => output.push(value.source()),
        Kind::Array | Kind::Object => value.compact().try_for_each(|piece| output.escaped(piece)),
    }
}

/// What a placeholder stands for.
enum Found<'a> {
    Json(Value<'a>),
    Text(&'a str),
}

/// What stands at `path`. A member of the data hides what surrounds it under the same name: `{{event.type}}` of a
/// `security.alert` is the alert's own type, as the guide's table of payloads has it.
fn find<'a>(event: Envelope<'a>, data: Value<'a>, path: &[&str]) -> Option<Found<'a>> {
    let (first, rest) = path.split_first()?;
    if let Some(member) = data.get(first) {
        return descend(member, rest).map(Found::Json);
    }
    let text = match *first {
        "data" => return descend(data, rest).map(Found::Json),
        "id" => event.id,
        "type" => event.kind,
        "timestamp" => event.timestamp,
        "tenant" => event.tenant,
        "trace_id" => event.trace_id,
        "endpoint" => event.endpoint,
        _ => return None,
    };
    rest.is_empty().then_some(Found::Text(text))
}

#[cfg(test)]
mod tests;
