//! Finding out what a call needs: it runs once, and what would have been denied is written down instead.
//!
//! Invariant: a run that learns gives away no secret that is not granted for where it would go, and reaches no private
//! address unless its operator said so.

use std::sync::Arc;

use openclaw_domain::{Powers, Refusal, ToolCall, ToolReply};

use super::Registry;
use crate::reach::Learning;

/// What a run found out.
#[derive(Debug)]
pub struct Learned {
    /// What came of the call.
    pub result: Result<ToolReply, Refusal>,
    /// What it used that no grant gives: with these added it passes, without any one of them it does not.
    pub powers: Powers,
}

impl Registry {
    /// Runs a call with every power it asks for, and says which were missing.
    ///
    /// A header with a secret that is not granted for where it goes stays behind, and a signature with a key that is not
    /// granted is all zeros. A private address is reached only with `allow_private`; without it the call is told that it
    /// is not, and the second key is among what was learned.
    pub async fn learn(&self, call: ToolCall, allow_private: bool) -> Learned {
        let learning = Arc::new(Learning::new(allow_private));
        let result = Box::pin(self.call(call, Some(Arc::clone(&learning)))).await;
        Learned { result, powers: learning.powers() }
    }
}
