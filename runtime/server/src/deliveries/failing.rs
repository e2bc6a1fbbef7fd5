//! Whether an endpoint has failed for so long, and so often lately, that it is disabled. Pure.
//!
//! Invariant: time alone disables nothing. One refusal and then silence is no long failure: it takes several failures
//! in a row, apart from each other, with no quiet days between them.

use std::time::Duration;

use openclaw_domain::Timestamp;

/// An endpoint that has failed for so long is disabled.
pub(super) const FAILED_FOR: Duration = Duration::from_secs(5 * 24 * 3600);
/// Failures it takes besides. A process that starts counts anew: what it has not seen proves nothing.
const LEAST_FAILURES: u32 = 5;
/// Failures closer together count as one: what was under way side by side met the same moment.
const APART: Duration = Duration::from_secs(600);
/// After so long without an attempt a failure begins a new row. Longer than the longest rest of the schedule.
const QUIET: Duration = Duration::from_secs(2 * 24 * 3600);

/// The failures of one endpoint since it was last well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failing {
    since: Option<Timestamp>,
    /// When the last one was that counts.
    last: Option<Timestamp>,
    count: u32,
}

/// What changes with one more failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// A row of failures begins.
    Begins,
    /// It is enough.
    Enough,
}

impl Failing {
    /// What the process before has kept.
    pub(super) fn since(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Notes a success; whether that changes anything.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(self).since.is_some()
    }

    /// Notes a failure.
    pub(super) fn failed(&mut self, now: Timestamp) -> Change {
        let was_quiet = self.last.is_some_and(|last| now.since(last) > QUIET);
        let Some(since) = self.since.filter(|_| !was_quiet) else {
            *self = Self { since: Some(now), last: Some(now), count: 1 };
            return Change::Begins;
        };
        if self.last.is_none_or(|last| now.since(last) >= APART) {
            (self.last, self.count) = (Some(now), self.count.saturating_add(1));
        }
        let is_enough = self.count >= LEAST_FAILURES && now.since(since) >= FAILED_FOR;
        if is_enough { Change::Enough } else { Change::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(1_780_920_000_000).plus(Duration::from_secs(hours * 3600))
    }

    #[test]
    fn one_old_failure_and_a_new_one_are_no_long_failure() {
        let mut failing = Failing::default();
        assert_eq!(failing.failed(at(0)), Change::Begins);
        assert_eq!(failing.failed(at(6 * 24)), Change::Begins);
        assert_eq!(failing.failed(at(6 * 24 + 1)), Change::Nothing);
    }

    #[test]
    fn after_a_start_several_failures_apart_are_needed_however_old_the_first_is() {
        let mut failing = Failing::since(Some(at(0)));
        for _ in 0..20 {
            assert_eq!(failing.failed(at(144)), Change::Nothing, "side by side they are one");
        }
        for hour in 145..148 {
            assert_eq!(failing.failed(at(hour)), Change::Nothing);
        }
        assert_eq!(failing.failed(at(148)), Change::Enough);
    }
}
