//! Slows down whoever shows wrong credentials, by address, also on loopback.
//!
//! An address is shared: by a NAT, a proxy nobody declared, all programs of a machine. So whoever shares it must not be
//! able to lock the owner out by being wrong on purpose, and two things see to that. A page in the owner's browser does
//! not get here: its requests are refused for where they come from, before their credential counts. And a credential
//! that is too long to guess ([`is_guessable`]) is looked up even while its address is blocked: right, it passes and
//! ends no block; wrong, it is answered like every other. Nobody finds 24 random bytes by trying, at any rate.
//!
//! Invariants: while an address is blocked no guessable credential from it is even looked at, so guessing through the
//! block learns nothing; both tables are bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// From this length on, in bytes, a credential cannot be guessed: what the Standard Webhooks specification asks for,
/// and below which the configuration warns. Tokens the gateway makes have 67.
const UNGUESSABLE_BYTES: usize = 24;
/// Blocked addresses that are few enough to look through on each request.
const SWEPT_ADDRESSES: usize = 64;

/// Whether a credential is so short that its guesses must be few: then ask [`Throttle::check`] before looking it up.
pub(crate) const fn is_guessable(credential: &[u8]) -> bool {
    credential.len() < UNGUESSABLE_BYTES
}

/// Counts failures and blocks addresses.
pub(crate) struct Throttle {
    failures: DefaultKeyedRateLimiter<IpAddr>,
    blocked: Mutex<HashMap<IpAddr, Instant>>,
    /// How many `blocked` holds, so that nobody waits for its lock while it holds none: each webhook asks.
    blocked_count: AtomicUsize,
    clock: DefaultClock,
}

impl Default for Throttle {
    fn default() -> Self {
        let quota = Quota::with_period(ONE_FAILURE_PER).expect("the period is not zero");
        let burst = NonZeroU32::new(FREE_FAILURES).expect("it is not zero");
        Self {
            failures: RateLimiter::keyed(quota.allow_burst(burst)),
            blocked: Mutex::new(HashMap::new()),
            blocked_count: AtomicUsize::new(0),
            clock: DefaultClock::default(),
        }
    }
}

impl Throttle {
    /// Whether a guessable credential from this address may be looked at.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] while the address is blocked.
    pub(crate) fn check(&self, address: ClientAddress) -> Result<(), Refusal> {
        if self.blocked_count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let key = address.throttle_key();
        let now = self.clock.now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) =
            blocked.get(&key).map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
        {
            return Err(limited(left));
        }
        // Whoever comes past an ended block sweeps: one guesser must not cost everybody the short way for ever.
        if blocked.len() <= SWEPT_ADDRESSES {
            blocked.retain(|_, until| *until > now);
        } else {
            blocked.remove(&key);
        }
        self.blocked_count.store(blocked.len(), Ordering::Release);
        Ok(())
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
        self.blocked_count.store(blocked.len(), Ordering::Release);
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
    fn while_no_address_is_blocked_nobody_waits_for_the_table() {
        let throttle = Throttle::default();
        let sender = ClientAddress("127.0.0.1".parse().unwrap());
        let taken = throttle.blocked.lock().unwrap();
        assert!(throttle.check(sender).is_ok(), "it would wait here for ever");
        drop(taken);
    }

    #[test]
    fn a_block_that_is_over_leaves_nothing_in_the_table() {
        let throttle = Throttle::default();
        let (old, other) = (IpAddr::from([127, 0, 0, 1]), ClientAddress("127.0.0.2".parse().unwrap()));
        throttle.blocked.lock().unwrap().insert(old, throttle.clock.now());
        throttle.blocked_count.store(1, Ordering::Release);
        assert!(throttle.check(other).is_ok());
        assert_eq!(throttle.blocked_count.load(Ordering::Acquire), 0);
    }

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
