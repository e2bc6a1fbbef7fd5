//! World `ingress-transform`: a request in, an outcome out.

use openclaw_domain::{IngressOutcome, IngressRequest};

use crate::bindings::ingress::exports::openclaw::gateway::ingress as wit;
use crate::host::log::cut;

/// Bytes of a message for the agent.
const MESSAGE_BYTES: usize = 256 << 10;
/// Bytes of a conversation's name.
const CONVERSATION_BYTES: usize = 256;
/// Bytes of a reason that are kept.
const REASON_BYTES: usize = 4 << 10;

/// A request on its way in.
pub(crate) fn request_to(request: &IngressRequest) -> wit::Request {
    wit::Request {
        path: request.path.as_ref().to_owned(),
        method: request.method.clone(),
        query: request.query.clone(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| wit::Header { name: name.clone(), value: value.clone() })
            .collect(),
        content_type: request.content_type.clone(),
        body: request.body.to_vec(),
        received_at: request.received_at.to_string(),
        settings: request.settings.as_ref().to_owned(),
    }
}

/// An outcome on its way out; the error completes "the transform … failed: ".
pub(crate) fn outcome_from(outcome: wit::Outcome) -> Result<IngressOutcome, String> {
    match outcome {
        wit::Outcome::Message(message) => {
            if message.text.len() > MESSAGE_BYTES {
                return Err(format!("a message of {} bytes; the limit is {MESSAGE_BYTES}", message.text.len()));
            }
            let named = message.conversation.as_ref().map_or(0, String::len);
            if named > CONVERSATION_BYTES {
                return Err(format!("a conversation's name of {named} bytes; the limit is {CONVERSATION_BYTES}"));
            }
            Ok(IngressOutcome::Message {
                text: message.text,
                conversation: message.conversation,
                missing: message.missing,
            })
        }
        wit::Outcome::Invoke(invocation) => {
            Ok(IngressOutcome::Invoke { skill: invocation.skill, arguments: invocation.arguments })
        }
        wit::Outcome::Respond(response) => {
            if !(200..=599).contains(&response.status) {
                return Err(format!("status {} is not between 200 and 599", response.status));
            }
            Ok(IngressOutcome::Respond {
                status: response.status,
                content_type: response.content_type,
                body: response.body.into(),
            })
        }
        wit::Outcome::Discard(reason) => Ok(IngressOutcome::Discard { reason: cut(&reason, REASON_BYTES).to_owned() }),
    }
}

/// A transform's no: the code as WIT names it, and its words.
pub(crate) fn failure_text(failure: &wit::Failure) -> String {
    let code = match failure.code {
        wit::FailureCode::UnsupportedBody => "unsupported-body",
        wit::FailureCode::BadSettings => "bad-settings",
        wit::FailureCode::Failed => "failed",
    };
    format!("{code}: {}", cut(&failure.message, REASON_BYTES))
}
