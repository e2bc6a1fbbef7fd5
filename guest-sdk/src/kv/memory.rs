//! Buckets on the machine a skill is written on: in memory, a set of them for each thread, as each test has one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Error;

thread_local! {
    static BUCKETS: RefCell<BTreeMap<String, BTreeMap<String, Vec<u8>>>> = const { RefCell::new(BTreeMap::new()) };
}

#[derive(Debug)]
pub(super) struct Store {
    name: String,
}

impl Store {
    #[expect(clippy::unnecessary_wraps, reason = "in a gateway it can be denied")]
    pub(super) fn open(name: &str) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned() })
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T, Error> {
        Ok(BUCKETS.with_borrow_mut(|buckets| work(buckets.entry(self.name.clone()).or_default())))
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.with(|bucket| bucket.get(key).cloned())
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.with(|bucket| bucket.insert(key.to_owned(), value.to_vec())).map(drop)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Error> {
        self.with(|bucket| bucket.remove(key)).map(drop)
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, Error> {
        self.with(|bucket| bucket.contains_key(key))
    }

    pub(super) fn keys(&self) -> Result<Vec<String>, Error> {
        self.with(|bucket| bucket.keys().cloned().collect())
    }

    pub(super) fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        self.with(|bucket| {
            let current = bucket.get(key).map_or(Ok([0; 8]), |value| value.as_slice().try_into());
            let sum = current.ok().and_then(|current| i64::from_le_bytes(current).checked_add(by));
            let sum = sum.ok_or_else(|| Error::Failed(format!("the value of `{key}` is no number to add to")))?;
            bucket.insert(key.to_owned(), sum.to_le_bytes().to_vec());
            Ok(sum)
        })?
    }

    pub(super) fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, Error> {
        self.with(|bucket| {
            let as_expected = bucket.get(key).map(Vec::as_slice) == expected;
            if as_expected {
                bucket.insert(key.to_owned(), new.to_vec());
            }
            as_expected
        })
    }
}
