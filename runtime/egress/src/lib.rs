//! The one way out: whatever the gateway sends to others passes through here.
//!
//! Name policy, resolution by our own resolver, address policy on every answer, a dial pinned to a checked address,
//! HTTP/1.1 with a request line and framing of our own making, bounds on everything inside one deadline.
//!
//! Invariant: no byte leaves for an address that the policy did not see, and no redirect, proxy variable or second
//! resolution changes where it goes.

pub mod address;
mod admission;
mod egress;
mod exchange;
mod floor;
mod inject;
mod literal;
mod measures;
mod network;
mod pool;
mod redact;
mod request;
mod resolve;
mod response;
mod settings;
mod upload;
mod wire;

pub use address::{AddressKind, AddressPolicy, Strict};
pub use egress::Egress;
pub use network::{Dialer, Direct};
pub use settings::{EgressSettings, EgressSettingsError, ProxySettings};
