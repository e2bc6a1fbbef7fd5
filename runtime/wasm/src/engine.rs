//! The one engine of the fast lane: its features, its pool, and the ladder of ways to get address space.
//!
//! Invariant: the compiling child and the running gateway build their configuration here, from the same rung, so that
//! what one compiled the other can load and nothing else.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How linear memories get their address space. Tried in this order until one fits the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// 4 GiB and guard pages for each memory: no bounds checks in guest code, some 260 GiB of address space for 64
    /// instances.
    Reserved,
    /// 64 MiB for each memory without guards: about 5 % slower code, some 4 GiB of address space for 64 instances.
    Small,
    /// No pool and nothing reserved: what a memory holds is mapped for each call, and moved when it grows. Needs no
    /// more address space than guests use, and costs system calls.
    OnDemand,
}

impl Rung {
    /// The rungs from this one down.
    pub(crate) fn and_below(self) -> impl Iterator<Item = Self> {
        [Self::Reserved, Self::Small, Self::OnDemand].into_iter().skip_while(move |rung| *rung != self)
    }

    /// Its name in logs, `status` and the compile command.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Small => "small",
            Self::OnDemand => "on-demand",
        }
    }

    /// The rung with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Reserved, Self::Small, Self::OnDemand].into_iter().find(|rung| rung.as_str() == name)
    }
}

/// Whole memories up to this size stay resident and are reset by `memset`: SDK guests begin with exactly this much.
pub(crate) const KEPT_MEMORY: usize = 256 << 10;
/// Tables up to this size stay resident.
const KEPT_TABLE: usize = 64 << 10;
/// Memories one component may have. QuickJS needs 3.
pub(crate) const MEMORIES_PER_COMPONENT: u32 = 8;
/// Tables one component may have.
pub(crate) const TABLES_PER_COMPONENT: u32 = 16;
/// Core instances one component may have. QuickJS needs 11.
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 32;
/// Stack of a guest, in bytes: deeper recursion is a trap.
pub(crate) const WASM_STACK: usize = 512 << 10;
/// A memory of a pooled instance cannot grow past this; a call's own limit is lower.
pub(crate) const MAX_MEMORY: usize = 1 << 30;

/// What both the compiler and the runtime must agree on.
fn shared_config(rung: Rung) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(WASM_STACK)
        .cranelift_nan_canonicalization(true)
        .wasm_backtrace_max_frames(None)
        // Off: whatever a sandbox for strangers does not need. `gc_support` is the switch that really drops the collector.
        .gc_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_component_model(true)
        // Copy-on-write images remap memory on most calls once there are more components than warm slots.
        .memory_init_cow(false);
    match rung {
        Rung::Reserved => {}
        Rung::Small => {
            config.memory_reservation(64 << 20).memory_guard_size(0).guard_before_linear_memory(false);
        }
        Rung::OnDemand => {
            config
                .memory_reservation(0)
                .memory_reservation_for_growth(1 << 20)
                .memory_may_move(true)
                .memory_guard_size(0)
                .guard_before_linear_memory(false);
        }
    }
    config
}

/// The configuration of the compiling child: the same code, an allocator that reserves nothing.
pub(crate) fn compiler_config(rung: Rung) -> Config {
    let mut config = shared_config(rung);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}

/// The configuration the gateway runs guests with.
fn runtime_config(rung: Rung, live_instances: u32) -> Config {
    let mut config = shared_config(rung);
    if rung == Rung::OnDemand {
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        return config;
    }
    let mut pool = PoolingAllocationConfig::new();
    // A permit stands for one memory, so there are as many memories as instances. The other pools hold the most any
    // such instance may have: were they smaller, a component with one memory and many core instances would use up
    // everybody's while holding a few permits.
    pool.total_component_instances(live_instances)
        .total_core_instances(live_instances * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(live_instances)
        .total_tables(live_instances * TABLES_PER_COMPONENT)
        .total_stacks(live_instances)
        .total_gc_heaps(0)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(20_000)
        .max_memory_size(if rung == Rung::Small { 64 << 20 } else { MAX_MEMORY })
        .max_unused_warm_slots(live_instances)
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        // A larger batch queues even empty ranges and turns zero system calls into one for every few calls.
        .decommit_batch_size(1)
        // On 48.x the scan misses dirty pages that were swapped out: the next guest would read them.
        .pagemap_scan(Enabled::No);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Builds the engine on the first rung that fits this machine.
pub(crate) fn build(first: Rung, live_instances: u32) -> wasmtime::Result<(Engine, Rung)> {
    let mut last = None;
    for rung in first.and_below() {
        match Engine::new(&runtime_config(rung, live_instances)) {
            Ok(engine) => return Ok((engine, rung)),
            Err(error) => {
                tracing::warn!(rung = rung.as_str(), %error, "no address space on this rung, trying the next");
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or_else(|| wasmtime::format_err!("the ladder of allocation strategies is empty")))
}

/// What decides whether code compiled elsewhere may be loaded here: wasmtime's own compatibility hash, fed to SHA-256,
/// with this build's version. wasmtime's check on loading compares major versions only.
pub(crate) fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut feed = Feed(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut feed);
    feed.0.update(concat!("openclaw ", env!("CARGO_PKG_VERSION"), " wasmtime 48").as_bytes());
    feed.0.finalize().into()
}

/// How many permits an instance of a component with this many memories takes.
pub(crate) fn weight(memories: u32) -> NonZeroUsize {
    NonZeroUsize::new(memories.max(1) as usize).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_ends_on_demand() {
        assert_eq!(Rung::Reserved.and_below().count(), 3);
        assert_eq!(Rung::OnDemand.and_below().collect::<Vec<_>>(), [Rung::OnDemand]);
    }

    #[test]
    fn compiler_and_runtime_agree_on_every_rung() {
        for rung in Rung::Reserved.and_below() {
            let runtime = Engine::new(&runtime_config(rung, 4)).unwrap();
            let compiler = Engine::new(&compiler_config(rung)).unwrap();
            assert_eq!(compatibility(&runtime), compatibility(&compiler), "{rung:?}");
        }
    }
}
