//! What an operator can ask of a gateway, whether it runs or not.
//!
//! The same functions answer a command that comes through the admin socket and one that is run directly on a home, so
//! both do and say the same. Invariant: whoever gets here is the operator: the socket's mode and the home's mode are
//! the credential.

mod arguments;
mod install;
mod memory;
mod request;
mod run;
mod view;

pub(crate) use arguments::Arguments;
pub(crate) use install::Install;
pub(crate) use request::Request;
pub(crate) use run::{AskedReload, Ops, RunningGateway};
pub(crate) use view::{BackupView, CallView, NewTokenView, ReloadView, SkillView, StatusView, TokenView, TraceView};
