//! What a skill author uses: plain functions in, a WebAssembly component out.
//!
//! A skill is functions with `#[tool]` and one `skill!`; a webhook transform is one function with
//! `#[ingress_transform]`, one with `#[egress_transform]`, or both. Names, descriptions and JSON Schemas come from the
//! code itself.
//! Invariant: the crate compiles for the machine it is written on too, so a skill's functions are tested
//! with plain `cargo test`; only there do log lines go to standard error.

// The macros name this crate by its own name, inside and outside of it.
extern crate self as openclaw_guest;

#[cfg(any(target_arch = "wasm32", test))]
mod arena;
#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod egress_transform;
pub mod events;
pub mod http;
pub mod ingress_transform;
pub mod kv;
pub mod log;
mod panics;
pub mod progress;
mod schema;
pub mod secrets;
pub mod tools;

pub use log::Level;
pub use openclaw_guest_macros::{egress_transform, ingress_transform, tool};
pub use tools::{
    Answer, Content, Context, Document, DocumentBody, Failure, FailureCode, InputRequired, IntoOutput, Json, Media,
    Output, Reply, Report,
};

#[doc(hidden)]
pub use panics::report_panics;
