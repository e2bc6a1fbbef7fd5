//! Webhook endpoints: each with its transform, its secrets and its limits.
//!
//! Invariant: an endpoint without a secret loads, is named in a warning, and refuses every request.

use std::sync::Arc;

use openclaw_domain::{Secret, SkillName, TenantId};
use openclaw_server::settings::{Endpoint, OnPartial};
use serde_json::{Map, Value};

use super::file::{At, EndpointFile, IncomingFile};
use super::problem::Problems;
use super::transforms::{Direction, UsedTransform};

/// The bundled transform that fills `message` in.
const TEMPLATE: &str = "template";
const DEFAULT_REQUESTS_PER_MINUTE: u32 = 6_000;
/// Shorter secrets are refused: 8 bytes are within reach of guessing.
const LEAST_SECRET: usize = 8;
/// Shorter secrets are warned about: the Standard Webhooks specification asks for 24.
const SHORT_SECRET: usize = 24;

/// The endpoints of a tenant, each with the transform it names; none when `enabled` is `false`.
pub(crate) fn endpoints(
    tenant: &TenantId,
    incoming: &IncomingFile,
    problems: &mut Problems,
) -> Vec<(UsedTransform, Endpoint)> {
    let shared = incoming.secrets.as_deref().map(|secrets| check_secrets(secrets, problems));
    let mut served: Vec<(UsedTransform, Endpoint)> = Vec::new();
    for file in &incoming.endpoints {
        let Some(endpoint) = endpoint(tenant, file, shared.as_deref(), problems) else { continue };
        if served.iter().any(|(_, other)| other.path == endpoint.path) {
            problems.error(
                format!("{}.path", file.at),
                format!("`{}` is served by an earlier endpoint", endpoint.path),
                "give each endpoint a path of its own",
            );
            continue;
        }
        let key = if file.transform.is_some() { "transform" } else { "message" };
        let used = UsedTransform {
            at: format!("{}.{key}", file.at),
            tenant: tenant.clone(),
            name: endpoint.transform.clone(),
            direction: Direction::Incoming,
        };
        served.push((used, endpoint));
    }
    match incoming.enabled {
        Some(false) => {
            if !served.is_empty() {
                let reason = format!("is `false`: none of the {} endpoints is served", served.len());
                problems.warn(format!("{}.enabled", incoming.path), reason, "set it to `true` to serve them");
            }
            Vec::new()
        }
        Some(true) | None => served,
    }
}

fn endpoint(
    tenant: &TenantId,
    file: &EndpointFile,
    shared: Option<&[Secret<String>]>,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let own = file.secrets.as_deref().map(|secrets| match file.auth.has_public_keys() {
        true => secrets.iter().map(|(_, key)| Secret::new(key.clone())).collect(),
        false => check_secrets(secrets, problems),
    });
    let transform = transform(file, problems);
    let path = file.path.as_deref().filter(|path| check_path(path, file, problems))?;
    let secrets_at: Vec<String> = file.secrets.iter().flatten().map(|(at, _)| at.clone()).collect();
    let secrets: Vec<Secret<String>> = own.or_else(|| shared.map(<[_]>::to_vec)).unwrap_or_default();
    if secrets.is_empty() {
        problems.warn(
            &file.at,
            format!("(`{path}`) has no secret: every request to it is answered 401"),
            "add `\"secret\": \"${WEBHOOK_SECRET}\"` to it or to `webhooks.incoming`",
        );
    }
    Some(Endpoint {
        tenant: tenant.clone(),
        path: Arc::from(path),
        transform: transform?,
        settings: settings(file, problems).into(),
        auth: file.auth.endpoint_auth(&file.at, secrets, &secrets_at, problems),
        on_partial: match file.on_partial {
            Some("discard") => OnPartial::Discard,
            Some("refuse") => OnPartial::Refuse,
            _ => OnPartial::Send,
        },
        max_bytes: file
            .max_bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or_else(|| file.auth.default_max_bytes()),
        requests_per_minute: file
            .requests_per_minute
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(DEFAULT_REQUESTS_PER_MINUTE),
    })
}

/// What the transform is given: the endpoint's `settings`, and its `message` as one of them.
fn settings(file: &EndpointFile, problems: &mut Problems) -> String {
    let mut settings = match &file.settings {
        None => Map::new(),
        Some(Value::Object(settings)) => settings.clone(),
        Some(_) => {
            problems.error(format!("{}.settings", file.at), "are no object", "write them between `{` and `}`");
            Map::new()
        }
    };
    if file.settings.is_some() && file.transform.is_none() {
        let fix = "name it: `\"transform\": \"slack\"`";
        problems.error(format!("{}.settings", file.at), "are for a component", fix);
    }
    if let Some(message) = &file.message {
        settings.insert("message".to_owned(), Value::String(message.clone()));
    }
    Value::Object(settings).to_string()
}

fn transform(file: &EndpointFile, problems: &mut Problems) -> Option<SkillName> {
    let name = match (&file.transform, &file.message) {
        (Some(name), _) => name.as_str(),
        (None, Some(_)) => TEMPLATE,
        (None, None) => {
            problems.error(
                &file.at,
                "does not say what becomes of a request",
                "add `\"message\": \"… {{body.field}} …\"`, or `\"transform\"` with a component's name",
            );
            return None;
        }
    };
    if name == TEMPLATE && file.message.is_none() {
        let fix = "add `\"message\": \"… {{body.field}} …\"`";
        problems.error(format!("{}.message", file.at), "is missing, and `template` needs it", fix);
    }
    match name.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            problems.error(format!("{}.transform", file.at), "is no component's name", format!("use {}", error.rule));
            None
        }
    }
}

fn check_path(path: &str, file: &EndpointFile, problems: &mut Problems) -> bool {
    let mut refuse = |reason: &str, fix: &str| {
        problems.error(format!("{}.path", file.at), reason, fix);
        false
    };
    if !path.starts_with('/') || path.len() < 2 {
        return refuse("does not begin with `/` and a name", "write `/name`: its requests go to `/webhook/name`");
    }
    if path == "/t" || path.starts_with("/t/") {
        return refuse("begins with `/t`, which leads to the tenants' endpoints", "choose another first word");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !path.bytes().all(is_plain) || path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return refuse("has characters that a path in a URL cannot keep", "use letters, digits, `-`, `_`, `.` and `/`");
    }
    true
}

fn check_secrets(secrets: &[At<String>], problems: &mut Problems) -> Vec<Secret<String>> {
    let fix = "use at least 32 random bytes: `openssl rand -hex 32`";
    for (path, secret) in secrets {
        if secret.len() < LEAST_SECRET {
            problems.error(path, format!("is shorter than {LEAST_SECRET} bytes"), fix);
        } else if secret.len() < SHORT_SECRET {
            problems.warn(path, format!("is shorter than {SHORT_SECRET} bytes"), fix);
        }
    }
    secrets.iter().map(|(_, secret)| Secret::new(secret.clone())).collect()
}
