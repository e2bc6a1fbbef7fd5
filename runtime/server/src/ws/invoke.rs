//! `skill_invoke`: one tool call, its live frames, its reply, and the event it leaves.
//!
//! The call is polled where its frame was read. Most calls are done by then, and their three frames leave in one
//! write; one that is not is announced and joins the requests in flight.
//! Invariant: a `tool_call` is followed by exactly one `tool_result`, and both come before the reply.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use openclaw_domain::{
    Answer, Caller, Code, Content, Door, EventKind, NewEvent, Progress, Refusal, Resumption, SkillRef, ToolCall,
    ToolOutput, ToolReply,
};
use openclaw_protocol::{
    AgentError, Envelope, ErrorContext, InputQuestion, InputRequired, InvokeReply, ProgressEvent, ResultValue,
    SkillInvoke, TaskCompleted, ToolCallEvent, ToolResultEvent,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::idempotency::{Claim, KeptReply, Ticket};
use super::in_flight::{Call, InFlight, Request, Said, Work};
use super::session::{Session, payload};
use crate::reply::error_payload;

/// Longest idempotency key in bytes.
pub(super) const KEY_BYTES: usize = 256;
/// Text of a result that is kept in its event; the reply has all of it.
const EVENT_TEXT_BYTES: usize = 64 << 10;

/// Names a call: unique, because sessions are.
struct CallId {
    session: u64,
    number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call-{:x}-{}", self.session, self.number)
    }
}

/// The skill and tool a target names; for `name` alone, the skill stands for its only tool.
fn names(target: &str) -> (&str, &str) {
    target.split_once('/').unwrap_or((target, target))
}

/// A request that is the first under its key, if it has one, and the key to settle; `None` for a repeat.
pub(super) type Claimed = Option<(Request, Option<Ticket>)>;

impl<'a> Session<'a> {
    /// Begins a call. What is refused at once comes back with its refusal.
    pub(super) async fn invoke(&mut self, mut request: Request, text: &str) -> Result<(), (Request, Refusal)> {
        let invoke: SkillInvoke<'_> = match payload(text) {
            Ok(invoke) => invoke,
            Err(refusal) => return Err((request, refusal)),
        };
        if let Some(traceparent) = &invoke.traceparent {
            request.trace = self.trace_for(Some(traceparent));
        }
        let said = Arc::<Said>::default();
        let tool_call = match self.tool_call(&request, &invoke, &said) {
            Ok(tool_call) => tool_call,
            Err(refusal) => return Err((request, refusal)),
        };
        let key = invoke.idempotency_key.as_deref();
        let Some((request, ticket)) = self.claim(request, key, fingerprint(&invoke))? else { return Ok(()) };
        let mut call =
            Call { target: invoke.skill.into_owned(), number: self.next_call, is_announced: false, ticket, said };
        self.next_call += 1;
        let state = self.state;
        let mut reply = state.guests.call_tool(tool_call);
        match poll_fn(|cx| Poll::Ready(reply.as_mut().poll(cx))).await {
            Poll::Ready(result) => {
                if result.as_ref().map_or_else(has_run, |_| true) {
                    self.announce(&request, &mut call, invoke.args);
                }
                self.finish_call(&request, call, result);
            }
            Poll::Pending => {
                self.announce(&request, &mut call, invoke.args);
                self.in_flight.push(InFlight::new(request, Work::Tool(call, reply)));
            }
        }
        Ok(())
    }

    /// Claims an idempotency key, if the client gave one. `None`: it is a repeat, which was answered or waits.
    #[expect(clippy::result_large_err, reason = "it is handed on at once; a box would cost each refusal an allocation")]
    pub(super) fn claim(
        &mut self,
        request: Request,
        key: Option<&str>,
        fingerprint: u64,
    ) -> Result<Claimed, (Request, Refusal)> {
        let Some(key) = key else { return Ok(Some((request, None))) };
        match self.access.account.replies.claim(key, fingerprint) {
            Claim::First(first) => return Ok(Some((request, Some(first)))),
            Claim::Wait(reply) => self.in_flight.push(InFlight::new(request, Work::Repeat(reply))),
            Claim::Done(kept) => self.reply(&request, kept.kind, &kept.payload),
            Claim::Conflict => {
                let reason = "was used before with another skill or other arguments: choose a new one";
                return Err((request, Refusal::invalid("payload.idempotency_key", reason)));
            }
            Claim::Full => return Err((request, Refusal::QueueFull("idempotency"))),
        }
        Ok(None)
    }

    fn tool_call(&self, request: &Request, invoke: &SkillInvoke<'_>, said: &Arc<Said>) -> Result<ToolCall, Refusal> {
        let target: SkillRef =
            invoke.skill.parse().map_err(|_| Refusal::SkillNotFound(invoke.skill.chars().take(80).collect()))?;
        if invoke.deadline_ms == Some(0) {
            return Err(Refusal::invalid("payload.deadline_ms", "must be at least 1"));
        }
        if invoke.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES) {
            return Err(Refusal::invalid("payload.idempotency_key", format!("must be 1 to {KEY_BYTES} bytes")));
        }
        let resumed = match &invoke.resume {
            None => None,
            Some(resume) => {
                let state = hex::decode(resume.state.as_bytes());
                let state =
                    state.map_err(|_| Refusal::invalid("payload.resume.state", "must be the `state` of a reply"))?;
                let answers = resume.answers.iter();
                let answers =
                    answers.map(|answer| Answer { id: answer.id.to_string(), value: answer.value.to_string() });
                Some(Resumption { state, answers: answers.collect() })
            }
        };
        Ok(ToolCall {
            caller: Caller { credential: self.access.credential.clone(), door: Door::WebSocket, trace: request.trace },
            target,
            arguments: invoke.args.map_or("{}", RawValue::get).into(),
            deadline: invoke.deadline_ms.map(Duration::from_millis),
            resumed,
            progress: said.sink(&self.subscriber, self.next_call),
            session: Some(self.subscriber.id),
        })
    }

    fn announce(&mut self, request: &Request, call: &mut Call, args: Option<&RawValue>) {
        call.is_announced = true;
        let (skill, tool) = names(&call.target);
        let payload = ToolCallEvent {
            tool,
            args: args.unwrap_or(RawValue::NULL),
            call_id: CallId { session: self.subscriber.id, number: call.number },
            skill,
            request_id: &request.id,
        };
        self.show("tool_call", &payload);
    }

    /// Sends a live frame to this session, and to the others of the tenant that subscribed to its type.
    pub(super) fn show(&mut self, kind: &'static str, payload: &impl Serialize) {
        let envelope = Envelope { kind, id: None, payload, timestamp: self.state.clock.now() };
        if !self.state.bus.has_subscribers() {
            return self.output.text(&envelope);
        }
        match serde_json::to_string(&envelope) {
            Ok(frame) => {
                self.output.printed(&frame);
                self.state.bus.publish_live(&self.subscriber, kind, &frame);
            }
            Err(error) => tracing::error!(%error, "a frame could not be printed"),
        }
    }

    /// Sends a live frame only to the other sessions of the tenant that subscribed to its type.
    pub(super) fn show_others(&mut self, kind: &'static str, payload: &impl Serialize) {
        let envelope = Envelope { kind, id: None, payload, timestamp: self.state.clock.now() };
        match serde_json::to_string(&envelope) {
            Ok(frame) => self.state.bus.publish_live(&self.subscriber, kind, &frame),
            Err(error) => tracing::error!(%error, "a frame could not be printed"),
        }
    }

    /// Shows how far a call is.
    pub(super) fn show_progress(&mut self, request: &Request, call: &Call, said: &[Progress]) {
        let (skill, tool) = names(&call.target);
        for Progress { fraction, message } in said {
            let call_id = CallId { session: self.subscriber.id, number: call.number };
            let payload = ProgressEvent { tool, fraction: *fraction, message, call_id, skill, request_id: &request.id };
            self.show("progress", &payload);
        }
    }

    /// Sends what a call came to, and records it.
    pub(super) fn finish_call(&mut self, request: &Request, mut call: Call, result: Result<ToolReply, Refusal>) {
        if call.is_announced {
            self.show_progress(request, &call, &call.said.take());
        }
        let elapsed = request.started.elapsed();
        self.state.measures.skill_microseconds.increment(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        match result {
            Ok(reply) => {
                let text = text_of(&reply.output);
                self.show_result(request, &call, &text, 0, reply.duration);
                self.send_reply(request, &mut call, &reply, &text);
                self.record_completion(request, &call, &text, reply.duration);
            }
            Err(refusal) => {
                if call.is_announced {
                    self.show_result(request, &call, &refusal.to_string(), 1, elapsed);
                }
                if has_run(&refusal) {
                    self.record_fault(request, &call, &refusal);
                }
                self.send_refusal(request, &mut call, &refusal);
            }
        }
    }

    fn show_result(&mut self, request: &Request, call: &Call, output: &str, exit_code: i32, duration: Duration) {
        let (skill, tool) = names(&call.target);
        let payload = ToolResultEvent {
            tool,
            output,
            exit_code,
            call_id: CallId { session: self.subscriber.id, number: call.number },
            skill,
            duration_ms: millis(duration),
            request_id: &request.id,
        };
        self.show("tool_result", &payload);
    }

    fn send_reply(&mut self, request: &Request, call: &mut Call, reply: &ToolReply, text: &str) {
        let (result, input_required) = match &reply.output {
            // What a guest calls JSON is read before it is passed on as such.
            ToolOutput::Complete(result) => {
                let json = result.structured.as_deref().and_then(|json| serde_json::from_str(json).ok());
                (json.map_or(ResultValue::Text(text), ResultValue::Json), None)
            }
            ToolOutput::InputRequired(needed) => {
                let requests = needed.requests.iter();
                let requests =
                    requests.map(|ask| InputQuestion { id: &ask.id, message: &ask.message, schema: &ask.schema });
                let required = InputRequired { requests: requests.collect(), state: hex::encode(&needed.state) };
                (ResultValue::Json(RawValue::NULL), Some(required))
            }
        };
        let payload = InvokeReply {
            text,
            result,
            tool_calls: [],
            tokens_used: 0,
            skill: reply.skill.as_str(),
            tool: reply.tool.as_str(),
            duration_ms: millis(reply.duration),
            input_required,
            trace_id: request.trace,
        };
        self.reply(request, "response", &payload);
        settle(&mut call.ticket, "response", &payload, true);
    }

    fn send_refusal(&mut self, request: &Request, call: &mut Call, refusal: &Refusal) {
        self.refuse(request, refusal);
        if call.ticket.is_some() {
            let payload = error_payload(refusal, Some(request.command.as_str()), Some(request.trace));
            settle(&mut call.ticket, "error", &payload, has_run(refusal) && !matches!(refusal, Refusal::Cancelled));
        }
    }

    fn record_completion(&self, request: &Request, call: &Call, text: &str, duration: Duration) {
        let result = &text[..text.floor_char_boundary(EVENT_TEXT_BYTES)];
        let data = TaskCompleted {
            task_name: &call.target,
            result,
            truncated: result.len() < text.len(),
            duration_ms: millis(duration),
            request_id: &request.id,
        };
        self.record(request, EventKind::TaskCompleted, &data);
    }

    /// Records a call that reached its guest and did not succeed, so that its trace shows why.
    pub(super) fn record_fault(&self, request: &Request, call: &Call, refusal: &Refusal) {
        let message = refusal.to_string();
        let context = ErrorContext { code: refusal.code().as_str(), task_name: &call.target, request_id: &request.id };
        self.record(request, EventKind::Error, &AgentError { message: &message, stack: "", context });
    }

    fn record(&self, request: &Request, kind: EventKind, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        self.state.journal.record(NewEvent {
            tenant: self.subscriber.tenant.clone(),
            kind,
            data,
            trace: request.trace,
            at: self.state.clock.now(),
            session: Some(self.subscriber.id),
        });
    }
}

/// Gives the reply to those who wait under the same key.
pub(super) fn settle(ticket: &mut Option<Ticket>, kind: &'static str, payload: &impl Serialize, is_final: bool) {
    let Some(ticket) = ticket.take() else { return };
    match serde_json::value::to_raw_value(payload) {
        Ok(payload) => ticket.settle(&Arc::new(KeptReply { kind, payload }), is_final),
        Err(error) => tracing::error!(%error, "a reply could not be kept"),
    }
}

/// Whether the call had got as far as its guest before this refusal: then it is shown, and recorded.
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

fn fingerprint(invoke: &SkillInvoke<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    invoke.skill.hash(&mut hasher);
    invoke.args.map(RawValue::get).hash(&mut hasher);
    if let Some(resume) = &invoke.resume {
        resume.state.hash(&mut hasher);
        resume.answers.iter().for_each(|answer| (&answer.id, answer.value.get()).hash(&mut hasher));
    }
    hasher.finish()
}

/// The text of an output; borrowed where it is one piece, as it nearly always is.
fn text_of(output: &ToolOutput) -> Cow<'_, str> {
    match output {
        ToolOutput::Complete(result) => match result.content.as_slice() {
            [Content::Text(text)] => Cow::Borrowed(text),
            _ => Cow::Owned(result.to_text()),
        },
        ToolOutput::InputRequired(needed) => {
            let questions: Vec<&str> = needed.requests.iter().map(|request| request.message.as_str()).collect();
            Cow::Owned(questions.join("\n"))
        }
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
