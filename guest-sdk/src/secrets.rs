//! Use of secrets whose values never enter a guest.
//!
//! In a request a secret is a placeholder ([`http::secret`](crate::http::secret)); as a key it is named here.
//! There is no function that returns a value.

use std::fmt;

use crate::Failure;

/// Why a secret was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No grant allows this use; the text names the command that does.
    Denied(String),
    /// It has no value; the text names the command that sets one.
    Missing(String),
    /// The name or the message is none that is taken.
    Invalid(String),
    /// The value cannot be read now, or there is no gateway here.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Missing(text) | Self::Invalid(text) | Self::Unavailable(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(text),
            Error::Missing(_) | Error::Unavailable(_) => Self::unavailable(text),
            Error::Invalid(_) => Self::failed(text),
        }
    }
}

/// Whether a secret has a value. Any granted use of it is enough to ask.
///
/// # Errors
/// [`Error::Denied`] if no grant names it; the others as they say.
pub fn exists(name: &str) -> Result<bool, Error> {
    destination::exists(name)
}

/// HMAC-SHA256 of `message` with the secret as key. The message may be 1 MiB at most.
///
/// # Errors
/// [`Error::Denied`] if no grant allows it as a key; the others as they say.
pub fn hmac_sha256(name: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
    destination::hmac_sha256(name, message)
}

#[cfg(target_arch = "wasm32")]
mod destination {
    use super::Error;
    use crate::bindings::skill::openclaw::gateway::secrets as wit;

    impl From<wit::Error> for Error {
        fn from(error: wit::Error) -> Self {
            match error {
                wit::Error::Denied(text) => Self::Denied(text),
                wit::Error::Missing(text) => Self::Missing(text),
                wit::Error::Invalid(text) => Self::Invalid(text),
                wit::Error::Unavailable(text) => Self::Unavailable(text),
            }
        }
    }

    pub(super) fn exists(name: &str) -> Result<bool, Error> {
        Ok(wit::exists(name)?)
    }

    pub(super) fn hmac_sha256(name: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(wit::hmac_sha256(name, message)?)
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod destination {
    use super::Error;

    fn nowhere(name: &str) -> Error {
        Error::Unavailable(format!("the secret `{name}` has no value: there is no gateway here"))
    }

    pub(super) fn exists(_name: &str) -> Result<bool, Error> {
        Ok(false)
    }

    pub(super) fn hmac_sha256(name: &str, _message: &[u8]) -> Result<Vec<u8>, Error> {
        Err(nowhere(name))
    }
}
