//! A request's body on its way out: counted, held to its declared length, and watched for standing still.
//!
//! Invariant: what the sender says of its body's length is never believed. More bytes than said or allowed end the
//! connection before they are written; fewer end it instead of completing the request.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use openclaw_domain::{BodyStream, EgressError, OutgoingBody};

use crate::request::bad;

/// Whole bodies are handed over in pieces, so that what was taken says what was moved.
const PIECE: usize = 16 << 10;

/// What is known of a body while somebody else sends it.
#[derive(Default)]
pub(crate) struct Meter {
    moved: AtomicU64,
    is_done: AtomicBool,
    waits_for_sender: AtomicBool,
    /// Why the body broke off. hyper only says that it did.
    broken: OnceLock<EgressError>,
}

impl Meter {
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    /// Whether the next bytes are missing because the sender has not written them.
    pub(crate) fn waits_for_sender(&self) -> bool {
        self.waits_for_sender.load(Ordering::Relaxed)
    }

    pub(crate) fn broken(&self) -> Option<EgressError> {
        self.broken.get().cloned()
    }
}

enum Source {
    Full(Bytes),
    Stream {
        stream: BodyStream,
        /// Read before anything was dialled, to know whether there is a body at all.
        peeked: Option<Bytes>,
        /// The chunk that completes the declared length. It leaves when the stream has ended with it.
        last: Option<Bytes>,
    },
}

/// The body that hyper polls.
pub(crate) struct Upload {
    source: Source,
    meter: Arc<Meter>,
    declared: Option<u64>,
    limit: u64,
    sent: u64,
}

/// The body broke off; the reason is in its [`Meter`].
#[derive(Debug, thiserror::Error)]
#[error("the request body broke off")]
pub(crate) struct BrokenOff;

impl Upload {
    pub(crate) fn new(body: OutgoingBody, declared: Option<u64>, limit: u64) -> Self {
        let source = match body {
            OutgoingBody::Empty => Source::Full(Bytes::new()),
            OutgoingBody::Full(bytes) => Source::Full(bytes),
            OutgoingBody::Stream(stream) => Source::Stream { stream, peeked: None, last: None },
        };
        let meter = Arc::new(Meter::default());
        if matches!(&source, Source::Full(bytes) if bytes.is_empty()) {
            meter.is_done.store(true, Ordering::Relaxed);
        }
        Self { source, meter, declared, limit, sent: 0 }
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Whether it has neither a length of its own nor a declared one.
    pub(crate) fn is_of_unknown_length(&self) -> bool {
        matches!(self.source, Source::Stream { .. }) && self.declared.is_none()
    }

    /// Waits for the first byte or the end of a stream, and says whether there is a byte.
    pub(crate) async fn begins(&mut self) -> Result<bool, EgressError> {
        use futures_util::StreamExt as _;

        loop {
            let Source::Stream { stream, peeked, .. } = &mut self.source else { return Ok(!self.is_end_stream()) };
            match stream.next().await.transpose()? {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    *peeked = Some(chunk);
                    return Ok(true);
                }
                None => {
                    self.source = Source::Full(Bytes::new());
                    self.meter.is_done.store(true, Ordering::Relaxed);
                    return Ok(false);
                }
            }
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        loop {
            let (stream, peeked, last) = match &mut self.source {
                Source::Full(rest) if rest.is_empty() => return Poll::Ready(None),
                Source::Full(rest) => return Poll::Ready(Some(Ok(rest.split_to(rest.len().min(PIECE))))),
                Source::Stream { stream, peeked, last } => (stream, peeked, last),
            };
            let next = match peeked.take() {
                Some(chunk) => Some(Ok(chunk)),
                None => std::task::ready!(stream.as_mut().poll_next(cx)),
            };
            match next {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    let ends_at = self.sent + chunk.len() as u64;
                    if last.is_some() || self.declared.is_some_and(|declared| ends_at > declared) {
                        let declared = self.declared.unwrap_or_default();
                        let reason = format!("has more than the {declared} bytes its `content-length` says");
                        return Poll::Ready(Some(Err(bad("body", reason))));
                    }
                    if self.declared != Some(ends_at) {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    *last = Some(chunk);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let last = last.take();
                    self.source = Source::Full(Bytes::new());
                    return Poll::Ready(last.map(Ok));
                }
            }
        }
    }

    fn admit(&mut self, chunk: &Bytes) -> Result<(), EgressError> {
        self.sent += chunk.len() as u64;
        if self.sent > self.limit {
            return Err(EgressError::TooLarge { what: "a request body", limit: self.limit });
        }
        Ok(())
    }

    fn break_off(&self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        // Only the first reason counts.
        let _: Result<(), EgressError> = self.meter.broken.set(error);
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = self.poll_chunk(cx);
        self.meter.waits_for_sender.store(polled.is_pending(), Ordering::Relaxed);
        match std::task::ready!(polled) {
            Some(Ok(chunk)) => {
                if let Err(error) = self.admit(&chunk) {
                    return self.break_off(error);
                }
                self.meter.moved.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                self.meter.is_done.store(self.is_end_stream(), Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => self.break_off(error),
            None => {
                if let Some(declared) = self.declared.filter(|declared| self.sent < *declared) {
                    let reason = format!("ended after {} of the {declared} bytes its `content-length` says", self.sent);
                    return self.break_off(bad("body", reason));
                }
                self.meter.is_done.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
        }
    }

    /// A declared length does not make a stream end: one byte too many must be seen.
    fn is_end_stream(&self) -> bool {
        matches!(&self.source, Source::Full(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.declared) {
            (Source::Full(rest), _) => SizeHint::with_exact(rest.len() as u64),
            (Source::Stream { .. }, Some(declared)) => SizeHint::with_exact(declared.saturating_sub(self.sent)),
            (Source::Stream { .. }, None) => SizeHint::default(),
        }
    }
}
