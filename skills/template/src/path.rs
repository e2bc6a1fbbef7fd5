//! Walks a path of steps into a JSON value.
//!
//! Invariant: a step means the same in every direction: a member's name in an object, an index in an array.

use webhook_body::{Kind, Value};

/// The value at `path`; a step is a member's name in an object and an index in an array.
pub(crate) fn descend<'a>(mut value: Value<'a>, path: &[&str]) -> Option<Value<'a>> {
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
pub(crate) fn index_of(step: &str) -> Option<usize> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (step.len() > 1 && step.starts_with('0')) { None } else { step.parse().ok() }
}
