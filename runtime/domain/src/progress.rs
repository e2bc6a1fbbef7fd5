//! What a guest says while it works.

use std::fmt;
use std::sync::Arc;

/// How far a call is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Part of the work that is done, 0 to 1, if the guest can tell.
    pub fraction: Option<f64>,
    /// What it is doing, for people. At most 1 KiB.
    pub message: String,
}

/// Where progress goes. It never waits: a slow reader misses some.
#[derive(Clone, Default)]
pub struct ProgressSink(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl ProgressSink {
    /// One that calls `hear` for each.
    pub fn new(hear: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Says how far the call is, if anybody listens.
    pub fn say(&self, progress: Progress) {
        if let Some(hear) = &self.0 {
            hear(progress);
        }
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "listening" } else { "nobody listens" })
    }
}
