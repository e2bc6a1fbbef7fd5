//! Forgets what is older than it should get, at the start and every hour, by the configuration of that moment.
//!
//! Invariant: what is still owed, queued or to be delivered is never too old; storage sees to that.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::Clock;
use openclaw_storage::{Pruned, Retention, Storage};

use crate::config::RetentionConfig;

const EVERY: Duration = Duration::from_secs(60 * 60);

/// Prunes until it is dropped. Cancel safety: what was forgotten half-way is; the next round goes on.
pub(crate) async fn run(storage: Storage, clock: Arc<dyn Clock>, retention: impl Fn() -> RetentionConfig + Send) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let (usual, wanted) = (Retention::default(), retention());
        let retention = Retention {
            inbox: wanted.inbox.unwrap_or(usual.inbox),
            events: wanted.events.unwrap_or(usual.events),
            audit: wanted.audit.unwrap_or(usual.audit),
        };
        match storage.prune(clock.now(), &retention).await {
            Ok(pruned) if pruned == Pruned::default() => {}
            Ok(pruned) => tracing::info!(?pruned, "forgot what is older than `retention` keeps"),
            Err(error) => tracing::error!(%error, "old rows could not be forgotten; the next hour tries again"),
        }
    }
}
