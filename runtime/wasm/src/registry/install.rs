//! Installing: a file is inspected, compiled in the jail, linked, asked for its tools, kept, and only then listed.
//!
//! Invariant: nothing enters the list any other way, and whatever is wrong with a file is said by name with its fix.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openclaw_domain::{CallLimits, HeldUpgrade, Installed, Refusal, SkillName, TenantId, ToolSpec, TraceId};
use openclaw_package::{Limits, Package, PackageError};

use super::upgrade::widening;
use super::{Registry, task};
use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::linker;
use crate::loaded::{Entry, LoadError, Loaded};
use crate::worlds::tools;

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

/// What became of an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installation {
    /// It serves.
    Installed(Installed),
    /// It imports or asks for more than the one that serves, and waits for an operator: the old one serves on.
    Held(HeldUpgrade),
}

impl Installation {
    /// The skill that was installed or waits.
    pub fn skill(&self) -> &Installed {
        match self {
            Self::Installed(installed) => installed,
            Self::Held(held) => &held.upgrade,
        }
    }
}

/// `list-tools` answers from constants; a guest that needs longer is not worth installing.
const LIST_TOOLS_DEADLINE: Duration = Duration::from_secs(5);

impl Registry {
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
    ) -> Result<Installation, InstallError> {
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
        let (requests, settings) = match &package.manifest {
            Some(manifest) => {
                (manifest.capabilities.clone(), serde_json::Value::from(manifest.settings.clone()).to_string())
            }
            None => (Vec::new(), "{}".to_owned()),
        };
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
            requests,
            settings,
            tools: Vec::new(),
            enabled: true,
            bundled,
            size: bytes.len() as u64,
            installed_at: self.clock.now(),
        };
        // Compiling may take a minute; nobody who enables, removes or installs another skill waits for it.
        installed.tools = self.try_out(&installed, &bytes).await?;
        let _alone = self.changing.lock().await;
        let kept = self.keep(&installed, bytes).await;
        kept.map_err(|source| InstallError::Keep { name: installed.name.clone(), source })
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
        let end = Instant::now() + limits.deadline;
        let task = task(&installed.tenant, installed.name.as_str().into(), TraceId::new(), limits, end, loaded);
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

    async fn keep(&self, installed: &Installed, bytes: Bytes) -> Result<Installation, Refusal> {
        self.packages.put_component(installed.digest, bytes).await?;
        let before = self.find(&installed.tenant, &installed.name);
        let replaced = before.filter(|before| before.digest != installed.digest);
        if let Some(held) = replaced.and_then(|before| widening(&before, installed)) {
            // What comes with the gateway is the gateway's own; its grant stays behind all the same.
            if !installed.bundled {
                self.packages.hold(held.clone()).await?;
                return Ok(Installation::Held(held));
            }
            self.packages.put(installed.clone()).await?;
            self.serve(installed, None);
            return Ok(Installation::Installed(installed.clone()));
        }
        self.packages.put(installed.clone()).await?;
        // Whatever waited under this name was an upgrade of what is now replaced.
        self.packages.release(&installed.tenant, &installed.name).await?;
        self.take_over(installed).await?;
        Ok(Installation::Installed(installed.clone()))
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
