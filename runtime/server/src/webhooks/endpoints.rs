//! The endpoints of the present settings, prepared for looking up.
//!
//! Invariant: what is served is exactly the newest settings; a reload that leaves an endpoint's limit alone does not
//! give its senders a fresh minute.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use openclaw_domain::{SkillName, TenantId};

use super::address::EndpointAddress;
use super::limits::SenderLimit;
use super::secrets::SecretSet;
use super::verify::Verifier;
use crate::settings::{Endpoint, EndpointAuth, OnPartial, ServerSettings};

/// One endpoint, ready to serve.
pub(super) struct PreparedEndpoint {
    pub(super) tenant: TenantId,
    pub(super) path: Arc<str>,
    pub(super) transform: SkillName,
    pub(super) settings: Arc<str>,
    pub(super) auth: PreparedAuth,
    pub(super) on_partial: OnPartial,
    pub(super) max_bytes: usize,
    pub(super) limit: Arc<SenderLimit>,
}

/// How the sender proves itself, with the secrets hashed.
pub(super) enum PreparedAuth {
    SharedSecret(SecretSet),
    GitlabToken(SecretSet),
    SlackToken(SecretSet),
    Signed(Box<Verifier>),
}

/// The endpoints of one version of the settings.
struct Snapshot {
    /// Kept alive so that its address cannot be used again while we compare by it.
    source: Arc<ServerSettings>,
    /// By tenant, then by path: both can be asked with text from the URL, without an allocation.
    by_tenant: HashMap<Box<str>, HashMap<Box<str>, Arc<PreparedEndpoint>>>,
}

/// All endpoints, following the settings.
pub(super) struct Endpoints {
    settings: Arc<ArcSwap<ServerSettings>>,
    prepared: ArcSwap<Snapshot>,
}

impl Endpoints {
    /// Prepares the endpoints of the present settings.
    pub(super) fn new(settings: Arc<ArcSwap<ServerSettings>>) -> Self {
        let prepared = ArcSwap::from_pointee(Snapshot::of(settings.load_full(), None));
        Self { settings, prepared }
    }

    /// The endpoint with this address.
    pub(super) fn find(&self, address: &EndpointAddress<'_>) -> Option<Arc<PreparedEndpoint>> {
        let settings = self.settings.load();
        let prepared = self.prepared.load();
        if Arc::ptr_eq(&settings, &prepared.source) {
            return prepared.find(address);
        }
        // Two requests may both prepare: the same result twice, once a reload.
        let newer = Arc::new(Snapshot::of(Arc::clone(&settings), Some(&prepared)));
        let found = newer.find(address);
        self.prepared.store(newer);
        found
    }
}

impl Snapshot {
    fn of(source: Arc<ServerSettings>, older: Option<&Self>) -> Self {
        let mut by_tenant: HashMap<Box<str>, HashMap<Box<str>, Arc<PreparedEndpoint>>> = HashMap::new();
        for endpoint in &source.ingress {
            let known = older.and_then(|older| older.by_tenant.get(endpoint.tenant.as_str())?.get(&*endpoint.path));
            let prepared = PreparedEndpoint::of(endpoint, known.map(|known| &known.limit));
            by_tenant
                .entry(endpoint.tenant.as_str().into())
                .or_default()
                .insert((&*endpoint.path).into(), Arc::new(prepared));
        }
        Self { source, by_tenant }
    }

    fn find(&self, address: &EndpointAddress<'_>) -> Option<Arc<PreparedEndpoint>> {
        self.by_tenant.get(address.tenant)?.get(&*address.path).map(Arc::clone)
    }
}

impl PreparedEndpoint {
    fn of(endpoint: &Endpoint, older: Option<&Arc<SenderLimit>>) -> Self {
        let limit = older
            .filter(|limit| limit.per_minute() == endpoint.requests_per_minute)
            .map_or_else(|| Arc::new(SenderLimit::new(endpoint.requests_per_minute)), Arc::clone);
        Self {
            tenant: endpoint.tenant.clone(),
            path: Arc::clone(&endpoint.path),
            transform: endpoint.transform.clone(),
            settings: Arc::clone(&endpoint.settings),
            auth: match &endpoint.auth {
                EndpointAuth::SharedSecret(secrets) => PreparedAuth::SharedSecret(SecretSet::new(secrets)),
                EndpointAuth::GitlabToken(tokens) => PreparedAuth::GitlabToken(SecretSet::new(tokens)),
                EndpointAuth::SlackToken(tokens) => PreparedAuth::SlackToken(SecretSet::new(tokens)),
                EndpointAuth::Signed(signing) => PreparedAuth::Signed(Box::new(Verifier::new(signing))),
            },
            on_partial: endpoint.on_partial,
            max_bytes: endpoint.max_bytes,
            limit,
        }
    }
}
