//! Webhook transforms: one pure function from a verified request to what the gateway does about it.
//!
//! ```ignore
//! use openclaw_guest::ingress_transform;
//! use openclaw_guest::ingress_transform::{Failure, Outcome, Request};
//!
//! /// Says what was deployed.
//! #[ingress_transform]
//! fn deploys(request: &Request) -> Result<Outcome, Failure> {
//!     let deploy: Deploy = request.json()?;
//!     Ok(Outcome::message(format!("{} is live", deploy.service)))
//! }
//! ```
//!
//! Invariant: nothing in here imports anything, so the component imports nothing at all.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::ingress::exports::openclaw::gateway::ingress as wit;
use crate::tools::read;

pub use wit::{Failure, FailureCode, Header, Invocation, Message, Outcome, Request, Response};

impl Default for Request {
    /// An empty `POST` to `/` with settings `{}`: for unit tests.
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            method: "POST".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            content_type: None,
            body: Vec::new(),
            received_at: "2026-01-01T00:00:00.000Z".to_owned(),
            settings: "{}".to_owned(),
        }
    }
}

impl Request {
    /// The first header with this name; give it in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }

    /// The first query parameter with this name.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Errors
    /// `unsupported-body` if it is not UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Failure::unsupported_body(format!("the body is not UTF-8: {error}")))
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// `unsupported-body`, naming the path of what is wrong.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(self.text()?).map_err(|why| Failure::unsupported_body(format!("the body is not the expected JSON: {why}")))
    }

    /// The body read as `application/x-www-form-urlencoded`: names and values in order, decoded.
    ///
    /// # Errors
    /// `unsupported-body` if a decoded name or value is not UTF-8.
    pub fn form(&self) -> Result<Vec<(String, String)>, Failure> {
        self.body
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let at = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
                Ok((form_text(&pair[..at])?, form_text(pair.get(at + 1..).unwrap_or_default())?))
            })
            .collect()
    }

    /// What the configuration gives this transform.
    ///
    /// # Errors
    /// `bad-settings`, naming the path of what is wrong.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.settings).map_err(|why| Failure::bad_settings(format!("the transform's settings are wrong: {why}")))
    }
}

/// Undoes `+` and `%XX`; a `%` that begins no escape stands for itself, as browsers read it.
fn form_text(encoded: &[u8]) -> Result<String, Failure> {
    let digit = |at: usize| encoded.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(&byte) = encoded.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8(bytes).map_err(|error| Failure::unsupported_body(format!("a form field is not UTF-8: {error}")))
}

impl Outcome {
    /// Say this to the agent.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message(Message { text: text.into(), conversation: None, missing: 0 })
    }

    /// Say this to the agent, in a conversation of its own within the endpoint.
    pub fn message_in(conversation: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Message(Message { text: text.into(), conversation: Some(conversation.into()), missing: 0 })
    }

    /// Call a skill: `name` or `name/tool`, with arguments that are a JSON object.
    ///
    /// # Errors
    /// `failed` if the arguments have no JSON form.
    pub fn invoke(skill: impl Into<String>, arguments: &impl Serialize) -> Result<Self, Failure> {
        let arguments = serde_json::to_string(arguments).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self::Invoke(Invocation { skill: skill.into(), arguments }))
    }

    /// Answer the sender and do nothing else; `status` is 200 to 599.
    pub fn respond<'a>(status: u16, content_type: impl Into<String>, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Respond(Response { status, content_type: content_type.into(), body: body.into().into_owned() })
    }

    /// Do nothing, for this reason.
    pub fn discard(reason: impl Into<String>) -> Self {
        Self::Discard(reason.into())
    }
}

impl Failure {
    fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false }
    }

    /// The body is not what the transform reads.
    pub fn unsupported_body(message: impl Into<String>) -> Self {
        Self::new(FailureCode::UnsupportedBody, message)
    }

    /// The endpoint's settings are wrong.
    pub fn bad_settings(message: impl Into<String>) -> Self {
        Self::new(FailureCode::BadSettings, message)
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::failed(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::failed(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_body_is_decoded_as_browsers_do() {
        let request =
            Request { body: b"text=a+b%21&empty=&flag&100%=%zz&&%C3%A4=%F0%9F%A6%80".to_vec(), ..Request::default() };
        let pairs = request.form().unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("text", "a b!"), ("empty", ""), ("flag", ""), ("100%", "%zz"), ("ä", "🦀")]);
        let broken = Request { body: b"a=%ff".to_vec(), ..Request::default() };
        assert_eq!(broken.form().unwrap_err().code, FailureCode::UnsupportedBody);
    }

    #[test]
    fn a_body_that_is_not_the_expected_json_names_the_path() {
        #[derive(Debug, serde::Deserialize)]
        struct Body {
            #[expect(dead_code, reason = "only its type matters")]
            items: Vec<u8>,
        }
        let request = Request { body: br#"{"items":[1,"x"]}"#.to_vec(), ..Request::default() };
        let failure = request.json::<Body>().unwrap_err();
        assert_eq!(failure.code, FailureCode::UnsupportedBody);
        assert!(failure.message.contains("`items[1]`: invalid type: string"), "{}", failure.message);
    }

    #[test]
    fn settings_of_the_wrong_shape_are_bad_settings() {
        let request = Request { settings: "[]".to_owned(), ..Request::default() };
        let failure = request.settings::<std::collections::BTreeMap<String, String>>().unwrap_err();
        assert_eq!(failure.code, FailureCode::BadSettings);
    }
}
