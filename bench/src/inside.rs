//! A skill call as the gateway makes it: through the `Guests` port of `openclaw-wasm`, everything included that a
//! door needs (look-up, argument check, admission, limits, deadline, log), without the door.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{AuditEntry, Guests as _, Journal, Packages, TraceEntry};
use openclaw_domain::{
    Caller, Credential, Digest, Door, Event, HeldUpgrade, Installed, NewEvent, Refusal, Role, SkillName, SkillRef,
    SystemClock, TenantId, TenantLimits, ToolCall, TraceId,
};
use openclaw_wasm::{NothingGranted, Registry, RegistryParts, WasmSettings};

/// Component files in memory: storage is measured elsewhere.
#[derive(Default)]
pub(crate) struct InMemory(Mutex<HashMap<Digest, Bytes>>);

#[async_trait]
impl Packages for InMemory {
    async fn put_component(&self, digest: Digest, bytes: Bytes) -> Result<(), Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, bytes);
        Ok(())
    }

    async fn component(&self, digest: Digest) -> Result<Bytes, Refusal> {
        let components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        components.get(&digest).cloned().ok_or_else(|| Refusal::Internal("the component is gone".into()))
    }

    async fn list(&self) -> Result<Vec<Installed>, Refusal> {
        Ok(Vec::new())
    }

    async fn put(&self, _: Installed) -> Result<(), Refusal> {
        Ok(())
    }

    async fn remove(&self, _: &TenantId, _: &SkillName) -> Result<bool, Refusal> {
        Ok(false)
    }

    async fn held(&self) -> Result<Vec<HeldUpgrade>, Refusal> {
        Ok(Vec::new())
    }

    async fn hold(&self, _: HeldUpgrade) -> Result<(), Refusal> {
        Ok(())
    }

    async fn release(&self, _: &TenantId, _: &SkillName) -> Result<bool, Refusal> {
        Ok(false)
    }
}

/// A journal that keeps nothing: no event is part of this row.
pub(crate) struct Forgetful;

#[async_trait]
impl Journal for Forgetful {
    fn record(&self, _: NewEvent) {}

    async fn events_since(&self, _: &TenantId, _: i64, _: usize) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    async fn last_seq(&self, _: &TenantId) -> Result<i64, Refusal> {
        Ok(0)
    }

    async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

/// Installs the component in a fresh registry and calls `echo` so many times on so many threads; how long that took.
pub(crate) fn run(component: &Path, calls: usize, threads: usize) -> Result<Duration> {
    let bytes = std::fs::read(component).with_context(|| format!("`{}` cannot be read", component.display()))?;
    let home = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        // As many calls as the machine can make: what is measured is not the limit.
        let limits = TenantLimits { calls_per_minute: u32::MAX, ..TenantLimits::default() };
        let nothing = Arc::new(NothingGranted { limits });
        let parts = RegistryParts {
            home: home.path().to_owned(),
            // The compile jail is this program with another first argument; `main` answers to it.
            settings: WasmSettings::new(std::env::current_exe()?),
            packages: Arc::new(InMemory::default()),
            journal: Arc::new(Forgetful),
            egress: Arc::clone(&nothing) as _,
            kv: Arc::clone(&nothing) as _,
            secrets: Arc::clone(&nothing) as _,
            grants: Arc::clone(&nothing) as _,
            policy: Arc::clone(&nothing) as _,
            clock: Arc::new(SystemClock),
        };
        let registry = Registry::open(parts).await?;
        registry.install(&TenantId::default(), bytes.into(), None, false).await?;
        call_repeatedly(&registry, calls.min(1000)).await?;
        let began = Instant::now();
        let mut loops = tokio::task::JoinSet::new();
        for _ in 0..threads {
            let registry = Arc::clone(&registry);
            loops.spawn(async move { call_repeatedly(&registry, calls / threads).await });
        }
        while let Some(done) = loops.join_next().await {
            done??;
        }
        let took = began.elapsed();
        registry.close().await;
        Ok(took)
    })
}

async fn call_repeatedly(registry: &Registry, calls: usize) -> Result<()> {
    let target: SkillRef = crate::ECHO.parse().map_err(|error| anyhow!("{error}"))?;
    let arguments: Arc<str> = crate::ECHO_ARGUMENTS.into();
    let credential = Credential { tenant: TenantId::default(), role: Role::Invoke, name: "bench".into() };
    for _ in 0..calls {
        let call = ToolCall {
            caller: Caller { credential: credential.clone(), door: Door::WebSocket, trace: TraceId::new() },
            target: target.clone(),
            arguments: Arc::clone(&arguments),
            deadline: None,
            progress: openclaw_domain::ProgressSink::default(),
            session: None,
            resumed: None,
        };
        registry.call_tool(call).await.map_err(|refusal| anyhow!("`echo` was refused: {refusal}"))?;
    }
    Ok(())
}
