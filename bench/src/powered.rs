//! A skill with powers as the gateway runs it: real grants, real storage, the real way out, without the door.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use openclaw_domain::ports::{Grants as _, Guests as _, Kv, Secrets};
use openclaw_domain::{
    Caller, Credential, Door, Grant, GrantLimits, Origin, Powers, ProgressSink, Role, SkillRef, SystemClock, TenantId,
    TenantLimits, Timestamp, ToolCall, TraceId,
};
use openclaw_egress::{Egress, EgressSettings};
use openclaw_storage::{ConfiguredSecrets, SecretSources, Storage, StorageOptions};
use openclaw_wasm::{Installation, NothingGranted, Registry, RegistryParts, WasmSettings};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A registry with one skill that was granted a bucket and one origin.
pub(crate) struct Powered {
    registry: Arc<Registry>,
    storage: Storage,
    runtime: Runtime,
    _home: TempDir,
}

impl Powered {
    /// Installs the component and grants it the bucket `default` and every request to `origin`.
    pub(crate) fn open(component: &Path, origin: &Origin) -> Result<Self> {
        let bytes = std::fs::read(component).with_context(|| format!("`{}` cannot be read", component.display()))?;
        let home = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (registry, storage) = runtime.block_on(async {
            let storage = Storage::open(home.path(), StorageOptions::default())?;
            let port = Arc::new(storage.clone());
            let secrets: Arc<dyn Secrets> = Arc::new(SecretSources::new(storage.clone(), ConfiguredSecrets::default()));
            // As many calls as the machine can make: what is measured is not the limit.
            let limits = TenantLimits { calls_per_minute: u32::MAX, ..TenantLimits::default() };
            let grants = storage.grants().clone();
            let registry = Registry::open(RegistryParts {
                home: home.path().to_owned(),
                settings: WasmSettings::new(std::env::current_exe()?),
                packages: port.clone(),
                journal: port.clone(),
                egress: Egress::new(&EgressSettings::default(), Arc::clone(&secrets))?,
                kv: port as Arc<dyn Kv>,
                secrets,
                grants: Arc::new(grants.clone()),
                policy: Arc::new(NothingGranted { limits }),
                clock: Arc::new(SystemClock),
            })
            .await?;
            let installed = match registry.install(&TenantId::default(), bytes.into(), None, false).await? {
                Installation::Installed(installed) => installed,
                Installation::Held(_) => bail!("a first install is never held"),
            };
            grants
                .put(Grant {
                    tenant: TenantId::default(),
                    skill: installed.name,
                    component: installed.digest,
                    imports: installed.imports,
                    powers: Powers {
                        http: BTreeSet::from([format!("GET {origin}/**").parse()?]),
                        private: BTreeSet::from([origin.clone()]),
                        kv: BTreeSet::from(["default".to_owned()]),
                        ..Powers::default()
                    },
                    limits: GrantLimits::default(),
                    expires: None,
                    granted_at: Timestamp::from_millis(0),
                })
                .await?;
            anyhow::Ok((registry, storage))
        })?;
        Ok(Self { registry, storage, runtime, _home: home })
    }

    /// Calls a tool so many times, one after the other; how long one took on average.
    pub(crate) fn call(&self, tool: &str, arguments: &str, calls: usize) -> Result<Duration> {
        let target: SkillRef = format!("bench-powers/{tool}").parse().map_err(|error| anyhow!("{error}"))?;
        let arguments: Arc<str> = arguments.into();
        let credential = Credential { tenant: TenantId::default(), role: Role::Invoke, name: "bench".into() };
        self.runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..calls {
                let call = ToolCall {
                    caller: Caller { credential: credential.clone(), door: Door::WebSocket, trace: TraceId::new() },
                    target: target.clone(),
                    arguments: Arc::clone(&arguments),
                    deadline: None,
                    resumed: None,
                    progress: ProgressSink::default(),
                    session: None,
                };
                let called = self.registry.call_tool(call).await;
                called.map_err(|refusal| anyhow!("`{tool}` was refused: {refusal}"))?;
            }
            Ok(began.elapsed() / u32::try_from(calls)?)
        })
    }

    /// Ends it in order.
    pub(crate) fn close(self) -> Result<()> {
        self.runtime.block_on(async {
            self.registry.close().await;
            drop(self.registry);
            Ok(self.storage.close().await?)
        })
    }
}
