//! Webhook ingress: `POST /webhook/<path>` for tenant `default`, `POST /webhook/t/<tenant>/<path>` for the others.
//!
//! A request is admitted (method, throttle, endpoint, secret), read (size cap while streaming), verified where it is
//! signed, checked (rate, media type, delivery id), shown to a transform without anything that authenticates it, and
//! made durable; only then is it answered, and only then does anything follow from it.
//!
//! Invariants: nothing is parsed before it is verified; a 2xx is on disk, with the skill call it owes; a secret reaches
//! neither the transform nor the inbox nor the log.

mod address;
mod admission;
mod answer;
mod body;
mod delivery;
mod endpoints;
mod handshake;
mod invocation;
mod limits;
mod measures;
mod queue;
mod receive;
pub(crate) mod scheme;
mod secrets;
mod slack;
mod verdict;
mod verify;
mod visible;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::any;
use openclaw_domain::ports::{Guests, Inbox, Journal};
use openclaw_domain::{Clock, Refusal};
use tokio_util::task::TaskTracker;

use crate::settings::ServerSettings;

/// What ingress works with.
pub(crate) struct IngressParts {
    /// Runs transforms, and the skills they call.
    pub(crate) guests: Arc<dyn Guests>,
    /// Remembers what was accepted.
    pub(crate) inbox: Arc<dyn Inbox>,
    /// Records what came of the skills that transforms call.
    pub(crate) journal: Arc<dyn Journal>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The endpoints; a reload replaces them whole, and requests that are under way keep theirs.
    pub(crate) settings: Arc<ArcSwap<ServerSettings>>,
    /// Owns the skill calls that outlive their request. Whoever stops the gateway closes it and waits for it.
    pub(crate) tasks: TaskTracker,
}

/// The webhook door.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<receive::Ingress>);

impl Webhooks {
    /// Puts it together. Metrics are registered here, once: install the recorder first.
    pub(crate) fn new(parts: IngressParts) -> Self {
        Self(Arc::new(receive::Ingress::new(parts)))
    }

    /// The routes, complete with their state. Requests carry a `ClientAddress` extension, or at least their peer's;
    /// without either every sender counts as one.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/webhook", any(receive::receive))
            .route("/webhook/", any(receive::receive))
            .route("/webhook/{*path}", any(receive::receive))
            .with_state(Arc::clone(&self.0))
    }

    /// Decides what pauses have queued and runs the skill calls they have put off, as far as no pause is in force.
    /// Those that run already are left alone. Call it when a pause has ended.
    pub(crate) async fn go_on(&self) {
        // First what was put off: the queue may have to wait.
        if let Err(error) = self.0.resume().await {
            tracing::error!(%error, "the skill calls that webhooks are owed wait for the next start");
        }
        match self.0.decide_queued().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "webhooks that a pause had queued are decided"),
            Err(error) => tracing::error!(%error, "webhooks that a pause has queued wait for the next end of a pause"),
        }
    }

    /// Begins the skill calls that an earlier process owed, and says how many. Call it before the first request, or
    /// what that request owes runs twice.
    ///
    /// # Errors
    /// The inbox cannot be read; the calls stay owed.
    pub(crate) async fn resume(&self) -> Result<usize, Refusal> {
        self.0.resume().await
    }
}
