//! What skills remember between calls.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Refusal, SkillName, TenantId};

/// A bucket of one skill of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Whose.
    pub tenant: TenantId,
    /// Which skill's.
    pub skill: SkillName,
    /// Its name, as granted.
    pub name: String,
}

/// How much the buckets of one skill may hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvQuota {
    /// Bytes of all keys and values. Default 4 MiB.
    pub bytes: u64,
    /// Keys. Default 10,000.
    pub keys: u64,
    /// Bytes of one value. Default 1 MiB.
    pub value_bytes: usize,
    /// Bytes of one key. Default 1,024.
    pub key_bytes: usize,
}

impl Default for KvQuota {
    fn default() -> Self {
        Self { bytes: 4 << 20, keys: 10_000, value_bytes: 1 << 20, key_bytes: 1024 }
    }
}

/// Bytes of all values of one answer: they lie in the gateway's memory until the guest has them. As much as all that a
/// skill may keep by default, so that only what is asked for twice is refused.
pub const KV_ANSWER_BYTES: u64 = 4 << 20;

/// How much the buckets of one skill hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvUse {
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

/// Why something was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// It would go over the quota.
    #[error("`{what}` would be {wanted}; the quota is {limit}")]
    OverQuota {
        /// `bytes`, `keys`, `value bytes` or `key bytes`.
        what: &'static str,
        /// What it would have been.
        wanted: u64,
        /// The bound.
        limit: u64,
    },
    /// The value is no number to add to: 8 bytes, little-endian, as `increment` leaves them.
    #[error("the value of `{0}` is not a number that `increment` made, or would not fit 64 bits")]
    NotANumber(String),
    /// What is asked for is more than one answer may hold.
    #[error("the values are more than {KV_ANSWER_BYTES} bytes at once; ask for fewer keys")]
    TooMuchAtOnce,
    /// Storage failed.
    #[error(transparent)]
    Failed(#[from] Refusal),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChange {
    /// Keeps a value.
    Set(String, Bytes),
    /// Forgets a key; one that is not there is no error.
    Delete(String),
}

/// What a conditional write found instead of what it expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It was as expected, and is the new value now.
    Done,
    /// It was this; nothing was written.
    Found(Option<Bytes>),
}

/// Whatever keeps keys and values. Writes are durable when they return; all changes of one call are one transaction.
#[async_trait]
pub trait Kv: Send + Sync {
    /// The values of keys, in their order. [`KvError::TooMuchAtOnce`] if they are more than [`KV_ANSWER_BYTES`], a key
    /// that is named twice counted twice.
    async fn get(&self, bucket: &Bucket, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, KvError>;

    /// Changes keys, all or none.
    async fn change(&self, bucket: &Bucket, changes: Vec<KvChange>, quota: KvQuota) -> Result<(), KvError>;

    /// Keys after `after` in byte order, at most `limit`.
    async fn keys(&self, bucket: &Bucket, after: Option<String>, limit: usize) -> Result<Vec<String>, KvError>;

    /// Adds to the number at a key, 0 if there is none, and returns the sum.
    async fn increment(&self, bucket: &Bucket, key: String, by: i64, quota: KvQuota) -> Result<i64, KvError>;

    /// Writes `new` if the value is `expected`.
    async fn swap(
        &self,
        bucket: &Bucket,
        key: String,
        expected: Option<Bytes>,
        new: Bytes,
        quota: KvQuota,
    ) -> Result<Swapped, KvError>;

    /// How much a skill's buckets hold together.
    async fn used(&self, tenant: &TenantId, skill: &SkillName) -> Result<KvUse, Refusal>;

    /// Forgets everything a skill kept.
    async fn erase(&self, tenant: &TenantId, skill: &SkillName) -> Result<(), Refusal>;
}
