//! Running guests.

use async_trait::async_trait;

use crate::{EgressCall, EgressReply, IngressCall, IngressReply, Installed, Refusal, TenantId, ToolCall, ToolReply};

/// Whatever runs guests.
#[async_trait]
pub trait Guests: Send + Sync {
    /// What is installed for a tenant, sorted by name.
    fn installed(&self, tenant: &TenantId) -> Vec<Installed>;

    /// Runs one tool in a fresh instance: look up, check the arguments, admit, run, classify.
    ///
    /// Cancel safety: dropping the future ends the guest and gives its instance back.
    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal>;

    /// Runs one ingress transform in a fresh instance.
    ///
    /// Cancel safety: as `call_tool`.
    async fn transform_ingress(&self, call: IngressCall) -> Result<IngressReply, Refusal>;

    /// Runs one egress transform in a fresh instance.
    ///
    /// # Errors
    /// `TransformFailed` if it is not installed, refuses, traps or runs into a limit: the same event would fail again.
    /// `Busy` and `Internal` may pass.
    ///
    /// Cancel safety: as `call_tool`.
    async fn transform_egress(&self, call: EgressCall) -> Result<EgressReply, Refusal>;
}
