//! The one place where ports get their implementations.
//!
//! Invariant: nothing outside this file knows which crate stands behind a port; errors of those crates become the
//! command line's own here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use openclaw_brain::{Agent, AgentParts, AgentSettings, LocalParts, ModelSettings, Router, RouterParts};
use openclaw_domain::ports::{Brain, Grants, Guests, Kv, Outbox, Policy, Secrets, Tenants};
use openclaw_domain::{Clock, SkillName, TenantId, Timestamp};
use openclaw_egress::{Egress, EgressSettings, ProxySettings};
use openclaw_server::deliveries::{Deliveries, DeliveryParts, DeliveryRoute};
use openclaw_storage::{
    ConfiguredSecrets, HomeLock, IfOccupied, Listener, LockError, SecretSources, Source, Storage, StorageOptions,
};
use openclaw_wasm::{InstallError, Installation, Registry, RegistryParts, WasmSettings};

use crate::config::{Config, EgressConfig, SecretSource};
use crate::exit::{Ending, Failed, chain};
use crate::ops::{BackupView, Ops, OpsParts};
use crate::policy::OperatorPolicy;

/// Keeps a second gateway off a home for as long as the lock lives.
pub(crate) fn lock_home(home: &Path) -> Result<HomeLock, Failed> {
    Storage::lock_home(home).map_err(|error| locked(&error, home))
}

/// Whether a home remembers anything yet.
pub(crate) fn has_storage(home: &Path) -> bool {
    home.join("openclaw.db").exists()
}

/// Opens the storage of a home; blocks on the disk.
pub(crate) fn storage(home: &Path, clock: Arc<dyn Clock>, listener: Option<Listener>) -> Result<Storage, Failed> {
    let options = StorageOptions { listener, clock, ..StorageOptions::default() };
    Storage::open(home, options).map_err(|error| match &error {
        openclaw_storage::OpenError::InUse(lock) => locked(lock, home),
        openclaw_storage::OpenError::Newer { .. } | openclaw_storage::OpenError::NotOurs { .. } => {
            Failed::refused(chain(&error))
        }
        _ => Failed::because(chain(&error)),
    })
}

fn locked(error: &LockError, home: &Path) -> Failed {
    match error {
        LockError::Held { pid, .. } => Failed {
            ending: Ending::HomeInUse,
            code: None,
            message: format!("process {pid} runs on the home {}", home.display()),
            hint: Some("stop it, or choose another home with `--home`".to_owned()),
        },
        LockError::Io(_) => Failed::because(chain(error)),
    }
}

/// What powers of guests rest on.
pub(crate) struct PowersParts {
    /// What operators granted.
    pub(crate) grants: Arc<dyn Grants>,
    /// What skills remember.
    pub(crate) kv: Arc<dyn Kv>,
    /// Values that guests use and never see.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Limits, settings and pauses.
    pub(crate) policy: Arc<dyn Policy>,
}

/// Everything operators' commands act on, over a storage that is open.
pub(crate) async fn ops(storage: Storage, config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Ops, Failed> {
    let port = Arc::new(storage.clone());
    let tenants: Arc<dyn Tenants> = port.clone();
    let paused = tenants.paused().await?;
    Ok(Ops::new(OpsParts {
        config: Arc::clone(&config),
        clock,
        grants: Arc::new(storage.grants().clone()),
        kv: port,
        secrets: Arc::new(SecretSources::new(storage.clone(), configured_secrets(&config))),
        tenants,
        policy: Arc::new(OperatorPolicy::new(config, paused)),
        storage,
    }))
}

/// Where the configuration says that values of secrets are.
pub(crate) fn configured_secrets(config: &Config) -> ConfiguredSecrets {
    let of = |source: &SecretSource| match source {
        SecretSource::Env(name) => Source::Env(name.clone()),
        SecretSource::File(path) => Source::File(path.clone()),
    };
    let tenants = config.of_tenants.iter();
    tenants
        .flat_map(|(tenant, own)| {
            own.secrets.iter().map(move |(name, source)| ((tenant.clone(), name.clone()), of(source)))
        })
        .collect()
}

/// The one way out, as configured.
fn egress(config: &EgressConfig, secrets: Arc<dyn Secrets>) -> Result<Arc<Egress>, Failed> {
    let usual = EgressSettings::default();
    let ca_pem = config.ca_file.as_deref().map(std::fs::read).transpose().map_err(|error| {
        let file = config.ca_file.as_deref().unwrap_or(Path::new("")).display();
        Failed::refused(format!("`egress.caFile` {file} cannot be read: {error}"))
    })?;
    let size = |given: Option<u64>, usual: usize| given.and_then(|given| usize::try_from(given).ok()).unwrap_or(usual);
    let settings = EgressSettings {
        nameservers: config.nameservers.clone(),
        ca_pem,
        proxy: config
            .proxy
            .as_ref()
            .map(|proxy| ProxySettings { origin: proxy.origin.clone(), credentials: proxy.credentials.clone() }),
        connect_timeout: config.connect_timeout_ms.map_or(usual.connect_timeout, Duration::from_millis),
        max_connections: size(config.max_connections, usual.max_connections),
        max_connections_per_tenant: size(config.max_connections_per_tenant, usual.max_connections_per_tenant),
        ..usual
    };
    Egress::new(&settings, secrets).map_err(|error| Failed::refused(format!("`egress`: {}", chain(&error))))
}

/// Connections of deliveries: their worker bounds what is under way, for each endpoint, so the way out needs no tighter
/// bound that one tenant's dead endpoints could use up.
const DELIVERY_CONNECTIONS: u64 = 2048;

/// What posts events to endpoints. It has a way out of its own, so that no guest can use up its connections.
pub(crate) fn deliveries(
    storage: &Storage,
    config: &Config,
    guests: Arc<dyn Guests>,
    ops: &Ops,
    route: Arc<DeliveryRoute>,
    clock: Arc<dyn Clock>,
) -> Result<Deliveries, Failed> {
    let bounds = EgressConfig {
        max_connections: Some(DELIVERY_CONNECTIONS),
        max_connections_per_tenant: Some(DELIVERY_CONNECTIONS),
        ..config.egress.clone()
    };
    let port = Arc::new(storage.clone());
    let parts = DeliveryParts {
        outbox: port.clone(),
        journal: port,
        guests,
        egress: egress(&bounds, ops.secret_values())?,
        policy: ops.policy_in_force(),
        clock,
        route,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    Ok(Deliveries::new(parts, config.outgoing.clone()))
}

/// Has events that a command records on a home without a gateway bring their deliveries; the next gateway posts them.
pub(crate) async fn owe_deliveries(storage: &Storage, config: &Config) -> Result<(), Failed> {
    if config.outgoing.is_empty() {
        return Ok(());
    }
    let health = Outbox::health(storage).await?;
    let disabled = health.into_iter().filter(|(_, health)| health.disabled.is_some()).map(|(key, _)| key);
    storage.set_route(Arc::new(DeliveryRoute::deciding(config.outgoing.clone(), disabled)));
    Ok(())
}

/// What a reload changes of the agent.
pub(crate) struct AgentControl {
    models: Arc<ArcSwap<ModelSettings>>,
    agent: Arc<ArcSwap<AgentSettings>>,
}

impl AgentControl {
    /// Puts another configuration in force, from the next turn on.
    pub(crate) fn configure(&self, config: &Config) {
        self.models.store(Arc::new(config.models.clone()));
        self.agent.store(Arc::new(config.agent.clone()));
    }
}

/// What takes turns, on everything else. It has a way out of its own, so that no guest can use up its connections.
pub(crate) fn brain(
    storage: &Storage,
    config: &Config,
    guests: Arc<dyn Guests>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
) -> Result<(Arc<dyn Brain>, AgentControl), Failed> {
    let control = AgentControl {
        models: Arc::new(ArcSwap::from_pointee(config.models.clone())),
        agent: Arc::new(ArcSwap::from_pointee(config.agent.clone())),
    };
    let port = Arc::new(storage.clone());
    let router = Router::new(RouterParts {
        settings: Arc::clone(&control.models),
        egress: egress(&config.egress, secrets)?,
        local: LocalParts {
            guests: Arc::clone(&guests),
            records: port.clone(),
            usage: port.clone(),
            clock: Arc::clone(&clock),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at,
        },
    });
    let agent = Agent::new(AgentParts {
        settings: Arc::clone(&control.agent),
        models: Arc::new(router),
        guests,
        conversations: port.clone(),
        usage: port.clone(),
        journal: port,
        clock,
    });
    Ok((Arc::new(agent), control))
}

/// Starts what runs guests, on the skills that the storage lists.
pub(crate) async fn registry(
    storage: &Storage,
    config: &Config,
    powers: PowersParts,
    clock: Arc<dyn Clock>,
) -> Result<Arc<Registry>, Failed> {
    // Through the kernel's link and not by path: a gateway whose file was replaced by an upgrade goes on compiling with
    // the code it runs.
    let program = PathBuf::from("/proc/self/exe");
    let mut settings = WasmSettings::new(program);
    settings.limits = config.limits;
    if let Some(instances) = config.max_instances.and_then(|instances| u32::try_from(instances).ok()) {
        settings.live_instances = instances;
    }
    let parts = RegistryParts {
        home: storage.home().to_owned(),
        settings,
        packages: Arc::new(storage.clone()),
        journal: Arc::new(storage.clone()),
        egress: egress(&config.egress, Arc::clone(&powers.secrets))?,
        kv: powers.kv,
        secrets: powers.secrets,
        grants: powers.grants,
        policy: powers.policy,
        clock,
    };
    Registry::open(parts).await.map_err(|error| Failed::because(chain(&error)))
}

/// Installs a component, or keeps it waiting; what is wrong with it is the operator's to mend.
pub(crate) async fn install(
    registry: &Registry,
    tenant: &TenantId,
    component: Bytes,
    name: Option<SkillName>,
    bundled: bool,
) -> Result<Installation, Failed> {
    registry.install(tenant, component, name, bundled).await.map_err(|error| match error {
        InstallError::Keep { .. } => Failed::because(chain(&error)),
        other => Failed::refused(chain(&other)),
    })
}

/// Copies a home's data into an empty folder.
pub(crate) async fn backup(storage: &Storage, to: &Path) -> Result<BackupView, Failed> {
    let report = storage.backup(to).await.map_err(|error| match error {
        openclaw_storage::BackupError::NotEmpty { .. } => Failed::refused(chain(&error)),
        other => Failed::because(chain(&other)),
    })?;
    Ok(BackupView {
        folder: report.folder.display().to_string(),
        components: report.components as u64,
        bytes: report.bytes,
    })
}

/// Puts a backup in place; blocks on the disk. `force` puts a database that is there aside.
pub(crate) fn restore(from: &Path, home: &Path, force: bool) -> Result<openclaw_storage::RestoreReport, Failed> {
    use openclaw_storage::RestoreError;

    let if_occupied = if force { IfOccupied::PutAside } else { IfOccupied::Refuse };
    openclaw_storage::restore(from, home, if_occupied).map_err(|error| match &error {
        RestoreError::Occupied { .. }
        | RestoreError::NotABackup { .. }
        | RestoreError::Newer { .. }
        | RestoreError::Changed { .. } => Failed::refused(chain(&error)),
        _ => Failed::because(chain(&error)),
    })
}
