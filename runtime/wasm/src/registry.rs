//! Which skill is which component, for each tenant, and the `Guests` port over it.
//!
//! Readers take a snapshot of the whole list; a change makes a new one. So a reload drops no call in flight: each call
//! keeps what it began with.
//! Invariant: nothing enters the list that was not inspected, compiled in the jail, linked and asked for its tools.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{Guests, Journal, Packages};
use openclaw_domain::{
    CallLimits, Clock, Digest, IngressCall, IngressReply, Installed, InvocationId, Refusal, SkillName, TenantId,
    ToolCall, ToolName, ToolReply, ToolSpec, TraceId, World,
};
use openclaw_package::{Limits, Package, PackageError};
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::cache::Cache;
use crate::call::{Runner, Task};
use crate::engine::{self, Rung};
use crate::limits::OnRefusal;
use crate::loaded::{Entry, LoadError, Loaded, Loader, LoaderParts};
use crate::settings::WasmSettings;
use crate::worlds::{ingress_transform, tools};
use crate::{arguments, linker};

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

/// Why a component is not installed. [`InstallError::hint`] says what would help.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The file is no component this gateway takes.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The file carries no name and the operator gave none.
    #[error("the component carries no `skill.toml`; name it with `--name`")]
    Nameless,
    /// It imports what no grant allows.
    #[error("`{name}` imports what is not granted:{}", list(.refused))]
    Imports {
        /// The skill.
        name: SkillName,
        /// Each import with the reason.
        refused: Vec<(String, String)>,
    },
    /// It does not compile, or only past the limits of the jail.
    #[error("`{name}` was refused: {reason}")]
    Compile {
        /// The skill.
        name: SkillName,
        /// Why.
        reason: String,
    },
    /// Its instances can never fit the pool.
    #[error("`{name}` is too big: an instance has {memories} memories, and one tenant may hold {places}")]
    TooBig {
        /// The skill.
        name: SkillName,
        /// Memories of one instance.
        memories: usize,
        /// Places one tenant may hold.
        places: usize,
    },
    /// Its list of tools is wrong, or it could not be asked for it.
    #[error("`{name}` was refused: {reason}")]
    Tools {
        /// The skill.
        name: SkillName,
        /// Why.
        reason: String,
    },
    /// The gateway could not keep it.
    #[error("the gateway could not keep `{name}`")]
    Keep {
        /// The skill.
        name: SkillName,
        /// Why; for the log.
        #[source]
        source: Refusal,
    },
}

impl InstallError {
    /// What would help, if one thing would.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Package(error) => error.hint(),
            Self::Nameless => Some("`openclaw skills install FILE --name NAME`"),
            Self::Imports { .. } => {
                Some("build it without these imports; `openclaw skills info` shows what a skill imports")
            }
            Self::Compile { .. } | Self::TooBig { .. } => Some("build it optimised, or split it"),
            Self::Tools { .. } => {
                Some("correct the skill; `openclaw skills test DIR` runs it the way the gateway does")
            }
            Self::Keep { .. } => None,
        }
    }
}

fn list(refused: &[(String, String)]) -> String {
    refused.iter().map(|(name, reason)| format!("\n  {name}: {reason}")).collect()
}

type Skills = BTreeMap<SkillName, Arc<Installed>>;

/// Everything installed, and what runs it.
pub struct Registry {
    runner: Runner,
    loader: Arc<Loader>,
    rung: Rung,
    packages: Arc<dyn Packages>,
    clock: Arc<dyn Clock>,
    settings: WasmSettings,
    installed: RwLock<Arc<HashMap<TenantId, Skills>>>,
    /// Held while the list changes, so that two changes never overwrite each other.
    changing: tokio::sync::Mutex<()>,
    background: TaskTracker,
}

/// `list-tools` answers from constants; a guest that needs longer is not worth installing.
const LIST_TOOLS_DEADLINE: Duration = Duration::from_secs(5);

impl Registry {
    /// Starts the guest runtime and reads what is installed.
    ///
    /// Components whose compiled code is missing, after an upgrade for example, are compiled in the background.
    ///
    /// # Errors
    /// If no engine fits the machine, or the home cannot be used.
    pub async fn open(parts: RegistryParts) -> Result<Arc<Self>, OpenError> {
        let RegistryParts { home, settings, packages, journal, clock } = parts;
        let (engine, rung) = engine::build(settings.first_rung, settings.live_instances)
            .map_err(|error| OpenError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&home, engine::compatibility(&engine)).map_err(OpenError::Cache)?;
        let admission = Admission::new(settings.live_instances, settings.waiting_calls_per_tenant);
        let runner = Runner::new(engine.clone(), admission).map_err(OpenError::Thread)?;
        let loader = Arc::new(Loader::new(LoaderParts {
            engine,
            rung,
            cache,
            settings: settings.compile.clone(),
            capacity: settings.loaded_components,
            packages: Arc::clone(&packages),
            journal,
            clock: Arc::clone(&clock),
        }));
        let mut installed: HashMap<TenantId, Skills> = HashMap::new();
        for skill in packages.list().await.map_err(OpenError::Packages)? {
            installed.entry(skill.tenant.clone()).or_default().insert(skill.name.clone(), Arc::new(skill));
        }
        let registry = Arc::new(Self {
            runner,
            loader,
            rung,
            packages,
            clock,
            settings,
            installed: RwLock::new(Arc::new(installed)),
            changing: tokio::sync::Mutex::default(),
            background: TaskTracker::new(),
        });
        registry.prepare_in_background();
        Ok(registry)
    }

    fn prepare_in_background(self: &Arc<Self>) {
        let wanted: HashMap<Digest, Arc<Installed>> = self
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

    fn find(&self, tenant: &TenantId, name: &SkillName) -> Option<Arc<Installed>> {
        let installed = self.installed.read().unwrap_or_else(PoisonError::into_inner);
        installed.get(tenant)?.get(name).map(Arc::clone)
    }

    /// A component ready to run. What is not in memory is loaded by a task of its own: a caller that gives up leaves
    /// the work to the next one, and compiling after an upgrade is never begun twice.
    async fn ready(&self, skill: &Arc<Installed>, trace: TraceId, patience: Duration) -> Result<Arc<Loaded>, Refusal> {
        if let Some(loaded) = self.loader.in_memory(skill) {
            return Ok(loaded);
        }
        let (loader, wanted) = (Arc::clone(&self.loader), Arc::clone(skill));
        let loading = self.background.spawn(async move { loader.load(&wanted, trace).await });
        match tokio::time::timeout(patience, loading).await {
            Ok(Ok(loaded)) => Ok(loaded?),
            Ok(Err(broken)) => Err(Refusal::internal(broken)),
            Err(_) => Err(Refusal::Busy(format!("`{}` is still being compiled", skill.name))),
        }
    }

    /// Installs a component for a tenant, or replaces the one of that name. Calls in flight finish on the old one.
    ///
    /// `name` overrules the one in `skill.toml`. `bundled` marks what came with the gateway.
    ///
    /// # Errors
    /// Whatever is wrong with the file, by name, with what would help.
    pub async fn install(
        &self,
        tenant: &TenantId,
        bytes: Bytes,
        name: Option<SkillName>,
        bundled: bool,
    ) -> Result<Installed, InstallError> {
        let package = inspect(&bytes, self.settings.max_component_bytes).await?;
        let name = match (name, &package.manifest) {
            (Some(name), _) => name,
            (None, Some(manifest)) => manifest.name.clone(),
            (None, None) => return Err(InstallError::Nameless),
        };
        let world = package.world()?;
        let refused: Vec<_> = package
            .imports
            .iter()
            .filter_map(|import| Some((import.clone(), linker::refusal(world, import)?)))
            .collect();
        if !refused.is_empty() {
            return Err(InstallError::Imports { name, refused });
        }
        let (version, description) = match &package.manifest {
            Some(manifest) => (manifest.version.clone(), manifest.description.clone()),
            None => ("0.0.0".to_owned(), String::new()),
        };
        let mut installed = Installed {
            tenant: tenant.clone(),
            name,
            digest: package.digest,
            version,
            description,
            world,
            imports: package.imports,
            tools: Vec::new(),
            enabled: true,
            bundled,
            size: bytes.len() as u64,
            installed_at: self.clock.now(),
        };
        let _alone = self.changing.lock().await;
        installed.tools = self.try_out(&installed, &bytes).await?;
        self.keep(&installed, bytes)
            .await
            .map_err(|source| InstallError::Keep { name: installed.name.clone(), source })?;
        Ok(installed)
    }

    /// Compiles, links and asks for the tools. A digest that is installed already was tried before.
    async fn try_out(&self, installed: &Installed, bytes: &[u8]) -> Result<Vec<ToolSpec>, InstallError> {
        let snapshot = self.snapshot();
        let known = snapshot.values().flat_map(BTreeMap::values).find(|known| known.digest == installed.digest);
        if let Some(known) = known {
            return Ok(known.tools.clone());
        }
        let loaded = self.loader.try_out(installed, bytes).await.map_err(|error| InstallError::Compile {
            name: installed.name.clone(),
            reason: match error {
                LoadError::Internal(source) => format!("{source:#}"),
                other => other.to_string(),
            },
        })?;
        let (memories, places) = (loaded.weight.get(), self.runner.admission.share());
        if memories > places {
            return Err(InstallError::TooBig { name: installed.name.clone(), memories, places });
        }
        let Entry::Skill(_) = &loaded.entry else { return Ok(Vec::new()) };
        let refused = |reason: String| InstallError::Tools { name: installed.name.clone(), reason };
        let listed = self.list_tools(installed, &loaded).await.map_err(|error| refused(error.to_string()))?;
        tools::tools_from(listed).map_err(refused)
    }

    async fn list_tools(&self, installed: &Installed, loaded: &Loaded) -> Result<Vec<wit::Tool>, Refusal> {
        let limits =
            CallLimits { deadline: LIST_TOOLS_DEADLINE.min(self.settings.limits.deadline), ..self.settings.limits };
        let task = task(&installed.tenant, installed.name.as_str().into(), TraceId::new(), limits, loaded);
        let Entry::Skill(pre) = &loaded.entry else { return Ok(Vec::new()) };
        let pre = pre.clone();
        let (listed, _) = self
            .runner
            .run(&task, |mut store| {
                Box::pin(async move {
                    let listed = async {
                        let instance = pre.instantiate_async(&mut store).await?;
                        instance.openclaw_gateway_tools().call_list_tools(&mut store).await
                    };
                    let listed = listed.await;
                    (listed, store.into_data())
                })
            })
            .await?;
        Ok(listed)
    }

    async fn keep(&self, installed: &Installed, bytes: Bytes) -> Result<(), Refusal> {
        self.packages.put_component(installed.digest, bytes).await?;
        self.packages.put(installed.clone()).await?;
        let before = self.find(&installed.tenant, &installed.name);
        self.change(|skills| {
            let skill = Arc::new(installed.clone());
            skills.entry(skill.tenant.clone()).or_default().insert(skill.name.clone(), skill);
        });
        if let Some(before) = before {
            self.forget_if_unused(before.digest);
        }
        Ok(())
    }

    /// Removes a skill; `false` if it was not installed. Calls in flight finish.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn remove(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal> {
        let _alone = self.changing.lock().await;
        let Some(before) = self.find(tenant, name) else { return Ok(false) };
        self.packages.remove(tenant, name).await?;
        self.change(|skills| {
            if let Some(skills) = skills.get_mut(tenant) {
                skills.remove(name);
            }
        });
        self.forget_if_unused(before.digest);
        Ok(true)
    }

    fn forget_if_unused(&self, digest: Digest) {
        let snapshot = self.snapshot();
        if !snapshot.values().flat_map(BTreeMap::values).any(|skill| skill.digest == digest) {
            self.loader.forget(digest);
        }
    }

    /// Enables or disables a skill. A disabled one is refused like one that is not installed.
    ///
    /// # Errors
    /// If it is not installed, or storage fails.
    pub async fn set_enabled(&self, tenant: &TenantId, name: &SkillName, on: bool) -> Result<Installed, Refusal> {
        let _alone = self.changing.lock().await;
        let Some(before) = self.find(tenant, name) else { return Err(Refusal::SkillNotFound(name.to_string())) };
        let after = Installed { enabled: on, ..Installed::clone(&before) };
        self.packages.put(after.clone()).await?;
        self.change(|skills| {
            skills.entry(tenant.clone()).or_default().insert(name.clone(), Arc::new(after.clone()));
        });
        Ok(after)
    }
}

async fn inspect(bytes: &Bytes, max_bytes: usize) -> Result<Package, PackageError> {
    let bytes = bytes.clone();
    tokio::task::spawn_blocking(move || {
        openclaw_package::inspect_within(&bytes, &Limits { file_bytes: max_bytes, ..Limits::default() })
    })
    .await
    .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn task(tenant: &TenantId, guest: Arc<str>, trace: TraceId, limits: CallLimits, loaded: &Loaded) -> Task {
    let on_refusal = match loaded.entry {
        Entry::Skill(_) => OnRefusal::Tell,
        Entry::Ingress(_) => OnRefusal::Trap,
    };
    Task { guest, tenant: tenant.clone(), trace, limits, on_refusal, wasi: loaded.wasi, weight: loaded.weight }
}

/// The tool a call names, or the only one.
fn tool_of<'a>(skill: &'a Installed, wanted: Option<&ToolName>) -> Result<&'a ToolSpec, Refusal> {
    let found = match wanted {
        Some(name) => skill.tools.iter().find(|tool| tool.name == *name),
        None if skill.tools.len() == 1 => skill.tools.first(),
        None => None,
    };
    found.ok_or_else(|| Refusal::ToolNotFound {
        skill: skill.name.clone(),
        tool: wanted.map(ToString::to_string).unwrap_or_default(),
        known: match skill.tools.is_empty() {
            true => format!("none: it is a {}", skill.world),
            false => skill.tools.iter().map(|tool| format!("`{}`", tool.name)).collect::<Vec<_>>().join(", "),
        },
    })
}

#[async_trait]
impl Guests for Registry {
    fn installed(&self, tenant: &TenantId) -> Vec<Installed> {
        let snapshot = self.snapshot();
        snapshot.get(tenant).into_iter().flat_map(BTreeMap::values).map(|skill| Installed::clone(skill)).collect()
    }

    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        let ToolCall { caller, target, arguments, deadline, resumed } = call;
        let started = Instant::now();
        let skill = self
            .find(caller.tenant(), &target.skill)
            .filter(|skill| skill.enabled)
            .ok_or_else(|| Refusal::SkillNotFound(target.skill.to_string()))?;
        let tool = tool_of(&skill, target.tool.as_ref())?;
        let mut limits = self.settings.limits;
        limits.deadline = deadline.map_or(limits.deadline, |asked| asked.min(limits.deadline));
        let loaded = self.ready(&skill, caller.trace, limits.deadline).await?;
        if let Some(validator) = loaded.validators.get(&tool.name) {
            arguments::check(validator, &skill.name, &tool.name, &arguments)?;
        }
        let invocation = InvocationId::new();
        let task = task(caller.tenant(), skill.name.as_str().into(), caller.trace, limits, &loaded);
        let Entry::Skill(pre) = &loaded.entry else {
            return Err(Refusal::internal(format!("`{}` has tools but is no skill", skill.name)));
        };
        let pre = pre.clone();
        let context = wit::Context {
            tenant: caller.tenant().as_str().to_owned(),
            caller: caller.door.as_str().to_owned(),
            invocation_id: invocation.to_string(),
            trace_id: caller.trace.to_string(),
            deadline_ms: u32::try_from(limits.deadline.as_millis()).unwrap_or(u32::MAX),
            resumed: resumed.as_ref().map(tools::resumption_to),
        };
        let name = tool.name.clone();
        let (result, usage) = self
            .runner
            .run(&task, |mut store| {
                Box::pin(async move {
                    let called = async {
                        let instance = pre.instantiate_async(&mut store).await?;
                        let guest = instance.openclaw_gateway_tools();
                        guest.call_call_tool(&mut store, name.as_str(), &arguments, &context).await
                    };
                    let called = called.await;
                    (called, store.into_data())
                })
            })
            .await?;
        tracing::debug!(
            %invocation, skill = %skill.name, peak_memory = usage.peak_memory, dropped_lines = usage.dropped_lines,
            us = usage.duration.as_micros(), "called"
        );
        match result {
            Ok(output) => Ok(ToolReply {
                invocation,
                output: tools::output_from(output, &task.guest, &limits)?,
                skill: skill.name.clone(),
                tool: tool.name.clone(),
                duration: started.elapsed(),
            }),
            Err(failure) => Err(Refusal::SkillFailed {
                skill: skill.name.clone(),
                tool: tool.name.clone(),
                failure: tools::failure_from(&failure),
            }),
        }
    }

    async fn transform_ingress(&self, call: IngressCall) -> Result<IngressReply, Refusal> {
        let IngressCall { tenant, transform, request, trace } = call;
        let failed = |reason: String| Refusal::TransformFailed { transform: transform.to_string(), reason };
        let skill = self
            .find(&tenant, &transform)
            .filter(|skill| skill.enabled && skill.world == World::IngressTransform)
            .ok_or_else(|| failed("no ingress transform of that name is installed and enabled".to_owned()))?;
        let loaded = self.ready(&skill, trace, self.settings.limits.deadline).await?;
        let Entry::Ingress(pre) = &loaded.entry else {
            return Err(failed("it is no ingress transform".to_owned()));
        };
        let pre = pre.clone();
        let task = task(&tenant, skill.name.as_str().into(), trace, self.settings.limits, &loaded);
        let request = ingress_transform::request_to(&request);
        let (result, usage) = self
            .runner
            .run(&task, |mut store| {
                Box::pin(async move {
                    let transformed = async {
                        let instance = pre.instantiate_async(&mut store).await?;
                        instance.openclaw_gateway_ingress().call_transform(&mut store, &request).await
                    };
                    let transformed = transformed.await;
                    (transformed, store.into_data())
                })
            })
            .await
            .map_err(|refusal| match refusal {
                busy @ (Refusal::Busy(_) | Refusal::Internal(_) | Refusal::Cancelled) => busy,
                other => failed(other.to_string()),
            })?;
        let outcome = result.map_err(|failure| failed(ingress_transform::failure_text(&failure)))?;
        Ok(IngressReply {
            outcome: ingress_transform::outcome_from(outcome).map_err(failed)?,
            digest: skill.digest,
            duration: usage.duration,
        })
    }
}
