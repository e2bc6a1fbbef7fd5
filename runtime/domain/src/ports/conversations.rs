//! What was said, and what happened.

use async_trait::async_trait;

use crate::{ConversationKey, ConversationSummary, Event, Refusal, Said, TenantId, Timestamp};

/// Whatever remembers conversations.
#[async_trait]
pub trait Conversations: Send + Sync {
    /// The newest messages of a conversation whose texts together have at most that many bytes, oldest first.
    async fn load(&self, key: &ConversationKey, bytes: usize) -> Result<Vec<Said>, Refusal>;

    /// Adds messages durably, all or none, and forgets the oldest ones beyond `keep_bytes` of text. The newest message
    /// stays, however long it is.
    async fn append(&self, key: &ConversationKey, said: Vec<Said>, keep_bytes: usize) -> Result<(), Refusal>;

    /// Forgets the oldest messages beyond that many bytes of text. Returns how many went.
    async fn trim(&self, key: &ConversationKey, keep_bytes: usize) -> Result<u64, Refusal>;

    /// Forgets a conversation. Returns how many messages went.
    async fn forget(&self, key: &ConversationKey) -> Result<u64, Refusal>;

    /// A tenant's conversations, the one spoken in last first.
    async fn conversations(&self, tenant: &TenantId) -> Result<Vec<ConversationSummary>, Refusal>;
}

/// Whatever can tell what happened lately.
#[async_trait]
pub trait Records: Send + Sync {
    /// A tenant's events at a moment and since, the newest first, at most `limit`.
    async fn recent(&self, tenant: &TenantId, since: Timestamp, limit: usize) -> Result<Vec<Event>, Refusal>;
}
