//! The way in for configuration: `openclaw.json`, JSON5, in the home.
//!
//! The file is parsed, its strings expanded, its keys read, and its values settled; every step collects what is wrong
//! and goes on, so that one run names everything. Invariant: nobody outside sees a configuration that was not
//! checked whole.

mod egress;
mod expand;
mod file;
mod ingress;
mod limits;
mod listen;
mod load;
mod models;
mod outgoing;
mod parse;
mod problem;
mod read;
mod reload;
mod resolve;
mod retention;
mod secrets;
mod sender;
mod skill_settings;
mod suggest;
mod transforms;
mod unserved;

#[cfg(test)]
mod tests;

pub(crate) use egress::EgressConfig;
pub(crate) use expand::Environment;
pub(crate) use listen::ListenOverrides;
pub(crate) use load::Source;
pub(crate) use problem::{ConfigError, Problem};
pub(crate) use reload::{Reloaded, Reloader};
pub(crate) use resolve::Config;
pub(crate) use retention::RetentionConfig;
pub(crate) use secrets::SecretSource;
pub(crate) use suggest::nearest;
pub(crate) use transforms::{Component, unusable_transforms};
