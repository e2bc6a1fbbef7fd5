//! Who may have an instance now: permits in front of the pool, handed out in turn by tenant.
//!
//! Invariant: the sum of permits out never exceeds the pool, so the pool itself is never full; a tenant that fills its
//! share delays itself and nobody else.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::{Refusal, TenantId};
use tokio::sync::oneshot;

/// The gate.
#[derive(Debug)]
pub(crate) struct Admission {
    state: Mutex<State>,
    total: usize,
    /// What one tenant may hold: three quarters, so that somebody else's call always finds room.
    share: usize,
    max_waiting: usize,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    held: HashMap<TenantId, usize>,
    waiting: HashMap<TenantId, VecDeque<Waiter>>,
    /// Tenants with waiters, in the order of their next turn.
    turns: VecDeque<TenantId>,
}

#[derive(Debug)]
struct Waiter {
    weight: usize,
    /// What its tenant may hold.
    share: usize,
    admit: oneshot::Sender<Permit>,
}

impl Admission {
    /// A gate with this many permits.
    pub(crate) fn new(total: u32, max_waiting: usize) -> Arc<Self> {
        let total = total as usize;
        Arc::new(Self {
            state: Mutex::new(State { free: total, ..State::default() }),
            total,
            share: (total * 3 / 4).max(1),
            max_waiting,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits out at this moment, for `status` and metrics.
    pub(crate) fn in_use(&self) -> usize {
        self.total - self.lock().free
    }

    /// Permits one tenant may hold.
    pub(crate) const fn share(&self) -> usize {
        self.share
    }

    /// Waits for a turn; `places` is what this tenant may hold if that is less than its share. The caller bounds the
    /// wait by its deadline.
    ///
    /// Cancel safety: a waiter that is dropped gives its turn to the next.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        tenant: &TenantId,
        weight: NonZeroUsize,
        places: usize,
    ) -> Result<Permit, Refusal> {
        let weight = weight.get();
        // A component heavier than what its tenant may hold runs alone.
        let share = self.share.min(places.max(weight));
        if weight > self.share {
            return Err(Refusal::Busy(format!(
                "an instance of this component needs {weight} of {} places",
                self.share
            )));
        }
        let turn = {
            let mut state = self.lock();
            if state.turns.is_empty() && state.fits(tenant, weight, share) {
                return Ok(self.hand_out(&mut state, tenant, weight));
            }
            let queue = state.waiting.entry(tenant.clone()).or_default();
            if queue.len() >= self.max_waiting {
                return Err(Refusal::Busy(format!("{} calls of this tenant wait already", self.max_waiting)));
            }
            let (admit, turn) = oneshot::channel();
            queue.push_back(Waiter { weight, share, admit });
            if queue.len() == 1 {
                state.turns.push_back(tenant.clone());
            }
            // Others may wait only because they are over their own share: this one need not.
            self.serve(&mut state);
            turn
        };
        turn.await.map_err(|_| Refusal::Cancelled)
    }

    fn hand_out(self: &Arc<Self>, state: &mut State, tenant: &TenantId, weight: usize) -> Permit {
        state.free -= weight;
        match state.held.get_mut(tenant) {
            Some(held) => *held += weight,
            None => drop(state.held.insert(tenant.clone(), weight)),
        }
        Permit { gate: Arc::clone(self), tenant: tenant.clone(), weight }
    }

    /// Admits whoever fits, one of each tenant in turn, until a full round admits nobody.
    fn serve(self: &Arc<Self>, state: &mut State) {
        let mut skipped = 0;
        while skipped < state.turns.len() {
            let Some(tenant) = state.turns.pop_front() else { return };
            let queue = state.waiting.entry(tenant.clone()).or_default();
            while queue.front().is_some_and(|waiter| waiter.admit.is_closed()) {
                queue.pop_front();
            }
            let Some((weight, share)) = queue.front().map(|waiter| (waiter.weight, waiter.share)) else {
                state.waiting.remove(&tenant);
                continue;
            };
            if !state.fits(&tenant, weight, share) {
                state.turns.push_back(tenant);
                skipped += 1;
                continue;
            }
            skipped = 0;
            let queue = state.waiting.entry(tenant.clone()).or_default();
            let Some(waiter) = queue.pop_front() else { continue };
            if queue.is_empty() {
                state.waiting.remove(&tenant);
            } else {
                state.turns.push_back(tenant.clone());
            }
            let permit = self.hand_out(state, &tenant, weight);
            if let Err(mut unwanted) = waiter.admit.send(permit) {
                // Its waiter left between the check and now. Taken back by hand: dropping it would lock again.
                unwanted.weight = 0;
                state.take_back(&tenant, weight);
            }
        }
    }
}

impl State {
    fn fits(&self, tenant: &TenantId, weight: usize, share: usize) -> bool {
        weight <= self.free && self.held.get(tenant).copied().unwrap_or(0) + weight <= share
    }

    fn take_back(&mut self, tenant: &TenantId, weight: usize) {
        self.free += weight;
        // The entry stays at zero: tenants are few, and taking it out would cost an allocation a call.
        if let Some(held) = self.held.get_mut(tenant) {
            *held -= weight;
        }
    }
}

/// The right to have instances of this weight alive; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Admission>,
    tenant: TenantId,
    weight: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.weight == 0 {
            return;
        }
        let mut state = self.gate.lock();
        state.take_back(&self.tenant, self.weight);
        if !state.turns.is_empty() {
            self.gate.serve(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    const ONE: NonZeroUsize = NonZeroUsize::MIN;
    const ALL: usize = usize::MAX;

    #[tokio::test]
    async fn one_tenant_never_holds_more_than_its_share() {
        let gate = Admission::new(4, 8);
        let (a, b) = (tenant("a"), tenant("b"));
        let held: Vec<_> = (0..3).map(|_| gate.admit(&a, ONE, ALL).now_or_never().unwrap().unwrap()).collect();
        let mut fourth = Box::pin(gate.admit(&a, ONE, ALL));
        assert!(fourth.as_mut().now_or_never().is_none());
        let other = gate.admit(&b, ONE, ALL).now_or_never().expect("room is kept for others").unwrap();
        drop(other);
        drop(held);
        assert!(fourth.now_or_never().unwrap().is_ok());
        assert_eq!(gate.in_use(), 0);
    }

    #[tokio::test]
    async fn a_tenant_with_fewer_places_waits_for_its_own() {
        let gate = Admission::new(8, 8);
        let a = tenant("a");
        let first = gate.admit(&a, ONE, 1).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(gate.admit(&a, ONE, 1));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(gate.admit(&tenant("b"), ONE, ALL).now_or_never().unwrap().is_ok());
        drop(first);
        assert!(second.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn waiting_tenants_take_turns() {
        let gate = Admission::new(1, 8);
        let (a, b) = (tenant("a"), tenant("b"));
        let first = gate.admit(&a, ONE, ALL).await.unwrap();
        let mut a2 = Box::pin(gate.admit(&a, ONE, ALL));
        let mut a3 = Box::pin(gate.admit(&a, ONE, ALL));
        let mut b1 = Box::pin(gate.admit(&b, ONE, ALL));
        for waiting in [&mut a2, &mut a3, &mut b1] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(first);
        let second = a2.now_or_never().unwrap().unwrap();
        drop(second);
        assert!(a3.as_mut().now_or_never().is_none(), "it is b's turn");
        drop(b1.now_or_never().unwrap().unwrap());
        assert!(a3.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_says_busy_and_a_waiter_that_left_is_passed_over() {
        let gate = Admission::new(1, 1);
        let a = tenant("a");
        let held = gate.admit(&a, ONE, ALL).await.unwrap();
        let mut left = Box::pin(gate.admit(&a, ONE, ALL));
        assert!(left.as_mut().now_or_never().is_none());
        assert!(matches!(gate.admit(&a, ONE, ALL).now_or_never(), Some(Err(Refusal::Busy(_)))));
        drop(left);
        drop(held);
        assert_eq!(gate.in_use(), 0);
        assert!(gate.admit(&a, ONE, ALL).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_can_never_fit_is_refused_at_once() {
        let gate = Admission::new(4, 8);
        let heavy = NonZeroUsize::new(4).unwrap();
        assert!(matches!(gate.admit(&tenant("a"), heavy, ALL).now_or_never(), Some(Err(Refusal::Busy(_)))));
    }
}
