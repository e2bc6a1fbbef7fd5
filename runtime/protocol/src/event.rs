//! Payloads of frames nobody asked for: live tool calls, recorded events, and the count of what was lost.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::RequestId;
use crate::frame::as_display;

/// `tool_call`: a tool is being called.
#[derive(Debug, Serialize)]
pub struct ToolCallEvent<'a, Call: Display> {
    /// The tool that was named; for `name` alone, the skill.
    pub tool: &'a str,
    /// The arguments as given.
    pub args: &'a RawValue,
    /// Ties the result to the call.
    #[serde(serialize_with = "as_display")]
    pub call_id: Call,
    /// The skill.
    pub skill: &'a str,
    /// The request that caused it.
    pub request_id: &'a RequestId,
}

/// `delta`: an answer goes on with this text. Only for sessions that subscribed to it; the reply has all of the text.
#[derive(Debug, Serialize)]
pub struct DeltaEvent<'a> {
    /// What is added.
    pub text: &'a str,
    /// The request it answers.
    pub request_id: &'a RequestId,
}

/// `progress`: how far a tool call is, in its guest's words.
#[derive(Debug, Serialize)]
pub struct ProgressEvent<'a, Call: Display> {
    /// As in the `tool_call`.
    pub tool: &'a str,
    /// Part of the work that is done, 0 to 1, if the guest can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// What it is doing.
    pub message: &'a str,
    /// As in the `tool_call`.
    #[serde(serialize_with = "as_display")]
    pub call_id: Call,
    /// The skill.
    pub skill: &'a str,
    /// The request that caused it.
    pub request_id: &'a RequestId,
}

/// `tool_result`: what a tool call came to.
#[derive(Debug, Serialize)]
pub struct ToolResultEvent<'a, Call: Display> {
    /// As in the `tool_call`.
    pub tool: &'a str,
    /// Its text, or why it failed. Always a string.
    pub output: &'a str,
    /// 0 = ok.
    pub exit_code: i32,
    /// As in the `tool_call`.
    #[serde(serialize_with = "as_display")]
    pub call_id: Call,
    /// The skill.
    pub skill: &'a str,
    /// Wall-clock time in milliseconds, to the microsecond.
    pub duration_ms: f64,
    /// The request that caused it.
    pub request_id: &'a RequestId,
}

/// Data of `agent.task.completed`.
#[derive(Debug, Serialize)]
pub struct TaskCompleted<'a> {
    /// What was asked for: `skill` or `skill/tool`.
    pub task_name: &'a str,
    /// Its text.
    pub result: &'a str,
    /// Whether the text was cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Wall-clock time in milliseconds, to the microsecond.
    pub duration_ms: f64,
    /// The request that caused it.
    pub request_id: &'a RequestId,
}

/// Data of `agent.error`.
#[derive(Debug, Serialize)]
pub struct AgentError<'a> {
    /// What failed.
    pub message: &'a str,
    /// Always empty: a guest has no stack the host can read, and the host's own is for the log.
    pub stack: &'a str,
    /// Where.
    pub context: ErrorContext<'a>,
}

/// Where an `agent.error` happened.
#[derive(Debug, Serialize)]
pub struct ErrorContext<'a> {
    /// Its code.
    pub code: &'a str,
    /// What was asked for: `skill` or `skill/tool`.
    pub task_name: &'a str,
    /// The request that caused it.
    pub request_id: &'a RequestId,
}

/// `gap`: the session read too slowly, and this many events were dropped here. Replies never are.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Gap {
    /// How many.
    pub missed: u64,
}

/// A recorded event: its data, then the fields every event has. The latter win where a name is used twice.
#[derive(Debug)]
pub struct EventPayload<'a> {
    /// A JSON object as text.
    pub data: &'a str,
    /// Its place in the order of all events.
    pub seq: i64,
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub tenant: &'a str,
    /// The trace it belongs to.
    pub trace_id: String,
    /// When it happened, RFC 3339.
    pub timestamp: String,
}

impl EventPayload<'_> {
    fn data(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(self.data).unwrap_or_default()
    }
}

impl Serialize for EventPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        // Once per event, not per session: a map here buys that no field can stand twice.
        let data = self.data();
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &data {
            if !matches!(name.as_str(), "seq" | "id" | "tenant" | "trace_id" | "timestamp") {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("tenant", self.tenant)?;
        map.serialize_entry("trace_id", &self.trace_id)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_data_at_the_top_and_its_own_fields_win() {
        let payload = EventPayload {
            data: r#"{"task_name":"a","seq":99}"#,
            seq: 4,
            id: "evt_1",
            tenant: "default",
            trace_id: "t".to_owned(),
            timestamp: "T".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&payload).unwrap(),
            r#"{"task_name":"a","id":"evt_1","seq":4,"tenant":"default","trace_id":"t","timestamp":"T"}"#
        );
    }
}
