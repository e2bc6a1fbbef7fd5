//! The skill's own settings: those of its `skill.toml`, as the operator changed them.
//!
//! A setting that is no text in `skill.toml` (a number, a list) is its JSON here.

use std::fmt;
use std::str::FromStr;

use crate::Failure;

/// Why a setting could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No grant allows it; the text says which.
    Denied(String),
    /// It is not set, and the skill cannot do without; or its value is none the skill can use.
    Invalid(String),
    /// It cannot be read now.
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
            // An operator can help, the caller cannot.
            Error::Invalid(_) => Self::failed(text),
            Error::Unavailable(_) => Self::unavailable(text),
        }
    }
}

/// A setting; `None` if it has no value.
///
/// # Errors
/// [`Error::Denied`] if no grant allows it; the others as they say.
pub fn get(name: &str) -> Result<Option<String>, Error> {
    destination::get(name)
}

/// All settings the grant allows.
///
/// # Errors
/// [`Error::Denied`] if no grant allows any; the others as they say.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    destination::get_all()
}

/// A setting the skill cannot do without, as a `T`.
///
/// # Errors
/// [`Error::Invalid`] if it is not set or is no `T`; the others as [`get`].
pub fn require<T: FromStr>(name: &str) -> Result<T, Error>
where
    T::Err: fmt::Display,
{
    let value = get(name)?.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| Error::Invalid(format!("the setting `{name}` is not set: an operator sets it")))?;
    value.parse().map_err(|error| Error::Invalid(format!("the setting `{name}` is wrong: {error}")))
}

#[cfg(target_arch = "wasm32")]
mod destination {
    use super::Error;
    use crate::bindings::standard::wasi::config::store as wit;

    impl From<wit::Error> for Error {
        /// The gateway says `upstream` when no grant allows a setting, and `io` when it failed.
        fn from(error: wit::Error) -> Self {
            match error {
                wit::Error::Upstream(text) => Self::Denied(text),
                wit::Error::Io(text) => Self::Unavailable(text),
            }
        }
    }

    pub(super) fn get(name: &str) -> Result<Option<String>, Error> {
        Ok(wit::get(name)?)
    }

    pub(super) fn get_all() -> Result<Vec<(String, String)>, Error> {
        Ok(wit::get_all()?)
    }
}

/// On the machine a skill is written on nothing is set.
#[cfg(not(target_arch = "wasm32"))]
mod destination {
    use super::Error;

    pub(super) fn get(_name: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }

    pub(super) fn get_all() -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_needed_and_not_set_is_an_error_that_names_it() {
        let error = require::<String>("health-url").unwrap_err();
        assert!(error.to_string().contains("`health-url`"));
    }
}
