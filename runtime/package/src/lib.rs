//! What a skill file is: one WebAssembly component with its `skill.toml` inside.
//!
//! Reads and checks such files, makes them from core modules and folders of source, and judges a skill's cases.
//! Invariant: nothing here compiles or runs a component. What [`inspect`] refuses is never handed to a compiler.

mod build;
pub mod cases;
mod encode;
mod inspect;
mod manifest;
mod memory;
mod requests;

pub use build::{BuildError, BuildOptions, Built, Target, build, build_many};
pub use encode::{EncodeError, embed, encode};
pub use inspect::{Limits, Package, PackageError, inspect, inspect_within, wasm_features};
pub use manifest::{MANIFEST_SECTION, Manifest, ManifestError};
