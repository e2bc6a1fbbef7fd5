//! What the host offers to guests, one capability a file.

pub(crate) mod log;
pub(crate) mod wasi;
