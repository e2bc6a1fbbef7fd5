//! How many connections are open at once, for all and for each tenant.
//!
//! Invariant: a tenant waits first for its own share and only then in the common queue, which serves in order; so no
//! tenant puts more than its share in front of another's request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::{EgressError, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Admission {
    all: Arc<Semaphore>,
    per_tenant: usize,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// The right to one connection.
pub(crate) struct Place {
    _own: OwnedSemaphorePermit,
    _common: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(all: usize, per_tenant: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            per_tenant: per_tenant.min(all),
            tenants: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for a place. Cancel safety: a place that was not yet had is not taken.
    pub(crate) async fn enter(&self, tenant: &TenantId) -> Result<Place, EgressError> {
        let own = {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            // Tenants come and go; those without a connection are forgotten before the map grows further.
            if tenants.len() >= 1024 && !tenants.contains_key(tenant) {
                tenants.retain(|_, own| Arc::strong_count(own) > 1);
            }
            Arc::clone(tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_tenant))))
        };
        let closed = |_| EgressError::Internal;
        let own = own.acquire_owned().await.map_err(closed)?;
        let common = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        Ok(Place { _own: own, _common: common })
    }
}
