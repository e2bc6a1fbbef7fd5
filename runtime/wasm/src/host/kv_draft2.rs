//! `wasi:keyvalue@0.2.0-draft2`: cursors are texts, and values are changed by compare-and-swap.
//!
//! Invariant: it converts and nothing else; what is allowed is decided in `kv.rs`.

use openclaw_domain::ports::{KvChange, Swapped};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::kv::{Cas, OpenBucket, Wrong};
use crate::bindings::kv_draft2::wasi::keyvalue0_2_0_draft2::{atomics, batch, store};
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
        "wasi:keyvalue/store@0.2.0-draft2" => store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
        "wasi:keyvalue/atomics@0.2.0-draft2" => atomics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
        "wasi:keyvalue/batch@0.2.0-draft2" => batch::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?,
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

    async fn list_keys(&mut self, bucket: Resource<OpenBucket>, cursor: Option<String>) -> Told<store::KeyResponse> {
        let page = self.kv_keys(&bucket, cursor).await?;
        Ok(page
            .map(|(keys, more)| store::KeyResponse { cursor: keys.last().filter(|_| more).cloned(), keys })
            .map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.close_bucket(bucket)
    }
}

impl atomics::Host for HostState {
    async fn increment(&mut self, bucket: Resource<OpenBucket>, key: String, delta: i64) -> Told<i64> {
        Ok(self.kv_increment(&bucket, key, delta).await?.map_err(Into::into))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let mut cas = self.release(cas)?;
        Ok(match self.kv_swap(&cas, value).await? {
            Ok(Swapped::Done) => Ok(()),
            Ok(Swapped::Found(found)) => {
                cas.seen = found;
                Err(match self.hold(cas)? {
                    Ok(cas) => atomics::CasError::CasFailed(cas),
                    Err(wrong) => atomics::CasError::StoreError(wrong.into()),
                })
            }
            Err(wrong) => Err(atomics::CasError::StoreError(wrong.into())),
        })
    }
}

impl atomics::HostCas for HostState {
    async fn new(&mut self, bucket: Resource<OpenBucket>, key: String) -> Told<Resource<Cas>> {
        let seen = match self.kv_get(&bucket, vec![key.clone()]).await? {
            Ok(mut values) => values.pop().flatten(),
            Err(wrong) => return Ok(Err(wrong.into())),
        };
        let bucket = match self.bucket(&bucket)? {
            Ok((_, bucket)) => bucket,
            Err(wrong) => return Ok(Err(wrong.into())),
        };
        Ok(self.hold(Cas { bucket, key, seen })?.map_err(Into::into))
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Told<Option<Vec<u8>>> {
        self.spend()?;
        Ok(Ok(self.table.get(&cas)?.seen.as_ref().map(|seen| seen.to_vec())))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.release(cas).map(drop)
    }
}

impl batch::Host for HostState {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Told<Vec<(String, Option<Vec<u8>>)>> {
        let found = self.kv_get(&bucket, keys.clone()).await?;
        Ok(found
            .map(|values| keys.into_iter().zip(values).map(|(key, value)| (key, value.map(Into::into))).collect())
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
