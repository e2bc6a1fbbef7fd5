//! Puts the values of secrets into headers, last, in the task that sends.
//!
//! Invariant: a value exists here from the moment a checked connection stands until the head is written; nothing of it
//! is in an error, a log line or a `Debug`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use openclaw_domain::ports::{SecretValue, Secrets};
use openclaw_domain::{EgressError, HeaderPart, SecretHeader, SecretName, TenantId};

use crate::redact::Needles;
use crate::request::bad;

/// Headers with their secrets in, and what to look for in the response.
pub(crate) struct Injected {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) needles: Needles,
}

/// Asks for each secret once and writes the headers.
pub(crate) async fn fill(
    secrets: &dyn Secrets,
    tenant: &TenantId,
    wanted: &[SecretHeader],
) -> Result<Injected, EgressError> {
    let mut names = Vec::new();
    for header in wanted {
        if has_control(&header.parts) {
            return Err(bad(
                format!("header {}", header.name),
                "has text with a line break or another control character",
            ));
        }
        collect(&header.parts, &mut names);
    }
    let mut values = BTreeMap::new();
    for name in names {
        if values.contains_key(&name) {
            continue;
        }
        let value = secrets.value(tenant, &name).await.map_err(|refusal| {
            tracing::error!(%tenant, secret = %name, %refusal, "a secret could not be read");
            EgressError::Internal
        })?;
        let value = value.ok_or_else(|| EgressError::SecretMissing { tenant: tenant.clone(), name: name.clone() })?;
        values.insert(name, value);
    }
    let mut needles: Vec<Box<[u8]>> = values.values().map(|value| value.expose().as_ref().into()).collect();
    let mut headers = Vec::with_capacity(wanted.len());
    for header in wanted {
        let text = write(&header.parts, &values, &mut needles);
        let mut value = HeaderValue::from_bytes(&text).map_err(|_| {
            let mut names = Vec::new();
            collect(&header.parts, &mut names);
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let reason = format!(
                "would hold a line break or another control character: set the secret {} anew without it",
                names.join(" or ")
            );
            bad(format!("header {}", header.name), reason)
        })?;
        value.set_sensitive(true);
        headers.push((header.name.clone(), value));
    }
    Ok(Injected { headers, needles: Needles::new(needles) })
}

fn has_control(parts: &[HeaderPart]) -> bool {
    parts.iter().any(|part| match part {
        HeaderPart::Text(text) => text.chars().any(char::is_control),
        HeaderPart::Secret(_) => false,
        // Base64 makes anything fit for a header.
        HeaderPart::Base64(_) => false,
    })
}

fn collect(parts: &[HeaderPart], names: &mut Vec<SecretName>) {
    for part in parts {
        match part {
            HeaderPart::Text(_) => {}
            HeaderPart::Secret(name) => names.push(name.clone()),
            HeaderPart::Base64(parts) => collect(parts, names),
        }
    }
}

fn write(parts: &[HeaderPart], values: &BTreeMap<SecretName, SecretValue>, needles: &mut Vec<Box<[u8]>>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            HeaderPart::Text(text) => out.extend_from_slice(text.as_bytes()),
            HeaderPart::Secret(name) => {
                out.extend_from_slice(values.get(name).map_or(&[][..], |value| value.expose().as_ref()));
            }
            HeaderPart::Base64(inner) => {
                let encoded = STANDARD.encode(write(inner, values, needles)).into_bytes();
                let mut names = Vec::new();
                collect(inner, &mut names);
                if !names.is_empty() {
                    needles.push(encoded.clone().into());
                    // An echo may drop the padding.
                    let bare = encoded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
                    needles.push(encoded[..bare].into());
                }
                out.extend_from_slice(&encoded);
            }
        }
    }
    out
}
