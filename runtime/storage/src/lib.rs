//! What is remembered: one SQLite file and a folder of component files, behind the ports of `openclaw-domain`.
//!
//! One thread writes, in groups: it takes what is queued, runs it in one transaction, syncs if anybody waits for
//! the disk, and only then answers. Reads go through a small pool of read-only connections.
//! Invariant: what was answered is on disk, and events are heard in the order of their `seq`, once committed.

mod error;
mod files;
mod home;
mod lock;
mod schema;

mod job;
mod queue;
mod readers;
mod storage;
mod writer;

mod components;
mod conversations;
mod inbox;
mod inbox_queue;
mod journal;
mod kv;
mod outbox;
mod package_columns;
mod packages;
mod rows;
mod tokens;

mod grants;
mod machine_key;
mod sealed;
mod secrets;
mod tenants;

mod retention;

mod backup;
mod manifest;
mod restore;

#[cfg(test)]
mod tests;

pub use backup::{BackupError, BackupReport};
pub use error::{IoFailure, OpenError, StorageError};
pub use grants::{GrantFiles, GrantProblem, GrantTextError, from_text, to_text};
pub use lock::{HomeLock, LockError};
pub use outbox::KeptRequest;
pub use restore::{IfOccupied, RestoreError, RestoreReport, restore};
pub use retention::{Pruned, Retention};
pub use schema::SCHEMA_VERSION;
pub use sealed::{MAX_SECRET, SealedSecret, SecretError};
pub use secrets::{ConfiguredSecrets, SecretSources, Source};
pub use storage::{Listener, Storage, StorageOptions, StorageStats};
