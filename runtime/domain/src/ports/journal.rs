//! The record of events and of what operators did.

use async_trait::async_trait;

use crate::{Event, NewEvent, Refusal, TenantId, Timestamp};

/// Something an operator or a guard did, kept for audits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Whose affairs it concerns.
    pub tenant: TenantId,
    /// Who did it: a credential's name, `cli`, or `gateway`.
    pub actor: String,
    /// What was done, for example `skill.install`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Particulars: a JSON object as text.
    pub detail: String,
}

/// One line of a trace: something that happened under one trace id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When.
    pub at: Timestamp,
    /// Where it is recorded: `webhook` or `event`.
    pub source: String,
    /// What happened.
    pub what: String,
    /// Particulars: JSON text.
    pub detail: String,
}

/// Whatever records events and audit entries.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records an event soon: queued, written in order with the next group. Never waits, never loses one;
    /// the listener hears of it once it is written.
    fn record(&self, event: NewEvent);

    /// Events of a tenant after `seq`, oldest first, at most `limit`.
    async fn events_since(&self, tenant: &TenantId, seq: i64, limit: usize) -> Result<Vec<Event>, Refusal>;

    /// The `seq` of the newest event of the tenant; 0 before the first.
    async fn last_seq(&self, tenant: &TenantId) -> Result<i64, Refusal>;

    /// Records an audit entry, durably.
    async fn audit(&self, entry: AuditEntry) -> Result<(), Refusal>;

    /// Everything recorded under one trace id, in order of time.
    async fn trace(&self, tenant: &TenantId, trace: &str) -> Result<Vec<TraceEntry>, Refusal>;
}
