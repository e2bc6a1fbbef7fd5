//! Transforms of events: one pure function from an event to what its endpoint is sent.
//!
//! ```ignore
//! use openclaw_guest::egress_transform;
//! use openclaw_guest::egress_transform::{Event, Failure, Outcome};
//!
//! /// Tells a build lamp what came of a task.
//! #[egress_transform]
//! fn lamp(event: &Event) -> Result<Outcome, Failure> {
//!     let task: Task = event.data()?;
//!     Outcome::json(&Lamp { colour: "green", label: &task.task_name })
//! }
//! ```
//!
//! Invariant: nothing in here imports anything, so the component imports nothing at all.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::egress::exports::openclaw::gateway::egress as wit;
use crate::tools::read;

pub use wit::{Event, Failure, FailureCode, Header, Outcome, Payload};

impl Default for Event {
    /// An `agent.task.completed` of tenant `default` without data, for endpoint `test`, with settings `{}`: for unit
    /// tests.
    fn default() -> Self {
        Self {
            id: "evt_00000000000000000000000000000000".to_owned(),
            kind: "agent.task.completed".to_owned(),
            timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
            tenant: "default".to_owned(),
            data: "{}".to_owned(),
            trace_id: "00000000000000000000000000000001".to_owned(),
            endpoint: "test".to_owned(),
            settings: "{}".to_owned(),
        }
    }
}

impl Event {
    /// The event's data.
    ///
    /// # Errors
    /// `unsupported-event`, naming the path of what is wrong.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.data).map_err(|why| {
            Failure::unsupported_event(format!("the data of `{}` is not what this transform reads: {why}", self.kind))
        })
    }

    /// What the configuration gives this transform.
    ///
    /// # Errors
    /// `bad-settings`, naming the path of what is wrong.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.settings).map_err(|why| Failure::bad_settings(format!("the transform's settings are wrong: {why}")))
    }
}

impl Outcome {
    /// Send this as JSON. Give a struct, whose fields keep their order: a map that hashes has another in each process.
    ///
    /// # Errors
    /// `failed` if it has no JSON form.
    pub fn json(body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self::deliver("application/json", body))
    }

    /// Send these bytes.
    pub fn deliver(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::Deliver(Payload { content_type: content_type.into(), headers: Vec::new(), body: body.into(), missing: 0 })
    }

    /// With this header besides; its name in lower case. Changes nothing where nothing is sent.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Deliver(payload) = &mut self {
            payload.headers.push(Header { name: name.into(), value: value.into() });
        }
        self
    }

    /// Send nothing, for this reason.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }
}

impl Failure {
    fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false }
    }

    /// The event is not one the transform knows.
    pub fn unsupported_event(message: impl Into<String>) -> Self {
        Self::new(FailureCode::UnsupportedEvent, message)
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

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Task {
        task_name: String,
    }

    #[test]
    fn data_and_settings_of_the_wrong_shape_name_the_path() {
        let event = Event { data: r#"{"task_name":7}"#.to_owned(), settings: "[]".to_owned(), ..Event::default() };
        let failure = event.data::<Task>().unwrap_err();
        assert_eq!(failure.code, FailureCode::UnsupportedEvent);
        assert!(failure.message.contains("`agent.task.completed`") && failure.message.contains("`task_name`"));
        let failure = event.settings::<std::collections::BTreeMap<String, String>>().unwrap_err();
        assert_eq!(failure.code, FailureCode::BadSettings);
    }

    #[test]
    fn a_payload_is_made_in_one_expression() {
        let outcome = Outcome::json(&Task { task_name: "a".to_owned() }).unwrap().with_header("x-a", "1");
        let Outcome::Deliver(payload) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            (payload.content_type.as_str(), &payload.body[..]),
            ("application/json", &br#"{"task_name":"a"}"#[..])
        );
        assert_eq!(payload.headers, [Header { name: "x-a".to_owned(), value: "1".to_owned() }]);
        assert_eq!(Outcome::skip("no").with_header("x-a", "1"), Outcome::Skip("no".to_owned()));
    }
}
