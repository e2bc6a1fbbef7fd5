//! A value that cannot be printed by accident.

use std::fmt;

/// Holds a secret. `Debug` prints `…`, there is no `Display`, and [`Secret::expose`] marks each place it leaves.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Never log, store or send what this returns without saying why.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
