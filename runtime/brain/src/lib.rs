//! What decides: the agent's turn loop, the models it may ask, and `local`, the one that is always there.
//!
//! A turn goes: what was said, with what was said before → a model → the tools it asks for, each through
//! [`Guests::call_tool`](openclaw_domain::ports::Guests) like any other call → the model again → the answer.
//! Invariant: what a model or a tool says is data. It chooses among the tools that were offered, within the turn's
//! bounds; it can neither name another tenant's nor widen a grant.

mod agent;
mod announced;
mod budget;
mod rounds;
mod settings;
mod tools;

mod local;
mod provider;
mod router;

#[cfg(test)]
mod tests;

pub use agent::{Agent, AgentParts};
pub use local::LocalParts;
pub use router::{Router, RouterParts};
pub use settings::{AgentSettings, Api, LOCAL, ModelSettings, ProviderSettings};
