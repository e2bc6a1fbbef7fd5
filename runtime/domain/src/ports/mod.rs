//! Ports: what one part of the gateway needs of another. Siblings meet only here, and `wiring.rs` in the binary
//! is the one place where a port gets its implementation.

mod brain;
mod conversations;
mod egress;
mod grants;
mod guests;
mod inbox;
mod journal;
mod kv;
mod models;
mod outbox;
mod packages;
mod policy;
mod secrets;
mod tenants;
mod tokens;

pub use brain::Brain;
pub use conversations::{Conversations, Records};
pub use egress::Egress;
pub use grants::Grants;
pub use guests::Guests;
pub use inbox::{Accepted, INVOKE, Inbox, InboxEntry, InboxRecord, OwedCall, QUEUED, QueuedRequest, Verdict};
pub use journal::{AuditEntry, Journal, TraceEntry};
pub use kv::{Bucket, KV_ANSWER_BYTES, Kv, KvChange, KvError, KvQuota, KvUse, Swapped};
pub use models::{
    DeltaSink, ModelCall, ModelMessage, ModelReply, ModelRequest, ModelResult, ModelTool, ModelUse, Models, Usage,
};
pub use outbox::{Leased, Outbox, Route};
pub use packages::Packages;
pub use policy::Policy;
pub use secrets::{SecretValue, Secrets};
pub use tenants::{Paused, TenantRecord, Tenants};
pub use tokens::{NamedToken, NewToken, Tokens};
