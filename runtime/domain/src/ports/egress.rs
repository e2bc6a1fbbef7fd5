//! The one way out.

use async_trait::async_trait;

use crate::{EgressError, Incoming, Outgoing};

/// Whatever dials.
#[async_trait]
pub trait Egress: Send + Sync {
    /// Sends a request: name policy, resolution, address policy on every answer, a dial pinned to a checked address,
    /// bounds. Redirects are not followed; the response says where one points.
    ///
    /// Cancel safety: dropping the future, or the response's body, closes the connection.
    async fn send(&self, request: Outgoing) -> Result<Incoming, EgressError>;
}
