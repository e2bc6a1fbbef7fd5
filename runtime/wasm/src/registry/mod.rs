//! Which skill is which component, for each tenant, and the `Guests` port over it.
//!
//! Readers take a snapshot of the whole list; a change makes a new one. So a reload drops no call in flight: each call
//! keeps what it began with.
//! Invariant: nothing enters the list that was not inspected, compiled in the jail, linked and asked for its tools.

mod begin;
mod install;
mod learn;
mod serve;
mod upgrade;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use openclaw_domain::ports::{Egress, Grants, Journal, Kv, Packages, Policy, Secrets};
use openclaw_domain::{Clock, Digest, Installed, Refusal, SkillName, TenantId};
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::alerts::Alerts;
use crate::cache::Cache;
use crate::call::Runner;
use crate::engine::{self, Rung};
use crate::in_flight::InFlight;
use crate::loaded::{Loader, LoaderParts};
use crate::meter::Meter;
use crate::reach::Ports;
use crate::seal::Seal;
use crate::serving::Serving;
use crate::settings::WasmSettings;

pub use install::{InstallError, Installation};
pub use learn::{Learned, PrivateReach};
use serve::task;

/// What a [`Registry`] is made of.
pub struct RegistryParts {
    /// The home: holds `cache/` and `machine.key`.
    pub home: PathBuf,
    /// Sizes and limits.
    pub settings: WasmSettings,
    /// Where component files and the list of what is installed are kept.
    pub packages: Arc<dyn Packages>,
    /// Where alerts go.
    pub journal: Arc<dyn Journal>,
    /// The one way out.
    pub egress: Arc<dyn Egress>,
    /// What skills remember between calls.
    pub kv: Arc<dyn Kv>,
    /// Values that guests use and never see.
    pub secrets: Arc<dyn Secrets>,
    /// What operators granted.
    pub grants: Arc<dyn Grants>,
    /// What the operator configured: limits, settings, pauses.
    pub policy: Arc<dyn Policy>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why the guest runtime could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No way to reserve memory worked.
    #[error("the guest engine could not be made: {0}")]
    Engine(String),
    /// The compile cache or its key could not be opened.
    #[error("the compile cache could not be opened: {0}")]
    Cache(#[source] std::io::Error),
    /// No thread could be started.
    #[error("the epoch thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The list of installed skills could not be read.
    #[error("the list of installed skills could not be read")]
    Packages(#[source] Refusal),
}

type Skills = BTreeMap<SkillName, Arc<Serving>>;

/// Everything installed, and what runs it.
pub struct Registry {
    runner: Runner,
    loader: Arc<Loader>,
    seal: Seal,
    rung: Rung,
    packages: Arc<dyn Packages>,
    ports: Arc<Ports>,
    in_flight: Arc<InFlight>,
    clock: Arc<dyn Clock>,
    settings: WasmSettings,
    /// What each tenant does, also one whose last skill was removed: its limits go on counting.
    meters: std::sync::Mutex<HashMap<TenantId, Arc<Meter>>>,
    installed: RwLock<Arc<HashMap<TenantId, Skills>>>,
    /// Held while the list changes, so that two changes never overwrite each other.
    changing: tokio::sync::Mutex<()>,
    background: TaskTracker,
}

impl Registry {
    /// Starts the guest runtime and reads what is installed.
    ///
    /// Components whose compiled code is missing, after an upgrade for example, are compiled in the background.
    ///
    /// # Errors
    /// If no engine fits the machine, or the home cannot be used.
    pub async fn open(parts: RegistryParts) -> Result<Arc<Self>, OpenError> {
        let RegistryParts { home, settings, packages, journal, egress, kv, secrets, grants, policy, clock } = parts;
        let (engine, rung) = engine::build(settings.first_rung, settings.live_instances)
            .map_err(|error| OpenError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&home, engine::compatibility(&engine)).map_err(OpenError::Cache)?;
        let seal = Seal::new(cache.derive_key("state of calls that ask first"));
        let admission = Admission::new(settings.live_instances, settings.waiting_calls_per_tenant);
        let runner = Runner::new(engine.clone(), admission).map_err(OpenError::Thread)?;
        let loader = Arc::new(Loader::new(LoaderParts {
            engine,
            rung,
            cache,
            settings: settings.compile.clone(),
            capacity: settings.loaded_components,
            packages: Arc::clone(&packages),
            journal: Arc::clone(&journal),
            clock: Arc::clone(&clock),
        }));
        let alerts = Alerts::new(Arc::clone(&journal), Arc::clone(&clock));
        let runtime = tokio::runtime::Handle::current();
        let ports = Ports { egress, kv, secrets, grants, policy, journal, clock: Arc::clone(&clock), alerts, runtime };
        let listed = packages.list().await.map_err(OpenError::Packages)?;
        let registry = Arc::new(Self {
            runner,
            loader,
            seal,
            rung,
            packages,
            ports: Arc::new(ports),
            in_flight: Arc::default(),
            clock,
            settings,
            meters: std::sync::Mutex::default(),
            installed: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            background: TaskTracker::new(),
        });
        registry.change(|skills| {
            for skill in listed {
                let (tenant, name) = (skill.tenant.clone(), skill.name.clone());
                let serving = Serving::new(skill, registry.meter(&tenant), Arc::default());
                skills.entry(tenant).or_default().insert(name, Arc::new(serving));
            }
        });
        registry.prepare_in_background();
        Ok(registry)
    }

    fn meter(&self, tenant: &TenantId) -> Arc<Meter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(meters.entry(tenant.clone()).or_default())
    }

    /// Puts a skill into the list. `from` is the component whose grant it takes over.
    fn serve(&self, installed: &Installed, from: Option<Digest>) {
        let before = self.find(&installed.tenant, &installed.name);
        let skill_meter = before.map(|before| Arc::clone(&before.skill_meter)).unwrap_or_default();
        let mut serving = Serving::new(installed.clone(), self.meter(&installed.tenant), skill_meter);
        if let Some(from) = from {
            serving = serving.inheriting(from);
        }
        let serving = Arc::new(serving);
        self.change(|skills| {
            skills.entry(serving.tenant.clone()).or_default().insert(serving.name.clone(), serving);
        });
    }

    fn prepare_in_background(self: &Arc<Self>) {
        let wanted: HashMap<Digest, Arc<Serving>> = self
            .snapshot()
            .values()
            .flat_map(BTreeMap::values)
            .filter(|skill| skill.enabled && !self.loader.is_compiled(skill.digest))
            .map(|skill| (skill.digest, Arc::clone(skill)))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let registry = Arc::clone(self);
        self.background.spawn(async move {
            for skill in wanted.into_values() {
                if let Err(error) = registry.loader.prepare(&skill).await {
                    tracing::error!(skill = %skill.name, tenant = %skill.tenant, %error, "an installed skill does not compile");
                }
            }
        });
    }

    /// The rung of the allocation ladder this machine allows, for `status` and `doctor`.
    pub const fn rung(&self) -> Rung {
        self.rung
    }

    /// Places of the pool in use and in all, for `status` and metrics.
    pub fn places(&self) -> (usize, usize) {
        (self.runner.admission.in_use(), self.settings.live_instances as usize)
    }

    /// Components in memory, for `status` and metrics.
    pub fn loaded(&self) -> usize {
        self.loader.count()
    }

    /// Waits for work begun in the background. For an orderly stop.
    pub async fn close(&self) {
        self.background.close();
        self.background.wait().await;
    }

    fn snapshot(&self) -> Arc<HashMap<TenantId, Skills>> {
        Arc::clone(&self.installed.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<TenantId, Skills>)) {
        let mut installed = HashMap::clone(&self.snapshot());
        change(&mut installed);
        *self.installed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(installed);
    }

    fn find(&self, tenant: &TenantId, name: &SkillName) -> Option<Arc<Serving>> {
        let installed = self.installed.read().unwrap_or_else(PoisonError::into_inner);
        installed.get(tenant)?.get(name).map(Arc::clone)
    }

    /// Removes a skill; `false` if it was not installed. Its calls in flight that hold powers are ended: whoever removes a
    /// skill that misbehaves does not mean in half a minute. Calls of a skill without powers finish.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn remove(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal> {
        let _alone = self.changing.lock().await;
        let Some(before) = self.find(tenant, name) else { return Ok(false) };
        self.packages.remove(tenant, name).await?;
        // An upgrade of what is gone replaces nothing.
        self.packages.release(tenant, name).await?;
        self.change(|skills| {
            if let Some(skills) = skills.get_mut(tenant) {
                skills.remove(name);
            }
        });
        self.in_flight.stop(tenant, Some(name), "the skill was removed");
        self.forget_if_unused(before.digest);
        Ok(true)
    }

    fn forget_if_unused(&self, digest: Digest) {
        let snapshot = self.snapshot();
        if !snapshot.values().flat_map(BTreeMap::values).any(|skill| skill.digest == digest) {
            self.loader.forget(digest);
        }
    }

    /// Enables or disables a skill. A disabled one is refused like one that is not installed, and its calls in flight
    /// that hold powers are ended.
    ///
    /// # Errors
    /// If it is not installed, or storage fails.
    pub async fn set_enabled(&self, tenant: &TenantId, name: &SkillName, on: bool) -> Result<Installed, Refusal> {
        let _alone = self.changing.lock().await;
        let Some(before) = self.find(tenant, name) else { return Err(Refusal::SkillNotFound(name.to_string())) };
        let after = Installed { enabled: on, ..before.installed().clone() };
        self.packages.put(after.clone()).await?;
        self.change(|skills| {
            skills.entry(tenant.clone()).or_default().insert(name.clone(), Arc::new(before.with(after.clone())));
        });
        if !on {
            self.in_flight.stop(tenant, Some(name), "the skill was disabled");
        }
        Ok(after)
    }
}
