//! Whatever decides: the agent.

use async_trait::async_trait;

use crate::{Refusal, TurnReply, TurnRequest};

/// Whatever takes turns.
#[async_trait]
pub trait Brain: Send + Sync {
    /// Takes one turn: asks a model, calls the tools it asks for, and answers.
    ///
    /// # Errors
    /// `InvalidRequest` for a model nobody configured, `RateLimited` once the tenant's tokens are spent, `ModelFailed`
    /// if the model does not answer, `TimedOut` at the deadline. A tool that fails is no error: the model is told.
    ///
    /// Cancel safety: dropping the future ends the model's request and the tools that run, each of which still gets its
    /// result event. Nothing is remembered of a turn that did not end.
    async fn turn(&self, request: TurnRequest) -> Result<TurnReply, Refusal>;
}
