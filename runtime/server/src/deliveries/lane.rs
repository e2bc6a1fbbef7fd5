//! One endpoint as the worker sees it: what is under way, and when something may be taken next.
//!
//! Invariant: what one lane may take depends on no other lane, except for the bound on everything under way; and a lane
//! with nothing under way is not held to that. So a dead endpoint delays no other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use openclaw_domain::Timestamp;

use super::breaker::{Allowed, Breaker};
use super::failing::Failing;
use super::rate::Rate;
use super::route::Entry;
use super::verdict::Signal;

/// Attempts under way at one time in all: each holds a connection and a body.
const MOST_UNDER_WAY: usize = 512;

/// One endpoint's place in the worker.
pub(super) struct Lane {
    pub(super) entry: Arc<Entry>,
    pub(super) under_way: usize,
    pub(super) breaker: Breaker,
    rate: Option<Rate>,
    /// When to look next; `None` if nothing waits.
    due: Option<Timestamp>,
    /// The endpoint asked to be left alone until then.
    paused_until: Timestamp,
    pub(super) failing: Failing,
}

/// What a lane may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Take up to so many.
    Take(usize),
    /// Take one and see.
    Probe,
    /// Nothing before then.
    At(Timestamp),
    /// Nothing before something else happens.
    Idle,
}

impl Lane {
    pub(super) fn new(entry: Arc<Entry>, now: Timestamp) -> Self {
        Self {
            rate: entry.settings.rate_per_minute.map(Rate::new),
            entry,
            under_way: 0,
            breaker: Breaker::default(),
            due: Some(now),
            paused_until: Timestamp::from_millis(0),
            failing: Failing::default(),
        }
    }

    /// Goes on with other settings. What was learned of the endpoint is kept unless it is another place now.
    pub(super) fn with(mut self, entry: Arc<Entry>, now: Timestamp) -> Self {
        let (old, new) = (&self.entry.settings, &entry.settings);
        if (&old.origin, &old.path_and_query) != (&new.origin, &new.path_and_query) {
            self.breaker = Breaker::default();
            self.paused_until = Timestamp::from_millis(0);
        }
        if old.rate_per_minute != new.rate_per_minute {
            self.rate = new.rate_per_minute.map(Rate::new);
        }
        self.entry = entry;
        self.due = Some(now);
        self
    }

    /// What may be done now, given how much is under way in all.
    pub(super) fn turn(&mut self, now: Timestamp, under_way_in_all: usize) -> Turn {
        if self.entry.is_fresh.swap(false, Ordering::AcqRel) {
            self.due = Some(now);
        }
        let settings = &self.entry.settings;
        let Some(due) = self.due.filter(|_| settings.enabled) else { return Turn::Idle };
        let places = if settings.ordered.is_some() { 1 } else { settings.concurrency };
        let free = places.saturating_sub(self.under_way);
        if free == 0 || (self.under_way > 0 && under_way_in_all >= MOST_UNDER_WAY) {
            return Turn::Idle;
        }
        let not_before = due.max(self.paused_until);
        if not_before > now {
            return Turn::At(not_before);
        }
        let allowed = match self.rate.as_ref().map_or(Ok(free), |rate| rate.available(now)) {
            Ok(permits) => permits.min(free),
            Err(at) => return Turn::At(at),
        };
        match self.breaker.allowed(now) {
            Allowed::Freely => Turn::Take(allowed),
            // What was under way when it opened must be back first, or the probe would be one of many.
            Allowed::Probe if self.under_way == 0 => Turn::Probe,
            Allowed::After(at) => Turn::At(at),
            Allowed::Probe | Allowed::Probing => Turn::Idle,
        }
    }

    /// Notes what was taken, and when there is more.
    pub(super) fn took(&mut self, count: usize, turn: Turn, next_at: Option<Timestamp>, now: Timestamp) {
        self.under_way += count;
        self.due = next_at;
        if count > 0 {
            if let Some(rate) = &mut self.rate {
                rate.take(count, now);
            }
            if turn == Turn::Probe {
                self.breaker.probe();
            }
        }
    }

    /// Looks again at this moment, if not before.
    pub(super) fn look_at(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Notes what an attempt has said.
    pub(super) fn heard(&mut self, signal: Signal, now: Timestamp) {
        match signal {
            Signal::Delivered | Signal::Refused => self.breaker.succeeded(),
            Signal::Failed => {
                if self.breaker.failed(now) {
                    let (key, origin) = (&self.entry.settings.key, &self.entry.settings.origin);
                    tracing::warn!(endpoint = %key, %origin, "the endpoint keeps failing and is left alone for a while");
                }
            }
            Signal::Throttled(until) => {
                self.breaker.learned_nothing();
                self.paused_until = self.paused_until.max(until);
            }
            Signal::Gone | Signal::Nothing => self.breaker.learned_nothing(),
        }
    }

    /// Forgets that the endpoint was not well: an operator says it is.
    pub(super) fn forgive(&mut self, now: Timestamp) {
        self.breaker = Breaker::default();
        self.paused_until = Timestamp::from_millis(0);
        self.failing = Failing::default();
        self.due = Some(now);
    }
}
