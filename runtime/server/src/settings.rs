//! What this crate needs to know, validated. The binary makes it from `openclaw.json`; a reload replaces it whole.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openclaw_domain::{Credential, Secret, SkillName, TenantId};

pub use crate::webhooks::scheme::{HmacRecipe, RecipeError, RecipeParts, Scheme, Signing};

/// Everything the network side is told by configuration.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen. A change needs a restart.
    pub listen: SocketAddr,
    /// Whether a credential is needed at all. `false` only on a loopback bind without configured tokens: then every
    /// client is the operator-less role `invoke` of tenant `default`, named `anonymous`.
    pub auth_required: bool,
    /// Tokens that stand in the configuration.
    pub tokens: Vec<ConfiguredToken>,
    /// Host names (lower case, without port) that may stand in `Host` besides loopback names and IP literals.
    pub allowed_hosts: Vec<String>,
    /// Origins, as browsers send them, that may open a WebSocket besides the same origin. `"null"` only if listed.
    pub allowed_origins: Vec<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Authenticated WebSocket connections at one time. Default 64.
    pub max_connections: usize,
    /// Commands a minute for each credential. Default 60,000.
    pub commands_per_minute: u32,
    /// Webhook endpoints of all tenants.
    pub ingress: Vec<Endpoint>,
}

impl ServerSettings {
    /// Whether tenants share the webhooks' queues.
    pub(crate) fn has_many_ingress_tenants(&self) -> bool {
        self.ingress.iter().any(|endpoint| endpoint.tenant != self.ingress[0].tenant)
    }
}

/// A token from the configuration with what it stands for.
#[derive(Clone, Debug)]
pub struct ConfiguredToken {
    /// The token.
    pub token: Secret<String>,
    /// What it allows; its name is the key it stands under.
    pub credential: Credential,
}

/// One webhook endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its path, beginning with `/`, as configured.
    pub path: Arc<str>,
    /// The transform that decides about its requests.
    pub transform: SkillName,
    /// What the transform is told: a JSON object as text (for `template`: `{"message": …}`).
    pub settings: Arc<str>,
    /// How senders prove themselves.
    pub auth: EndpointAuth,
    /// What becomes of a message whose template found no value for some of its placeholders.
    pub on_partial: OnPartial,
    /// Largest body, in bytes. Default 1 MiB.
    pub max_bytes: usize,
    /// Requests a minute for each sender address. Default 6,000.
    pub requests_per_minute: u32,
}

/// How a webhook's sender proves itself.
#[derive(Clone, Debug)]
pub enum EndpointAuth {
    /// `X-Webhook-Secret` must equal one of these; several while rotating. None at all: everything is refused.
    SharedSecret(Vec<Secret<String>>),
    /// Slack's outgoing webhooks: the form field `token` must equal one of these, and is stripped before the transform.
    SlackToken(Vec<Secret<String>>),
    /// `X-Gitlab-Token` must equal one of these.
    GitlabToken(Vec<Secret<String>>),
    /// The raw body, with what the scheme adds to it, must be signed.
    Signed(Signing),
}

/// What becomes of a message with placeholders that found no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPartial {
    /// It is said, with its gaps; they are counted.
    #[default]
    Send,
    /// It is recorded and not said; the sender is answered 200.
    Discard,
    /// It is recorded and not said; the sender is answered 422.
    Refuse,
}
