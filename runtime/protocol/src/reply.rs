//! Payloads of replies.

use std::fmt::Display;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::RequestId;
use crate::frame::as_display;

/// The `response` to `skill_invoke`.
#[derive(Debug, Serialize)]
pub struct InvokeReply<'a, Trace: Display> {
    /// Everything the tool had to show, as text.
    pub text: &'a str,
    /// The same for programs: the structured result, else the text as a JSON string.
    pub result: ResultValue<'a>,
    /// Always empty: the tool was called directly. Here because the guide's clients read it.
    pub tool_calls: [(); 0],
    /// Always 0: no model was asked.
    pub tokens_used: u64,
    /// The skill that ran.
    pub skill: &'a str,
    /// The tool that ran.
    pub tool: &'a str,
    /// Wall-clock time in milliseconds, to the microsecond.
    pub duration_ms: f64,
    /// What the tool needs before it can go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_required: Option<InputRequired<'a>>,
    /// The trace this call belongs to.
    #[serde(serialize_with = "as_display")]
    pub trace_id: Trace,
}

/// The `response` to `chat`.
#[derive(Debug, Serialize)]
pub struct ChatReply<'a, Trace: Display> {
    /// The answer.
    pub text: &'a str,
    /// The tools that were called for it, in the order they were asked for.
    pub tool_calls: Vec<ChatCall<'a>>,
    /// Tokens of all requests to the model, in and out.
    pub tokens_used: u64,
    /// The model that answered: `local`, or `provider/model`.
    pub model: &'a str,
    /// Wall-clock time in milliseconds, to the microsecond.
    pub duration_ms: f64,
    /// The trace this turn belongs to.
    #[serde(serialize_with = "as_display")]
    pub trace_id: Trace,
}

/// One tool call of a turn.
#[derive(Debug, Serialize)]
pub struct ChatCall<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The skill.
    pub skill: &'a str,
    /// The arguments as the model wrote them; a string if they are no JSON.
    pub args: Box<RawValue>,
    /// 0 = ok.
    pub exit_code: i32,
    /// As in `tool_call` and `tool_result`.
    pub call_id: &'a str,
    /// Wall-clock time in milliseconds, to the microsecond.
    pub duration_ms: f64,
}

/// A result for programs.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum ResultValue<'a> {
    /// The tool's structured result.
    Json(&'a RawValue),
    /// Its text, where it has no structured one.
    Text(&'a str),
}

/// What a tool needs before it can go on: send it back as `resume`, with answers.
#[derive(Debug, Serialize)]
pub struct InputRequired<'a> {
    /// The questions.
    pub requests: Vec<InputQuestion<'a>>,
    /// To be sent back unchanged.
    pub state: String,
}

/// One question of a tool.
#[derive(Debug, Serialize)]
pub struct InputQuestion<'a> {
    /// Names the question in the answer.
    pub id: &'a str,
    /// The question.
    pub message: &'a str,
    /// JSON Schema of the answer, as JSON text.
    pub schema: &'a str,
}

/// The `ack` of `subscribe`.
#[derive(Debug, Serialize)]
pub struct SubscribeAck<'a> {
    /// All patterns this session is now subscribed to.
    pub events: &'a [String],
    /// The `seq` of the newest event; events after it come live.
    pub seq: i64,
}

/// The `ack` of `cancel`.
#[derive(Debug, Serialize)]
pub struct CancelAck<'a> {
    /// The request that was to stop.
    pub request_id: &'a RequestId,
    /// Whether it was still running.
    pub cancelled: bool,
}

/// The `status` reply.
#[derive(Debug, Serialize)]
pub struct StatusReply<'a> {
    /// `running`, or `draining` while the gateway stops.
    pub status: &'static str,
    /// The gateway's version.
    pub version: &'a str,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// The caller's tenant.
    pub tenant: &'a str,
    /// The caller's role.
    pub role: &'static str,
    /// The name of the caller's credential.
    pub credential: &'a str,
    /// This session's number.
    pub session: u64,
    /// Open sessions of this tenant.
    pub sessions: usize,
    /// What is installed for this tenant.
    pub skills: Vec<SkillInfo<'a>>,
    /// The `seq` of the tenant's newest event; 0 before the first.
    pub last_seq: i64,
    /// What a client may use.
    pub limits: LimitsInfo,
    /// What is spoken here.
    pub protocol: ProtocolInfo,
}

/// One installed component as `status` shows it.
#[derive(Debug, Serialize)]
pub struct SkillInfo<'a> {
    /// What it is called by.
    pub name: &'a str,
    /// The author's version.
    pub version: &'a str,
    /// One sentence.
    pub description: &'a str,
    /// `skill`, `ingress-transform`, `egress-transform` or `transform`.
    pub world: &'static str,
    /// Whether it can be called.
    pub enabled: bool,
    /// How many tools it has.
    pub tools: usize,
}

/// What a client may use.
#[derive(Debug, Serialize)]
pub struct LimitsInfo {
    /// Authenticated connections at one time, for the whole gateway.
    pub max_connections: usize,
    /// Commands a minute for this credential.
    pub commands_per_minute: u32,
    /// Requests of one session that run at the same time; more wait unread.
    pub in_flight: usize,
    /// Largest incoming frame in bytes.
    pub frame_bytes: usize,
    /// Events queued for a slow session before some are dropped and counted.
    pub event_queue: usize,
}

/// What is spoken here.
#[derive(Debug, Serialize)]
pub struct ProtocolInfo {
    /// The dialect's name.
    pub dialect: &'static str,
    /// Requests this build serves.
    pub commands: &'static [&'static str],
    /// Events it can send.
    pub events: Vec<&'static str>,
}
