//! Where guests go that outlive their first slice: a small runtime of its own, on threads the scheduler prefers less.
//!
//! Invariant: a guest that computes never holds up the threads that do I/O for longer than one tick, and among
//! themselves guests take turns by tenant.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use openclaw_domain::TenantId;
use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::turns::{InTurns, Turns};

/// How much less the scheduler prefers guest threads; 10 leaves I/O threads about nine tenths of a contended core.
const NICENESS: i32 = 10;
/// Guest threads. Two cores are what the gateway is planned for; more guests than threads share them tick by tick.
const THREADS: usize = 2;

/// Stack of a guest thread: the checks of deep values nest there. Address space until it is used.
const STACK: usize = 16 << 20;

/// The runtime, started when the first guest needs it.
#[derive(Debug)]
pub(crate) struct Lane {
    runtime: OnceLock<Option<Runtime>>,
    turns: Arc<Turns>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { runtime: OnceLock::new(), turns: Turns::new(THREADS) }
    }
}

impl Lane {
    /// Takes over a tenant's future; dropping the handle ends it at its next tick. `None` if no thread can be had.
    pub(crate) fn take_over<F>(&self, tenant: &TenantId, future: F) -> Option<AbortOnDropHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let runtime = self.runtime.get_or_init(start).as_ref()?;
        let future = InTurns::new(Arc::clone(&self.turns), tenant.clone(), future);
        Some(AbortOnDropHandle::new(runtime.spawn(future)))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            // Not `drop`: that would wait for guests, and may happen on an async thread.
            runtime.shutdown_background();
        }
    }
}

fn start() -> Option<Runtime> {
    let built = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("guest")
        .thread_stack_size(STACK)
        .enable_time()
        .on_thread_start(|| {
            // Without a process id the call means the calling thread, on Linux.
            if let Err(error) = setpriority_process(None, NICENESS) {
                tracing::warn!(%error, "guest threads run at normal priority");
            }
        })
        .build();
    match built {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            tracing::error!(%error, "no threads for long-running guests");
            None
        }
    }
}
