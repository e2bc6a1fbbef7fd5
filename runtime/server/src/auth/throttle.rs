//! Slows down whoever shows wrong credentials, by address, also on loopback.
//!
//! Invariant: while an address is blocked no credential from it is even looked at, so guessing through the block
//! learns nothing; both tables are bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use openclaw_domain::Refusal;

use super::ClientAddress;

/// Wrong credentials an address may show at once.
pub(crate) const FREE_FAILURES: u32 = 10;
/// After those, one guess for each of these: 14,400 a day, against 2^128 and more.
const ONE_FAILURE_PER: Duration = Duration::from_secs(6);
/// Addresses the tables hold before settled ones are dropped.
const KNOWN_ADDRESSES: usize = 8192;

/// Counts failures and blocks addresses.
pub(crate) struct Throttle {
    failures: DefaultKeyedRateLimiter<IpAddr>,
    blocked: Mutex<HashMap<IpAddr, Instant>>,
    clock: DefaultClock,
}

impl Default for Throttle {
    fn default() -> Self {
        let quota = Quota::with_period(ONE_FAILURE_PER).expect("the period is not zero");
        let burst = NonZeroU32::new(FREE_FAILURES).expect("it is not zero");
        Self {
            failures: RateLimiter::keyed(quota.allow_burst(burst)),
            blocked: Mutex::new(HashMap::new()),
            clock: DefaultClock::default(),
        }
    }
}

impl Throttle {
    /// Whether a credential from this address may be looked at.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] while the address is blocked.
    pub(crate) fn check(&self, address: ClientAddress) -> Result<(), Refusal> {
        let key = address.throttle_key();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = blocked.get(&key) else { return Ok(()) };
        let left = until.saturating_duration_since(self.clock.now());
        if left.is_zero() {
            blocked.remove(&key);
            return Ok(());
        }
        Err(limited(left))
    }

    /// Notes a wrong credential and says what to answer: that it is wrong, or that there were too many.
    pub(crate) fn failed(&self, address: ClientAddress) -> Refusal {
        let key = address.throttle_key();
        if self.failures.len() > KNOWN_ADDRESSES {
            self.failures.retain_recent();
        }
        let Err(not_until) = self.failures.check_key(&key) else { return Refusal::AuthInvalid };
        let now = self.clock.now();
        let left = not_until.wait_time_from(now);
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() > KNOWN_ADDRESSES {
            blocked.retain(|_, until| *until > now);
        }
        if blocked.len() <= KNOWN_ADDRESSES {
            blocked.insert(key, now + left);
        }
        limited(left)
    }
}

fn limited(retry_after: Duration) -> Refusal {
    Refusal::RateLimited { what: "failed authentications from this address".to_owned(), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_domain::Code;

    #[test]
    fn an_address_is_blocked_after_its_free_failures_and_others_are_not() {
        let throttle = Throttle::default();
        let guesser = ClientAddress("127.0.0.1".parse().unwrap());
        for _ in 0..FREE_FAILURES {
            assert!(throttle.check(guesser).is_ok());
            assert_eq!(throttle.failed(guesser).code(), Code::AuthInvalid);
        }
        assert_eq!(throttle.failed(guesser).code(), Code::RateLimited);
        let refusal = throttle.check(guesser).unwrap_err();
        assert_eq!(refusal.code(), Code::RateLimited);
        assert!(refusal.retry_after().unwrap() > Duration::ZERO);
        assert!(throttle.check(ClientAddress("127.0.0.2".parse().unwrap())).is_ok());
    }
}
