//! Guests as bytes: what no toolchain makes and a stranger may send all the same.
//!
//! Each is as small as its trick allows, so that a test of it costs a few milliseconds of compiling.

mod bomb;
mod skill;
mod wrap;

pub use bomb::{deeply_nested, long_function, many_functions, with_core_module, with_raw_module};
pub use skill::{RawSkill, raw_transform};
pub use wrap::{exporting_nothing, importing, with_section};
