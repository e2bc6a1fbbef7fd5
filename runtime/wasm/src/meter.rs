//! How much a tenant, or one skill, does: calls at this moment, calls of the last minute, bytes over HTTP.
//!
//! Invariant: reading and counting are single steps on one atomic each: every call passes here, and none may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use openclaw_domain::Timestamp;

/// Milliseconds of a window.
const MINUTE: u64 = 60_000;
/// Bits of one window's count: more calls a minute than any machine makes.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// Bytes that events are counted in: less than this, one costs the disk as much as the next.
const EVENT_STEP: u64 = 256;

/// The counters of a tenant or a skill.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Number of the minute (16 bits), calls begun in the one before it, calls begun in it.
    minutes: AtomicU64,
    calls: AtomicU32,
    egress: AtomicU64,
    /// The same of what its events hold, in steps.
    event_steps: AtomicU64,
}

/// A call that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Meter>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The two windows as they count at a moment.
#[derive(Clone, Copy)]
struct Windows {
    minute: u64,
    before: u64,
    current: u64,
}

impl Windows {
    fn at(packed: u64, minute: u64) -> Self {
        let (kept, before, current) =
            (packed >> (2 * COUNT_BITS), (packed >> COUNT_BITS) & COUNT_MASK, packed & COUNT_MASK);
        match minute.wrapping_sub(kept) & 0xffff {
            0 => Self { minute, before, current },
            1 => Self { minute, before: current, current: 0 },
            _ => Self { minute, before: 0, current: 0 },
        }
    }

    const fn pack(self) -> u64 {
        (self.minute << (2 * COUNT_BITS)) | (self.before << COUNT_BITS) | self.current
    }

    /// Calls of the minute that ends now: all of this window and as much of the last as still lies in it.
    const fn of_last_minute(self, into: u64) -> u64 {
        self.current + (self.before * (MINUTE - into)).div_ceil(MINUTE)
    }

    /// Milliseconds from now until one more call is within the limit.
    fn wait(self, into: u64, limit: u64) -> u64 {
        if self.current < limit && self.before > 0 {
            // The last window's share falls evenly; it must fall to what is left of the limit.
            let share = (limit - 1 - self.current) * MINUTE / self.before;
            return (MINUTE - share).saturating_sub(into) + 1;
        }
        let share = (limit.saturating_sub(1) * MINUTE).checked_div(self.current).unwrap_or(0);
        let after = MINUTE.saturating_sub(share);
        MINUTE - into + after + 1
    }
}

fn minute_of(now: Timestamp) -> (u64, u64) {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    ((millis / MINUTE) & 0xffff, millis % MINUTE)
}

/// Counts `amount` in the minute that runs, unless that would be more than `limit` within a minute.
fn spend(minutes: &AtomicU64, now: Timestamp, amount: u64, limit: u64) -> Result<(), Duration> {
    let (minute, into) = minute_of(now);
    let mut packed = minutes.load(Ordering::Relaxed);
    loop {
        let windows = Windows::at(packed, minute);
        if windows.of_last_minute(into) + amount > limit {
            return Err(Duration::from_millis(windows.wait(into, (limit + 1).saturating_sub(amount))));
        }
        let next = Windows { current: (windows.current + amount).min(COUNT_MASK), ..windows }.pack();
        match minutes.compare_exchange_weak(packed, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Ok(()),
            Err(changed) => packed = changed,
        }
    }
}

impl Meter {
    /// Counts a call that begins, unless it would be one more than `limit` within a minute: then how long until one is
    /// not.
    pub(crate) fn begin(&self, now: Timestamp, limit: u32) -> Result<(), Duration> {
        spend(&self.minutes, now, 1, limit.into())
    }

    /// Counts an event of so many bytes, unless it would be more than `limit` bytes within a minute: then how long until
    /// it is not.
    pub(crate) fn emit(&self, now: Timestamp, bytes: u64, limit: u64) -> Result<(), Duration> {
        spend(&self.event_steps, now, bytes / EVENT_STEP + 1, limit / EVENT_STEP)
    }

    /// Counts a call as running, unless `limit` of them run.
    pub(crate) fn enter(self: &Arc<Self>, limit: u32) -> Option<Counted> {
        let entered = Counted(Arc::clone(self));
        // Counted first and looked at after: the guard takes it back if it was one too many.
        (self.calls.fetch_add(1, Ordering::Relaxed) < limit).then_some(entered)
    }

    pub(crate) fn calls_now(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn calls_last_minute(&self, now: Timestamp) -> u32 {
        let (minute, into) = minute_of(now);
        let calls = Windows::at(self.minutes.load(Ordering::Relaxed), minute).of_last_minute(into);
        u32::try_from(calls).unwrap_or(u32::MAX)
    }

    pub(crate) fn add_egress(&self, bytes: u64) {
        self.egress.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn egress_bytes(&self) -> u64 {
        self.egress.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(60_000_000 + millis)
    }

    #[test]
    fn a_limit_holds_over_any_minute_and_the_wait_it_names_is_enough() {
        let meter = Meter::default();
        for _ in 0..10 {
            meter.begin(at(30_000), 10).unwrap();
        }
        let mut now = 30_000;
        let wait = meter.begin(at(now), 10).unwrap_err();
        assert!(wait > Duration::from_secs(30), "{wait:?}");
        now += i64::try_from(wait.as_millis()).unwrap();
        meter.begin(at(now), 10).unwrap();
        let next = meter.begin(at(now), 10).unwrap_err();
        assert!(meter.begin(at(now + i64::try_from(next.as_millis()).unwrap()), 10).is_ok());
        assert_eq!(meter.calls_last_minute(at(600_000)), 0);
    }

    #[test]
    fn bytes_of_events_are_bounded_over_any_minute_and_an_empty_one_counts() {
        let meter = Meter::default();
        for _ in 0..3 {
            meter.emit(at(0), 0, 1024).unwrap();
        }
        let wait = meter.emit(at(0), 300, 1024).unwrap_err();
        meter.emit(at(0), 255, 1024).unwrap();
        assert!(meter.emit(at(0), 0, 1024).is_err());
        assert!(wait > Duration::from_secs(60) && wait < Duration::from_secs(120), "{wait:?}");
        meter.emit(at(i64::try_from(wait.as_millis()).unwrap() + 30_000), 300, 1024).unwrap();
        // More than a window can count is no bound.
        assert!((0..100).all(|_| meter.emit(at(0), u64::from(u32::MAX), 1 << 40).is_ok()));
    }

    #[test]
    fn a_limit_of_nothing_lets_nothing_begin() {
        assert!(Meter::default().begin(at(0), 0).is_err());
    }

    #[test]
    fn calls_at_one_time_are_counted_while_they_run() {
        let meter = Arc::new(Meter::default());
        let first = meter.enter(1).unwrap();
        assert!(meter.enter(1).is_none());
        assert_eq!(meter.calls_now(), 1);
        drop(first);
        assert_eq!(meter.calls_now(), 0);
    }
}
