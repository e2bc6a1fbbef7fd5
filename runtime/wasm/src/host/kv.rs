//! `kv`: the standard `wasi:keyvalue`, over storage of the gateway's own.
//!
//! What the two drafts share is here; each draft is a file of its own that only converts.
//! Invariant: a bucket is opened under the grant and asked for again at each use; it is of this tenant and this skill,
//! whatever it is called.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::ports::{Bucket, KvChange, KvError, Swapped};
use openclaw_domain::{Capability, Powers};
use wasmtime::component::{Linker, Resource};

use super::{kv_draft, kv_draft2};
use crate::reach::Reach;
use crate::state::HostState;

/// Keys one page of a list holds.
const PAGE: usize = 500;
/// Places in lists that the numbered cursors of a bucket remember. Each is a key, and a call holds hundreds of buckets.
const MAX_CURSORS: usize = 8;
/// Bytes of a bucket's name, as a grant takes it.
const NAME_BYTES: usize = 128;
/// Bytes that all values hold together which one call wants to swap: they lie in the gateway's memory, not the guest's.
const SEEN_BYTES: usize = 4 << 20;
/// Keys one batch may name.
const MAX_BATCH: usize = 1000;

/// A bucket that a guest holds open.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it with `pub use`")]
pub struct OpenBucket {
    bucket: Bucket,
    /// Where the last lists stopped, each with its number: the older draft counts cursors.
    cursors: VecDeque<(u64, String)>,
    next_cursor: u64,
}

impl OpenBucket {
    /// The key behind which a numbered cursor goes on.
    pub(super) fn place(&self, cursor: u64) -> Option<String> {
        self.cursors.iter().find(|(number, _)| *number == cursor).map(|(_, key)| key.clone())
    }

    /// A number for the place behind a key.
    pub(super) fn remember(&mut self, key: String) -> u64 {
        if self.cursors.len() == MAX_CURSORS {
            self.cursors.pop_front();
        }
        self.next_cursor += 1;
        self.cursors.push_back((self.next_cursor, key));
        self.next_cursor
    }
}

/// A value as it was when somebody began to change it.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it with `pub use`")]
pub struct Cas {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    pub(super) seen: Option<Bytes>,
}

/// Why something cannot be done, as both drafts say it.
#[derive(Debug)]
pub(super) enum Wrong {
    Denied,
    Other(String),
}

impl From<KvError> for Wrong {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Failed(refusal) => {
                tracing::error!(%refusal, "a guest's bucket could not be read or written");
                Self::Other("the gateway could not do it now".to_owned())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// What a host function returns: a trap, or what the guest may handle.
pub(super) type Told<T> = wasmtime::Result<Result<T, Wrong>>;

impl HostState {
    fn may_use(reach: &Reach, bucket: &str) -> Result<(), Wrong> {
        let allowed = reach.require(
            Capability::Kv,
            |powers| powers.kv.contains(bucket),
            || bucket.to_owned(),
            || {
                // The command that grants it is read and pasted by people: nothing that hides or reorders text is in it.
                let sound =
                    (1..=NAME_BYTES).contains(&bucket.len()) && bucket.bytes().all(|byte| byte.is_ascii_graphic());
                Powers {
                    kv: sound.then(|| bucket.to_owned()).into_iter().collect::<BTreeSet<_>>(),
                    ..Powers::default()
                }
            },
        );
        allowed.map(drop).map_err(|_| Wrong::Denied)
    }

    pub(super) fn open_bucket(&mut self, name: String) -> Told<Resource<OpenBucket>> {
        self.spend()?;
        let reach = self.reach()?;
        if let Err(wrong) = Self::may_use(reach, &name) {
            return Ok(Err(wrong));
        }
        let bucket = Bucket { tenant: reach.serving.tenant.clone(), skill: reach.serving.name.clone(), name };
        let open = OpenBucket { bucket, cursors: VecDeque::new(), next_cursor: 0 };
        Ok(Ok(self.table.push(open)?))
    }

    pub(super) fn close_bucket(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }

    /// The bucket behind a handle, asked for again: the grant may have ended since it was opened.
    pub(super) fn bucket(&mut self, open: &Resource<OpenBucket>) -> Told<(Arc<Reach>, Bucket)> {
        self.spend()?;
        let bucket = self.table.get(open)?.bucket.clone();
        let reach = Arc::clone(self.reach()?);
        Ok(Self::may_use(&reach, &bucket.name).map(|()| (reach, bucket)))
    }

    pub(super) async fn kv_get(&mut self, open: &Resource<OpenBucket>, keys: Vec<String>) -> Told<Vec<Option<Bytes>>> {
        let (reach, bucket) = match self.bucket(open)? {
            Ok(found) => found,
            Err(wrong) => return Ok(Err(wrong)),
        };
        if keys.len() > MAX_BATCH {
            return Ok(Err(too_many(keys.len())));
        }
        Ok(reach.ports.kv.get(&bucket, keys).await.map_err(Wrong::from))
    }

    pub(super) async fn kv_change(&mut self, open: &Resource<OpenBucket>, changes: Vec<KvChange>) -> Told<()> {
        let (reach, bucket) = match self.bucket(open)? {
            Ok(found) => found,
            Err(wrong) => return Ok(Err(wrong)),
        };
        if changes.len() > MAX_BATCH {
            return Ok(Err(too_many(changes.len())));
        }
        Ok(reach.ports.kv.change(&bucket, changes, reach.kv_quota).await.map_err(Wrong::from))
    }

    /// One page of keys behind a key, and whether there may be more.
    pub(super) async fn kv_keys(
        &mut self,
        open: &Resource<OpenBucket>,
        after: Option<String>,
    ) -> Told<(Vec<String>, bool)> {
        let (reach, bucket) = match self.bucket(open)? {
            Ok(found) => found,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let keys = reach.ports.kv.keys(&bucket, after, PAGE).await;
        Ok(keys.map(|keys| (keys.len() == PAGE, keys)).map(|(more, keys)| (keys, more)).map_err(Wrong::from))
    }

    pub(super) async fn kv_increment(&mut self, open: &Resource<OpenBucket>, key: String, by: i64) -> Told<i64> {
        let (reach, bucket) = match self.bucket(open)? {
            Ok(found) => found,
            Err(wrong) => return Ok(Err(wrong)),
        };
        Ok(reach.ports.kv.increment(&bucket, key, by, reach.kv_quota).await.map_err(Wrong::from))
    }

    /// Keeps what a compare-and-swap saw for as long as the guest holds its handle.
    pub(super) fn hold(&mut self, cas: Cas) -> Told<Resource<Cas>> {
        let bytes = self.seen_bytes + cas.seen.as_ref().map_or(0, Bytes::len);
        if bytes > SEEN_BYTES {
            return Ok(Err(Wrong::Other(format!(
                "values that wait to be swapped would be {bytes} bytes at once; at most {SEEN_BYTES} are held: swap or \
                 drop some first"
            ))));
        }
        self.seen_bytes = bytes;
        Ok(Ok(self.table.push(cas)?))
    }

    /// Takes back what [`Self::hold`] kept.
    pub(super) fn release(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Cas> {
        let cas = self.table.delete(cas)?;
        self.seen_bytes = self.seen_bytes.saturating_sub(cas.seen.as_ref().map_or(0, Bytes::len));
        Ok(cas)
    }

    pub(super) async fn kv_swap(&mut self, cas: &Cas, value: Vec<u8>) -> Told<Swapped> {
        self.spend()?;
        let reach = Arc::clone(self.reach()?);
        if let Err(wrong) = Self::may_use(&reach, &cas.bucket.name) {
            return Ok(Err(wrong));
        }
        let swapped =
            reach.ports.kv.swap(&cas.bucket, cas.key.clone(), cas.seen.clone(), value.into(), reach.kv_quota).await;
        Ok(swapped.map_err(Wrong::from))
    }
}

fn too_many(keys: usize) -> Wrong {
    Wrong::Other(format!("{keys} keys at once; at most {MAX_BATCH} are taken"))
}

/// Links one interface of `wasi:keyvalue`, by its whole name; `false` if this host does not offer it.
pub(crate) fn link(linker: &mut Linker<HostState>, import: &str) -> wasmtime::Result<bool> {
    Ok(kv_draft::link(linker, import)? || kv_draft2::link(linker, import)?)
}
