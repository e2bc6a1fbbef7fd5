//! One client's session: the task that owns its socket.
//!
//! Each turn does one thing, in this order: act on a signal, finish a request, read a frame, pass an event on, and only
//! when nothing of that is ready, write. So whatever is ready together leaves in one write; events alone wait a moment
//! for a reply to leave with.
//!
//! Invariants: each request gets exactly one frame under its id; replies are never dropped, events are dropped only
//! with a count; a client that closes its side still gets its replies, and its Close is answered after them. What a
//! client that does not read makes the gateway hold is bounded in bytes: its output, the results that wait
//! ([`Held`]), and its mailbox.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use openclaw_domain::{Code, Event, Refusal, TenantId, TraceId};
use openclaw_protocol::{
    Cancel, CancelAck, Envelope, Gap, Incoming as Frame, RequestId, Subscribe, SubscribeAck, decode,
};
use serde::{Deserialize, Serialize};
use tokio::net::tcp::OwnedWriteHalf;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, error::CapacityError};
use uuid::Uuid;

use super::command::{Command, not_configured};
use super::held::Held;
use super::in_flight::{Finished, InFlight, Outcome, Request, Work};
use super::liveness::Liveness;
use super::output::Output;
use super::socket::{Incoming, part};
use super::{MAX_IN_FLIGHT, MESSAGE_BYTES};
use crate::auth::{Access, ClientAddress};
use crate::bus::{Subscriber, event_notice};
use crate::mailbox::{Letter, Signal, Signals};
use crate::reply::error_payload;
use crate::shares::Part;
use crate::state::{Place, State};

/// Bytes waiting to be written beyond which nothing more is read or passed on.
const HIGH_WATER: usize = 32 << 10;
/// Bytes waiting to be written beyond which no further reply is printed. One reply may take it far beyond this: 18 MiB,
/// if a result of 1 MiB is all control characters.
const REPLY_WATER: usize = 1 << 20;
/// Events alone wait this long for company: under load the next reply takes them along, and saves a write.
const EVENT_LULL: Duration = Duration::from_millis(1);
/// A ping goes out this often; a peer that was silent from one to the next is gone.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Events read from the journal at one time when a client resumes: few, because one may take 400 KB.
const BACKLOG_PAGE: usize = 32;
/// Longest pattern in bytes.
const MAX_PATTERN_BYTES: usize = 128;

/// Who comes in.
pub(super) struct Guest {
    /// What it may do.
    pub(super) access: Access,
    /// Its place among `max_connections`.
    pub(super) place: Place,
    /// Its part of what its tenant may hold of them.
    pub(super) part: Part<TenantId>,
    /// Where it comes from.
    pub(super) address: ClientAddress,
    /// The trace its upgrade request belonged to: for requests that name none.
    pub(super) trace: Option<TraceId>,
}

/// Why and how a session ends: the close code (none: as the peer said none) and its reason.
type Ending = (Option<u16>, &'static str);

/// Service restart (RFC 6455 registry): the guide's clients reconnect.
const RESTARTING: Ending = (Some(1012), "the gateway is restarting");
/// Policy violation.
const REVOKED: Ending = (Some(1008), "the token was revoked");

/// A session's own state; the socket's halves stay beside it.
pub(super) struct Session<'a> {
    pub(super) state: &'a State,
    pub(super) access: Access,
    pub(super) address: ClientAddress,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) output: Output,
    pub(super) in_flight: FuturesUnordered<InFlight<'a>>,
    /// Requests that are done, and wait to be answered.
    held: Held,
    /// Number of the next tool call.
    pub(super) next_call: u64,
    trace: Option<TraceId>,
    /// Recorded events a client asked to see again, being read.
    backlog: Option<BoxFuture<'a, Result<Vec<Event>, Refusal>>>,
    /// Up to here recorded events were sent from the backlog.
    resumed_to: i64,
    /// How it will end, once nothing is in flight.
    ending: Option<Ending>,
    /// Whether the peer's messages are still read.
    is_reading: bool,
    /// Whether all is answered now, however little the peer reads.
    is_cut: bool,
    commands: u64,
}

/// Serves a client until it leaves, is dropped, or the gateway stops.
pub(super) async fn run(state: &State, guest: Guest, mut incoming: Incoming, mut writer: OwnedWriteHalf) {
    let Guest { access, place, part: tenant_part, address, trace } = guest;
    let subscriber = state.bus.join(access.credential.tenant.clone());
    let opened = Instant::now();
    state.measures.sessions_opened.increment(1);
    tracing::info!(
        tenant = %access.credential.tenant, credential = %access.credential.name, address = %address.0,
        session = subscriber.id, "session opened"
    );
    let mut session = Session {
        state,
        access,
        address,
        subscriber: Arc::clone(&subscriber),
        output: Output::default(),
        in_flight: FuturesUnordered::new(),
        held: Held::default(),
        next_call: 1,
        trace,
        backlog: None,
        resumed_to: 0,
        ending: None,
        is_reading: true,
        is_cut: false,
        commands: 0,
    };
    // Tokens may have changed, or the drain begun, between authentication and joining the bus.
    session.check_token();
    if state.is_draining() {
        subscriber.mailbox.signal(Signal::Drain);
    }
    if state.stop_now.is_cancelled() {
        subscriber.mailbox.signal(Signal::Stop);
    }
    let ending = session.turns(&mut incoming, &mut writer).await;
    session.abandon();
    state.bus.leave(&subscriber);
    drop((place, tenant_part));
    let close = ending.and_then(|(code, _)| code);
    tracing::info!(
        tenant = %session.access.credential.tenant, address = %address.0, session = subscriber.id, code = close,
        commands = session.commands, ms = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX),
        "session closed"
    );
    if let Some((code, reason)) = ending {
        session.output.close(code, reason);
        part(incoming, writer, session.output).await;
    }
}

impl<'a> Session<'a> {
    /// Takes turns until the session is over. `None`: the peer is gone, there is nobody to say goodbye to.
    async fn turns(&mut self, incoming: &mut Incoming, writer: &mut OwnedWriteHalf) -> Option<Ending> {
        let subscriber = Arc::clone(&self.subscriber);
        let mailbox = &subscriber.mailbox;
        let mut ping = pin!(tokio::time::sleep(PING_EVERY));
        let mut lull = pin!(tokio::time::sleep(EVENT_LULL));
        let mut liveness = Liveness::default();
        loop {
            while (self.is_cut || self.output.waiting() < REPLY_WATER)
                && let Some(finished) = self.held.take()
            {
                self.finish(finished);
            }
            if self.ending.is_some() && self.in_flight.is_empty() && self.held.len() == 0 {
                return self.ending;
            }
            let has_room = self.output.waiting() < HIGH_WATER;
            let has_places = self.in_flight.len() + self.held.len() < MAX_IN_FLIGHT;
            let may_read = has_room && self.is_reading && has_places;
            let may_finish = !self.in_flight.is_empty() && (self.is_cut || self.held.has_room());
            tokio::select! {
                biased;
                signals = mailbox.signals() => {
                    self.act_on(signals);
                }
                Some(finished) = self.in_flight.next(), if may_finish => self.held.put(finished),
                message = incoming.next(), if may_read => {
                    liveness.was_heard = true;
                    match message {
                        Some(Ok(message)) => self.take_message(message).await,
                        Some(Err(error)) => self.take_error(&error)?,
                        None => return None,
                    }
                }
                page = next_page(&mut self.backlog), if has_room && self.backlog.is_some() => self.take_page(page),
                letter = mailbox.letter(), if has_room && self.backlog.is_none() => {
                    if self.output.waiting() == 0 {
                        lull.as_mut().reset(tokio::time::Instant::now() + EVENT_LULL);
                    }
                    self.pass_on(&letter);
                }
                written = self.output.flush(writer), if self.output.is_urgent() => written.ok()?,
                () = lull.as_mut(), if self.output.waiting() > 0 && !self.output.is_urgent() => self.output.hurry(),
                () = ping.as_mut() => {
                    ping.as_mut().reset(tokio::time::Instant::now() + PING_EVERY);
                    // What the peer reads is known even while nothing of it is read.
                    if (self.is_reading && has_places || !has_room) && liveness.is_gone(has_room, self.output.total()) {
                        return None;
                    }
                    liveness = Liveness { was_heard: false, was_pinged: has_room, total: self.output.total() };
                    if has_room {
                        self.output.ping();
                    }
                    self.check_token();
                }
            }
        }
    }

    fn act_on(&mut self, signals: Signals) {
        if signals.has(Signal::TokensChanged) {
            self.check_token();
        }
        if signals.has(Signal::Drain) {
            self.ending.get_or_insert(RESTARTING);
        }
        if signals.has(Signal::Stop) {
            self.cut();
        }
    }

    /// Ends the session now: what still runs is cancelled and answered so under its id, before the Close.
    fn cut(&mut self) {
        self.in_flight.iter_mut().for_each(InFlight::cancel);
        self.backlog = None;
        self.is_reading = false;
        self.is_cut = true;
        self.ending.get_or_insert(RESTARTING);
    }

    /// Ends the session if its token no longer stands: what runs is cancelled, for nobody may have its result.
    fn check_token(&mut self) -> bool {
        if self.ending == Some(REVOKED) {
            return false;
        }
        let now = self.state.clock.now();
        if self.state.tokens.still_stands(&self.access, &self.state.settings.load(), now) {
            return true;
        }
        self.in_flight.iter_mut().for_each(InFlight::cancel);
        self.backlog = None;
        self.complain(&Refusal::AuthInvalid);
        self.ending = Some(REVOKED);
        self.is_reading = false;
        false
    }

    /// Ends what still runs for a client that is gone. Nobody reads a reply; what was called stays on record.
    fn abandon(&mut self) {
        while let Some(finished) = self.held.take() {
            self.finish(finished);
            self.output = Output::default();
        }
        for running in std::mem::take(&mut self.in_flight) {
            if let Some((request, call)) = running.into_acted() {
                if let Some(call) = call {
                    self.record_fault(&request, &call, &Refusal::Cancelled);
                }
                self.log(&request, Code::Cancelled.as_str());
            }
        }
    }

    async fn take_message(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.take_frame(&text).await,
            Message::Binary(_) => self.complain(&Refusal::invalid("frame", "must be a text message, not a binary one")),
            Message::Ping(payload) => self.output.pong(&payload),
            Message::Close(close) => {
                self.ending = Some((close.map(|close| close.code.into()), ""));
                self.is_reading = false;
            }
            Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    /// A socket error: some deserve a last word, after the replies that are under way. `None`: the peer is gone.
    fn take_error(&mut self, error: &SocketError) -> Option<()> {
        self.is_reading = false;
        self.ending = Some(match error {
            SocketError::Capacity(CapacityError::MessageTooLong { .. }) => {
                self.complain(&Refusal::PayloadTooLarge { limit_bytes: MESSAGE_BYTES });
                (Some(1009), "the message is too large")
            }
            SocketError::Utf8(_) => (Some(1007), "the message is not UTF-8"),
            SocketError::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )
            | SocketError::Io(_)
            | SocketError::ConnectionClosed
            | SocketError::AlreadyClosed => return None,
            _ => (Some(1002), "this is not WebSocket"),
        });
        Some(())
    }

    async fn take_frame(&mut self, text: &str) {
        // Frames that are read already cost no I/O, so a client that sends many would never let others run.
        tokio::task::coop::consume_budget().await;
        let started = Instant::now();
        self.commands += 1;
        let frame = match decode(text) {
            Ok(frame) => frame,
            Err(error) => {
                let refusal = Refusal::invalid(error.field, error.reason);
                let id = error.id.unwrap_or_else(new_id);
                let request = Request { id, command: Command::Unknown, trace: self.trace_for(None), started };
                return self.refuse(&request, &refusal);
            }
        };
        let command = Command::from_name(&frame.kind);
        self.state.measures.command(command as usize);
        let trace = self.trace_for(frame.traceparent.as_deref());
        let id = frame.id.clone().unwrap_or_else(new_id);
        let request = Request { id, command, trace, started };
        if let Err(refusal) = self.admit(command) {
            return self.refuse(&request, &refusal);
        }
        match self.begin(request, &frame).await {
            Ok(()) => {}
            Err((request, refusal)) => self.refuse(&request, &refusal),
        }
    }

    fn admit(&mut self, command: Command) -> Result<(), Refusal> {
        if self.access.is_expired(self.state.clock.now()) && !self.check_token() {
            return Err(Refusal::AuthInvalid);
        }
        if self.ending.is_some() {
            return Err(Refusal::Busy("it is restarting".to_owned()));
        }
        self.access.account.spend_command(self.state.settings.load().commands_per_minute)?;
        command.check(self.access.credential.role)
    }

    /// Begins a command. What is refused at once comes back with its refusal.
    async fn begin(&mut self, request: Request, frame: &Frame<'_>) -> Result<(), (Request, Refusal)> {
        let state = self.state;
        match request.command {
            Command::SkillInvoke => return self.invoke(request, frame.payload).await,
            Command::Chat => return self.chat(request, frame.payload),
            Command::Status => {
                let tenant = self.subscriber.tenant.clone();
                let seq = Box::pin(async move { state.journal.last_seq(&tenant).await });
                self.in_flight.push(InFlight::new(request, Work::Status(seq)));
            }
            Command::Subscribe => {
                let Subscribe { events, since } = match payload(frame.payload) {
                    Ok(subscribe) => subscribe,
                    Err(refusal) => return Err((request, refusal)),
                };
                if let Err(refusal) = check_patterns(&events, since) {
                    return Err((request, refusal));
                }
                // Before the newest `seq` is read, so that nothing falls between it and the first live event.
                if let Err(refusal) = state.bus.subscribe(&self.subscriber, events) {
                    return Err((request, refusal));
                }
                let tenant = self.subscriber.tenant.clone();
                let seq = Box::pin(async move { state.journal.last_seq(&tenant).await });
                self.in_flight.push(InFlight::new(request, Work::Subscribe(since, seq)));
            }
            Command::Cancel => match payload::<Cancel>(frame.payload) {
                Ok(cancel) => self.cancel(&request, &cancel.request_id),
                Err(refusal) => return Err((request, refusal)),
            },
            Command::HeartbeatTrigger | Command::Approval => {
                let refusal = not_configured(request.command);
                return Err((request, refusal));
            }
            Command::Unknown => {
                let kind: String = frame.kind.chars().take(80).collect();
                let known = super::COMMANDS[..super::COMMANDS.len() - 1].join("`, `");
                return Err((request, Refusal::invalid("type", format!("is `{kind}`, which is none of `{known}`"))));
            }
        }
        Ok(())
    }

    fn cancel(&mut self, request: &Request, id: &RequestId) {
        let mut cancelled = false;
        for running in self.in_flight.iter_mut().filter(|running| running.is(id)) {
            running.cancel();
            cancelled = true;
        }
        self.reply(request, "ack", &CancelAck { request_id: id, cancelled });
    }

    /// Answers a request that is done.
    fn finish(&mut self, Finished { request, outcome }: Finished) {
        match outcome {
            Outcome::Tool(call, result) => self.finish_call(&request, call, result),
            Outcome::Turn(chat, result) => self.finish_chat(&request, chat, result),
            Outcome::Status(Ok(last_seq)) => self.reply_status(&request, last_seq),
            Outcome::Subscribe(since, Ok(seq)) => {
                let events = self.subscriber.patterns();
                self.reply(&request, "ack", &SubscribeAck { events: &events, seq });
                if let Some(since) = since {
                    self.resumed_to = since;
                    self.backlog = Some(self.read_page());
                }
            }
            Outcome::Repeat(Ok(kept)) => self.reply(&request, kept.kind, &kept.payload),
            Outcome::Status(Err(refusal)) | Outcome::Subscribe(_, Err(refusal)) | Outcome::Repeat(Err(refusal)) => {
                self.refuse(&request, &refusal);
            }
        }
    }

    fn read_page(&self) -> BoxFuture<'a, Result<Vec<Event>, Refusal>> {
        let (state, tenant, seq) = (self.state, self.subscriber.tenant.clone(), self.resumed_to);
        Box::pin(async move { state.journal.events_since(&tenant, seq, BACKLOG_PAGE).await })
    }

    fn take_page(&mut self, page: Result<Vec<Event>, Refusal>) {
        self.backlog = None;
        let events = match page {
            Ok(events) => events,
            Err(refusal) => return self.complain(&refusal),
        };
        for event in &events {
            self.resumed_to = self.resumed_to.max(event.seq);
            if self.subscriber.sees(event) {
                self.output.event(&event_notice(event).frame);
            }
        }
        // A short page reached the present: what came meanwhile waits in the mailbox.
        if events.len() >= BACKLOG_PAGE && self.ending.is_none() {
            self.backlog = Some(self.read_page());
        }
    }

    fn pass_on(&mut self, letter: &Letter) {
        match letter {
            Letter::Notice(notice) if notice.seq == 0 || notice.seq > self.resumed_to => {
                self.output.event(&notice.frame);
            }
            Letter::Notice(_) => {}
            Letter::Progress(number) => self.pass_on_progress(*number),
            Letter::Gap(missed) => {
                self.state.measures.missed_events.increment(*missed);
                let (kind, timestamp) = ("gap", self.state.clock.now());
                self.output.text(&Envelope { kind, id: None, payload: Gap { missed: *missed }, timestamp });
            }
        }
    }

    /// Shows what a call said, if it still runs; what a finished one said is shown with its result.
    fn pass_on_progress(&mut self, number: u64) {
        let in_flight = std::mem::take(&mut self.in_flight);
        if let Some((request, call)) = in_flight.iter().find_map(|running| running.call(number)) {
            self.show_progress(request, call, &call.said.take());
        } else if let Some((request, chat)) = in_flight.iter().find_map(|running| running.chat(number)) {
            self.show_turn(request, &chat.seen.take());
        }
        self.in_flight = in_flight;
    }

    /// The one frame under a request's id, if it is done.
    pub(super) fn reply<Payload: Serialize>(&mut self, request: &Request, kind: &'static str, payload: &Payload) {
        let timestamp = self.state.clock.now();
        self.output.text(&Envelope { kind, id: Some(&request.id), payload, timestamp });
        self.log(request, if kind == "error" { "ERROR" } else { "OK" });
    }

    /// The one frame under a request's id, if it is refused.
    pub(super) fn refuse(&mut self, request: &Request, refusal: &Refusal) {
        let payload = error_payload(refusal, Some(request.command.as_str()), Some(request.trace));
        let timestamp = self.state.clock.now();
        self.output.text(&Envelope { kind: "error", id: Some(&request.id), payload, timestamp });
        self.state.measures.refusal(refusal.code());
        self.log(request, refusal.code().as_str());
    }

    /// Something is wrong that no request asked for.
    fn complain(&mut self, refusal: &Refusal) {
        let payload = error_payload(refusal, None, None);
        self.output.text(&Envelope { kind: "error", id: None, payload, timestamp: self.state.clock.now() });
        self.state.measures.refusal(refusal.code());
    }

    /// The access line of a command.
    pub(super) fn log(&self, request: &Request, code: &str) {
        tracing::info!(
            tenant = %self.subscriber.tenant, address = %self.address.0, session = self.subscriber.id,
            command = request.command.as_str(), code, trace = %request.trace,
            ms = request.started.elapsed().as_secs_f64() * 1000.0, "command"
        );
    }

    /// The request's own trace, else the connection's, else a new one.
    pub(super) fn trace_for(&self, traceparent: Option<&str>) -> TraceId {
        traceparent.and_then(TraceId::from_traceparent).or(self.trace).unwrap_or_default()
    }
}

async fn next_page(backlog: &mut Option<BoxFuture<'_, Result<Vec<Event>, Refusal>>>) -> Result<Vec<Event>, Refusal> {
    match backlog {
        Some(page) => page.await,
        None => pending().await,
    }
}

/// An id for a request without one; never like a client's own.
fn new_id() -> RequestId {
    RequestId::from_text(&format!("gw-{}", Uuid::now_v7()))
}

/// Reads a payload, naming what is wrong with it.
pub(super) fn payload<'de, Payload: Deserialize<'de>>(text: &'de str) -> Result<Payload, Refusal> {
    serde_json::from_str(text).map_err(|error| Refusal::invalid("payload", format!("does not fit: {error}")))
}

fn check_patterns(patterns: &[String], since: Option<i64>) -> Result<(), Refusal> {
    if since.is_some_and(|since| since < 0) {
        return Err(Refusal::invalid("payload.since", "must be 0 or the `seq` of an event"));
    }
    let is_wrong = |pattern: &String| {
        let inner = pattern.strip_suffix(".*").unwrap_or(pattern);
        pattern != "*" && (inner.is_empty() || inner.contains('*') || pattern.len() > MAX_PATTERN_BYTES)
    };
    match patterns.iter().position(is_wrong) {
        None => Ok(()),
        Some(index) => {
            let field = format!("payload.events[{index}]");
            Err(Refusal::invalid(field, "must be `*`, a prefix such as `agent.*`, or a name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_its_star_alone_or_after_a_dot() {
        let check = |pattern: &str| check_patterns(&[pattern.to_owned()], None).is_ok();
        assert!(["*", "agent.*", "agent.error", "tool_call"].into_iter().all(check));
        assert!(!["", ".*", "a*", "*.a", "a.*.b", &"a".repeat(200)].into_iter().any(check));
        assert!(check_patterns(&[], Some(-1)).is_err());
    }
}
