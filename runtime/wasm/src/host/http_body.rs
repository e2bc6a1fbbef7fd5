//! Bodies of guests' requests and of the responses to them.
//!
//! Invariant: every byte is counted for its call, outside the store, before it is sent or seen.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use openclaw_domain::{BodyStream, Capability, EgressError, OutgoingBody};
use wasmtime_wasi_http::{Error, WasiBody};

use super::http_error;
use crate::reach::{Reach, Underway};

/// A response's body as the guest reads it.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A request's body, which a second attempt can have as long as nobody has read of it.
#[derive(Clone)]
pub(super) struct Upload {
    body: Arc<Mutex<WasiBody>>,
    reach: Arc<Reach>,
    is_empty: bool,
}

impl Upload {
    pub(super) fn new(reach: &Arc<Reach>, body: WasiBody) -> Self {
        let is_empty = http_body::Body::is_end_stream(&body);
        Self { body: Arc::new(Mutex::new(body)), reach: Arc::clone(reach), is_empty }
    }

    pub(super) fn outgoing(&self) -> OutgoingBody {
        match self.is_empty {
            true => OutgoingBody::Empty,
            false => OutgoingBody::Stream(Box::pin(self.clone())),
        }
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, EgressError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let polled = {
                let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
                http_body::Body::poll_frame(Pin::new(&mut *body), context)
            };
            return Poll::Ready(match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => None,
                Poll::Ready(Some(Err(error))) => Some(Err(EgressError::Protocol(error.to_string()))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) if self.reach.spend_egress(chunk.len() as u64) => Some(Ok(chunk)),
                    Ok(_) => {
                        let limit = self.reach.egress_limit();
                        Some(Err(EgressError::TooLarge { what: "a request body and what came before", limit }))
                    }
                    // Trailers are not sent.
                    Err(_) => continue,
                },
            });
        }
    }
}

/// A response's body: its bytes counted, and ended with the grant it was asked for under.
pub(super) struct Received {
    body: BodyStream,
    reach: Arc<Reach>,
    /// The request's place among those of its call.
    underway: Option<Underway>,
}

impl Stream for Received {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.body.as_mut().poll_next(context).map(|next| {
            if !matches!(next, Some(Ok(_))) {
                self.underway = None;
            }
            next.map(|chunk| match chunk {
                Ok(_) if self.reach.has_expired(Capability::Http) => Err(Error::HttpRequestDenied),
                Ok(chunk) if self.reach.spend_egress(chunk.len() as u64) => Ok(chunk),
                Ok(_) => Err(Error::HttpResponseBodySize(Some(self.reach.egress_limit()))),
                Err(error) => Err(http_error::of(error)),
            })
        })
    }
}

impl Received {
    pub(super) fn new(body: BodyStream, reach: &Arc<Reach>, underway: Option<Underway>) -> Self {
        Self { body, reach: Arc::clone(reach), underway }
    }

    /// The same, ended where it pauses for longer than the guest wants to wait.
    pub(super) fn paused_at_most(self, patience: Option<Duration>) -> Chunks {
        let Some(patience) = patience else { return Box::pin(self) };
        Box::pin(futures_util::stream::unfold(Some(self), move |body| async move {
            let mut body = body?;
            match tokio::time::timeout(patience, body.next()).await {
                Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(_) => Some((Err(Error::ConnectionReadTimeout), None)),
            }
        }))
    }
}
