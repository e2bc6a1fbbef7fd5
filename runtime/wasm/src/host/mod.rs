//! What the host offers to guests, one capability a file.

pub(crate) mod config;
pub(crate) mod events;
pub(crate) mod http;
mod http_body;
mod http_error;
pub(crate) mod kv;
mod kv_draft;
mod kv_draft2;
pub(crate) mod log;
mod placeholders;
pub(crate) mod progress;
pub(crate) mod secrets;
pub(crate) mod wasi;
