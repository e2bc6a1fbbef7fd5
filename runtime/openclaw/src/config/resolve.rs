//! From what stands in the file to what the gateway runs with: defaults, cross-checks, and the refusals that keep a
//! gateway from standing open.
//!
//! Invariant: a gateway that others can reach asks for a credential, or it does not start.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use openclaw_brain::{AgentSettings, ModelSettings};
use openclaw_domain::{CallLimits, Credential, Role, Secret, SecretName, TenantId, TenantLimits};
use openclaw_server::deliveries::OutgoingEndpoint;
use openclaw_server::settings::{ConfiguredToken, ServerSettings};

use super::egress::EgressConfig;
use super::expand::Environment;
use super::file::{AuthFile, ConfigFile, GatewayFile, LimitsFile};
use super::ingress;
use super::listen::{self, ListenOverrides};
use super::outgoing;
use super::problem::{Problem, Problems};
use super::retention::RetentionConfig;
use super::secrets::SecretSource;
use super::skill_settings::SettingsOfSkills;
use super::transforms::UsedTransform;

/// The variable a missing token is read from.
pub(crate) const TOKEN_VARIABLE: &str = "OPENCLAW_AUTH_TOKEN";
const DEFAULT_MAX_CONNECTIONS: usize = 64;
const DEFAULT_COMMANDS_PER_MINUTE: u32 = 60_000;
/// Shorter tokens can be guessed by whoever reaches the port for long enough.
const SHORT_TOKEN: usize = 16;

/// A configuration that can be run with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What the network side is told.
    pub(crate) server: ServerSettings,
    /// What one call of a guest may use.
    pub(crate) limits: CallLimits,
    /// Guests that may run at one time; `None` leaves it to the machine's size.
    pub(crate) max_instances: Option<usize>,
    /// What each tenant may use that has no bounds of its own.
    pub(crate) tenant_limits: TenantLimits,
    /// What stands under a tenant's own name.
    pub(crate) of_tenants: BTreeMap<TenantId, OfTenant>,
    /// How this gateway reaches out.
    pub(crate) egress: EgressConfig,
    /// Which language models there are.
    pub(crate) models: ModelSettings,
    /// The bounds of turns.
    pub(crate) agent: AgentSettings,
    /// How long what happened is remembered.
    pub(crate) retention: RetentionConfig,
    /// The least level that is logged.
    pub(crate) log_level: &'static str,
    /// Every tenant that is named, `default` first.
    pub(crate) tenants: Vec<TenantId>,
    /// The endpoints events are posted to, of all tenants.
    pub(crate) outgoing: Vec<OutgoingEndpoint>,
    /// The transform of every webhook endpoint; whether it is installed is not known here.
    pub(crate) transforms: Vec<UsedTransform>,
    /// What the operator should know.
    pub(crate) warnings: Vec<Problem>,
}

/// What the configuration says of one tenant's guests.
#[derive(Clone, Debug)]
pub(crate) struct OfTenant {
    /// Its bounds.
    pub(crate) limits: TenantLimits,
    /// Settings of its skills.
    pub(crate) settings: SettingsOfSkills,
    /// Where values of its secrets are.
    pub(crate) secrets: BTreeMap<SecretName, SecretSource>,
}

/// Settles everything in a file but its warnings, which the caller collects.
pub(crate) fn resolve(
    file: &ConfigFile,
    variables: &Environment,
    overrides: &ListenOverrides,
    problems: &mut Problems,
) -> Config {
    let mut tenants = vec![TenantId::default()];
    let listen = listen::settle(&file.gateway, overrides, problems);
    let (mut auth_required, mut tokens) = gateway_auth(&file.gateway, variables, problems);
    let off = file.gateway.auth.as_ref().is_some_and(is_switched_off);
    let mut served = Vec::new();
    let limits = call_limits(&file.limits);
    let tenant_limits = file.tenant_limits.over(TenantLimits { call: limits, ..TenantLimits::default() });
    let mut of_tenants = BTreeMap::from([(
        TenantId::default(),
        OfTenant { limits: tenant_limits, settings: file.settings.clone(), secrets: file.secrets.clone() },
    )]);
    if let Some(incoming) = &file.incoming {
        served.extend(ingress::endpoints(&TenantId::default(), incoming, problems));
    }
    let mut outgoing = outgoing::endpoints(&TenantId::default(), &file.outgoing, variables, problems);
    for tenant in &file.tenants {
        let name = match tenant.name.parse::<TenantId>() {
            Ok(name) => name,
            Err(error) => {
                problems.error(&tenant.at, "is not named as a tenant can be", format!("use {}", error.rule));
                continue;
            }
        };
        if name == TenantId::default() {
            problems.error(
                &tenant.at,
                "is the tenant of `gateway.auth` and `webhooks`",
                "move its keys there, or give it another name",
            );
            continue;
        }
        if let Some((path, token)) = tenant.auth.as_ref().and_then(|auth| auth.token.as_ref()) {
            if off {
                problems.error(
                    "gateway.auth",
                    format!("is switched off, and `{path}` tells tenants apart by their token"),
                    "set `\"mode\": \"token\"`, or remove the tenants' tokens",
                );
            }
            auth_required = true;
            tokens.extend(configured_token(path, token, name.clone(), problems));
        }
        if let Some(incoming) = &tenant.incoming {
            served.extend(ingress::endpoints(&name, incoming, problems));
        }
        outgoing.extend(outgoing::endpoints(&name, &tenant.outgoing, variables, problems));
        let (settings, secrets) = (tenant.settings.clone(), tenant.secrets.clone());
        of_tenants.insert(name.clone(), OfTenant { limits: tenant.limits.over(tenant_limits), settings, secrets });
        tenants.push(name);
    }
    refuse_shared_tokens(&tokens, problems);
    if !listen.ip().is_loopback() && !auth_required {
        problems.error(
            "gateway.bind",
            format!("lets others reach this gateway at {}, and no authentication is configured", listen.ip()),
            "add `\"auth\": { \"mode\": \"token\", \"token\": \"${OPENCLAW_AUTH_TOKEN}\" }` to `gateway`, \
             or set `\"bind\": \"loopback\"`",
        );
    }
    let gateway = &file.gateway;
    let (mut transforms, ingress): (Vec<_>, Vec<_>) = served.into_iter().unzip();
    transforms.extend(outgoing.iter().filter_map(UsedTransform::of_outgoing));
    Config {
        server: ServerSettings {
            listen,
            auth_required,
            tokens,
            allowed_hosts: allowed_hosts(gateway, problems),
            allowed_origins: allowed_origins(gateway, problems),
            trusted_proxies: trusted_proxies(gateway, problems),
            max_connections: gateway
                .max_connections
                .as_ref()
                .map_or(DEFAULT_MAX_CONNECTIONS, |(_, number)| usize::try_from(*number).unwrap_or(usize::MAX)),
            commands_per_minute: gateway
                .commands_per_minute
                .map_or(DEFAULT_COMMANDS_PER_MINUTE, |number| u32::try_from(number).unwrap_or(u32::MAX)),
            ingress,
        },
        limits,
        tenant_limits,
        of_tenants,
        egress: file.egress.clone(),
        models: file.models.clone(),
        agent: file.agent.clone(),
        retention: file.retention,
        max_instances: file.max_instances.and_then(|number| usize::try_from(number).ok()),
        log_level: log_level(file, problems),
        tenants,
        outgoing,
        transforms,
        warnings: Vec::new(),
    }
}

fn is_switched_off(auth: &AuthFile) -> bool {
    auth.enabled == Some(false) || (auth.enabled.is_none() && auth.mode == Some("none"))
}

/// Whether `gateway.auth` asks for a credential, and the token of tenant `default`.
fn gateway_auth(
    gateway: &GatewayFile,
    variables: &Environment,
    problems: &mut Problems,
) -> (bool, Vec<ConfiguredToken>) {
    let from_environment = variables.get(TOKEN_VARIABLE).filter(|token| !token.is_empty());
    let Some(auth) = &gateway.auth else {
        if from_environment.is_some() {
            problems.warn(
                "gateway.auth",
                format!("is absent although {TOKEN_VARIABLE} is set: no client is asked for the token"),
                "add `\"auth\": { \"mode\": \"token\" }` to `gateway`",
            );
        }
        return (false, Vec::new());
    };
    if is_switched_off(auth) {
        if auth.token.is_some() || auth.mode == Some("token") {
            let fix = "set `\"enabled\": true`, or remove `mode` and `token`";
            problems.warn("gateway.auth.enabled", "is `false`: no client is asked for the token", fix);
        }
        return (false, Vec::new());
    }
    if auth.enabled == Some(true) && auth.mode == Some("none") {
        problems.error("gateway.auth.mode", "is `none`, and `enabled` is `true`", "set `\"mode\": \"token\"`");
        return (true, Vec::new());
    }
    if auth.enabled.is_none() && auth.mode.is_none() && auth.token.is_none() {
        let fix = "add `\"mode\": \"token\"` to ask clients for a token, or remove the key";
        problems.warn("gateway.auth", "is empty: no client is asked for a token", fix);
        return (false, Vec::new());
    }
    let (path, token) = match (&auth.token, from_environment) {
        (Some((path, token)), _) => (path.as_str(), token.as_str()),
        (None, Some(token)) => (TOKEN_VARIABLE, token),
        (None, None) => {
            problems.error(
                "gateway.auth.token",
                format!("is missing, and {TOKEN_VARIABLE} is not set"),
                format!(
                    "add `\"token\": \"${{{TOKEN_VARIABLE}}}\"` to `gateway.auth` and \
                     `export {TOKEN_VARIABLE}=$(openssl rand -hex 32)`"
                ),
            );
            return (true, Vec::new());
        }
    };
    (true, configured_token(path, token, TenantId::default(), problems).into_iter().collect())
}

fn configured_token(path: &str, token: &str, tenant: TenantId, problems: &mut Problems) -> Option<ConfiguredToken> {
    if token.is_empty() {
        problems.error(path, "is empty", "use at least 32 random bytes: `openssl rand -hex 32`");
        return None;
    }
    if token.len() < SHORT_TOKEN {
        let reason = format!("is shorter than {SHORT_TOKEN} characters and can be guessed");
        problems.warn(path, reason, "use at least 32 random bytes: `openssl rand -hex 32`");
    }
    let name = if path == TOKEN_VARIABLE { "gateway.auth.token" } else { path };
    Some(ConfiguredToken {
        token: Secret::new(token.to_owned()),
        // A token in the configuration was put there by whoever runs the gateway.
        credential: Credential { tenant, role: Role::Operator, name: name.into() },
    })
}

/// One token for two tenants would make a caller's tenant depend on the order of keys in a file.
fn refuse_shared_tokens(tokens: &[ConfiguredToken], problems: &mut Problems) {
    for (index, token) in tokens.iter().enumerate() {
        if let Some(other) = tokens.get(..index).and_then(|before| before.iter().find(|o| o.token == token.token)) {
            problems.error(
                &*token.credential.name,
                format!("is the same token as `{}`", other.credential.name),
                "give each tenant a token of its own",
            );
        }
    }
}

fn allowed_hosts(gateway: &GatewayFile, problems: &mut Problems) -> Vec<String> {
    let mut hosts = Vec::new();
    for (path, host) in &gateway.allowed_hosts {
        if host.is_empty() || host.contains(['/', ':', '*', ' ']) {
            problems.error(path, "is not a host name", "write the name alone, such as `agent.example.com`");
        } else {
            hosts.push(host.to_ascii_lowercase());
        }
    }
    hosts
}

fn allowed_origins(gateway: &GatewayFile, problems: &mut Problems) -> Vec<String> {
    let mut origins = Vec::new();
    for (path, origin) in &gateway.allowed_origins {
        let is_origin = origin.parse::<http::Uri>().is_ok_and(|uri| {
            uri.scheme().is_some() && uri.authority().is_some() && uri.query().is_none() && !origin.ends_with('/')
        });
        if origin == "null" || (is_origin && origin.matches('/').count() == 2) {
            origins.push(origin.to_ascii_lowercase());
        } else {
            let fix = "write scheme, host and port alone, such as `https://agent.example.com`";
            problems.error(path, "is not an origin", fix);
        }
    }
    origins
}

fn trusted_proxies(gateway: &GatewayFile, problems: &mut Problems) -> Vec<IpNet> {
    let mut proxies = Vec::new();
    for (path, text) in &gateway.trusted_proxies {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) if network.prefix_len() == 0 => {
                let fix = "name the proxy's own address or network";
                problems.error(path, "trusts every address, so any client could choose its own", fix);
            }
            Ok(network) => proxies.push(network),
            Err(_) => {
                problems.error(path, "is no address or network", "write `127.0.0.1` or `10.0.0.0/8`");
            }
        }
    }
    proxies
}

fn log_level(file: &ConfigFile, problems: &mut Problems) -> &'static str {
    if let (Some(top), Some(inner)) = (file.log_level, file.gateway.log_level)
        && top != inner
    {
        let reason = format!("is `{inner}`, and `log_level` at the top is `{top}`");
        problems.error("gateway.log_level", reason, "keep one of the two");
    }
    file.log_level.or(file.gateway.log_level).unwrap_or("info")
}

fn call_limits(file: &LimitsFile) -> CallLimits {
    let usual = CallLimits::default();
    let size = |given: Option<u64>, usual: usize| given.and_then(|given| usize::try_from(given).ok()).unwrap_or(usual);
    CallLimits {
        deadline: file.deadline_ms.map_or(usual.deadline, Duration::from_millis),
        memory: size(file.memory_bytes, usual.memory),
        table_elements: size(file.table_elements, usual.table_elements),
        host_calls: file.host_calls.unwrap_or(usual.host_calls),
        handles: size(file.handles, usual.handles),
        log_bytes: size(file.log_bytes, usual.log_bytes),
        output_bytes: size(file.output_bytes, usual.output_bytes),
    }
}
