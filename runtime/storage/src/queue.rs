//! What waits to be written, in the order it came.
//!
//! Jobs somebody waits for are admitted up to a bound, and refused beyond it. Events are always taken: they come
//! from work that is itself bounded, and losing one is worse than the memory.
//! Invariant: jobs leave in the order they were pushed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::job::Job;
use crate::writer::GROUP;

/// The queue in front of the writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    waiting: AtomicUsize,
    limit: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    asleep_for: Option<Awaiting>,
    is_closed: bool,
}

/// What the sleeping writer wants to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    /// The first job, whatever it is.
    Anything,
    /// A job somebody waits for, or so many that they fill a group.
    Urgent,
}

/// What the writer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Everything that was queued.
    Jobs,
    /// Nothing came within the time given.
    Nothing,
    /// Nothing is queued and nothing will be.
    Closed,
}

impl Queue {
    /// A queue that admits `limit` jobs somebody waits for.
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), waiting: AtomicUsize::new(0), limit }
    }

    /// Admits one job somebody waits for, until [`Queue::release`]; `false` when there are too many.
    pub(crate) fn admit(&self) -> bool {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= self.limit {
            self.release(1);
        }
        before < self.limit
    }

    /// Gives back what [`Queue::admit`] took.
    pub(crate) fn release(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Jobs somebody waits for, queued or being written.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Jobs that the writer has not taken yet.
    pub(crate) fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Adds a job; gives it back if the queue is closed.
    #[expect(clippy::result_large_err, reason = "only a closed queue gives a job back, and that is the end of it")]
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        let mut state = self.state();
        if state.is_closed {
            return Err(job);
        }
        let is_awaited = job.is_awaited();
        state.jobs.push_back(job);
        // A writer at work looks again by itself: waking it each time would cost a system call a job.
        let must_wake = match state.asleep_for {
            None => false,
            Some(Awaiting::Anything) => true,
            Some(Awaiting::Urgent) => is_awaited || state.jobs.len() >= GROUP,
        };
        if must_wake {
            state.asleep_for = None;
        }
        drop(state);
        if must_wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Moves everything queued to the end of `into`, waiting for the first job, at most `patience` if one is given.
    pub(crate) fn take(&self, into: &mut VecDeque<Job>, patience: Option<Duration>) -> Taken {
        let mut state = self.state();
        loop {
            if !state.jobs.is_empty() {
                if into.is_empty() {
                    std::mem::swap(into, &mut state.jobs);
                } else {
                    into.append(&mut state.jobs);
                }
                return Taken::Jobs;
            }
            if state.is_closed {
                return Taken::Closed;
            }
            state.asleep_for = Some(Awaiting::Anything);
            let is_over;
            (state, is_over) = match patience {
                None => (self.wake.wait(state).unwrap_or_else(PoisonError::into_inner), false),
                Some(patience) => {
                    let (state, result) =
                        self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    (state, result.timed_out())
                }
            };
            state.asleep_for = None;
            if is_over && state.jobs.is_empty() && !state.is_closed {
                return Taken::Nothing;
            }
        }
    }

    /// Moves whatever is queued now to the end of `into`.
    pub(crate) fn take_more(&self, into: &mut VecDeque<Job>) {
        into.append(&mut self.state().jobs);
    }

    /// Gives jobs time to gather that nobody waits for: returns after `patience`, and at once when a job comes that
    /// somebody waits for, when a group is full, or when the queue closes.
    pub(crate) fn linger(&self, patience: Duration) {
        let mut state = self.state();
        if state.is_closed || state.jobs.len() >= GROUP || state.jobs.iter().any(Job::is_awaited) {
            return;
        }
        state.asleep_for = Some(Awaiting::Urgent);
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, patience, |state| state.asleep_for.is_some() && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.asleep_for = None;
    }

    /// Takes no more jobs; those queued are still written.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.wake.notify_one();
    }

    /// Drops what is queued: for a writer that ends without writing it.
    pub(crate) fn clear(&self) {
        let jobs = std::mem::take(&mut self.state().jobs);
        drop(jobs);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is a list and two flags: whole after every statement, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
