//! What a case of `openclaw skills test` finds in place of the world: its own grant, settings, secrets and recorded
//! answers, behind the very ports that a gateway has.
//!
//! Invariant: nothing leaves the machine and nothing outlives the case. A secret's value is its placeholder, so none can
//! be shown; buckets are real, in the home of the test run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use openclaw_domain::ports::{
    AuditEntry, Bucket, Egress, Grants, Journal, Kv, KvChange, KvError, KvQuota, Paused, Policy, SecretValue, Secrets,
    TraceEntry,
};
use openclaw_domain::{
    Clock, EgressError, Event, EventKind, Grant, GrantLimits, HeaderPart, Incoming, Installed, NamePolicy, NewEvent,
    Outgoing, OutgoingBody, Refusal, Secret, SecretName, SkillName, TenantId, TenantLimits,
};
use openclaw_package::cases::{Answer, Asked, Effects, Played, Recording, ToolCase};
use openclaw_storage::Storage;
use openclaw_wasm::{Registry, RegistryParts, WasmSettings};
use serde::Deserialize;

use crate::config::Config;
use crate::exit::{Failed, chain};

/// The world of the case that runs.
pub(super) struct CaseWorld {
    storage: Storage,
    clock: Arc<dyn Clock>,
    limits: TenantLimits,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    grant: Option<Arc<Grant>>,
    settings: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    recording: Option<Recording>,
    events: Vec<(String, String)>,
}

/// An event of a skill's own as the gateway records it.
#[derive(Deserialize)]
struct Emitted {
    name: String,
    data: serde_json::Value,
}

impl CaseWorld {
    /// A world in this home, and the guest runtime that knows no other.
    pub(super) async fn open(
        storage: &Storage,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Arc<Registry>), Failed> {
        let world = Arc::new(Self {
            storage: storage.clone(),
            clock: Arc::clone(&clock),
            limits: config.tenant_limits,
            running: Mutex::default(),
        });
        let mut settings = WasmSettings::new(PathBuf::from("/proc/self/exe"));
        settings.limits = config.limits;
        let parts = RegistryParts {
            home: storage.home().to_owned(),
            settings,
            packages: Arc::new(storage.clone()),
            journal: Arc::clone(&world) as _,
            egress: Arc::clone(&world) as _,
            kv: Arc::new(storage.clone()),
            secrets: Arc::clone(&world) as _,
            grants: Arc::clone(&world) as _,
            policy: Arc::clone(&world) as _,
            clock,
        };
        let registry = Registry::open(parts).await.map_err(|error| Failed::because(chain(&error)))?;
        Ok((world, registry))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the world up for a case of a skill.
    pub(super) async fn begin(&self, skill: &Installed, case: &ToolCase) -> Result<(), KvError> {
        Kv::erase(&self.storage, &skill.tenant, &skill.name).await?;
        for (name, keys) in case.buckets() {
            let changes = keys.into_iter().map(|(key, value)| KvChange::Set(key, value.into())).collect();
            self.storage.change(&bucket(skill, name), changes, KvQuota::default()).await?;
        }
        let powers = case.powers(&skill.requests);
        let grant = (!powers.is_empty()).then(|| {
            Arc::new(Grant {
                tenant: skill.tenant.clone(),
                skill: skill.name.clone(),
                component: skill.digest,
                imports: skill.imports.clone(),
                powers,
                limits: GrantLimits::default(),
                expires: None,
                granted_at: self.clock.now(),
            })
        });
        *self.running() = Running {
            grant,
            settings: case.settings_set(),
            secrets: case.secrets.iter().cloned().collect(),
            recording: Some(case.recording()),
            events: Vec::new(),
        };
        Ok(())
    }

    /// What differs in what the skill did, besides what it answered.
    pub(super) async fn end(&self, skill: &Installed, case: &ToolCase) -> Result<Vec<String>, KvError> {
        let running = std::mem::take(&mut *self.running());
        let mut effects = Effects { events: running.events, ..Effects::default() };
        for name in case.expect.kv.keys() {
            let bucket = bucket(skill, name.clone());
            let keys = Kv::keys(&self.storage, &bucket, None, usize::from(u16::MAX)).await?;
            let values = Kv::get(&self.storage, &bucket, keys.clone()).await?;
            let pairs = keys.into_iter().zip(values);
            let kept = pairs.filter_map(|(key, value)| Some((key, value?.to_vec()))).collect();
            effects.kv.insert(name.clone(), kept);
        }
        let mut differences = running.recording.map(Recording::differences).unwrap_or_default();
        differences.extend(case.judge_effects(&effects));
        Ok(differences)
    }

    fn has(&self, name: &SecretName) -> bool {
        self.running().secrets.contains(name.as_str())
    }
}

fn bucket(skill: &Installed, name: String) -> Bucket {
    Bucket { tenant: skill.tenant.clone(), skill: skill.name.clone(), name }
}

/// A header's value as the skill wrote it.
fn written(parts: &[HeaderPart]) -> String {
    parts
        .iter()
        .map(|part| match part {
            HeaderPart::Text(text) => text.clone(),
            HeaderPart::Secret(name) => format!("{{{{secret:{name}}}}}"),
            HeaderPart::Base64(inner) => {
                let inner = written(inner).replace("{{secret:", "").replace("}}", "");
                format!("{{{{secret-basic:{inner}}}}}")
            }
        })
        .collect()
}

fn named(parts: &[HeaderPart]) -> Vec<&SecretName> {
    let names = parts.iter().map(|part| match part {
        HeaderPart::Text(_) => Vec::new(),
        HeaderPart::Secret(name) => vec![name],
        HeaderPart::Base64(inner) => named(inner),
    });
    names.flatten().collect()
}

#[async_trait]
impl Egress for CaseWorld {
    async fn send(&self, request: Outgoing) -> Result<Incoming, EgressError> {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let url = format!("{}{path}", request.origin);
        if let NamePolicy::Rules(rules) = &request.names
            && !rules.iter().any(|rule| rule.allows(request.method.as_str(), &request.origin, path))
        {
            return Err(EgressError::NameDenied { method: request.method.to_string(), url });
        }
        for header in &request.secret_headers {
            if let Some(missing) = named(&header.parts).into_iter().find(|name| !self.has(name)) {
                return Err(EgressError::SecretMissing { tenant: request.tenant.clone(), name: missing.clone() });
            }
        }
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.extend(request.secret_headers.iter().map(|header| (header.name.to_string(), written(&header.parts))));
        let asked = Asked {
            method: request.method.to_string(),
            url: format!("{}{}", request.origin, request.path_and_query),
            headers,
            body: whole(request.body).await?,
        };
        let played = self.running().recording.as_mut().map_or(Played::Unrecorded, |recording| recording.play(&asked));
        match played {
            Played::Answer(answer) => answered(&answer),
            Played::Unreachable => {
                Err(EgressError::Connect { host: request.origin.host, reason: "the case says so".to_owned() })
            }
            Played::Unrecorded => {
                Err(EgressError::Connect { host: request.origin.host, reason: "it is not in the case".to_owned() })
            }
        }
    }
}

async fn whole(body: OutgoingBody) -> Result<Vec<u8>, EgressError> {
    match body {
        OutgoingBody::Empty => Ok(Vec::new()),
        OutgoingBody::Full(bytes) => Ok(bytes.to_vec()),
        OutgoingBody::Stream(mut pieces) => {
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.next().await {
                bytes.extend_from_slice(&piece?);
            }
            Ok(bytes)
        }
    }
}

fn answered(answer: &Answer) -> Result<Incoming, EgressError> {
    let wrong = |what: &str| EgressError::Protocol(format!("the case's answer has {what}"));
    let mut headers = http::HeaderMap::new();
    for (name, value) in &answer.headers {
        let name: http::HeaderName = name.parse().map_err(|_| wrong("a header name that is none"))?;
        headers.append(name, value.parse().map_err(|_| wrong("a header value that is none"))?);
    }
    Ok(Incoming {
        status: http::StatusCode::from_u16(answer.status).map_err(|_| wrong("a status that is none"))?,
        headers,
        body: Box::pin(stream::iter([Ok(Bytes::from(answer.bytes()))])),
    })
}

#[async_trait]
impl Grants for CaseWorld {
    fn grant(&self, _tenant: &TenantId, skill: &SkillName) -> Option<Arc<Grant>> {
        self.running().grant.clone().filter(|grant| grant.skill == *skill)
    }

    fn all(&self) -> Vec<Arc<Grant>> {
        self.running().grant.iter().cloned().collect()
    }

    async fn put(&self, grant: Grant) -> Result<(), Refusal> {
        self.running().grant = Some(Arc::new(grant));
        Ok(())
    }

    async fn remove(&self, _tenant: &TenantId, _skill: &SkillName) -> Result<bool, Refusal> {
        Ok(self.running().grant.take().is_some())
    }
}

impl Policy for CaseWorld {
    fn limits(&self, _tenant: &TenantId) -> TenantLimits {
        self.limits
    }

    fn settings(&self, _tenant: &TenantId, _skill: &SkillName) -> BTreeMap<String, String> {
        self.running().settings.clone()
    }

    fn paused(&self, _tenant: &TenantId, _skill: Option<&SkillName>) -> Option<Paused> {
        None
    }
}

#[async_trait]
impl Secrets for CaseWorld {
    async fn value(&self, _tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        Ok(self.has(name).then(|| Secret::new(Arc::from(format!("{{{{secret:{name}}}}}").into_bytes()))))
    }

    async fn exists(&self, _tenant: &TenantId, name: &SecretName) -> Result<bool, Refusal> {
        Ok(self.has(name))
    }

    /// With the secret's name as key, so that a case can say what comes out.
    async fn hmac_sha256(
        &self,
        _tenant: &TenantId,
        name: &SecretName,
        message: Bytes,
    ) -> Result<Option<[u8; 32]>, Refusal> {
        if !self.has(name) {
            return Ok(None);
        }
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(name.as_str().as_bytes()).expect("a key may have any length");
        mac.update(&message);
        Ok(Some(mac.finalize().into_bytes().into()))
    }
}

#[async_trait]
impl Journal for CaseWorld {
    fn record(&self, event: NewEvent) {
        if event.kind != EventKind::SkillEvent {
            return;
        }
        if let Ok(Emitted { name, data }) = serde_json::from_str(&event.data) {
            self.running().events.push((name, data.to_string()));
        }
    }

    async fn events_since(&self, _tenant: &TenantId, _seq: i64, _limit: usize) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    async fn last_seq(&self, _tenant: &TenantId) -> Result<i64, Refusal> {
        Ok(0)
    }

    async fn audit(&self, _entry: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _tenant: &TenantId, _trace: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_secrets_reads_as_the_skill_wrote_it() {
        let secret = HeaderPart::Secret("token".parse().unwrap());
        assert_eq!(written(&[HeaderPart::Text("Bearer ".to_owned()), secret.clone()]), "Bearer {{secret:token}}");
        let basic = HeaderPart::Base64(vec![HeaderPart::Text("me:".to_owned()), secret]);
        assert_eq!(written(&[HeaderPart::Text("Basic ".to_owned()), basic]), "Basic {{secret-basic:me:token}}");
    }
}
