//! Events of a skill's own, recorded by the gateway and told to whoever subscribed to them.

use std::fmt;

use serde::Serialize;

use crate::Failure;

/// Why an event was not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No grant allows this name; the text names the command that does.
    Denied(String),
    /// The name or the data is none that is taken.
    Invalid(String),
    /// It cannot be recorded now.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Invalid(text) | Self::Unavailable(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(text),
            Error::Invalid(_) => Self::failed(text),
            Error::Unavailable(_) => Self::unavailable(text),
        }
    }
}

/// Records an event; it is queued when this returns, and written with the next group of writes. `name` is 1 to 64 of
/// `a-z`, `0-9` and `-`, `data` an object of at most 64 KiB as JSON. On a target that is not wasm it goes to standard
/// error.
///
/// # Errors
/// [`Error::Denied`] if no grant allows the name; the others as they say.
pub fn emit(name: &str, data: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string(data).map_err(|error| Error::Invalid(format!("the event's data: {error}")))?;
    recorded(name, &json)
}

#[cfg(target_arch = "wasm32")]
fn recorded(name: &str, data: &str) -> Result<(), Error> {
    use crate::bindings::skill::openclaw::gateway::events as wit;

    wit::emit(name, data).map_err(|error| match error {
        wit::Error::Denied(text) => Error::Denied(text),
        wit::Error::Invalid(text) => Error::Invalid(text),
        wit::Error::Unavailable(text) => Error::Unavailable(text),
    })
}

#[cfg(not(target_arch = "wasm32"))]
fn recorded(name: &str, data: &str) -> Result<(), Error> {
    crate::log::write(crate::Level::Info, "event", &[("name", name), ("data", data)]);
    Ok(())
}
