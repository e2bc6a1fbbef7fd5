//! `kv`, on both drafts of stock `wasi:keyvalue`.

use openclaw_guest::{Failure, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// A key of a bucket.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The bucket.
    bucket: String,
    /// The key.
    #[serde(default)]
    key: String,
    /// A value, or its beginning.
    #[serde(default)]
    value: String,
    /// A number.
    #[serde(default)]
    by: i64,
}

mod real {
    use super::{Failure, Key};
    use crate::bindings::wasi::keyvalue0_2_0_draft as old;
    use crate::bindings::wasi::keyvalue0_2_0_draft2 as new;

    fn said(error: impl std::fmt::Debug) -> Failure {
        Failure::from(format!("{error:?}"))
    }

    pub(super) fn get(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        let exists = bucket.exists(&at.key).map_err(said)?;
        let value = bucket.get(&at.key).map_err(said)?;
        Ok(value.map_or_else(
            || format!("nothing ({exists})"),
            |value| format!("{} ({exists})", String::from_utf8_lossy(&value)),
        ))
    }

    pub(super) fn get_old(at: &Key) -> Result<String, Failure> {
        let bucket = old::store::open(&at.bucket).map_err(said)?;
        let value = bucket.get(&at.key).map_err(said)?;
        Ok(value.map_or_else(|| "nothing".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()))
    }

    pub(super) fn set(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        bucket.set(&at.key, at.value.as_bytes()).map_err(said)?;
        Ok("kept".to_owned())
    }

    pub(super) fn keys(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        let (mut all, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = bucket.list_keys(cursor.as_deref()).map_err(said)?;
            all += page.keys.len();
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(format!("{all} keys on {pages} pages"));
            }
        }
    }

    pub(super) fn keys_old(at: &Key) -> Result<String, Failure> {
        let bucket = old::store::open(&at.bucket).map_err(said)?;
        let (mut all, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = bucket.list_keys(cursor).map_err(said)?;
            all += page.keys.len();
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(format!("{all} keys on {pages} pages"));
            }
        }
    }

    pub(crate) fn add(bucket: &str, key: &str, by: i64) -> Result<i64, Failure> {
        let bucket = new::store::open(bucket).map_err(said)?;
        new::atomics::increment(&bucket, key, by).map_err(said)
    }

    pub(super) fn count_old(at: &Key) -> Result<String, Failure> {
        let bucket = old::store::open(&at.bucket).map_err(said)?;
        let by = u64::try_from(at.by).map_err(said)?;
        Ok(old::atomics::increment(&bucket, &at.key, by).map_err(said)?.to_string())
    }

    pub(super) fn cas(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        let first = new::atomics::Cas::new(&bucket, &at.key).map_err(said)?;
        let second = new::atomics::Cas::new(&bucket, &at.key).map_err(said)?;
        new::atomics::swap(first, at.value.as_bytes())
            .map_err(|_| Failure::from("the first swap failed".to_owned()))?;
        match new::atomics::swap(second, b"too late") {
            Err(new::atomics::CasError::CasFailed(fresh)) => {
                let found = fresh.current().map_err(said)?.unwrap_or_default();
                new::atomics::swap(fresh, b"in the end")
                    .map_err(|_| Failure::from("the last swap failed".to_owned()))?;
                Ok(format!("found {}", String::from_utf8_lossy(&found)))
            }
            Err(new::atomics::CasError::StoreError(error)) => Err(said(error)),
            Ok(()) => Err(Failure::from("the second swap did not fail".to_owned())),
        }
    }

    pub(super) fn same(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        bucket.set(&at.key, &vec![7; 1_000_000]).map_err(said)?;
        let times = usize::try_from(at.by).map_err(said)?;
        let asked = vec![at.key.clone(); times];
        let told = |found: Result<usize, String>| found.map_or_else(|error| error, |found| format!("{found} values"));
        let newer =
            new::batch::get_many(&bucket, &asked).map(|found| found.len()).map_err(|error| format!("{error:?}"));
        let bucket = old::store::open(&at.bucket).map_err(said)?;
        let older =
            old::batch::get_many(&bucket, &asked).map(|found| found.len()).map_err(|error| format!("{error:?}"));
        Ok(format!("{}; {}", told(newer), told(older)))
    }

    pub(super) fn hoard(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        bucket.set(&at.key, &vec![7; 1_000_000]).map_err(said)?;
        let mut held = Vec::new();
        for number in 0..at.by {
            match new::atomics::Cas::new(&bucket, &at.key) {
                Ok(cas) => held.push(cas),
                Err(error) => {
                    held.clear();
                    let again = new::atomics::Cas::new(&bucket, &at.key).is_ok();
                    return Ok(format!("after {number}: {error:?}; without them: {again}"));
                }
            }
        }
        Ok(format!("{} held", held.len()))
    }

    pub(super) fn many(at: &Key) -> Result<String, Failure> {
        let bucket = new::store::open(&at.bucket).map_err(said)?;
        let pairs: Vec<(String, Vec<u8>)> =
            (0..at.by).map(|number| (format!("{}{number:05}", at.key), at.value.clone().into_bytes())).collect();
        for page in pairs.chunks(500) {
            new::batch::set_many(&bucket, page).map_err(said)?;
        }
        let asked: Vec<String> = vec![format!("{}{:05}", at.key, 0), "no such key".to_owned()];
        let found = new::batch::get_many(&bucket, &asked).map_err(said)?;
        let old = old::store::open(&at.bucket).map_err(said)?;
        let found_old = old::batch::get_many(&old, &asked).map_err(said)?;
        old::batch::delete_many(&old, &["no such key".to_owned()]).map_err(said)?;
        Ok(format!(
            "{} and {}",
            found.iter().filter(|(_, value)| value.is_some()).count(),
            found_old.iter().flatten().count()
        ))
    }
}

pub(crate) use real::add;

/// The value at a key.
#[tool]
pub(crate) fn get(at: &Key) -> Result<String, Failure> {
    real::get(at)
}

/// The value at a key, by the older draft.
#[tool]
pub(crate) fn get_old(at: &Key) -> Result<String, Failure> {
    real::get_old(at)
}

/// Keeps a value.
#[tool]
pub(crate) fn set(at: &Key) -> Result<String, Failure> {
    real::set(at)
}

/// Lists all keys.
#[tool]
pub(crate) fn keys(at: &Key) -> Result<String, Failure> {
    real::keys(at)
}

/// Lists all keys, by the older draft.
#[tool]
pub(crate) fn keys_old(at: &Key) -> Result<String, Failure> {
    real::keys_old(at)
}

/// Adds to a number.
#[tool]
pub(crate) fn count(at: &Key) -> Result<String, Failure> {
    add(&at.bucket, &at.key, at.by).map(|sum| sum.to_string())
}

/// Adds to a number, by the older draft.
#[tool]
pub(crate) fn count_old(at: &Key) -> Result<String, Failure> {
    real::count_old(at)
}

/// Changes a value twice at once: the later change finds the earlier.
#[tool]
pub(crate) fn cas(at: &Key) -> Result<String, Failure> {
    real::cas(at)
}

/// Keeps a large value and asks for it so many times at once.
#[tool]
pub(crate) fn same(at: &Key) -> Result<String, Failure> {
    real::same(at)
}

/// Keeps a large value and begins to swap it so many times.
#[tool]
pub(crate) fn hoard(at: &Key) -> Result<String, Failure> {
    real::hoard(at)
}

/// Keeps so many values and reads some.
#[tool]
pub(crate) fn many(at: &Key) -> Result<String, Failure> {
    real::many(at)
}
