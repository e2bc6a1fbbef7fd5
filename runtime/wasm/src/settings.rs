//! What this crate is told: sizes of the pool, limits of a call, bounds of the compile jail.

use std::path::PathBuf;
use std::time::Duration;

use openclaw_domain::CallLimits;

use crate::engine::Rung;

/// Settings of the guest runtime. Every default is the one the documentation names.
#[derive(Clone, Debug)]
pub struct WasmSettings {
    /// Instances alive at one time, over all tenants. Default 64; the kept memory of idle slots grows with it.
    pub live_instances: u32,
    /// Calls of one tenant that may wait for an instance; one more is `GATEWAY_BUSY`. Default 256.
    pub waiting_calls_per_tenant: usize,
    /// Limits of one call.
    pub limits: CallLimits,
    /// Largest component file that is installed, in bytes. Default 64 MiB.
    pub max_component_bytes: usize,
    /// Compiled components kept in memory, the least recently called dropped first. Default 128.
    pub loaded_components: usize,
    /// The compile jail.
    pub compile: CompileSettings,
    /// The first rung of the allocation ladder to try. Default [`Rung::Reserved`]; tests begin further down.
    pub first_rung: Rung,
}

/// Bounds of the child process that compiles.
#[derive(Clone, Debug)]
pub struct CompileSettings {
    /// The program that answers to [`crate::COMPILE_COMMAND`]: this very binary.
    pub program: PathBuf,
    /// Wall-clock time of one compilation. Default 60 s.
    pub deadline: Duration,
    /// Processor time of one compilation, in seconds. Default 60.
    pub cpu_seconds: u64,
    /// Address space of the child, in bytes. Default 1.5 GiB: StarlingMonkey, the largest known guest, needs 484 MiB.
    pub memory: u64,
    /// Largest compiled artifact, in bytes. Default 256 MiB.
    pub max_artifact_bytes: usize,
}

impl WasmSettings {
    /// The defaults, compiling with `program`.
    pub fn new(program: PathBuf) -> Self {
        Self {
            live_instances: 64,
            waiting_calls_per_tenant: 256,
            limits: CallLimits::default(),
            max_component_bytes: 64 << 20,
            loaded_components: 128,
            compile: CompileSettings {
                program,
                deadline: Duration::from_secs(60),
                cpu_seconds: 60,
                memory: 1536 << 20,
                max_artifact_bytes: 256 << 20,
            },
            first_rung: Rung::Reserved,
        }
    }
}
