//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use metrics::Gauge;
use openclaw_domain::ports::{Brain, Guests, Journal};
use openclaw_domain::{Clock, TenantId, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Throttle, TokenBook};
use crate::bus::Bus;
use crate::measures::Measures;
use crate::server::RenderMetrics;
use crate::settings::ServerSettings;
use crate::shares::Shares;

/// What all connections share.
pub(crate) struct State {
    /// The configuration; a reload replaces it whole.
    pub(crate) settings: Arc<ArcSwap<ServerSettings>>,
    /// Runs guests.
    pub(crate) guests: Arc<dyn Guests>,
    /// Takes turns.
    pub(crate) brain: Arc<dyn Brain>,
    /// Records events.
    pub(crate) journal: Arc<dyn Journal>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Known tokens.
    pub(crate) tokens: TokenBook,
    /// Slows down guessers.
    pub(crate) throttle: Throttle,
    /// Passes events on.
    pub(crate) bus: Arc<Bus>,
    /// What is counted.
    pub(crate) measures: Measures,
    /// Prints all metrics.
    pub(crate) render_metrics: RenderMetrics,
    /// The gateway's version.
    pub(crate) version: Arc<str>,
    /// When the gateway started.
    pub(crate) started_at: Timestamp,
    /// The port it listens on; 0 before it is bound.
    pub(crate) port: AtomicU16,
    /// Authenticated sessions; at most `max_connections`.
    pub(crate) sessions: Places,
    /// The same by tenant, so that none holds all of them.
    pub(crate) sessions_by_tenant: Shares<TenantId>,
    /// Sockets that are no sessions; bounded apart, so that they never use up `max_connections`.
    pub(crate) lobby: Places,
    /// Cut when the gateway begins to stop.
    pub(crate) draining: CancellationToken,
    /// Cut when the time for draining is over.
    pub(crate) stop_now: CancellationToken,
    /// Notified when an operator has ended a pause.
    pub(crate) pause_ended: Notify,
    /// Owns connections and sessions.
    pub(crate) tasks: TaskTracker,
}

impl State {
    /// Whether the gateway is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}

/// A count with a bound that may change.
#[derive(Default)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
}

impl Places {
    /// Takes a place if fewer than `bound` are taken. It is given back when the [`Place`] is dropped.
    pub(crate) fn take(&self, bound: usize, gauge: &Gauge) -> Option<Place> {
        let taken =
            self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < bound).then_some(taken + 1));
        taken.ok()?;
        gauge.increment(1);
        Some(Place { taken: Arc::clone(&self.taken), gauge: gauge.clone() })
    }
}

/// A taken place.
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    gauge: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
        self.gauge.decrement(1);
    }
}
