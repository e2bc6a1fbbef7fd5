//! Turns on the guest threads, given out by tenant: however many guests a tenant has, another's next turn comes after
//! at most one of each tenant's.
//!
//! Invariant: no more guests are polled at one time than there are turns, and a turn is given back after every poll,
//! so a guest that waits for the host or has used up its tick holds none.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use openclaw_domain::TenantId;

/// Gives out turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Turns nobody has. Only above zero while nobody waits.
    free: usize,
    /// Tenants somebody of which waits, in the order of their next turn; each once.
    order: VecDeque<TenantId>,
    waiting: HashMap<TenantId, VecDeque<(u64, Waker)>>,
    /// Those who were given a turn and have not taken it yet.
    given: Vec<u64>,
    next_ticket: u64,
}

impl Turns {
    /// So many at one time.
    pub(crate) fn new(turns: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: turns,
            order: VecDeque::new(),
            waiting: HashMap::new(),
            given: Vec::new(),
            next_ticket: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn at once, or a ticket to wait with.
    fn ask(&self, tenant: &TenantId, waker: &Waker) -> Option<u64> {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return None;
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let queue = state.waiting.entry(tenant.clone()).or_default();
        queue.push_back((ticket, waker.clone()));
        if queue.len() == 1 {
            state.order.push_back(tenant.clone());
        }
        Some(ticket)
    }

    /// Whether the ticket's turn has come. If not, the waker is the one to wake.
    fn take(&self, tenant: &TenantId, ticket: u64, waker: &Waker) -> bool {
        let mut state = self.state();
        if let Some(at) = state.given.iter().position(|given| *given == ticket) {
            state.given.swap_remove(at);
            return true;
        }
        let queue = state.waiting.get_mut(tenant);
        if let Some((_, kept)) = queue.and_then(|queue| queue.iter_mut().find(|(waits, _)| *waits == ticket)) {
            kept.clone_from(waker);
        }
        false
    }

    /// Gives a turn back: to whoever is next, if somebody waits.
    fn give_back(&self) {
        let mut state = self.state();
        let Some(tenant) = state.order.pop_front() else {
            state.free += 1;
            return;
        };
        let Some(queue) = state.waiting.get_mut(&tenant) else { return };
        let next = queue.pop_front();
        if queue.is_empty() {
            state.waiting.remove(&tenant);
        } else {
            state.order.push_back(tenant);
        }
        if let Some((ticket, waker)) = next {
            state.given.push(ticket);
            drop(state);
            waker.wake();
        }
    }

    /// Gives up a place in the queue, or the turn that was given and not taken.
    fn leave(&self, tenant: &TenantId, ticket: u64) {
        let mut state = self.state();
        if let Some(at) = state.given.iter().position(|given| *given == ticket) {
            state.given.swap_remove(at);
            drop(state);
            return self.give_back();
        }
        let Some(queue) = state.waiting.get_mut(tenant) else { return };
        queue.retain(|(waits, _)| *waits != ticket);
        if queue.is_empty() {
            state.waiting.remove(tenant);
            state.order.retain(|waits| waits != tenant);
        }
    }
}

/// Work that is polled only in its tenant's turn.
pub(crate) struct InTurns<F> {
    work: Pin<Box<F>>,
    turns: Arc<Turns>,
    tenant: TenantId,
    ticket: Option<u64>,
}

impl<F> InTurns<F> {
    /// Puts work of a tenant among the others.
    pub(crate) fn new(turns: Arc<Turns>, tenant: TenantId, work: F) -> Self {
        Self { work: Box::pin(work), turns, tenant, ticket: None }
    }
}

/// Gives a turn back also when the work panics.
struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let has_turn = match this.ticket {
            Some(ticket) => this.turns.take(&this.tenant, ticket, context.waker()),
            None => {
                this.ticket = this.turns.ask(&this.tenant, context.waker());
                this.ticket.is_none()
            }
        };
        if !has_turn {
            return Poll::Pending;
        }
        this.ticket = None;
        let _turn = Turn(&this.turns);
        this.work.as_mut().poll(context)
    }
}

impl<F> Drop for InTurns<F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.turns.leave(&self.tenant, ticket);
        }
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
        assert_eq!(turns.state().free, 1);
    }

    #[tokio::test]
    async fn whoever_leaves_gives_back_its_place_or_its_turn() {
        let (turns, log) = (Turns::new(1), Log::default());
        let tenant: TenantId = "a".parse().unwrap();
        assert_eq!(turns.ask(&tenant, Waker::noop()), None);
        let mut first = noted(&turns, "a", 1, &log);
        let mut second = noted(&turns, "b", 1, &log);
        let context = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(context).is_pending());
        assert!(Pin::new(&mut second).poll(context).is_pending());
        turns.give_back();
        drop(first);
        assert!(Pin::new(&mut second).poll(context).is_ready(), "the turn given to the first went on to the second");
        assert_eq!(*log.lock().unwrap(), ["b"]);
        let state = turns.state();
        assert_eq!((state.free, state.order.len(), state.waiting.len(), state.given.len()), (1, 0, 0, 0));
    }
}
