//! From what a transform said to what the gateway writes down, does and answers. Pure: nothing here touches anything.
//!
//! Invariant: a guest's word is checked before it is acted on. A skill name that is none, arguments that are no JSON
//! object or an answer HTTP cannot carry make the verdict `failed`, like a trap.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;
use openclaw_domain::ports::{INVOKE, QUEUED, Verdict};
use openclaw_domain::{
    EventKind, IngressOutcome, IngressReply, NewEvent, Refusal, SkillRef, TenantId, Timestamp, TraceId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::OnPartial;

/// What decided, where no transform was asked.
const GATEWAY: &str = "gateway";
/// Longest text a transform may say, in bytes; the contract in `wit/ingress-transform.wit` says so too.
const LONGEST_TEXT: usize = 256 << 10;
/// Bytes of a failure's text that are kept.
const LONGEST_FAILURE: usize = 4 << 10;

/// What a request comes to.
#[derive(Debug)]
pub(super) enum Decision {
    /// The agent is told this.
    Message { text: String, conversation: Option<String>, missing: u32 },
    /// A skill is called.
    Invoke { target: SkillRef, skill: String, arguments: Arc<str> },
    /// The sender is answered this.
    Respond { status: u16, content_type: String, header: HeaderValue, body: Bytes },
    /// Nothing.
    Discard { reason: String },
    /// An operator paused it: it waits.
    Queued { what: String },
    /// The transform could not; the sender is answered this refusal, and the request is kept for replay.
    Failed { refusal: Refusal },
}

/// A decision with its receipt.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) decision: Decision,
    /// `name@sha256:…`, or the name alone when nothing ran to its end.
    transform: String,
    duration: Duration,
    /// Placeholders that found no value, whatever became of the message.
    pub(super) missing: u32,
}

/// Judges what came of a transform.
///
/// # Errors
/// What is not the transform's doing (no room, shutting down, a fault of the gateway): nothing is to be stored, and the
/// sender is to try again.
pub(super) fn judge(
    transform: &str,
    ran: Result<IngressReply, Refusal>,
    elapsed: Duration,
) -> Result<Judgement, Refusal> {
    let reply = match ran {
        Ok(reply) => reply,
        Err(refusal) if is_the_transforms_doing(&refusal) => {
            let decision = failed(transform, &refusal);
            return Ok(Judgement { decision, transform: transform.to_owned(), duration: elapsed, missing: 0 });
        }
        Err(Refusal::Paused { what }) => {
            let decision = Decision::Queued { what: what.to_string() };
            return Ok(Judgement { decision, transform: transform.to_owned(), duration: Duration::ZERO, missing: 0 });
        }
        Err(Refusal::Cancelled) => return Err(Refusal::Busy("it is restarting".to_owned())),
        Err(refusal) => return Err(refusal),
    };
    let missing = if let IngressOutcome::Message { missing, .. } = &reply.outcome { *missing } else { 0 };
    let decision = check(reply.outcome).unwrap_or_else(|reason| Decision::Failed {
        refusal: Refusal::TransformFailed { transform: transform.to_owned(), reason },
    });
    Ok(Judgement { decision, transform: format!("{transform}@{}", reply.digest), duration: reply.duration, missing })
}

/// No `_` arm: a new refusal must decide whether a request it meets is kept.
const fn is_the_transforms_doing(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::TransformFailed { .. }
        | Refusal::Trapped { .. }
        | Refusal::TimedOut { .. }
        | Refusal::OutOfMemory { .. }
        | Refusal::BadOutput { .. }
        | Refusal::OverLimit { .. }
        | Refusal::SkillFailed { .. }
        | Refusal::Foreign { .. }
        | Refusal::CapabilityDenied { .. }
        | Refusal::SkillNotFound(_)
        | Refusal::ToolNotFound { .. }
        | Refusal::InvalidRequest { .. }
        | Refusal::InvalidArguments { .. }
        | Refusal::Forbidden { .. }
        | Refusal::NotConfigured { .. } => true,
        Refusal::AuthRequired
        | Refusal::AuthInvalid
        | Refusal::RateLimited { .. }
        | Refusal::Busy(_)
        | Refusal::Paused { .. }
        | Refusal::WebhookUnknownPath
        | Refusal::WebhookUnauthorized
        | Refusal::PayloadTooLarge { .. }
        | Refusal::UnsupportedType(_)
        | Refusal::QueueFull(_)
        | Refusal::ModelFailed { .. }
        | Refusal::Cancelled
        | Refusal::Internal(_) => false,
    }
}

fn failed(transform: &str, refusal: &Refusal) -> Decision {
    let reason = match refusal {
        Refusal::TransformFailed { reason, .. } => cut(reason),
        other => cut(&other.to_string()),
    };
    Decision::Failed { refusal: Refusal::TransformFailed { transform: transform.to_owned(), reason } }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_FAILURE)].to_owned()
}

fn check(outcome: IngressOutcome) -> Result<Decision, String> {
    match outcome {
        IngressOutcome::Message { text, .. } if text.len() > LONGEST_TEXT => {
            Err(format!("its message has {} bytes; at most {LONGEST_TEXT} are allowed", text.len()))
        }
        IngressOutcome::Message { text, conversation, missing } => {
            Ok(Decision::Message { text, conversation, missing })
        }
        IngressOutcome::Invoke { skill, arguments } => {
            let target = skill.parse::<SkillRef>().map_err(|error| cut(&error.to_string()))?;
            let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&arguments);
            object.map_err(|error| format!("the arguments for `{skill}` are no JSON object: {error}"))?;
            Ok(Decision::Invoke { target, skill, arguments: arguments.into() })
        }
        IngressOutcome::Respond { status, content_type, body } => {
            if !(200..=599).contains(&status) {
                return Err(format!("it answers with status {status}; use 200 to 599"));
            }
            let header = HeaderValue::try_from(content_type.as_str())
                .map_err(|_| "it answers with a content type that no header can carry".to_owned())?;
            Ok(Decision::Respond { status, content_type, header, body })
        }
        IngressOutcome::Discard { reason } => Ok(Decision::Discard { reason }),
    }
}

impl Judgement {
    /// What the gateway decides itself, without a transform.
    pub(super) fn discarded(reason: &str) -> Self {
        let decision = Decision::Discard { reason: reason.to_owned() };
        Self { decision, transform: GATEWAY.to_owned(), duration: Duration::ZERO, missing: 0 }
    }

    /// What no transform can be asked about any more.
    pub(super) fn failed(transform: &str, reason: &str) -> Self {
        let refusal = Refusal::TransformFailed { transform: transform.to_owned(), reason: reason.to_owned() };
        let decision = Decision::Failed { refusal };
        Self { decision, transform: transform.to_owned(), duration: Duration::ZERO, missing: 0 }
    }

    /// What becomes of it at an endpoint that does not send messages with gaps.
    pub(super) fn whole_or(mut self, on_partial: OnPartial) -> Self {
        let Decision::Message { missing: missing @ 1.., .. } = self.decision else { return self };
        let found_nothing = |key| {
            let placeholders = if missing == 1 { "placeholder" } else { "placeholders" };
            format!("{missing} {placeholders} found no value, and `onPartial` is `{key}`")
        };
        match on_partial {
            OnPartial::Send => {}
            OnPartial::Discard => self.decision = Decision::Discard { reason: found_nothing("discard") },
            OnPartial::Refuse => {
                let transform = self.transform.split('@').next().unwrap_or_default().to_owned();
                let refusal = Refusal::TransformFailed { transform, reason: found_nothing("refuse") };
                self.decision = Decision::Failed { refusal };
            }
        }
        self
    }

    /// What is written down.
    pub(super) fn verdict(&self) -> Verdict {
        let (outcome, detail, status, response) = match &self.decision {
            Decision::Message { text, conversation, missing } => {
                let detail = MessageDetail { text, conversation: conversation.as_deref(), missing: *missing };
                ("message", to_json(&detail), 200, None)
            }
            Decision::Invoke { skill, arguments, .. } => {
                (INVOKE, to_json(&InvokeDetail { skill: skill.into(), arguments: (&**arguments).into() }), 200, None)
            }
            Decision::Respond { status, content_type, body, .. } => {
                let detail = json!({ "status": status, "content_type": content_type, "bytes": body.len() });
                ("respond", detail.to_string(), *status, Some((content_type.clone(), body.clone())))
            }
            Decision::Discard { reason } => ("discard", json!({ "reason": reason }).to_string(), 200, None),
            Decision::Queued { what } => {
                (QUEUED, json!({ "reason": format!("{what} is paused") }).to_string(), 200, None)
            }
            Decision::Failed { refusal } => {
                let detail = json!({ "code": refusal.code().as_str(), "message": refusal.to_string() });
                ("failed", detail.to_string(), refusal.http_status(), None)
            }
        };
        Verdict {
            outcome: outcome.to_owned(),
            detail,
            transform: self.transform.clone(),
            duration_us: u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX),
            status,
            response,
        }
    }

    /// The events to record with it. A webhook's belong to no session, so every session of the tenant sees them.
    pub(super) fn events(&self, tenant: &TenantId, path: &str, trace: TraceId, at: Timestamp) -> Vec<NewEvent> {
        let Decision::Message { text, .. } = &self.decision else { return Vec::new() };
        let data = to_json(&MessageReceived { channel: "webhook", sender: path, sender_name: path, text });
        vec![NewEvent { tenant: tenant.clone(), kind: EventKind::MessageReceived, data, trace, at, session: None }]
    }
}

/// A call as it is written down, and read again by whoever runs it after a crash. Only ever extended.
#[derive(Serialize, Deserialize)]
pub(super) struct InvokeDetail<'a> {
    /// As the transform wrote it, and found to be a [`SkillRef`].
    pub(super) skill: Cow<'a, str>,
    /// A JSON object as text.
    pub(super) arguments: Cow<'a, str>,
}

#[derive(Serialize)]
struct MessageDetail<'a> {
    text: &'a str,
    conversation: Option<&'a str>,
    missing: u32,
}

#[derive(Serialize)]
struct MessageReceived<'a> {
    channel: &'a str,
    sender: &'a str,
    sender_name: &'a str,
    text: &'a str,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialise")
}

#[cfg(test)]
mod tests {
    use openclaw_domain::Digest;

    use super::*;

    fn judged(outcome: IngressOutcome) -> Verdict {
        let reply = IngressReply { outcome, digest: Digest::from_bytes([1; 32]), duration: Duration::from_micros(7) };
        judge("template", Ok(reply), Duration::ZERO).unwrap().verdict()
    }

    fn invoke(skill: &str, arguments: &str) -> Verdict {
        judged(IngressOutcome::Invoke { skill: skill.to_owned(), arguments: arguments.to_owned() })
    }

    fn respond(status: u16, content_type: &str) -> Verdict {
        judged(IngressOutcome::Respond { status, content_type: content_type.to_owned(), body: Bytes::from("x") })
    }

    #[test]
    fn a_verdict_carries_the_receipt_of_what_decided() {
        let verdict = judged(IngressOutcome::Discard { reason: "a ping".to_owned() });
        assert_eq!((verdict.outcome.as_str(), verdict.status, verdict.duration_us), ("discard", 200, 7));
        assert_eq!(verdict.detail, r#"{"reason":"a ping"}"#);
        assert_eq!(verdict.transform, format!("template@sha256:{}", "01".repeat(32)));
    }

    #[test]
    fn a_guests_word_that_makes_no_sense_is_a_failure() {
        assert_eq!(invoke("release-notes/draft", "{}").outcome, "invoke");
        assert_eq!(respond(204, "text/plain").outcome, "respond");
        let too_long = IngressOutcome::Message { text: "x".repeat(LONGEST_TEXT + 1), conversation: None, missing: 0 };
        for wrong in [
            invoke("No Such Name", "{}"),
            invoke("release-notes", "[]"),
            invoke("release-notes", "{"),
            respond(101, "text/plain"),
            respond(600, "text/plain"),
            respond(200, "text/plain\r\nset-cookie: a=b"),
            judged(too_long),
        ] {
            assert_eq!(
                (wrong.outcome.as_str(), wrong.status, wrong.response),
                ("failed", 422, None),
                "{}",
                wrong.detail
            );
        }
    }

    #[test]
    fn what_the_transform_did_is_kept_and_what_the_gateway_could_not_do_is_not() {
        let trap = Refusal::Trapped { guest: "template".to_owned(), reason: "unreachable".to_owned() };
        let verdict = judge("template", Err(trap), Duration::ZERO).unwrap().verdict();
        assert_eq!((verdict.outcome.as_str(), verdict.status, verdict.transform.as_str()), ("failed", 422, "template"));
        for passing in [Refusal::Busy("full".to_owned()), Refusal::internal("disk"), Refusal::Cancelled] {
            assert!(judge("template", Err(passing), Duration::ZERO).is_err());
        }
    }

    #[test]
    fn a_long_failure_is_cut_between_characters() {
        let refusal = Refusal::TransformFailed { transform: "t".to_owned(), reason: "€".repeat(LONGEST_FAILURE) };
        let Decision::Failed { refusal } = failed("t", &refusal) else { panic!("failed") };
        assert!(refusal.to_string().len() < LONGEST_FAILURE + 100);
    }
}
