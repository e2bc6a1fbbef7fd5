//! Turns on the guest threads, given out by tenant: however many guests a tenant has, another's next turn comes after
//! at most one of each tenant's.
//!
//! A guest that is ready waits here and not in the runtime's own queue, which knows no tenants: its waker is ours, and
//! the runtime hears of it only when its turn has come.
//! Invariant: no more guests have a turn at one time than there are turns, and a turn is given back after every poll,
//! so a guest that waits for the host or has used up its tick holds none.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use openclaw_domain::TenantId;

/// Gives out turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Tenants somebody of which is ready, in the order of their next turn; each once.
    order: VecDeque<TenantId>,
    ready: HashMap<TenantId, VecDeque<Arc<Entry>>>,
}

/// One guest among the others.
#[derive(Debug)]
struct Entry {
    turns: Arc<Turns>,
    tenant: TenantId,
    /// Locked only by who holds the lock of `turns`, or nobody: there is one order of locks.
    stand: Mutex<Stand>,
}

#[derive(Debug)]
struct Stand {
    phase: Phase,
    /// Tells the runtime that the turn has come.
    runtime: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for something else than a turn.
    Idle,
    /// Waits for its turn.
    Ready,
    /// Has its turn, and is not polled yet.
    Next,
    /// Is being polled; whether it was woken meanwhile.
    Running(bool),
    /// Is over.
    Over,
}

impl Entry {
    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, entry: &Arc<Entry>) {
        entry.stand().phase = Phase::Ready;
        let queue = self.ready.entry(entry.tenant.clone()).or_default();
        queue.push_back(Arc::clone(entry));
        if queue.len() == 1 {
            self.order.push_back(entry.tenant.clone());
        }
    }

    /// Gives out what is free; the wakers of those it went to.
    fn give_out(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while self.free > 0 {
            let Some(tenant) = self.order.pop_front() else { break };
            let Some(queue) = self.ready.get_mut(&tenant) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.ready.remove(&tenant);
            } else {
                self.order.push_back(tenant);
            }
            let Some(next) = next else { continue };
            self.free -= 1;
            let mut stand = next.stand();
            stand.phase = Phase::Next;
            woken.extend(stand.runtime.clone());
        }
        woken
    }

    fn forget(&mut self, entry: &Arc<Entry>) {
        let Some(queue) = self.ready.get_mut(&entry.tenant) else { return };
        queue.retain(|known| !Arc::ptr_eq(known, entry));
        if queue.is_empty() {
            self.ready.remove(&entry.tenant);
            self.order.retain(|tenant| *tenant != entry.tenant);
        }
    }
}

impl Turns {
    /// So many at one time.
    pub(crate) fn new(turns: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: turns, order: VecDeque::new(), ready: HashMap::new() })))
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let woken = state.give_out();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.turns.with(|state| {
            let phase = self.stand().phase;
            match phase {
                Phase::Idle => state.queue(&self),
                Phase::Running(_) => self.stand().phase = Phase::Running(true),
                Phase::Ready | Phase::Next | Phase::Over => {}
            }
        });
    }
}

/// Work that is polled only in its tenant's turn.
pub(crate) struct InTurns<F> {
    work: Pin<Box<F>>,
    entry: Arc<Entry>,
    waker: Waker,
}

impl<F> InTurns<F> {
    /// Puts work of a tenant among the others.
    pub(crate) fn new(turns: Arc<Turns>, tenant: TenantId, work: F) -> Self {
        let stand = Mutex::new(Stand { phase: Phase::Idle, runtime: None });
        let entry = Arc::new(Entry { turns, tenant, stand });
        Self { work: Box::pin(work), waker: Waker::from(Arc::clone(&entry)), entry }
    }
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let entry = &this.entry;
        entry.turns.with(|state| {
            let mut stand = entry.stand();
            stand.runtime = Some(context.waker().clone());
            let is_new = stand.phase == Phase::Idle;
            drop(stand);
            if is_new {
                state.queue(entry);
            }
        });
        let mut stand = entry.stand();
        if stand.phase != Phase::Next {
            return Poll::Pending;
        }
        stand.phase = Phase::Running(false);
        drop(stand);
        let polled = this.work.as_mut().poll(&mut Context::from_waker(&this.waker));
        entry.turns.with(|state| {
            state.free += 1;
            let was_woken = entry.stand().phase == Phase::Running(true);
            match polled.is_ready() {
                true => entry.stand().phase = Phase::Over,
                false if was_woken => state.queue(entry),
                false => entry.stand().phase = Phase::Idle,
            }
        });
        polled
    }
}

impl<F> Drop for InTurns<F> {
    fn drop(&mut self) {
        let entry = &self.entry;
        entry.turns.with(|state| {
            let phase = std::mem::replace(&mut entry.stand().phase, Phase::Over);
            match phase {
                Phase::Ready => state.forget(entry),
                // Running: its poll panicked.
                Phase::Next | Phase::Running(_) => state.free += 1,
                Phase::Idle | Phase::Over => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    /// Work that notes each of its polls and yields, so many times.
    fn noted(turns: &Arc<Turns>, tenant: &str, polls: usize, log: &Log) -> InTurns<impl Future<Output = ()> + use<>> {
        let (log, name, mut left) = (Arc::clone(log), tenant.to_owned(), polls);
        let work = poll_fn(move |context| {
            log.lock().unwrap().push(name.clone());
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        InTurns::new(Arc::clone(turns), tenant.parse().unwrap(), work)
    }

    fn is_at_rest(turns: &Turns, free: usize) -> bool {
        let state = turns.0.lock().unwrap();
        state.free == free && state.order.is_empty() && state.ready.is_empty()
    }

    #[tokio::test]
    async fn a_tenant_with_many_guests_has_every_other_turn_while_another_has_one() {
        let (turns, log) = (Turns::new(1), Log::default());
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..10 {
            all.spawn(noted(&turns, "many", 20, &log));
        }
        all.spawn(noted(&turns, "one", 20, &log));
        while all.join_next().await.is_some() {}
        let log = log.lock().unwrap();
        assert_eq!(log.len(), 220);
        let last = log.iter().rposition(|name| name == "one").unwrap();
        assert!(last < 60, "its 20 turns took {last} of all turns");
        assert!(is_at_rest(&turns, 1));
    }

    #[tokio::test]
    async fn a_guest_that_waits_for_the_host_holds_no_turn() {
        let (turns, log) = (Turns::new(1), Log::default());
        let (done, waits) = tokio::sync::oneshot::channel::<()>();
        let mut waiting = tokio::task::JoinSet::new();
        waiting.spawn(InTurns::new(Arc::clone(&turns), "a".parse().unwrap(), waits));
        tokio::task::yield_now().await;
        noted(&turns, "b", 3, &log).await;
        done.send(()).unwrap();
        waiting.join_next().await.unwrap().unwrap().unwrap();
        assert!(is_at_rest(&turns, 1));
    }

    #[tokio::test]
    async fn whoever_panics_or_leaves_gives_back_its_turn_and_its_place() {
        let (turns, log) = (Turns::new(1), Log::default());
        let panics = async { panic!("a host function broke") };
        let mut panicking = tokio::task::JoinSet::new();
        panicking.spawn(InTurns::<_>::new(Arc::clone(&turns), "a".parse().unwrap(), panics));
        assert!(panicking.join_next().await.unwrap().is_err());
        assert!(is_at_rest(&turns, 1));
        turns.0.lock().unwrap().free = 0;
        let context = &mut Context::from_waker(Waker::noop());
        let mut first = noted(&turns, "a", 1, &log);
        let mut second = noted(&turns, "b", 1, &log);
        assert!(Pin::new(&mut first).poll(context).is_pending());
        assert!(Pin::new(&mut second).poll(context).is_pending());
        turns.with(|state| state.free += 1);
        drop(first);
        assert!(Pin::new(&mut second).poll(context).is_ready(), "the turn given to the first went on to the second");
        assert!(is_at_rest(&turns, 1));
    }
}
