//! Payloads of requests, borrowed from the frame they came in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::RequestId;

/// `skill_invoke`: run one tool.
#[derive(Debug, Deserialize)]
pub struct SkillInvoke<'a> {
    /// `name`, or `name/tool`.
    #[serde(borrow)]
    pub skill: Cow<'a, str>,
    /// The arguments, untouched; `{}` if missing or `null`.
    #[serde(borrow, default)]
    pub args: Option<&'a RawValue>,
    /// The caller's own deadline in milliseconds, if shorter than the skill's.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
    /// The same key with the same request is run once; a repeat gets the first reply.
    #[serde(borrow, default)]
    pub idempotency_key: Option<Cow<'a, str>>,
    /// W3C trace context.
    #[serde(borrow, default)]
    pub traceparent: Option<Cow<'a, str>>,
    /// Answers to an earlier reply's `input_required`.
    #[serde(borrow, default)]
    pub resume: Option<Resume<'a>>,
}

/// Answers to what an earlier call asked for.
#[derive(Debug, Deserialize)]
pub struct Resume<'a> {
    /// The `state` of that reply.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// The answers.
    #[serde(borrow, default)]
    pub answers: Vec<Answer<'a>>,
}

/// One answer.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// The question's id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Any JSON value.
    #[serde(borrow)]
    pub value: &'a RawValue,
}

/// `subscribe`: see more events, or again those after a known one.
#[derive(Debug, Default, Deserialize)]
pub struct Subscribe {
    /// `*`, a prefix such as `agent.*`, or exact names. Missing: none beyond what a session sees anyway.
    #[serde(default)]
    pub events: Vec<String>,
    /// Begin with the events after this `seq`.
    #[serde(default)]
    pub since: Option<i64>,
}

/// `cancel`: stop a request of this session.
#[derive(Debug, Deserialize)]
pub struct Cancel {
    /// The id of the request to stop.
    pub request_id: RequestId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stay_the_text_they_were() {
        let invoke: SkillInvoke<'_> =
            serde_json::from_str(r#"{"skill":"a/b","args":{"n": 1.10},"later":true}"#).unwrap();
        assert_eq!(invoke.args.unwrap().get(), r#"{"n": 1.10}"#);
        let bare: SkillInvoke<'_> = serde_json::from_str(r#"{"skill":"a","args":null}"#).unwrap();
        assert!(bare.args.is_none() && bare.deadline_ms.is_none());
    }

    #[test]
    fn a_subscription_may_be_empty() {
        let subscribe: Subscribe = serde_json::from_str("{}").unwrap();
        assert!(subscribe.events.is_empty() && subscribe.since.is_none());
    }
}
