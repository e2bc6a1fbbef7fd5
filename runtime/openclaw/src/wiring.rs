//! The one place where ports get their implementations.
//!
//! Invariant: nothing outside this file knows which crate stands behind a port; errors of those crates become the
//! command line's own here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::{Clock, Installed, SkillName, TenantId, TenantLimits};
use openclaw_storage::{HomeLock, IfOccupied, Listener, LockError, Storage, StorageOptions};
use openclaw_wasm::{InstallError, Installation, NothingGranted, Registry, RegistryParts, WasmSettings};

use crate::config::Config;
use crate::exit::{Ending, Failed, chain};
use crate::ops::BackupView;

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

/// Starts what runs guests, on the skills that the storage lists.
pub(crate) async fn registry(
    storage: &Storage,
    config: &Config,
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
    let limits = TenantLimits { call: config.limits, ..TenantLimits::default() };
    let nothing = Arc::new(NothingGranted { limits });
    let parts = RegistryParts {
        home: storage.home().to_owned(),
        settings,
        packages: Arc::new(storage.clone()),
        journal: Arc::new(storage.clone()),
        egress: Arc::clone(&nothing) as _,
        kv: Arc::clone(&nothing) as _,
        secrets: Arc::clone(&nothing) as _,
        grants: Arc::clone(&nothing) as _,
        policy: Arc::clone(&nothing) as _,
        clock,
    };
    Registry::open(parts).await.map_err(|error| Failed::because(chain(&error)))
}

/// Installs a component; what is wrong with it is the operator's to mend.
pub(crate) async fn install(
    registry: &Registry,
    tenant: &TenantId,
    component: Bytes,
    name: Option<SkillName>,
    bundled: bool,
) -> Result<Installed, Failed> {
    let installation = registry.install(tenant, component, name, bundled).await.map_err(|error| match error {
        InstallError::Keep { .. } => Failed::because(chain(&error)),
        other => Failed::refused(chain(&other)),
    })?;
    match installation {
        Installation::Installed(installed) => Ok(installed),
        Installation::Held(held) => Err(Failed::refused(format!(
            "`{}` waits for an operator: it imports or asks for more than the version that serves",
            held.upgrade.name
        ))),
    }
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
