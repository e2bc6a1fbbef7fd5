//! When a delivery is tried again.
//!
//! Invariant: what a receiver says about time is a number between zero and a day before it becomes a duration, whatever
//! it wrote; and jitter depends on the delivery alone, so the same history gives the same schedule.

use std::time::Duration;

use openclaw_domain::{DeliveryId, Timestamp};

/// The longest a receiver may put an attempt off.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Attempts are moved by up to this share of their delay, so that many that failed together do not come back together.
const JITTER: f64 = 0.1;

/// The delays before each attempt after the first. As many attempts are made as there are delays, and one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Default for Schedule {
    /// That of Standard Webhooks: at once, after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; three days in
    /// all.
    fn default() -> Self {
        Self([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(Duration::from_secs).to_vec())
    }
}

impl Schedule {
    /// These delays; none means that a delivery is tried once.
    pub const fn new(delays: Vec<Duration>) -> Self {
        Self(delays)
    }

    /// How often a delivery is tried.
    pub fn attempts(&self) -> usize {
        self.0.len() + 1
    }

    /// How long to wait once `attempts` were made; `None` when that was the last.
    pub(super) fn after(&self, attempts: u32, id: DeliveryId) -> Option<Duration> {
        let delay = *self.0.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
        Some(delay.mul_f64(1.0 + JITTER * (2.0 * chance(id, attempts) - 1.0)))
    }
}

/// A number from 0 to 1 that belongs to one attempt at one delivery.
fn chance(id: DeliveryId, attempts: u32) -> f64 {
    // FNV-1a: it only has to spread.
    let seed = format!("{id}/{attempts}");
    let hash = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// What a `Retry-After` header asks for: whole seconds or an HTTP date, at most a day. Anything else asks for nothing.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are still only "long".
        let seconds = header.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER.as_secs())));
    }
    let at = httpdate::parse_http_date(header).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?);
    Some(at.since(now).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_schedule_is_that_of_standard_webhooks_within_its_jitter() {
        let schedule = Schedule::default();
        assert_eq!(schedule.attempts(), 10);
        let id = DeliveryId::new();
        for (attempts, seconds) in (1..).zip([5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0]) {
            let delay = schedule.after(attempts, id).unwrap().as_secs_f64();
            assert!((delay / seconds - 1.0).abs() <= JITTER, "{attempts}: {delay}");
            assert_eq!(schedule.after(attempts, id), schedule.after(attempts, id));
        }
        assert!(schedule.after(9, id).is_some());
        assert_eq!(schedule.after(10, id), None);
        assert_eq!(Schedule::new(Vec::new()).after(1, id), None);
    }

    #[test]
    fn deliveries_that_failed_together_do_not_come_back_together() {
        let schedule = Schedule::default();
        let delays: std::collections::BTreeSet<_> = (0..32).map(|_| schedule.after(2, DeliveryId::new())).collect();
        assert!(delays.len() > 16);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
        let now = Timestamp::from_millis(1_445_412_480_000);
        for (header, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("Wed, 21 Oct 2009 07:28:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("1e300", None),
            ("-1", None),
            ("1.5", None),
            ("NaN", None),
            ("", None),
            ("soon", None),
            ("Wed, 99 Foo 2015 07:28:00 GMT", None),
        ] {
            assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
