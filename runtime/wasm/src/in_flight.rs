//! Calls that run under a grant, so that they can be stopped when the grant goes.
//!
//! Invariant: a call registers itself before it reads its grant. So whoever takes a grant away and then stops calls
//! misses none: a call that is not yet here reads the grant that is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openclaw_domain::{SkillName, TenantId};
use tokio_util::sync::CancellationToken;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    calls: HashMap<u64, Arc<Stoppable>>,
}

/// One call.
#[derive(Debug)]
struct Stoppable {
    tenant: TenantId,
    skill: SkillName,
    token: CancellationToken,
    reason: OnceLock<String>,
}

/// A call's place in the list; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    list: Arc<InFlight>,
    number: u64,
    call: Arc<Stoppable>,
}

impl Registered {
    /// Runs the call unless it is stopped first: then why. What ran is dropped where it stands.
    pub(crate) async fn unless_stopped<F: Future>(&self, call: F) -> Result<F::Output, String> {
        match self.call.token.run_until_cancelled(call).await {
            Some(done) => Ok(done),
            None => Err(self.call.reason.get().cloned().unwrap_or_default()),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.list.running().calls.remove(&self.number);
    }
}

impl InFlight {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(self: &Arc<Self>, tenant: &TenantId, skill: &SkillName) -> Registered {
        let call = Arc::new(Stoppable {
            tenant: tenant.clone(),
            skill: skill.clone(),
            token: CancellationToken::new(),
            reason: OnceLock::new(),
        });
        let mut running = self.running();
        let number = running.next;
        running.next += 1;
        running.calls.insert(number, Arc::clone(&call));
        drop(running);
        Registered { list: Arc::clone(self), number, call }
    }

    /// Stops the calls of a skill, or of all skills of a tenant; how many that were.
    pub(crate) fn stop(&self, tenant: &TenantId, skill: Option<&SkillName>, reason: &str) -> usize {
        let meant: Vec<_> = self
            .running()
            .calls
            .values()
            .filter(|call| call.tenant == *tenant && skill.is_none_or(|skill| call.skill == *skill))
            .map(Arc::clone)
            .collect();
        for call in &meant {
            // The first reason stands.
            let _ = call.reason.set(reason.to_owned());
            call.token.cancel();
        }
        meant.len()
    }
}
