//! Requests over HTTP, as far as the operator's grant goes: a small blocking client over `wasi:http`.
//!
//! Redirects are not followed: a response says where one points, and following it is another request that a grant must
//! allow. Invariant: a secret is only ever named here ([`secret`], [`bearer`], [`basic`]); the gateway puts its value
//! into the header on the way out, and no guest sees it.

mod response;
mod url;
#[cfg_attr(not(target_arch = "wasm32"), path = "nowhere.rs")]
mod wire;

use std::fmt;

use serde::Serialize;

use crate::Failure;

pub use response::Response;
pub use url::encode;

/// So much of a response's body is read unless [`Request::body_limit`] says otherwise.
pub const DEFAULT_BODY_LIMIT: usize = 1 << 20;

/// A request about to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    limit: usize,
    cuts: bool,
    wrong: Option<String>,
}

/// Why there is no response, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No grant allows the request, or its address. The operator sees the command that grants it.
    Denied(String),
    /// The request itself is wrong.
    Invalid(String),
    /// Nothing answered, or not in time.
    Unavailable(String),
    /// More than the limit came.
    TooLarge(String),
    /// What came could not be read.
    Malformed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Unavailable(text)
            | Self::TooLarge(text)
            | Self::Malformed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(text),
            Error::Invalid(_) => Self::invalid_arguments(text),
            Error::Unavailable(_) => Self::unavailable(text),
            Error::TooLarge(_) | Error::Malformed(_) => Self::failed(text),
        }
    }
}

/// Sends a GET request.
///
/// # Errors
/// As [`Request::send`].
pub fn get(url: impl Into<String>) -> Result<Response, Error> {
    Request::get(url).send()
}

/// What stands in a header for the value of a secret: `{{secret:NAME}}`.
pub fn secret(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// The value of an `authorization` header with a secret as bearer token.
pub fn bearer(name: &str) -> String {
    format!("Bearer {}", secret(name))
}

/// The value of an `authorization` header for basic authentication, with a secret as password.
pub fn basic(user: &str, name: &str) -> String {
    format!("Basic {{{{secret-basic:{user}:{name}}}}}")
}

impl Request {
    /// A request with this method. The URL is `http://…` or `https://…`, already percent-encoded: see [`encode`].
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into().to_ascii_uppercase(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            limit: DEFAULT_BODY_LIMIT,
            cuts: false,
            wrong: None,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A HEAD request.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new("HEAD", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A PUT request.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A PATCH request.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A DELETE request.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. Its value may hold [`secret`]s.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter, encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&format!("{}={}", encode(name), encode(value)));
        self
    }

    /// Sets the body and its media type.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header("content-type", content_type) }
    }

    /// Sets the body to a value as JSON. One that has no JSON form is an error when it is sent.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => {
                self.wrong = Some(format!("the body has no JSON form: {error}"));
                self
            }
        }
    }

    /// Reads so many bytes of the response's body; more are an error.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { limit: bytes, cuts: false, ..self }
    }

    /// Reads so many bytes of the response's body and leaves the rest: see [`Response::was_cut`].
    pub fn cut_body_at(self, bytes: usize) -> Self {
        Self { limit: bytes, cuts: true, ..self }
    }

    /// Sends it and waits for the whole response. A status that says no is a response, not an error.
    ///
    /// # Errors
    /// [`Error::Denied`] if no grant allows it; the others as they say.
    pub fn send(self) -> Result<Response, Error> {
        if let Some(wrong) = self.wrong {
            return Err(Error::Invalid(wrong));
        }
        let url = url::split(&self.url)?;
        wire::send(&self, &url)
    }

    /// How errors name it: without the query, which may hold what should not be repeated.
    fn described(&self) -> String {
        let plain = self.url.split(['?', '#']).next().unwrap_or_default();
        format!("{} {plain}", self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_held() {
        assert_eq!(bearer("github-token"), "Bearer {{secret:github-token}}");
        assert_eq!(basic("me", "password"), "Basic {{secret-basic:me:password}}");
    }

    #[test]
    fn a_request_carries_what_it_was_given() {
        let request = Request::post("https://a.example/x").query("q", "a b&c").json(&["x"]);
        assert_eq!(request.url, "https://a.example/x?q=a%20b%26c");
        assert_eq!(request.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(request.body, br#"["x"]"#);
        assert_eq!(request.described(), "POST https://a.example/x");
    }

    #[test]
    fn outside_a_gateway_nothing_is_sent() {
        assert!(matches!(get("https://a.example/"), Err(Error::Unavailable(_))));
        assert!(matches!(get("a.example"), Err(Error::Invalid(_))));
    }
}
