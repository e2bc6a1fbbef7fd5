//! Ports: what one part of the gateway needs of another. Siblings meet only here, and `wiring.rs` in the binary
//! is the one place where a port gets its implementation.

mod guests;
mod inbox;
mod journal;
mod packages;
mod tokens;

pub use guests::Guests;
pub use inbox::{Accepted, INVOKE, Inbox, InboxEntry, InboxRecord, OwedCall, Verdict};
pub use journal::{AuditEntry, Journal, TraceEntry};
pub use packages::Packages;
pub use tokens::{NamedToken, NewToken, Tokens};
