//! How often a sender may ask one endpoint.
//!
//! Invariant: the table is bounded whoever sends. When it is full, addresses share buckets until it has room again, so
//! a flood of addresses costs senders some speed and the gateway no memory.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::auth::ClientAddress;

/// Addresses a table knows one by one.
const KNOWN_SENDERS: usize = 8192;
/// Buckets that all addresses share while the table is full.
const SHARED_BUCKETS: u64 = 1024;
/// How many requests pass between two looks at the size of a table: looking locks every shard.
const LOOK_EVERY: u32 = 1024;

/// Whom a limit counts: an address (for IPv6 its /64), or a bucket that many share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum SenderKey {
    Address(IpAddr),
    Bucket(u64),
}

/// Requests a minute for each sender of one endpoint.
pub(super) struct SenderLimit {
    limiter: DefaultKeyedRateLimiter<SenderKey>,
    per_minute: u32,
    checks: AtomicU32,
    is_crowded: AtomicBool,
    hasher: RandomState,
}

impl SenderLimit {
    /// A limit with its whole minute to spend. Zero counts as one: an endpoint is closed by removing it.
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self {
            limiter: RateLimiter::keyed(quota),
            per_minute,
            checks: AtomicU32::new(0),
            is_crowded: AtomicBool::new(false),
            hasher: RandomState::new(),
        }
    }

    /// What it was made with.
    pub(super) const fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait, if this one is too many.
    pub(super) fn spend(&self, sender: ClientAddress) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EVERY) {
            self.look();
        }
        let address = sender.throttle_key();
        let key = if self.is_crowded.load(Ordering::Relaxed) {
            SenderKey::Bucket(self.hasher.hash_one(address) % SHARED_BUCKETS)
        } else {
            SenderKey::Address(address)
        };
        self.limiter.check_key(&key).map_err(|early| early.wait_time_from(self.limiter.clock().now()))
    }

    fn look(&self) {
        if self.limiter.len() > KNOWN_SENDERS {
            self.limiter.retain_recent();
        }
        self.is_crowded.store(self.limiter.len() > KNOWN_SENDERS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> ClientAddress {
        ClientAddress(IpAddr::V4(number.into()))
    }

    fn v6(text: &str) -> ClientAddress {
        ClientAddress(text.parse().unwrap())
    }

    #[test]
    fn each_sender_has_its_own_limit() {
        let limit = SenderLimit::new(2);
        assert!(limit.spend(v4(1)).is_ok() && limit.spend(v4(1)).is_ok());
        assert!(limit.spend(v4(1)).unwrap_err() > Duration::ZERO);
        assert!(limit.spend(v4(2)).is_ok());
    }

    #[test]
    fn a_flood_of_addresses_leaves_the_table_bounded() {
        let limit = SenderLimit::new(1);
        for number in 0..50_000 {
            let _ = limit.spend(v4(number));
        }
        let bound = KNOWN_SENDERS + usize::try_from(SHARED_BUCKETS).unwrap() + usize::try_from(LOOK_EVERY).unwrap();
        assert!(limit.limiter.len() <= bound, "{} entries", limit.limiter.len());
    }

    #[test]
    fn an_ipv6_sender_cannot_escape_by_changing_its_address_within_its_own_network() {
        let limit = SenderLimit::new(1);
        assert!(limit.spend(v6("2001:db8::1")).is_ok());
        assert!(limit.spend(v6("2001:db8::2")).is_err());
        assert!(limit.spend(v6("2001:db8:0:1::1")).is_ok());
    }
}
