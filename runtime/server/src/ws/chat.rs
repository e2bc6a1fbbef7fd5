//! `chat`: one turn of the agent, its live frames and its reply.
//!
//! Invariant: what a client says of itself chooses a conversation within its tenant and this door, and nothing else.
//! What a turn says on its way waits here until the session shows it; text that nobody subscribed to is not kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::{
    Caller, ConversationKey, Door, Memory, Refusal, TurnCall, TurnEvent, TurnReply, TurnRequest, TurnSink,
};
use openclaw_protocol::{
    Chat as ChatRequest, ChatCall, ChatReply, DeltaEvent, RequestId, ToolCallEvent, ToolResultEvent,
};
use serde_json::value::RawValue;

use super::idempotency::Ticket;
use super::in_flight::{InFlight, Request, Work};
use super::invoke::{KEY_BYTES, millis, settle};
use super::session::{Session, payload};
use crate::bus::{Bus, Subscriber};
use crate::reply::error_payload;

/// Longest name of a user, a channel or a model, in bytes.
const NAME_BYTES: usize = 128;
/// Bytes of text that wait to be shown; more is not shown, and the reply has all of it.
const DELTA_BYTES: usize = 256 << 10;
/// The channel of a client that names none.
const CHANNEL: &str = "default";
/// The type of a frame that carries a piece of an answer.
const DELTA: &str = "delta";

/// A turn as far as its frames need it.
pub(super) struct Chat {
    /// Its number within the session, counted with tool calls.
    pub(super) number: u64,
    /// The key to settle, if the client gave one.
    ticket: Option<Ticket>,
    /// What happened on its way, and was not shown yet.
    pub(super) seen: Arc<Seen>,
}

/// What happens on a turn's way: put in by the turn, taken out by the session.
#[derive(Default)]
pub(super) struct Seen(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: Vec<TurnEvent>,
    delta_bytes: usize,
    has_called: bool,
}

impl Seen {
    /// Where a turn's events go: kept here, and the session nudged once for all that wait.
    fn sink(self: &Arc<Self>, subscriber: &Arc<Subscriber>, bus: &Arc<Bus>, number: u64) -> TurnSink {
        let (seen, subscriber, bus) = (Arc::clone(self), Arc::clone(subscriber), Arc::clone(bus));
        TurnSink::new(move |event| {
            if matches!(event, TurnEvent::Delta(_)) && !bus.has_subscribers() {
                return;
            }
            let mut waiting = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = waiting.events.is_empty();
            waiting.put(event);
            drop(waiting);
            if is_first {
                subscriber.mailbox.nudge(number);
            }
        })
    }

    /// Takes out what waits.
    pub(super) fn take(&self) -> Vec<TurnEvent> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.delta_bytes = 0;
        std::mem::take(&mut waiting.events)
    }

    /// Whether a tool was called: then the same request would not be the same again.
    fn has_called(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).has_called
    }
}

impl Waiting {
    fn put(&mut self, event: TurnEvent) {
        match (event, self.events.last_mut()) {
            (TurnEvent::Delta(text), _) if self.delta_bytes + text.len() > DELTA_BYTES => {}
            (TurnEvent::Delta(text), Some(TurnEvent::Delta(before))) => {
                self.delta_bytes += text.len();
                before.push_str(&text);
            }
            (event, _) => {
                match &event {
                    TurnEvent::Delta(text) => self.delta_bytes += text.len(),
                    TurnEvent::ToolCall { .. } => self.has_called = true,
                    TurnEvent::ToolResult { .. } => {}
                }
                self.events.push(event);
            }
        }
    }
}

impl Session<'_> {
    /// Begins a turn. What is refused at once comes back with its refusal.
    #[expect(clippy::result_large_err, reason = "it is handed on at once; a box would cost each refusal an allocation")]
    pub(super) fn chat(&mut self, mut request: Request, text: &str) -> Result<(), (Request, Refusal)> {
        let chat: ChatRequest<'_> = match payload(text) {
            Ok(chat) => chat,
            Err(refusal) => return Err((request, refusal)),
        };
        if let Some(traceparent) = &chat.traceparent {
            request.trace = self.trace_for(Some(traceparent));
        }
        let seen = Arc::<Seen>::default();
        let turn = match self.turn_request(&request, &chat, &seen) {
            Ok(turn) => turn,
            Err(refusal) => return Err((request, refusal)),
        };
        let fingerprint = fingerprint(&turn);
        let Some((request, ticket)) = self.claim(request, chat.idempotency_key.as_deref(), fingerprint)? else {
            return Ok(());
        };
        let chat = Chat { number: self.next_call, ticket, seen };
        self.next_call += 1;
        let state = self.state;
        self.in_flight.push(InFlight::new(request, Work::Turn(chat, state.brain.turn(turn))));
        Ok(())
    }

    fn turn_request(
        &self,
        request: &Request,
        chat: &ChatRequest<'_>,
        seen: &Arc<Seen>,
    ) -> Result<TurnRequest, Refusal> {
        if chat.text.trim().is_empty() {
            return Err(Refusal::invalid("payload.text", "is empty: write what to say"));
        }
        if chat.deadline_ms == Some(0) {
            return Err(Refusal::invalid("payload.deadline_ms", "must be at least 1"));
        }
        if chat.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES) {
            return Err(Refusal::invalid("payload.idempotency_key", format!("must be 1 to {KEY_BYTES} bytes")));
        }
        let options = chat.options.as_ref();
        let context = chat.context.as_ref().or_else(|| options?.context.as_ref());
        let model = options.and_then(|options| options.model.as_deref()).or(chat.model.as_deref());
        let user = context.and_then(|context| context.user.as_deref());
        let channel = context.and_then(|context| context.channel.as_deref());
        let named = [("options.model", model), ("context.user", user), ("context.channel", channel)];
        for (field, name) in named {
            if name.is_some_and(|name| name.is_empty() || name.len() > NAME_BYTES) {
                return Err(Refusal::invalid(format!("payload.{field}"), format!("must be 1 to {NAME_BYTES} bytes")));
            }
        }
        let no_memory = options.and_then(|options| options.no_memory).or(chat.no_memory).unwrap_or(false);
        let credential = self.access.credential.clone();
        Ok(TurnRequest {
            conversation: ConversationKey {
                tenant: credential.tenant.clone(),
                door: Door::WebSocket,
                channel: channel.unwrap_or(CHANNEL).to_owned(),
                user: user.unwrap_or(&credential.name).to_owned(),
            },
            caller: Caller { credential, door: Door::WebSocket, trace: request.trace },
            request: request.id.to_string(),
            text: chat.text.to_string(),
            model: model.map(str::to_owned),
            memory: if no_memory { Memory::Off } else { Memory::Kept },
            deadline: chat.deadline_ms.map(Duration::from_millis),
            session: Some(self.subscriber.id),
            sink: seen.sink(&self.subscriber, &self.state.bus, self.next_call),
        })
    }

    /// Shows what happened on a turn's way.
    pub(super) fn show_turn(&mut self, request: &Request, events: &[TurnEvent]) {
        for event in events {
            match event {
                TurnEvent::Delta(text) => self.show_delta(&request.id, text),
                TurnEvent::ToolCall { call_id, skill, tool, arguments } => {
                    let args = as_json(arguments);
                    let payload = ToolCallEvent { tool, args: &args, call_id, skill, request_id: &request.id };
                    self.show("tool_call", &payload);
                }
                TurnEvent::ToolResult { call_id, skill, tool, output, is_error, duration } => {
                    let payload = ToolResultEvent {
                        tool,
                        output,
                        exit_code: i32::from(*is_error),
                        call_id,
                        skill,
                        duration_ms: millis(*duration),
                        request_id: &request.id,
                    };
                    self.show("tool_result", &payload);
                }
            }
        }
    }

    /// A piece of an answer, for those who subscribed to such pieces.
    fn show_delta(&mut self, id: &RequestId, text: &str) {
        let payload = DeltaEvent { text, request_id: id };
        if self.subscriber.wants(DELTA) {
            return self.show(DELTA, &payload);
        }
        self.show_others(DELTA, &payload);
    }

    /// Sends what a turn came to.
    pub(super) fn finish_chat(&mut self, request: &Request, mut chat: Chat, result: Result<TurnReply, Refusal>) {
        self.show_turn(request, &chat.seen.take());
        match result {
            Ok(reply) => {
                let payload = ChatReply {
                    text: &reply.text,
                    tool_calls: reply.tool_calls.iter().map(chat_call).collect(),
                    tokens_used: reply.tokens_used,
                    model: &reply.model,
                    duration_ms: millis(reply.duration),
                    trace_id: request.trace,
                };
                self.reply(request, "response", &payload);
                settle(&mut chat.ticket, "response", &payload, true);
            }
            Err(refusal) => {
                self.refuse(request, &refusal);
                if chat.ticket.is_some() {
                    let payload = error_payload(&refusal, Some(request.command.as_str()), Some(request.trace));
                    let is_final = chat.seen.has_called() && !matches!(refusal, Refusal::Cancelled);
                    settle(&mut chat.ticket, "error", &payload, is_final);
                }
            }
        }
    }
}

fn chat_call(call: &TurnCall) -> ChatCall<'_> {
    ChatCall {
        tool: &call.tool,
        skill: &call.skill,
        args: as_json(&call.arguments),
        exit_code: i32::from(call.is_error),
        call_id: &call.call_id,
        duration_ms: millis(call.duration),
    }
}

/// Arguments as they were written; a string if they are no JSON, and nothing if there are none.
fn as_json(text: &str) -> Box<RawValue> {
    if text.trim().is_empty() {
        return RawValue::NULL.to_owned();
    }
    RawValue::from_string(text.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn fingerprint(turn: &TurnRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    "chat".hash(&mut hasher);
    (&turn.text, &turn.model, turn.memory == Memory::Off, &turn.conversation).hash(&mut hasher);
    hasher.finish()
}
