//! A bucket of the gateway, over `wasi:keyvalue@0.2.0-draft2`.

use super::Error;
use crate::bindings::standard::wasi::keyvalue0_2_0_draft2::{atomics, store};

pub(super) struct Store {
    name: String,
    bucket: store::Bucket,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

fn explained(name: &str, error: store::Error) -> Error {
    match error {
        store::Error::AccessDenied | store::Error::NoSuchStore => {
            Error::Denied(format!("no grant allows the bucket `{name}`"))
        }
        store::Error::Other(text) => Error::Failed(text),
    }
}

impl Store {
    pub(super) fn open(name: &str) -> Result<Self, Error> {
        let bucket = store::open(name).map_err(|error| explained(name, error))?;
        Ok(Self { name: name.to_owned(), bucket })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.bucket.get(key).map_err(|error| explained(&self.name, error))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.bucket.set(key, value).map_err(|error| explained(&self.name, error))
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Error> {
        self.bucket.delete(key).map_err(|error| explained(&self.name, error))
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, Error> {
        self.bucket.exists(key).map_err(|error| explained(&self.name, error))
    }

    pub(super) fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.bucket.list_keys(cursor.as_deref()).map_err(|error| explained(&self.name, error))?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    pub(super) fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        atomics::increment(&self.bucket, key, by).map_err(|error| explained(&self.name, error))
    }

    pub(super) fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, Error> {
        let explained = |error| explained(&self.name, error);
        let cas = atomics::Cas::new(&self.bucket, key).map_err(explained)?;
        if cas.current().map_err(explained)?.as_deref() != expected {
            return Ok(false);
        }
        match atomics::swap(cas, new) {
            Ok(()) => Ok(true),
            Err(atomics::CasError::CasFailed(_)) => Ok(false),
            Err(atomics::CasError::StoreError(error)) => Err(explained(error)),
        }
    }
}
