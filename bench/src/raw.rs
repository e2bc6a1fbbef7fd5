//! The floor of a guest call: wasmtime with the fast lane's engine settings, the same guest, and nothing else.
//!
//! No limits, no admission, no log, no clock: what remains is a fresh store, a fresh instance and the call.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::bindings::SkillCorePre;
use crate::bindings::exports::openclaw::gateway::tools::{Context, Output};
use crate::bindings::openclaw::gateway::log;

/// As many instances as the gateway keeps.
const INSTANCES: u32 = 64;

/// What a store holds: nothing.
struct Nobody;

impl log::Host for Nobody {
    fn write(&mut self, _: log::Level, _: String, _: Vec<log::Field>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// What this engine compiles a component to: native code, as somebody might try to install it.
pub(crate) fn precompiled(component: &[u8]) -> Result<Vec<u8>> {
    let compile = || Engine::new(&config())?.precompile_component(component);
    compile().map_err(|error: wasmtime::Error| anyhow!("the component does not compile: {error:#}"))
}

/// A guest ready to be instantiated.
pub(crate) struct Raw {
    engine: Engine,
    pre: SkillCorePre<Nobody>,
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 5)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * 5)
        .total_stacks(INSTANCES)
        .total_gc_heaps(0)
        .max_unused_warm_slots(INSTANCES)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .decommit_batch_size(1)
        .pagemap_scan(Enabled::No);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(512 << 10)
        .cranelift_nan_canonicalization(true)
        .gc_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .memory_init_cow(false);
    config
}

impl Raw {
    /// Compiles and links a component file.
    pub(crate) fn load(component: &Path) -> Result<Self> {
        let bytes = std::fs::read(component).with_context(|| format!("`{}` cannot be read", component.display()))?;
        Self::prepare(&bytes).map_err(|error| anyhow!("`{}` cannot be loaded: {error:#}", component.display()))
    }

    fn prepare(bytes: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        // The one interface the guest imports.
        log::add_to_linker::<_, HasSelf<_>>(&mut linker, |nobody: &mut Nobody| nobody)?;
        let pre = SkillCorePre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    /// Calls `echo` so many times on so many threads; how long that took.
    pub(crate) fn run(&self, calls: usize, threads: usize) -> Result<Duration> {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.call_repeatedly(calls / threads))).collect();
            runs.into_iter().try_for_each(|run| run.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        Ok(began.elapsed())
    }

    fn call_repeatedly(&self, calls: usize) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let context = Context {
            tenant: "default".to_owned(),
            caller: "websocket".to_owned(),
            invocation_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            deadline_ms: 30_000,
            resumed: None,
        };
        runtime.block_on(async {
            for _ in 0..calls {
                self.call(&context).await.map_err(|error| anyhow!("`echo` failed: {error:#}"))?;
            }
            Ok(())
        })
    }

    async fn call(&self, context: &Context) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, Nobody);
        store.set_epoch_deadline(1 << 40);
        let skill = self.pre.instantiate_async(&mut store).await?;
        let output =
            skill.openclaw_gateway_tools().call_call_tool(&mut store, "echo", crate::ECHO_ARGUMENTS, context).await?;
        match output {
            Ok(Output::Complete(_)) => Ok(()),
            other => wasmtime::bail!("it answered {other:?}"),
        }
    }
}
