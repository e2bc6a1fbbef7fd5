//! The harness: registries and gateways as tests need them, and guests that no toolchain would make.
//!
//! Invariant: nothing here waits for time to pass; whoever waits, waits for something to happen.

pub mod gateway;
mod loopback;
mod ports;
mod programs;
pub mod raw;
mod registry;
pub mod replay;
mod sections;
mod spoken;
pub mod tight;

pub use gateway::TestGateway;
pub use loopback::Loopback;
pub use ports::{TestPolicy, TestSecrets};
pub use programs::{compiler_script, openclaw, test_compiler};
pub use registry::{InFlight, Opening, TestRegistry, compile_by_hand, tenant, told, until};
pub use sections::with_manifest;
pub use spoken::{lines_of, listen};
