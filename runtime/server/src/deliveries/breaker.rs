//! Stops trying an endpoint that keeps failing, and lets one delivery find out whether it is back.
//!
//! A breaker is closed, open until a moment, or half-open with one probe under way. It decides when deliveries are
//! taken, never what becomes of one: a delivery that waits behind an open breaker loses none of its attempts.

use std::time::Duration;

use openclaw_domain::Timestamp;

/// So many failures in a row open it.
const IN_A_ROW: u32 = 5;
/// Outcomes that are looked back at.
const WINDOW: u32 = 20;
/// From so many outcomes on, seven in ten that failed open it.
const ENOUGH: u32 = 10;
/// How long it stays open the first time; doubled each time a probe fails.
const FIRST_REST: Duration = Duration::from_secs(30);
/// How long at most.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// One endpoint's breaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// The last outcomes, a bit each, the newest lowest; a failure is 1.
    outcomes: u32,
    /// How many of them there are, at most [`WINDOW`].
    count: u32,
    in_a_row: u32,
    rest: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Timestamp,
    },
    HalfOpen {
        has_probe: bool,
    },
}

/// What a breaker allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Everything.
    Freely,
    /// One delivery, to find out.
    Probe,
    /// Nothing before this moment.
    After(Timestamp),
    /// Nothing before the probe is back.
    Probing,
}

impl Breaker {
    /// What may be taken now.
    pub(super) fn allowed(&mut self, now: Timestamp) -> Allowed {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.state = State::HalfOpen { has_probe: false };
        }
        match self.state {
            State::Closed => Allowed::Freely,
            State::Open { until } => Allowed::After(until),
            State::HalfOpen { has_probe: false } => Allowed::Probe,
            State::HalfOpen { has_probe: true } => Allowed::Probing,
        }
    }

    /// A probe is on its way.
    pub(super) const fn probe(&mut self) {
        self.state = State::HalfOpen { has_probe: true };
    }

    /// The endpoint answered.
    pub(super) fn succeeded(&mut self) {
        match self.state {
            // Answers to what was under way when it opened say nothing of now.
            State::Open { .. } => {}
            State::HalfOpen { .. } => *self = Self::default(),
            State::Closed => self.note(0),
        }
    }

    /// It did not, or not well. Returns whether this opened the breaker.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Open { .. } => return false,
            State::HalfOpen { .. } => self.rest = (self.rest * 2).min(LONGEST_REST),
            State::Closed => {
                self.note(1);
                let failures = self.outcomes.count_ones();
                let is_bad = self.count >= ENOUGH && failures * 10 >= self.count * 7;
                if self.in_a_row < IN_A_ROW && !is_bad {
                    return false;
                }
                self.rest = FIRST_REST;
            }
        }
        self.state = State::Open { until: now.plus(self.rest) };
        true
    }

    /// The delivery that was taken said nothing about the endpoint; a probe is free again.
    pub(super) fn learned_nothing(&mut self) {
        if let State::HalfOpen { has_probe } = &mut self.state {
            *has_probe = false;
        }
    }

    fn note(&mut self, failure: u32) {
        self.outcomes = (self.outcomes << 1 | failure) & ((1 << WINDOW) - 1);
        self.count = (self.count + 1).min(WINDOW);
        self.in_a_row = if failure == 1 { self.in_a_row + 1 } else { 0 };
    }

    /// Its name in metrics and listings.
    pub(super) const fn state(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half-open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(0);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for count in 1..=IN_A_ROW {
            assert_eq!(breaker.failed(START), count == IN_A_ROW);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = opened();
        assert_eq!(breaker.allowed(at(29)), Allowed::After(at(30)));
        let mut healthy = Breaker::default();
        for _ in 0..100 {
            for _ in 1..IN_A_ROW - 1 {
                healthy.failed(START);
            }
            healthy.succeeded();
            healthy.succeeded();
            healthy.succeeded();
        }
        assert_eq!(healthy.allowed(START), Allowed::Freely);
    }

    #[test]
    fn seven_failures_in_ten_open_it_even_if_never_many_in_a_row() {
        let mut breaker = Breaker::default();
        let opened = [1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1].iter().any(|failure| match failure {
            1 => breaker.failed(START),
            _ => {
                breaker.succeeded();
                false
            }
        });
        assert!(opened);
    }

    #[test]
    fn half_open_lets_one_probe_through_and_its_outcome_decides() {
        let mut breaker = opened();
        assert_eq!(breaker.allowed(at(30)), Allowed::Probe);
        breaker.probe();
        assert_eq!(breaker.allowed(at(30)), Allowed::Probing);
        assert!(breaker.failed(at(31)));
        assert_eq!(breaker.allowed(at(90)), Allowed::After(at(91)));
        assert_eq!(breaker.allowed(at(91)), Allowed::Probe);
        breaker.probe();
        breaker.learned_nothing();
        assert_eq!(breaker.allowed(at(91)), Allowed::Probe);
        breaker.probe();
        breaker.succeeded();
        assert_eq!((breaker.allowed(at(91)), breaker.state()), (Allowed::Freely, "closed"));
    }

    #[test]
    fn it_rests_longer_each_time_up_to_ten_minutes() {
        let (mut breaker, mut now) = (opened(), at(30));
        for seconds in [60, 120, 240, 480, 600, 600] {
            assert_eq!(breaker.allowed(now), Allowed::Probe);
            breaker.probe();
            breaker.failed(now);
            let until = now.plus(Duration::from_secs(seconds));
            assert_eq!(breaker.allowed(now), Allowed::After(until));
            now = until;
        }
    }
}
