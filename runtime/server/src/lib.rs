//! What listens and calls out: the WebSocket control plane, the HTTP doors beside it, webhook ingress and egress.
//!
//! Data flows one way: accept, client address, `Host`, `Origin`, credential, limit, decode, command, and back out as
//! one reply. Siblings are reached through the ports of `openclaw-domain` only.

pub mod deliveries;
pub mod settings;

mod auth;
mod bus;
mod doors;
mod mailbox;
mod measures;
mod patience;
mod reply;
mod server;
mod shares;
mod state;
mod webhooks;
mod ws;

#[cfg(test)]
mod tests;

pub use bus::Bus;
pub use server::{BoundServer, RenderMetrics, Server, ServerParts};
