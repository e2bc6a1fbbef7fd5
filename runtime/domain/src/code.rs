//! The codes a refusal is known by. They are a promise: a code never changes its meaning.

/// A stable code for programs. Its text is what stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No token was given.
    AuthRequired,
    /// The token is wrong.
    AuthInvalid,
    /// Over a limit; try again after `retry_after_ms`.
    RateLimited,
    /// No such skill or tool.
    SkillNotFound,
    /// Connections or instances are used up.
    GatewayBusy,
    /// Unknown webhook path (404), or its secret or signature is missing or wrong (401).
    WebhookInvalid,
    /// The request is malformed; the field is named.
    InvalidRequest,
    /// The arguments are wrong; the path is named.
    InvalidArguments,
    /// The caller's role does not allow it.
    Forbidden,
    /// The skill holds no grant for it; the grant is named.
    CapabilityDenied,
    /// It waits for an operator.
    ApprovalRequired,
    /// The guest said no.
    SkillFailed,
    /// The guest trapped.
    SkillTrapped,
    /// The call took too long.
    SkillTimeout,
    /// The call wanted too much memory.
    SkillMemory,
    /// The call returned too much, or text that is not UTF-8.
    SkillOutput,
    /// A webhook transform trapped, ran out of a limit or said no.
    TransformFailed,
    /// The body is larger than the endpoint takes.
    PayloadTooLarge,
    /// The media type is none the endpoint takes.
    UnsupportedType,
    /// The queue is full; try again.
    QueueFull,
    /// The request was cancelled.
    Cancelled,
    /// What was asked for belongs to a part that is not configured or not built into this gateway.
    NotConfigured,
    /// The language model did not answer, or broke off.
    ModelFailed,
    /// The gateway could not finish the request; its log says why.
    Internal,
}

impl Code {
    /// Every code, in the order of the table in the documentation.
    pub const ALL: [Self; 24] = [
        Self::AuthRequired,
        Self::AuthInvalid,
        Self::RateLimited,
        Self::SkillNotFound,
        Self::GatewayBusy,
        Self::WebhookInvalid,
        Self::InvalidRequest,
        Self::InvalidArguments,
        Self::Forbidden,
        Self::CapabilityDenied,
        Self::ApprovalRequired,
        Self::SkillFailed,
        Self::SkillTrapped,
        Self::SkillTimeout,
        Self::SkillMemory,
        Self::SkillOutput,
        Self::TransformFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedType,
        Self::QueueFull,
        Self::Cancelled,
        Self::NotConfigured,
        Self::ModelFailed,
        Self::Internal,
    ];

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthRequired => "AUTH_REQUIRED",
            Self::AuthInvalid => "AUTH_INVALID",
            Self::RateLimited => "RATE_LIMITED",
            Self::SkillNotFound => "SKILL_NOT_FOUND",
            Self::GatewayBusy => "GATEWAY_BUSY",
            Self::WebhookInvalid => "WEBHOOK_INVALID",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::InvalidArguments => "INVALID_ARGUMENTS",
            Self::Forbidden => "FORBIDDEN",
            Self::CapabilityDenied => "CAPABILITY_DENIED",
            Self::ApprovalRequired => "APPROVAL_REQUIRED",
            Self::SkillFailed => "SKILL_FAILED",
            Self::SkillTrapped => "SKILL_TRAPPED",
            Self::SkillTimeout => "SKILL_TIMEOUT",
            Self::SkillMemory => "SKILL_MEMORY",
            Self::SkillOutput => "SKILL_OUTPUT",
            Self::TransformFailed => "TRANSFORM_FAILED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedType => "UNSUPPORTED_TYPE",
            Self::QueueFull => "QUEUE_FULL",
            Self::Cancelled => "CANCELLED",
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::ModelFailed => "MODEL_FAILED",
            Self::Internal => "INTERNAL",
        }
    }

    /// Its HTTP status at an HTTP door. `WEBHOOK_INVALID` for an unknown path is 404 there instead.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::AuthRequired | Self::AuthInvalid | Self::WebhookInvalid => 401,
            Self::RateLimited => 429,
            Self::SkillNotFound => 404,
            Self::GatewayBusy | Self::QueueFull => 503,
            Self::InvalidRequest | Self::InvalidArguments => 400,
            Self::Forbidden | Self::CapabilityDenied | Self::ApprovalRequired => 403,
            Self::SkillFailed | Self::TransformFailed => 422,
            Self::SkillTimeout => 504,
            Self::SkillTrapped | Self::SkillMemory | Self::SkillOutput | Self::ModelFailed => 502,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedType => 415,
            Self::Cancelled => 499,
            Self::NotConfigured => 501,
            Self::Internal => 500,
        }
    }
}
