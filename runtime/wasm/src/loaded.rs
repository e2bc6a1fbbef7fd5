//! Components ready to run: loaded on their first call, shared by every tenant that runs the same bytes, dropped again
//! when others are called more. An idle skill costs its metadata.
//!
//! Invariant: what is loaded under a digest was compiled from bytes with that digest; code is shared, state never is.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::ports::{Journal, Packages};
use openclaw_domain::{
    Clock, Digest, EventKind, GrantShape, Installed, NewEvent, Refusal, Severity, TenantId, ToolName, TraceId, World,
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::arguments::Schemas;
use crate::bindings::{egress::EgressTransformPre, ingress::IngressTransformPre, skill::SkillCorePre};
use crate::cache::{Authentic, Cache, Lookup};
use crate::engine::{Rung, weight};
use crate::jail::{self, CompileError};
use crate::settings::CompileSettings;
use crate::state::HostState;
use crate::{compile, linker};

/// A component that can be instantiated at once.
pub(crate) struct Loaded {
    pub(crate) entry: Entry,
    /// Whether its stores need the WASI side.
    pub(crate) wasi: bool,
    /// Whether its stores need to know which call they serve.
    pub(crate) reaches: bool,
    /// Places in the pool one instance takes.
    pub(crate) weight: NonZeroUsize,
    /// Compiled schemas of its tools.
    pub(crate) schemas: HashMap<ToolName, Schemas>,
    last_call: AtomicU64,
}

/// The typed way in.
pub(crate) enum Entry {
    Skill(SkillCorePre<HostState>),
    Ingress(IngressTransformPre<HostState>),
    Egress(EgressTransformPre<HostState>),
    Transform(IngressTransformPre<HostState>, EgressTransformPre<HostState>),
}

impl Entry {
    /// Where webhooks come in.
    pub(crate) const fn ingress(&self) -> Option<&IngressTransformPre<HostState>> {
        match self {
            Self::Ingress(ingress) | Self::Transform(ingress, _) => Some(ingress),
            Self::Skill(_) | Self::Egress(_) => None,
        }
    }

    /// Where events go out.
    pub(crate) const fn egress(&self) -> Option<&EgressTransformPre<HostState>> {
        match self {
            Self::Egress(egress) | Self::Transform(_, egress) => Some(egress),
            Self::Skill(_) | Self::Ingress(_) => None,
        }
    }
}

/// Why a component cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("{0}")]
    Link(String),
    #[error("the gateway could not load it")]
    Internal(#[source] openclaw_domain::BoxError),
}

/// Loads and keeps components.
pub(crate) struct Loader {
    engine: Engine,
    rung: Rung,
    cache: Cache,
    settings: CompileSettings,
    packages: Arc<dyn Packages>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    ready: Mutex<HashMap<(Digest, GrantShape), Arc<Loaded>>>,
    capacity: usize,
    calls: AtomicU64,
    /// One gate a digest, so that a component asked for twice at once is compiled once.
    flights: Mutex<HashMap<Digest, Arc<AsyncMutex<()>>>>,
    /// Compilers that may run at one time: one, so that the other core keeps serving.
    compilers: Semaphore,
}

/// One caller's hold on the gate of a digest. The last one takes the gate away, however its work ended.
struct Flight<'a> {
    gate: Arc<AsyncMutex<()>>,
    digest: Digest,
    loader: &'a Loader,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = self.loader.flights();
        // The map's own and this one: nobody else waits, and nobody new can come while the map is locked.
        if Arc::strong_count(&self.gate) == 2 {
            flights.remove(&self.digest);
        }
    }
}

/// What a [`Loader`] is made of.
pub(crate) struct LoaderParts {
    pub(crate) engine: Engine,
    pub(crate) rung: Rung,
    pub(crate) cache: Cache,
    pub(crate) settings: CompileSettings,
    pub(crate) capacity: usize,
    pub(crate) packages: Arc<dyn Packages>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Loader {
    pub(crate) fn new(parts: LoaderParts) -> Self {
        Self {
            engine: parts.engine,
            rung: parts.rung,
            cache: parts.cache,
            settings: parts.settings,
            packages: parts.packages,
            journal: parts.journal,
            clock: parts.clock,
            ready: Mutex::default(),
            capacity: parts.capacity.max(1),
            calls: AtomicU64::new(0),
            flights: Mutex::default(),
            compilers: Semaphore::new(1),
        }
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<(Digest, GrantShape), Arc<Loaded>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Components in memory at this moment.
    pub(crate) fn count(&self) -> usize {
        self.ready().len()
    }

    /// The component of a skill, if it is in memory.
    pub(crate) fn in_memory(&self, installed: &Installed, shape: &GrantShape) -> Option<Arc<Loaded>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        // An empty set is cloned without an allocation.
        let loaded = Arc::clone(self.ready().get(&(installed.digest, shape.clone()))?);
        loaded.last_call.store(call, Ordering::Relaxed);
        Some(loaded)
    }

    /// The component of a skill, from the cache or compiled anew, kept in memory from now on.
    pub(crate) async fn load(
        &self,
        installed: &Installed,
        shape: GrantShape,
        trace: TraceId,
    ) -> Result<Arc<Loaded>, LoadError> {
        let key = (installed.digest, shape);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let flight = self.flight(installed.digest);
        let _alone = flight.gate.lock().await;
        if let Some(loaded) = self.ready().get(&key) {
            return Ok(Arc::clone(loaded));
        }
        let component = self.component(installed.digest, &installed.tenant, trace, None).await?;
        let loaded = Arc::new(self.link(&component, installed, &key.1, call)?);
        let mut ready = self.ready();
        ready.insert(key, Arc::clone(&loaded));
        while ready.len() > self.capacity {
            let oldest = ready.iter().min_by_key(|(_, loaded)| loaded.last_call.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            ready.remove(&oldest);
        }
        drop(ready);
        Ok(loaded)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Digest, Arc<AsyncMutex<()>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flight(&self, digest: Digest) -> Flight<'_> {
        Flight { gate: Arc::clone(self.flights().entry(digest).or_default()), digest, loader: self }
    }

    /// Whether compiled code is on disk.
    pub(crate) fn is_compiled(&self, digest: Digest) -> bool {
        self.cache.contains(digest)
    }

    /// Makes sure compiled code is on disk, compiling if it is not. For the start of the gateway.
    pub(crate) async fn prepare(&self, installed: &Installed) -> Result<(), LoadError> {
        let flight = self.flight(installed.digest);
        let _alone = flight.gate.lock().await;
        self.component(installed.digest, &installed.tenant, TraceId::new(), None).await.map(drop)
    }

    /// Compiles and links bytes that are about to be installed, with no power at all, without keeping them in memory.
    pub(crate) async fn try_out(&self, installed: &Installed, bytes: &[u8]) -> Result<Loaded, LoadError> {
        let flight = self.flight(installed.digest);
        let _alone = flight.gate.lock().await;
        let component = self.component(installed.digest, &installed.tenant, TraceId::new(), Some(bytes)).await?;
        self.link(&component, installed, &GrantShape::default(), 0)
    }

    /// Forgets a component nobody has installed any more. Calls in flight keep theirs.
    pub(crate) fn forget(&self, digest: Digest) {
        self.ready().retain(|(kept, _), _| *kept != digest);
        self.cache.forget(digest);
    }

    async fn component(
        &self,
        digest: Digest,
        tenant: &TenantId,
        trace: TraceId,
        bytes: Option<&[u8]>,
    ) -> Result<Component, LoadError> {
        match self.cache.lookup(digest) {
            Ok(Lookup::Found(artifact)) => match compile::load(&self.engine, &artifact, digest) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(%digest, %error, "cached code does not load, compiling anew"),
            },
            Ok(Lookup::Absent) => {}
            Ok(Lookup::Tampered) => self.report_tampering(digest, tenant, trace),
            Err(error) => tracing::warn!(%digest, %error, "the compile cache cannot be read, compiling anew"),
        }
        let artifact = match bytes {
            Some(bytes) => self.compile(digest, bytes).await?,
            None => {
                let bytes = self.packages.component(digest).await.map_err(|error| LoadError::Internal(error.into()))?;
                self.compile(digest, &bytes).await?
            }
        };
        if let Err(error) = self.cache.keep(&artifact) {
            tracing::warn!(%digest, %error, "compiled code could not be kept; the next start compiles again");
        }
        compile::load(&self.engine, &artifact, digest).map_err(|error| LoadError::Link(format!("{error:#}")))
    }

    async fn compile(&self, digest: Digest, bytes: &[u8]) -> Result<Authentic, LoadError> {
        let _turn = self.compilers.acquire().await.map_err(|error| LoadError::Internal(error.into()))?;
        let started = std::time::Instant::now();
        let artifact = jail::compile(&self.settings, self.rung, digest, bytes).await?;
        tracing::info!(%digest, ms = started.elapsed().as_millis(), bytes = artifact.bytes().len(), "compiled");
        Ok(artifact)
    }

    fn report_tampering(&self, digest: Digest, tenant: &TenantId, trace: TraceId) {
        tracing::error!(%digest, "a file in the compile cache was not written by this gateway; it was not loaded");
        let data = serde_json::json!({
            "type": "compile_cache_tampered",
            "severity": Severity::High.as_str(),
            "details": { "digest": digest.to_string(), "action": "not loaded; compiled anew from the verified component" },
        });
        self.journal.record(NewEvent {
            tenant: tenant.clone(),
            kind: EventKind::SecurityAlert,
            data: data.to_string(),
            trace,
            at: self.clock.now(),
            session: None,
        });
    }

    fn link(
        &self,
        component: &Component,
        installed: &Installed,
        shape: &GrantShape,
        call: u64,
    ) -> Result<Loaded, LoadError> {
        let wrong = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let linker = linker::build(&self.engine, installed.world, &installed.imports, shape, Some(component));
        let linker = linker.map_err(wrong)?;
        let pre = linker.instantiate_pre(component).map_err(wrong)?;
        let entry = match installed.world {
            World::Skill => Entry::Skill(SkillCorePre::new(pre).map_err(wrong)?),
            World::IngressTransform => Entry::Ingress(IngressTransformPre::new(pre).map_err(wrong)?),
            World::EgressTransform => Entry::Egress(EgressTransformPre::new(pre).map_err(wrong)?),
            World::Transform => Entry::Transform(
                IngressTransformPre::new(pre.clone()).map_err(wrong)?,
                EgressTransformPre::new(pre).map_err(wrong)?,
            ),
        };
        let mut schemas = HashMap::new();
        for tool in &installed.tools {
            schemas.insert(tool.name.clone(), Schemas::of(tool).map_err(LoadError::Link)?);
        }
        let memories = component.resources_required().map_or(u32::MAX, |needed| needed.num_memories);
        Ok(Loaded {
            entry,
            wasi: linker::needs_wasi(&installed.imports),
            reaches: linker::needs_reach(&installed.imports),
            weight: weight(memories),
            schemas,
            last_call: AtomicU64::new(call),
        })
    }
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        Self::internal(error)
    }
}
