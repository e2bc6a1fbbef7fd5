//! A tool call that was announced.
//!
//! Invariant: it gets exactly one result and one record, also when its turn is dropped half-way.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::Journal;
use openclaw_domain::{Clock, Code, EventKind, NewEvent, Refusal, TurnCall, TurnEvent, TurnRequest};
use serde_json::json;
use tokio::time::Instant;

/// Text of a result that is kept in its event.
const EVENT_TEXT_BYTES: usize = 64 << 10;

/// What an announced call needs of the agent.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A call between its announcement and its result.
pub(crate) struct Announced<'a> {
    witness: &'a Witness,
    request: &'a TurnRequest,
    call: Option<TurnCall>,
    began: Instant,
}

impl<'a> Announced<'a> {
    /// Announces a call.
    pub(crate) fn new(witness: &'a Witness, request: &'a TurnRequest, call: TurnCall) -> Self {
        let TurnCall { call_id, skill, tool, arguments, .. } = call.clone();
        request.sink.say(TurnEvent::ToolCall { call_id, skill, tool, arguments });
        Self { witness, request, call: Some(call), began: Instant::now() }
    }

    /// Shows and records what it came to.
    pub(crate) fn end(mut self, result: &Result<String, Refusal>) -> TurnCall {
        let call = self.call.take().unwrap_or_else(|| unreachable!("it is taken once, here or when it is dropped"));
        self.settle(call, result)
    }

    fn settle(&self, mut call: TurnCall, result: &Result<String, Refusal>) -> TurnCall {
        call.duration = self.began.elapsed();
        call.is_error = result.is_err();
        let output = match result {
            Ok(text) => text.clone(),
            Err(refusal) => refusal.to_string(),
        };
        self.record(&call, &output, result.as_ref().err());
        self.request.sink.say(TurnEvent::ToolResult {
            call_id: call.call_id.clone(),
            skill: call.skill.clone(),
            tool: call.tool.clone(),
            output,
            is_error: call.is_error,
            duration: call.duration,
        });
        call
    }

    /// Records it as a call of `skill_invoke` would be.
    fn record(&self, call: &TurnCall, output: &str, refusal: Option<&Refusal>) {
        let task = format!("{}/{}", call.skill, call.tool);
        let (kind, data) = match refusal {
            None => {
                let result = &output[..output.floor_char_boundary(EVENT_TEXT_BYTES)];
                let mut data = json!({
                    "task_name": task,
                    "result": result,
                    "duration_ms": millis(call.duration),
                    "request_id": self.request.request,
                });
                if result.len() < output.len() {
                    data["truncated"] = true.into();
                }
                (EventKind::TaskCompleted, data)
            }
            Some(refusal) if has_run(refusal) => {
                let context = json!({
                    "code": refusal.code().as_str(), "task_name": task, "request_id": self.request.request,
                });
                (EventKind::Error, json!({ "message": output, "stack": "", "context": context }))
            }
            Some(_) => return,
        };
        self.witness.journal.record(NewEvent {
            tenant: self.request.caller.tenant().clone(),
            kind,
            data: data.to_string(),
            trace: self.request.caller.trace,
            at: self.witness.clock.now(),
            session: self.request.session,
        });
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.settle(call, &Err(Refusal::Cancelled));
        }
    }
}

/// Whether the call had got as far as its guest before this refusal.
const fn has_run(refusal: &Refusal) -> bool {
    matches!(
        refusal.code(),
        Code::SkillFailed
            | Code::SkillTrapped
            | Code::SkillTimeout
            | Code::SkillMemory
            | Code::SkillOutput
            | Code::Cancelled
            | Code::Internal
    )
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
