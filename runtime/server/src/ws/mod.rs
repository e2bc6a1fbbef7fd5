//! WebSocket: upgrade, the lobby for those who may not in, and sessions.
//!
//! One task owns one socket. A session reads frames, runs commands and writes replies without handing anything to
//! another task; a skill call is polled where its frame was read.

mod chat;
mod command;
mod held;
mod idempotency;
mod in_flight;
mod invoke;
mod liveness;
mod lobby;
mod output;
mod session;
mod socket;
mod status;
mod upgrade;

pub(crate) use command::COMMANDS;
pub(crate) use idempotency::Replies;
pub(crate) use upgrade::{is_upgrade, open};

/// Largest message from an authenticated client, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;
/// Requests of one session that run at the same time; beyond it the socket is not read.
pub(crate) const MAX_IN_FLIGHT: usize = 64;
