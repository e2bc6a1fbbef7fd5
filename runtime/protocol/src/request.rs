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

/// `chat`: say something to the agent.
///
/// The guide's clients spread `options` and `context` into the payload itself, so both places are read; `options` wins.
#[derive(Debug, Deserialize)]
pub struct Chat<'a> {
    /// What is said.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// Names a conversation within the caller's tenant and door.
    #[serde(borrow, default)]
    pub context: Option<ChatContext<'a>>,
    /// How it is to be answered.
    #[serde(borrow, default)]
    pub options: Option<ChatOptions<'a>>,
    /// As in `options`.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    /// As in `options`.
    #[serde(default)]
    pub no_memory: Option<bool>,
    /// The caller's own deadline in milliseconds, if shorter than the agent's.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
    /// The same key with the same request is answered once; a repeat gets the first reply.
    #[serde(borrow, default)]
    pub idempotency_key: Option<Cow<'a, str>>,
    /// W3C trace context.
    #[serde(borrow, default)]
    pub traceparent: Option<Cow<'a, str>>,
}

/// Names a conversation.
#[derive(Debug, Default, Deserialize)]
pub struct ChatContext<'a> {
    /// With whom.
    #[serde(borrow, default)]
    pub user: Option<Cow<'a, str>>,
    /// Where; a name of the client's own, and no channel of the gateway's.
    #[serde(borrow, default)]
    pub channel: Option<Cow<'a, str>>,
}

/// How a `chat` is to be answered.
#[derive(Debug, Default, Deserialize)]
pub struct ChatOptions<'a> {
    /// The model; without one the configured default.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    /// Neither know what was said before nor remember this.
    #[serde(default)]
    pub no_memory: Option<bool>,
    /// As beside `options`.
    #[serde(borrow, default)]
    pub context: Option<ChatContext<'a>>,
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
    fn a_chat_takes_its_options_in_either_place() {
        let guide = r#"{"text":"hi","context":{"user":"u","channel":"api"},"options":{"model":"m","no_memory":false}}"#;
        let chat: Chat<'_> = serde_json::from_str(guide).unwrap();
        assert_eq!(chat.options.unwrap().model.as_deref(), Some("m"));
        assert_eq!(chat.context.unwrap().user.as_deref(), Some("u"));
        let spread: Chat<'_> = serde_json::from_str(r#"{"text":"hi","no_memory":true,"options":null}"#).unwrap();
        assert!(spread.no_memory == Some(true) && spread.options.is_none());
    }

    #[test]
    fn a_subscription_may_be_empty() {
        let subscribe: Subscribe = serde_json::from_str("{}").unwrap();
        assert!(subscribe.events.is_empty() && subscribe.since.is_none());
    }
}
