//! Runs guests: the only crate that knows wasmtime.
//!
//! A component comes in as bytes, is compiled in a jail, kept authenticated on disk, linked with only what it imports
//! and may have, and run in a fresh instance for each call, under one deadline and summed limits.
//! Invariant: no linear memory, table or handle of one call is ever seen by another.

mod settings;

mod admission;
mod engine;
mod lane;
mod limits;
mod stop;
mod ticker;
mod turns;

mod alerts;
mod in_flight;
mod meter;
mod reach;
mod serving;

mod bindings;
mod host;
mod linker;
mod state;
mod worlds;

mod schema;
mod schema_cost;
mod seal;

mod cache;
mod compile;
mod jail;

mod nothing;

mod arguments;
mod call;
mod loaded;
mod registry;

pub use engine::Rung;
pub use jail::{COMPILE_COMMAND, compile_child_main};
pub use nothing::NothingGranted;
pub use registry::{InstallError, Installation, Learned, OpenError, PrivateReach, Registry, RegistryParts};
pub use settings::{CompileSettings, WasmSettings};
