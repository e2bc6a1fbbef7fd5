//! Every way the gateway says no. The code is a promise; the text names what failed and may change.

use std::time::Duration;

use crate::ports::Paused;
use crate::{Code, Denial, Failure, SkillName, TenantId, ToolName};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request is not done. One file per edge turns it into a frame, a status or an exit code.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No credential was shown.
    #[error("authentication token required")]
    AuthRequired,
    /// The credential that was shown is wrong, revoked or expired.
    #[error("the authentication token does not match")]
    AuthInvalid,
    /// Over a limit.
    #[error("too many {what}; try again in {} ms", retry_after.as_millis())]
    RateLimited {
        /// What is limited.
        what: String,
        /// When it may succeed again.
        retry_after: Duration,
    },
    /// No such skill.
    #[error("no skill named `{0}` is installed and enabled")]
    SkillNotFound(String),
    /// The skill has no such tool.
    #[error("{}; it has {known}", no_such_tool(.skill, .tool))]
    ToolNotFound {
        /// The skill.
        skill: SkillName,
        /// What was asked for; empty when a skill with several tools was called without naming one.
        tool: String,
        /// Its tools.
        known: String,
    },
    /// Connections or instances are used up.
    #[error("the gateway is busy: {0}")]
    Busy(String),
    /// No webhook endpoint has this path.
    #[error("no webhook endpoint has this path")]
    WebhookUnknownPath,
    /// The webhook's secret or signature is missing or wrong.
    #[error("the webhook secret is missing or wrong")]
    WebhookUnauthorized,
    /// The request is malformed.
    #[error("`{field}` {reason}")]
    InvalidRequest {
        /// The field that is wrong.
        field: String,
        /// Why, as the rest of a sentence that begins with the field.
        reason: String,
    },
    /// The arguments do not fit the tool's schema.
    #[error("the arguments of `{skill}/{tool}` are wrong{}: {reason}", at(.path))]
    InvalidArguments {
        /// The skill.
        skill: SkillName,
        /// The tool.
        tool: ToolName,
        /// JSON pointer to the wrong value; empty for the arguments as a whole.
        path: String,
        /// Why.
        reason: String,
    },
    /// The caller's role does not allow it.
    #[error("this token's role is `{role}`; `{command}` needs `{needed}`")]
    Forbidden {
        /// What was asked.
        command: String,
        /// The caller's role.
        role: &'static str,
        /// The least role that may.
        needed: &'static str,
    },
    /// The `Host` or `Origin` of a request is none this gateway answers to.
    #[error("the `{header}` `{value}` is not allowed here")]
    Foreign {
        /// The header.
        header: &'static str,
        /// What it said, cut to 200 characters.
        value: String,
        /// The configuration key that would allow it.
        key: &'static str,
    },
    /// The guest said no.
    #[error("`{skill}/{tool}` failed: {}", failure.message)]
    SkillFailed {
        /// The skill.
        skill: SkillName,
        /// The tool.
        tool: ToolName,
        /// What it said.
        failure: Failure,
    },
    /// The guest trapped.
    #[error("`{guest}` trapped: {reason}")]
    Trapped {
        /// The skill or transform.
        guest: String,
        /// What kind of trap, as wasm names it.
        reason: String,
    },
    /// The call took longer than it may.
    #[error("`{guest}` was stopped after its deadline of {} ms", limit.as_millis())]
    TimedOut {
        /// The skill or transform.
        guest: String,
        /// The limit it ran into.
        limit: Duration,
    },
    /// The call wanted more memory than it may have.
    #[error("`{guest}` ran out of its {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// The skill or transform.
        guest: String,
        /// The limit it ran into.
        limit_bytes: usize,
    },
    /// The call returned too much, or what is no text.
    #[error("`{guest}` returned {reason}")]
    BadOutput {
        /// The skill or transform.
        guest: String,
        /// What is wrong with it, naming the limit.
        reason: String,
    },
    /// The call made more host calls, or held more handles or table elements, than it may.
    #[error("`{guest}` went over its limit of {limit} {what}")]
    OverLimit {
        /// The skill or transform.
        guest: String,
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A power the skill needs is not granted, or the grant ended while it ran.
    #[error("`{skill}` was denied {denial}")]
    CapabilityDenied {
        /// Whose skill.
        tenant: TenantId,
        /// The skill.
        skill: SkillName,
        /// What was missing.
        denial: Box<Denial>,
    },
    /// An operator paused it.
    #[error("{what} is paused")]
    Paused {
        /// The widest of the pauses that stop it.
        what: Paused,
    },
    /// A webhook transform said no, trapped or ran into a limit; the request is kept for replay.
    #[error("the transform `{transform}` failed: {reason}")]
    TransformFailed {
        /// Its name.
        transform: String,
        /// Why.
        reason: String,
    },
    /// The body is too large.
    #[error("the body is larger than {limit_bytes} bytes")]
    PayloadTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The media type is none this endpoint takes.
    #[error("content type `{0}` is not taken here: send JSON, a form or text")]
    UnsupportedType(String),
    /// Work is queued up to its bound.
    #[error("the {0} queue is full; try again")]
    QueueFull(&'static str),
    /// The caller cancelled, went away, or the gateway is stopping.
    #[error("the request was cancelled")]
    Cancelled,
    /// The part that would answer is not configured, or not in this build.
    #[error("{what} is not configured in this gateway")]
    NotConfigured {
        /// The part.
        what: String,
        /// What would make it work.
        hint: String,
    },
    /// A language model did not answer.
    #[error("the model `{model}` did not answer: {reason}")]
    ModelFailed {
        /// Its full name.
        model: String,
        /// Why.
        reason: String,
        /// What the operator could do; empty if nothing is known to help.
        hint: String,
    },
    /// Something failed inside the gateway. Logged whole, never sent.
    #[error("the gateway could not finish the request")]
    Internal(#[source] BoxError),
}

fn no_such_tool(skill: &SkillName, tool: &str) -> String {
    match tool {
        "" => format!("name a tool of skill `{skill}`"),
        tool => format!("skill `{skill}` has no tool `{tool}`"),
    }
}

fn at(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!(" at `{path}`"),
    }
}

impl Refusal {
    /// An internal failure; its text goes to the log only.
    pub fn internal(error: impl Into<BoxError>) -> Self {
        Self::Internal(error.into())
    }

    /// A malformed field.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidRequest { field: field.into(), reason: reason.into() }
    }

    /// Its stable code. There is no `_` arm: a new refusal must choose its code before it compiles.
    pub const fn code(&self) -> Code {
        match self {
            Self::AuthRequired => Code::AuthRequired,
            Self::AuthInvalid => Code::AuthInvalid,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::SkillNotFound(_) | Self::ToolNotFound { .. } => Code::SkillNotFound,
            Self::Busy(_) => Code::GatewayBusy,
            Self::WebhookUnknownPath | Self::WebhookUnauthorized => Code::WebhookInvalid,
            Self::InvalidRequest { .. } => Code::InvalidRequest,
            Self::InvalidArguments { .. } => Code::InvalidArguments,
            Self::Forbidden { .. } | Self::Foreign { .. } => Code::Forbidden,
            Self::SkillFailed { .. } => Code::SkillFailed,
            Self::Trapped { .. } | Self::OverLimit { .. } => Code::SkillTrapped,
            Self::TimedOut { .. } => Code::SkillTimeout,
            Self::OutOfMemory { .. } => Code::SkillMemory,
            Self::BadOutput { .. } => Code::SkillOutput,
            Self::CapabilityDenied { .. } => Code::CapabilityDenied,
            Self::Paused { .. } => Code::GatewayBusy,
            Self::TransformFailed { .. } => Code::TransformFailed,
            Self::PayloadTooLarge { .. } => Code::PayloadTooLarge,
            Self::UnsupportedType(_) => Code::UnsupportedType,
            Self::QueueFull(_) => Code::QueueFull,
            Self::Cancelled => Code::Cancelled,
            Self::NotConfigured { .. } => Code::NotConfigured,
            Self::ModelFailed { .. } => Code::ModelFailed,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// Its HTTP status at an HTTP door.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::WebhookUnknownPath => 404,
            other => other.code().http_status(),
        }
    }

    /// What the reader can do about it, if there is one thing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::AuthRequired => {
                Some("add `?token=…` to the WebSocket URL or send `Authorization: Bearer …`".to_owned())
            }
            Self::AuthInvalid => Some("compare the token with OPENCLAW_AUTH_TOKEN of the gateway".to_owned()),
            Self::SkillNotFound(_) => Some("`openclaw skills list` names the installed skills".to_owned()),
            // Connections, instances and places to wait run out apart: the text names which, so the hint does not.
            Self::Busy(_) => Some("try again in a moment".to_owned()),
            Self::WebhookUnknownPath => {
                Some("compare the path with `webhooks.incoming.endpoints` in the configuration".to_owned())
            }
            Self::WebhookUnauthorized => {
                Some("send the secret of `webhooks.incoming.secret` as `X-Webhook-Secret`".to_owned())
            }
            Self::Foreign { key, .. } => Some(format!("if it should be, add it to `{key}`")),
            Self::NotConfigured { hint, .. } => Some(hint.clone()),
            Self::ModelFailed { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
            Self::CapabilityDenied { tenant, skill, denial } => denial.command(tenant, skill),
            Self::Paused { what } => {
                Some(format!("an operator ends it with `{}`", format!("openclaw resume {}", what.words()).trim_end()))
            }
            _ => None,
        }
    }

    /// When the same request may succeed, if that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::QueueFull(_) | Self::Busy(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_names_the_command_that_ends_this_pause() {
        let acme: TenantId = "acme".parse().unwrap();
        for (what, told, hinted) in [
            (Paused::Everything, "the gateway is paused", "openclaw resume"),
            (Paused::Tenant(acme.clone()), "tenant `acme` is paused", "openclaw resume acme"),
            (Paused::Skill(acme, "notes".parse().unwrap()), "skill `notes` is paused", "openclaw resume acme/notes"),
        ] {
            let refusal = Refusal::Paused { what };
            assert_eq!(refusal.to_string(), told);
            assert_eq!(refusal.hint().unwrap(), format!("an operator ends it with `{hinted}`"));
        }
    }
}
