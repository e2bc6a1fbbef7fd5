//! What an operator can ask of a gateway, whether it runs or not.
//!
//! The same functions answer a command that comes through the admin socket and one that is run directly on a home, so
//! both do and say the same. Invariant: whoever gets here is the operator: the socket's mode and the home's mode are
//! the credential.

mod agent;
mod arguments;
mod grant_files;
mod grant_lines;
mod grant_view;
mod grants;
mod install;
mod learn;
mod memory;
mod remove;
mod request;
mod run;
mod secrets;
mod status;
mod tenants;
mod view;
mod webhook_view;
mod webhooks;

pub(crate) use agent::{AgentRequest, ConversationName, ConversationView, SaidView, UsageView};
pub(crate) use arguments::Arguments;
pub(crate) use grant_lines::{GrantLine, size};
pub(crate) use grant_view::{GrantDiffView, GrantState, GrantView, HeldView};
pub(crate) use install::Install;
pub(crate) use learn::{LITERALS, LearnView};
pub(crate) use request::{Hidden, Request};
pub(crate) use run::{AskedReload, Ops, OpsParts, RunningGateway};
pub(crate) use secrets::SecretView;
pub(crate) use status::{StatusView, TenantStatusView};
pub(crate) use view::{BackupView, CallView, NewTokenView, ReloadView, SkillView, TenantView, TokenView, TraceView};
pub(crate) use webhook_view::{
    DeliveryChoice, DeliveryDetailView, DeliveryView, EndpointView, ReplayedView, RequestReplayView, TestView,
    WebhookRequest,
};
