//! Requests that are not answered yet.
//!
//! Invariant: a request in flight ends in exactly one [`Finished`], whether it is done, refused or cancelled.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::future::BoxFuture;
use openclaw_domain::{Progress, ProgressSink, Refusal, ToolReply, TraceId, TurnReply};
use openclaw_protocol::RequestId;
use tokio::sync::oneshot;

use super::chat::Chat;
use super::command::Command;
use super::idempotency::{KeptReply, Ticket};
use crate::bus::Subscriber;

/// A request as far as its answer needs it.
#[derive(Debug)]
pub(super) struct Request {
    /// What the answer must carry.
    pub(super) id: RequestId,
    /// What was asked.
    pub(super) command: Command,
    /// The trace it belongs to.
    pub(super) trace: TraceId,
    /// When it was read.
    pub(super) started: Instant,
}

/// A tool call as far as its frames and events need it.
pub(super) struct Call {
    /// What was asked for, as the client wrote it.
    pub(super) target: String,
    /// Its number within the session.
    pub(super) number: u64,
    /// Whether a `tool_call` was sent, so that a `tool_result` must follow.
    pub(super) is_announced: bool,
    /// The key to settle, if the client gave one.
    pub(super) ticket: Option<Ticket>,
    /// What it said on its way, and was not shown yet.
    pub(super) said: Arc<Said>,
}

/// What a call says on its way: put in by its guest, on whatever thread it runs, and taken out by the session.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<Vec<Progress>>);

/// Reports that wait to be shown; more are dropped, the newest first.
const MAX_SAID: usize = 64;

impl Said {
    /// Where a guest's reports go: kept here, and the session nudged once for all that wait.
    pub(super) fn sink(self: &Arc<Self>, subscriber: &Arc<Subscriber>, call: u64) -> ProgressSink {
        let (said, subscriber) = (Arc::clone(self), Arc::clone(subscriber));
        ProgressSink::new(move |progress| {
            let mut waiting = said.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MAX_SAID {
                return;
            }
            waiting.push(progress);
            let is_first = waiting.len() == 1;
            drop(waiting);
            if is_first {
                subscriber.mailbox.nudge(call);
            }
        })
    }

    /// Takes out what waits.
    pub(super) fn take(&self) -> Vec<Progress> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is waited for.
pub(super) enum Work<'a> {
    /// A tool.
    Tool(Call, BoxFuture<'a, Result<ToolReply, Refusal>>),
    /// A turn of the agent.
    Turn(Chat, BoxFuture<'a, Result<TurnReply, Refusal>>),
    /// The newest `seq`, for a status reply.
    Status(BoxFuture<'a, Result<i64, Refusal>>),
    /// The newest `seq`, for a subscription that begins after `since`.
    Subscribe(Option<i64>, BoxFuture<'a, Result<i64, Refusal>>),
    /// The reply of the first request under the same idempotency key.
    Repeat(oneshot::Receiver<Arc<KeptReply>>),
}

/// What came of it.
pub(super) enum Outcome {
    /// A tool's reply.
    Tool(Call, Result<ToolReply, Refusal>),
    /// A turn's reply.
    Turn(Chat, Result<TurnReply, Refusal>),
    /// For a status reply.
    Status(Result<i64, Refusal>),
    /// For a subscription.
    Subscribe(Option<i64>, Result<i64, Refusal>),
    /// The first reply, or that its request was cancelled.
    Repeat(Result<Arc<KeptReply>, Refusal>),
}

/// A request that is done.
pub(super) struct Finished {
    pub(super) request: Request,
    pub(super) outcome: Outcome,
}

/// A request in flight.
pub(super) struct InFlight<'a> {
    parts: Option<(Request, Work<'a>)>,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl<'a> InFlight<'a> {
    /// Begins to wait.
    pub(super) const fn new(request: Request, work: Work<'a>) -> Self {
        Self { parts: Some((request, work)), is_cancelled: false, waker: None }
    }

    /// Whether it is the request with this id.
    pub(super) fn is(&self, id: &RequestId) -> bool {
        self.parts.as_ref().is_some_and(|(request, _)| request.id == *id)
    }

    /// The request and its call, if it is the tool call with this number.
    pub(super) fn call(&self, number: u64) -> Option<(&Request, &Call)> {
        match &self.parts {
            Some((request, Work::Tool(call, _))) if call.number == number => Some((request, call)),
            _ => None,
        }
    }

    /// The request and its turn, if it is the turn with this number.
    pub(super) fn chat(&self, number: u64) -> Option<(&Request, &Chat)> {
        match &self.parts {
            Some((request, Work::Turn(chat, _))) if chat.number == number => Some((request, chat)),
            _ => None,
        }
    }

    /// Stops it without an answer: its guests end. What is left is the request, if it acted, and the tool call it was,
    /// if it was one; a turn records its own.
    pub(super) fn into_acted(self) -> Option<(Request, Option<Call>)> {
        match self.parts {
            Some((request, Work::Tool(call, _))) => Some((request, Some(call))),
            Some((request, Work::Turn(..))) => Some((request, None)),
            _ => None,
        }
    }

    /// Stops it: its guest ends, and it finishes as cancelled.
    pub(super) fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Future for InFlight<'_> {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let is_cancelled = self.is_cancelled;
        let (_, work) = self.parts.as_mut().expect("a finished request is not polled again");
        let answer = match work {
            _ if is_cancelled => Poll::Ready(Answer::Cancelled),
            Work::Tool(_, future) => future.as_mut().poll(cx).map(Answer::Tool),
            Work::Turn(_, future) => future.as_mut().poll(cx).map(Answer::Turn),
            Work::Status(future) | Work::Subscribe(_, future) => future.as_mut().poll(cx).map(Answer::Seq),
            Work::Repeat(reply) => Pin::new(reply).poll(cx).map(|reply| reply.map_or(Answer::Cancelled, Answer::Reply)),
        };
        let Poll::Ready(answer) = answer else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let (request, work) = self.parts.take().expect("it was there a moment ago");
        Poll::Ready(Finished { request, outcome: work.outcome(answer) })
    }
}

/// What a polled future said.
enum Answer {
    Tool(Result<ToolReply, Refusal>),
    Turn(Result<TurnReply, Refusal>),
    Seq(Result<i64, Refusal>),
    Reply(Arc<KeptReply>),
    Cancelled,
}

impl Work<'_> {
    fn outcome(self, answer: Answer) -> Outcome {
        match (self, answer) {
            (Self::Tool(call, _), Answer::Tool(result)) => Outcome::Tool(call, result),
            (Self::Turn(chat, _), Answer::Turn(result)) => Outcome::Turn(chat, result),
            (Self::Status(_), Answer::Seq(result)) => Outcome::Status(result),
            (Self::Subscribe(since, _), Answer::Seq(result)) => Outcome::Subscribe(since, result),
            (Self::Repeat(_), Answer::Reply(reply)) => Outcome::Repeat(Ok(reply)),
            (Self::Tool(call, _), _) => Outcome::Tool(call, Err(Refusal::Cancelled)),
            (Self::Turn(chat, _), _) => Outcome::Turn(chat, Err(Refusal::Cancelled)),
            (Self::Status(_), _) => Outcome::Status(Err(Refusal::Cancelled)),
            (Self::Subscribe(since, _), _) => Outcome::Subscribe(since, Err(Refusal::Cancelled)),
            (Self::Repeat(_), _) => Outcome::Repeat(Err(Refusal::Cancelled)),
        }
    }
}
