//! What a skill remembers between calls: buckets of keys and values over `wasi:keyvalue`.
//!
//! A bucket belongs to one skill of one tenant; another skill's bucket of the same name is another bucket. Writes are
//! durable when they return. On a target that is not wasm buckets live in memory, a set of them for each thread, so that
//! skills that remember are tested with plain `cargo test`.

#[cfg_attr(not(target_arch = "wasm32"), path = "memory.rs")]
mod store;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// How often [`Bucket::update`] begins anew when somebody else was faster.
const TRIES: usize = 16;

/// A bucket.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    store: store::Store,
}

/// Why something was not read or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No grant allows the bucket.
    Denied(String),
    /// The quota is full, the value is none of the kind that was asked for, or storage failed: the text says which.
    Failed(String),
    /// The value at the key is not what the skill expects.
    Malformed(String),
    /// Others changed the key again and again.
    Contended(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Failed(text) | Self::Malformed(text) | Self::Contended(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(text),
            Error::Failed(_) | Error::Malformed(_) => Self::failed(text),
            Error::Contended(_) => Self::unavailable(text),
        }
    }
}

/// Opens a bucket by the name it is granted by, `default` for one.
///
/// # Errors
/// [`Error::Denied`] if no grant names it.
pub fn open(name: &str) -> Result<Bucket, Error> {
    Ok(Bucket { name: name.to_owned(), store: store::Store::open(name)? })
}

impl Bucket {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error`], as for all that follow.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(key)
    }

    /// Keeps a value.
    ///
    /// # Errors
    /// [`Error::Failed`] if the quota is full.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.store.set(key, value)
    }

    /// Forgets a key; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.store.delete(key)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// [`Error`].
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.store.exists(key)
    }

    /// All keys.
    ///
    /// # Errors
    /// [`Error`].
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        self.store.keys()
    }

    /// Adds to a number, 0 if there is none, and returns the sum. Nobody comes in between.
    ///
    /// # Errors
    /// [`Error::Failed`] if the value is no number that `increment` made.
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        self.store.increment(key, by)
    }

    /// Keeps `new` if the value is still `expected`; says whether it did.
    ///
    /// # Errors
    /// [`Error`].
    pub fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, Error> {
        self.store.swap(key, expected, new)
    }

    /// Changes the value of a key with a function of the old one, which may run more than once: when somebody else was
    /// faster, it sees what they left.
    ///
    /// # Errors
    /// What the function returned, [`Error::Contended`] after sixteen tries, or [`Error`].
    pub fn update<E: From<Error>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&[u8]>) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        for _ in 0..TRIES {
            let current = self.get(key)?;
            let new = change(current.as_deref())?;
            if self.swap(key, current.as_deref(), &new)? {
                return Ok(());
            }
        }
        Err(Error::Contended(format!("the key `{key}` of bucket `{}` is changed all the time", self.name)).into())
    }

    /// The value of a key, from JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no `T`.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| {
            Error::Malformed(format!("the key `{key}` of bucket `{}` holds something else: {error}", self.name))
        })
    }

    /// Keeps a value as JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it has no JSON form.
    pub fn set_json(&self, key: &str, value: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_vec(value)
            .map_err(|error| Error::Malformed(format!("the value for `{key}` has no JSON form: {error}")))?;
        self.set(key, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_keeps_adds_and_swaps() {
        let bucket = open("default").unwrap();
        assert_eq!(bucket.get("a").unwrap(), None);
        bucket.set_json("a", &["x"]).unwrap();
        assert_eq!(bucket.get_json::<Vec<String>>("a").unwrap().unwrap(), ["x"]);
        assert!(matches!(bucket.get_json::<u8>("a"), Err(Error::Malformed(_))));
        assert!(!bucket.swap("a", None, b"y").unwrap());
        assert!(bucket.swap("a", Some(br#"["x"]"#), b"y").unwrap());
        assert_eq!(bucket.increment("n", 2).unwrap(), 2);
        assert_eq!(bucket.increment("n", -5).unwrap(), -3);
        assert!(bucket.increment("a", 1).is_err());
        assert_eq!(bucket.keys().unwrap(), ["a", "n"]);
        bucket.delete("a").unwrap();
        assert!(!bucket.exists("a").unwrap() && open("other").unwrap().keys().unwrap().is_empty());
    }

    #[test]
    fn an_update_sees_what_others_left() {
        let bucket = open("default").unwrap();
        let mut runs = 0;
        bucket
            .update::<Error>("k", |old| {
                runs += 1;
                if runs == 1 {
                    open("default").unwrap().set("k", b"theirs").unwrap();
                }
                Ok([old.unwrap_or_default(), b"+ours"].concat())
            })
            .unwrap();
        assert_eq!(bucket.get("k").unwrap().unwrap(), b"theirs+ours");
    }
}
