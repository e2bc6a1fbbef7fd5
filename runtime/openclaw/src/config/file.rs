//! What stands in `openclaw.json`: the file's own shape, every field optional, before any default or cross-check.
//!
//! Invariant: reading finds every misspelt key and wrong kind of value at once; whether the values make sense
//! together is decided in `resolve`.

use std::collections::BTreeMap;

use openclaw_brain::{AgentSettings, ModelSettings};
use openclaw_domain::SecretName;
use serde_json::Value;

use super::egress::EgressConfig;
use super::limits::TenantLimitsFile;
use super::models;
use super::outgoing::OutgoingFile;
use super::problem::Problems;
use super::read::Object;
use super::retention::RetentionConfig;
use super::secrets::{self, SecretSource};
use super::sender::SenderFile;
use super::skill_settings::{self, SettingsOfSkills};
use super::unserved;

const TOP: [&str; 15] = [
    "$schema",
    "gateway",
    "webhooks",
    "tenants",
    "skills",
    "limits",
    "secrets",
    "egress",
    "models",
    "agent",
    "retention",
    "channels",
    "mcp",
    "heartbeat",
    "log_level",
];
const GATEWAY: [&str; 11] = [
    "host",
    "bind",
    "port",
    "auth",
    "trustedProxies",
    "allowedHosts",
    "allowedOrigins",
    "max_connections",
    "maxConnections",
    "commandsPerMinute",
    "log_level",
];
const ENDPOINT: [&str; 8] = ["path", "message", "transform", "settings", "auth", "secret", "limits", "onPartial"];
/// The pool of memories has places of this size: a guest could not have more, whatever its limit said.
pub(crate) const MOST_MEMORY: u64 = 1 << 30;
/// The same of the pool of tables.
const MOST_TABLE_ELEMENTS: u64 = 20_000;
/// The levels `log_level` takes.
pub(crate) const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A value and the path of the key it stands under.
pub(crate) type At<T> = (String, T);

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// `log_level`, at the top.
    pub(crate) log_level: Option<&'static str>,
    /// `gateway`.
    pub(crate) gateway: GatewayFile,
    /// `webhooks.incoming`.
    pub(crate) incoming: Option<IncomingFile>,
    /// `webhooks.outgoing`.
    pub(crate) outgoing: Vec<OutgoingFile>,
    /// `tenants`, in order.
    pub(crate) tenants: Vec<TenantFile>,
    /// `skills.limits`.
    pub(crate) limits: LimitsFile,
    /// `skills.maxInstances`.
    pub(crate) max_instances: Option<u64>,
    /// `skills.entries`, of tenant `default`.
    pub(crate) settings: SettingsOfSkills,
    /// `limits`, of each tenant.
    pub(crate) tenant_limits: TenantLimitsFile,
    /// `secrets`, of tenant `default`.
    pub(crate) secrets: BTreeMap<SecretName, SecretSource>,
    /// `egress`.
    pub(crate) egress: EgressConfig,
    /// `models`.
    pub(crate) models: ModelSettings,
    /// `agent`.
    pub(crate) agent: AgentSettings,
    /// `retention`.
    pub(crate) retention: RetentionConfig,
}

/// `gateway`.
#[derive(Debug, Default)]
pub(crate) struct GatewayFile {
    pub(crate) host: Option<String>,
    pub(crate) bind: Option<String>,
    pub(crate) port: Option<u64>,
    pub(crate) auth: Option<AuthFile>,
    pub(crate) trusted_proxies: Vec<At<String>>,
    pub(crate) allowed_hosts: Vec<At<String>>,
    pub(crate) allowed_origins: Vec<At<String>>,
    pub(crate) max_connections: Option<At<u64>>,
    pub(crate) commands_per_minute: Option<u64>,
    pub(crate) log_level: Option<&'static str>,
}

/// `gateway.auth`, `tenants.<name>.auth`.
#[derive(Debug, Default)]
pub(crate) struct AuthFile {
    pub(crate) enabled: Option<bool>,
    pub(crate) mode: Option<&'static str>,
    pub(crate) token: Option<At<String>>,
}

/// `webhooks.incoming`.
#[derive(Debug, Default)]
pub(crate) struct IncomingFile {
    pub(crate) path: String,
    pub(crate) enabled: Option<bool>,
    pub(crate) secrets: Option<Vec<At<String>>>,
    pub(crate) endpoints: Vec<EndpointFile>,
}

/// One of `webhooks.incoming.endpoints`.
#[derive(Debug, Default)]
pub(crate) struct EndpointFile {
    pub(crate) at: String,
    pub(crate) path: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) transform: Option<String>,
    pub(crate) settings: Option<Value>,
    pub(crate) auth: SenderFile,
    pub(crate) on_partial: Option<&'static str>,
    pub(crate) secrets: Option<Vec<At<String>>>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) requests_per_minute: Option<u64>,
}

/// One of `tenants`.
#[derive(Debug, Default)]
pub(crate) struct TenantFile {
    pub(crate) at: String,
    pub(crate) name: String,
    pub(crate) auth: Option<AuthFile>,
    pub(crate) incoming: Option<IncomingFile>,
    pub(crate) outgoing: Vec<OutgoingFile>,
    pub(crate) settings: SettingsOfSkills,
    pub(crate) limits: TenantLimitsFile,
    pub(crate) secrets: BTreeMap<SecretName, SecretSource>,
}

/// `skills.limits`: what one call of a guest may use.
#[derive(Debug, Default)]
pub(crate) struct LimitsFile {
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) table_elements: Option<u64>,
    pub(crate) host_calls: Option<u64>,
    pub(crate) handles: Option<u64>,
    pub(crate) log_bytes: Option<u64>,
    pub(crate) output_bytes: Option<u64>,
}

impl ConfigFile {
    /// Reads an expanded file.
    pub(crate) fn read(value: &Value, problems: &mut Problems) -> Self {
        let Some(top) = Object::of("", value, &TOP, problems) else { return Self::default() };
        let mut file = Self { log_level: top.word("log_level", &LOG_LEVELS, problems), ..Self::default() };
        if let Some(gateway) = top.object("gateway", &GATEWAY, problems) {
            file.gateway = GatewayFile::read(&gateway, problems);
        }
        if let Some(webhooks) = top.object("webhooks", &["incoming", "outgoing"], problems) {
            file.incoming = IncomingFile::read(&webhooks, problems);
            file.outgoing = OutgoingFile::read_all(&webhooks, problems);
        }
        if let Some(tenants) = top.object("tenants", &[], problems) {
            file.tenants =
                tenants.entries().filter_map(|(name, at, value)| TenantFile::read(name, at, value, problems)).collect();
        }
        if let Some(skills) = top.object("skills", &["limits", "maxInstances", "entries"], problems) {
            file.limits = LimitsFile::read(&skills, problems);
            file.max_instances = skills.whole("maxInstances", 1..=1_000, problems);
            if let Some(entries) = skills.object("entries", &[], problems) {
                file.settings = skill_settings::read(&entries, problems);
            }
        }
        file.tenant_limits = TenantLimitsFile::read(&top, problems);
        file.tenant_limits.refuse_disagreement(&file.limits, problems);
        file.secrets = secrets::read(&top, problems);
        file.egress = EgressConfig::read(&top, problems);
        file.models = models::models(&top, problems);
        file.agent = models::agent(&top, problems);
        file.retention = RetentionConfig::read(&top, problems);
        unserved::channels(&top, problems);
        unserved::mcp(&top, problems);
        unserved::heartbeat(&top, problems);
        file
    }
}

impl GatewayFile {
    fn read(gateway: &Object<'_>, problems: &mut Problems) -> Self {
        Self {
            host: gateway.text("host", problems),
            bind: gateway.text("bind", problems),
            port: gateway.whole("port", 0..=65_535, problems),
            auth: AuthFile::read(gateway, &["enabled", "mode", "token"], problems),
            trusted_proxies: gateway.texts("trustedProxies", problems),
            allowed_hosts: gateway.texts("allowedHosts", problems),
            allowed_origins: gateway.texts("allowedOrigins", problems),
            max_connections: max_connections(gateway, problems),
            commands_per_minute: gateway.whole("commandsPerMinute", 1..=10_000_000, problems),
            log_level: gateway.word("log_level", &LOG_LEVELS, problems),
        }
    }
}

/// Both spellings are read; two that disagree are an error, since either could be the one that was meant.
fn max_connections(gateway: &Object<'_>, problems: &mut Problems) -> Option<At<u64>> {
    let snake = gateway.whole("max_connections", 1..=100_000, problems);
    let camel = gateway.whole("maxConnections", 1..=100_000, problems);
    if let (Some(one), Some(other)) = (snake, camel)
        && one != other
    {
        problems.error(
            gateway.at("maxConnections"),
            format!("is {other}, and `{}` is {one}", gateway.at("max_connections")),
            "keep one of the two",
        );
    }
    snake.map(|number| (gateway.at("max_connections"), number)).or(camel.map(|n| (gateway.at("maxConnections"), n)))
}

impl AuthFile {
    fn read(parent: &Object<'_>, known: &[&str], problems: &mut Problems) -> Option<Self> {
        let auth = parent.object("auth", known, problems)?;
        Some(Self {
            enabled: auth.flag("enabled", problems),
            mode: auth.word("mode", &["token", "none"], problems),
            token: auth.text("token", problems).map(|token| (auth.at("token"), token)),
        })
    }
}

impl IncomingFile {
    fn read(webhooks: &Object<'_>, problems: &mut Problems) -> Option<Self> {
        let incoming = webhooks.object("incoming", &["enabled", "secret", "endpoints"], problems)?;
        let endpoints = incoming.list("endpoints", problems);
        Some(Self {
            path: incoming.path().to_owned(),
            enabled: incoming.flag("enabled", problems),
            secrets: incoming.text_or_texts("secret", problems),
            endpoints: endpoints
                .into_iter()
                .filter_map(|(at, value)| EndpointFile::read(at, value, problems))
                .collect(),
        })
    }
}

impl EndpointFile {
    fn read(at: String, value: &Value, problems: &mut Problems) -> Option<Self> {
        let endpoint = Object::of(at.clone(), value, &ENDPOINT, problems)?;
        endpoint.require("path", "add `\"path\": \"/name\"`: its requests go to `/webhook/name`", problems);
        let limits = endpoint.object("limits", &["maxBytes", "requestsPerMinute"], problems);
        let limit = |key, most, problems: &mut Problems| limits.as_ref()?.whole(key, 1..=most, problems);
        Some(Self {
            path: endpoint.text("path", problems),
            message: endpoint.text("message", problems),
            transform: endpoint.text("transform", problems),
            settings: endpoint.value("settings").cloned(),
            auth: SenderFile::read(&endpoint, problems).unwrap_or_default(),
            on_partial: endpoint.word("onPartial", &["send", "discard", "refuse"], problems),
            secrets: endpoint.text_or_texts("secret", problems),
            max_bytes: limit("maxBytes", 64 << 20, problems),
            requests_per_minute: limit("requestsPerMinute", 10_000_000, problems),
            at,
        })
    }
}

impl TenantFile {
    fn read(name: &str, at: String, value: &Value, problems: &mut Problems) -> Option<Self> {
        let tenant = Object::of(at.clone(), value, &["auth", "webhooks", "skills", "limits", "secrets"], problems)?;
        let webhooks = tenant.object("webhooks", &["incoming", "outgoing"], problems);
        Some(Self {
            name: name.to_owned(),
            auth: AuthFile::read(&tenant, &["token"], problems),
            incoming: webhooks.as_ref().and_then(|webhooks| IncomingFile::read(webhooks, problems)),
            outgoing: webhooks.map_or_else(Vec::new, |webhooks| OutgoingFile::read_all(&webhooks, problems)),
            settings: tenant
                .object("skills", &[], problems)
                .map_or_else(SettingsOfSkills::new, |entries| skill_settings::read(&entries, problems)),
            limits: TenantLimitsFile::read(&tenant, problems),
            secrets: secrets::read(&tenant, problems),
            at,
        })
    }
}

impl LimitsFile {
    fn read(skills: &Object<'_>, problems: &mut Problems) -> Self {
        const KEYS: [&str; 7] =
            ["deadlineMs", "memoryBytes", "tableElements", "hostCalls", "handles", "logBytes", "outputBytes"];
        let Some(limits) = skills.object("limits", &KEYS, problems) else { return Self::default() };
        Self {
            deadline_ms: limits.whole("deadlineMs", 1..=3_600_000, problems),
            memory_bytes: limits.whole("memoryBytes", 64 << 10..=MOST_MEMORY, problems),
            table_elements: limits.whole("tableElements", 1..=MOST_TABLE_ELEMENTS, problems),
            host_calls: limits.whole("hostCalls", 1..=u64::from(u32::MAX), problems),
            handles: limits.whole("handles", 1..=100_000, problems),
            log_bytes: limits.whole("logBytes", 0..=16 << 20, problems),
            output_bytes: limits.whole("outputBytes", 1..=64 << 20, problems),
        }
    }
}
