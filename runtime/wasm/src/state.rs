//! What a store holds while a call runs: its limits, its budget of host calls, its log, its WASI stubs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use openclaw_domain::{CallLimits, Capability};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};

use crate::host::http::Http;
use crate::host::log::LogBook;
use crate::host::wasi::Wasi;
use crate::limits::{Limiter, OnRefusal};
use crate::reach::Reach;
use crate::stop::Stopped;

/// Everything a host function can reach.
pub(crate) struct HostState {
    pub(crate) limiter: Limiter,
    pub(crate) log: LogBook,
    pub(crate) table: ResourceTable,
    /// Only for components that import WASI.
    pub(crate) wasi: Option<Box<Wasi>>,
    /// Only for components that import a capability or `progress`.
    pub(crate) reach: Option<Arc<Reach>>,
    /// Only for those that import `wasi:http`.
    pub(crate) http: Option<Box<Http>>,
    /// Bytes of values that wait to be swapped.
    pub(crate) seen_bytes: usize,
    host_calls: u64,
    max_host_calls: u64,
}

impl HostState {
    pub(crate) fn new(
        limits: &CallLimits,
        on_refusal: OnRefusal,
        log: LogBook,
        wasi: bool,
        reach: Option<Arc<Reach>>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            limiter: Limiter::new(limits, on_refusal),
            wasi: wasi.then(|| Box::new(Wasi::new(log.clone()))),
            http: reach.as_ref().filter(|reach| reach.may_send()).map(|reach| Box::new(Http::new(Arc::clone(reach)))),
            reach,
            log,
            table,
            seen_bytes: 0,
            host_calls: 0,
            max_host_calls: limits.host_calls,
        }
    }

    /// Pays for one host call; a guest that has none left must not go on.
    pub(crate) fn spend(&mut self) -> Result<(), Stopped> {
        self.host_calls += 1;
        self.check_budget()
    }

    /// What this call may reach.
    pub(crate) fn reach(&self) -> wasmtime::Result<&Arc<Reach>> {
        self.reach.as_ref().ok_or_else(|| wasmtime::format_err!("a capability was called outside a call"))
    }

    /// Records that a function of an interface was called that is not granted.
    pub(crate) fn deny_import(&self, capability: Capability, function: &str) {
        if let Some(reach) = &self.reach {
            reach.deny_import(capability, function);
        }
    }

    /// Counts a call of an interface whose functions cannot be refused; the next tick ends a guest that is over.
    pub(crate) const fn count(&mut self) {
        self.host_calls += 1;
    }

    const fn check_budget(&self) -> Result<(), Stopped> {
        if self.host_calls > self.max_host_calls {
            return Err(Stopped::HostCalls);
        }
        Ok(())
    }

    pub(crate) const fn was_refused_memory(&self) -> bool {
        self.limiter.refused_memory
    }

    pub(crate) const fn host_was_short(&self) -> bool {
        self.limiter.host_was_short
    }

    pub(crate) const fn was_refused_table(&self) -> bool {
        self.limiter.refused_table
    }

    /// The last thing the guest complained of: the SDK and `std` say there why they panic.
    pub(crate) fn last_words(&self) -> Option<Box<str>> {
        self.log.last_words()
    }
}

/// Told by the store when a guest has outlived its first slice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice(Arc<AtomicBool>);

impl Slice {
    /// Whether the guest has been asked to make room at least once.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A store for one call, with every knob that is lax by default tightened.
pub(crate) fn new_store(
    engine: &wasmtime::Engine,
    state: HostState,
    limits: &CallLimits,
    deadline: Instant,
    slice: &Slice,
) -> Store<HostState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    // Bounds every copy out of the guest; the sum of a result's sizes is checked again once it is lifted, so what the
    // lists themselves cost is allowed on top.
    store.set_hostcall_fuel(limits.output_bytes.saturating_add(64 << 10));
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    let slice = Arc::clone(&slice.0);
    store.epoch_deadline_callback(move |store| {
        store.data().check_budget()?;
        if Instant::now() >= deadline {
            return Err(Stopped::Deadline.into());
        }
        slice.store(true, Ordering::Relaxed);
        // `Yield` alone wakes itself at once and starves the timers of this thread.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}
