//! Connections kept for the next request of the same tenant to the same place, for what an operator configured.
//!
//! Invariant: keeping a connection skips no check. The name is resolved and every address judged for each request, and
//! only a connection to one of the addresses found this time, made under the same key, is taken.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::{Origin, TenantId};
use tokio::time::Instant;

use crate::wire::Wire;

/// Connections that wait for work. Each is a socket here and one at the server.
const MAX_IDLE: usize = 64;
/// Servers commonly close an idle connection after 5 to 75 s; one that is about to be closed is worse than none.
const MAX_IDLE_TIME: Duration = Duration::from_secs(15);

/// For whom and where to a connection was made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) tenant: TenantId,
    /// With the name that its certificate was checked for.
    pub(crate) origin: Origin,
    pub(crate) allow_private: bool,
    pub(crate) header_bytes: usize,
}

struct Idle {
    key: Key,
    at: SocketAddr,
    since: Instant,
    wire: Wire,
}

#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
}

impl Pool {
    /// A connection made under this key to one of these addresses.
    pub(crate) fn take(&self, key: &Key, addresses: &[SocketAddr]) -> Option<(Wire, SocketAddr)> {
        let mut idle = self.live();
        // The newest is the least likely to be closed from the other side.
        let found = idle.iter().rposition(|idle| idle.key == *key && addresses.contains(&idle.at))?;
        idle.remove(found).map(|idle| (idle.wire, idle.at))
    }

    /// Keeps a connection whose last response is over.
    pub(crate) fn put(&self, key: Key, at: SocketAddr, wire: Wire) {
        let mut idle = self.live();
        if idle.len() == MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { key, at, since: Instant::now(), wire });
    }

    pub(crate) fn len(&self) -> usize {
        self.live().len()
    }

    pub(crate) fn clear(&self) {
        self.live().clear();
    }

    /// What waits, without what was closed or has waited too long.
    fn live(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.wire.is_idle() && idle.since.elapsed() < MAX_IDLE_TIME);
        idle
    }
}
