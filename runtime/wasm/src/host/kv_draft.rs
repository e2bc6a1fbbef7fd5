//! `wasi:keyvalue@0.2.0-draft`: cursors are numbers, and there is no compare-and-swap.
//!
//! Invariant: it converts and nothing else; what is allowed is decided in `kv.rs`.

use openclaw_domain::ports::KvChange;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::kv::{OpenBucket, Wrong};
use crate::bindings::kv_draft::wasi::keyvalue0_2_0_draft::{atomics, batch, store};
use crate::state::HostState;

type Told<T> = wasmtime::Result<Result<T, store::Error>>;

impl From<Wrong> for store::Error {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Denied => Self::AccessDenied,
            Wrong::Other(text) => Self::Other(text),
        }
    }
}

pub(super) fn link(linker: &mut Linker<HostState>, import: &str) -> wasmtime::Result<bool> {
    match import {
        "wasi:keyvalue/store@0.2.0-draft" => store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
        "wasi:keyvalue/atomics@0.2.0-draft" => atomics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
        "wasi:keyvalue/batch@0.2.0-draft" => batch::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
        _ => return Ok(false),
    }
    Ok(true)
}

impl store::Host for HostState {
    async fn open(&mut self, identifier: String) -> Told<Resource<OpenBucket>> {
        Ok(self.open_bucket(identifier)?.map_err(Into::into))
    }
}

impl store::HostBucket for HostState {
    async fn get(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<Option<Vec<u8>>> {
        let found = self.kv_get(&bucket, vec![key]).await?;
        Ok(found.map(|mut values| values.pop().flatten().map(Into::into)).map_err(Into::into))
    }

    async fn set(&mut self, bucket: Resource<OpenBucket>, key: String, value: Vec<u8>) -> Told<()> {
        Ok(self.kv_change(&bucket, vec![KvChange::Set(key, value.into())]).await?.map_err(Into::into))
    }

    async fn delete(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<()> {
        Ok(self.kv_change(&bucket, vec![KvChange::Delete(key)]).await?.map_err(Into::into))
    }

    async fn exists(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<bool> {
        let found = self.kv_get(&bucket, vec![key]).await?;
        Ok(found.map(|mut values| values.pop().flatten().is_some()).map_err(Into::into))
    }

    async fn list_keys(&mut self, bucket: Resource<OpenBucket>, cursor: Option<u64>) -> Told<store::KeyResponse> {
        let after = match cursor {
            None => None,
            Some(cursor) => match self.table.get(&bucket)?.place(cursor) {
                Some(key) => Some(key),
                None => return Ok(Err(store::Error::Other(format!("no list of this bucket stopped at {cursor}")))),
            },
        };
        let (keys, more) = match self.kv_keys(&bucket, after).await? {
            Ok(page) => page,
            Err(wrong) => return Ok(Err(wrong.into())),
        };
        let last = keys.last().filter(|_| more).cloned();
        let cursor = match last {
            Some(last) => Some(self.table.get_mut(&bucket)?.remember(last)),
            None => None,
        };
        Ok(Ok(store::KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.close_bucket(bucket)
    }
}

impl atomics::Host for HostState {
    async fn increment(&mut self, bucket: Resource<OpenBucket>, key: String, delta: u64) -> Told<u64> {
        let Ok(delta) = i64::try_from(delta) else {
            return Ok(Err(store::Error::Other("the step is more than 63 bits hold".to_owned())));
        };
        let sum = self.kv_increment(&bucket, key, delta).await?.map_err(store::Error::from);
        Ok(sum.and_then(|sum| {
            u64::try_from(sum).map_err(|_| store::Error::Other("the number at this key is negative".to_owned()))
        }))
    }
}

impl batch::Host for HostState {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Told<Vec<Option<(String, Vec<u8>)>>> {
        let found = self.kv_get(&bucket, keys.clone()).await?;
        Ok(found
            .map(|values| {
                keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value.into()))).collect()
            })
            .map_err(Into::into))
    }

    async fn set_many(&mut self, bucket: Resource<OpenBucket>, key_values: Vec<(String, Vec<u8>)>) -> Told<()> {
        let changes = key_values.into_iter().map(|(key, value)| KvChange::Set(key, value.into())).collect();
        Ok(self.kv_change(&bucket, changes).await?.map_err(Into::into))
    }

    async fn delete_many(&mut self, bucket: Resource<OpenBucket>, keys: Vec<String>) -> Told<()> {
        let changes = keys.into_iter().map(KvChange::Delete).collect();
        Ok(self.kv_change(&bucket, changes).await?.map_err(Into::into))
    }
}
