//! What all sessions of one credential share: its command limit and its idempotent replies.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use openclaw_domain::Refusal;

use crate::ws::Replies;

/// One credential's shared state. It outlives sessions and ends with the credential.
#[derive(Default)]
pub(crate) struct Account {
    limiter: ArcSwapOption<Limiter>,
    /// Replies kept under the client's idempotency keys.
    pub(crate) replies: Replies,
}

struct Limiter {
    per_minute: u32,
    bucket: DefaultDirectRateLimiter,
}

impl Account {
    /// Counts a command.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] beyond `per_minute`. A changed limit begins with a whole minute to spend.
    pub(crate) fn spend_command(&self, per_minute: u32) -> Result<(), Refusal> {
        let known = self.limiter.load();
        if let Some(limiter) = known.as_ref().filter(|limiter| limiter.per_minute == per_minute) {
            return limiter.spend();
        }
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        let limiter = Arc::new(Limiter { per_minute, bucket: RateLimiter::direct(quota) });
        self.limiter.store(Some(Arc::clone(&limiter)));
        limiter.spend()
    }
}

impl Limiter {
    fn spend(&self) -> Result<(), Refusal> {
        self.bucket.check().map_err(|not_until| Refusal::RateLimited {
            what: format!("commands (the limit is {} a minute)", self.per_minute),
            retry_after: not_until.wait_time_from(DefaultClock::default().now()).max(Duration::from_millis(1)),
        })
    }
}
