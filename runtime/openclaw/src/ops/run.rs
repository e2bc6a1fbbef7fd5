//! Runs operators' commands on a home's storage and skills.
//!
//! Invariant: everything that changes something is written to the audit log under the actor `cli`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openclaw_domain::ports::{AuditEntry, Guests, Journal, NewToken, Packages, Tokens};
use openclaw_domain::{
    Caller, Clock, Credential, Door, EventKind, IdError, Installed, NewEvent, Refusal, Role, SkillName, SkillRef,
    TenantId, ToolCall, TraceId,
};
use openclaw_server::Server;
use openclaw_storage::Storage;
use openclaw_wasm::Registry;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::memory::initial_memory;
use super::{
    Arguments, BackupView, CallView, Install, NewTokenView, ReloadView, Request, SkillView, StatusView, TokenView,
    TraceView,
};
use crate::bundled;
use crate::config::{Config, Reloader};
use crate::exit::{Ending, Failed};
use crate::wiring;

/// So much of a call's text is kept with its event.
const EVENT_TEXT_BYTES: usize = 64 << 10;

/// Where the answer to a reload goes.
pub(crate) type AskedReload = oneshot::Sender<Result<ReloadView, Failed>>;

/// What is only there while a gateway runs.
pub(crate) struct RunningGateway {
    /// Its configuration.
    pub(crate) reloader: Arc<Reloader>,
    /// Asks it to read the configuration again.
    pub(crate) reload: mpsc::Sender<AskedReload>,
    /// Where it listens.
    pub(crate) url: String,
    /// Since when.
    pub(crate) since: Instant,
    /// What listens; told when named tokens change.
    pub(crate) server: Server,
}

/// Answers operators' commands.
pub(crate) struct Ops {
    storage: Storage,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
    registry: OnceCell<Arc<Registry>>,
    running: OnceCell<RunningGateway>,
}

impl Ops {
    /// For a home whose storage is open. The part that runs guests is made when a command first needs it.
    pub(crate) fn new(storage: Storage, config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock, config, registry: OnceCell::new(), running: OnceCell::new() }
    }

    /// Says that a gateway runs here; commands about it are answered from now on.
    pub(crate) fn set_running(&self, gateway: RunningGateway) {
        drop(self.running.set(gateway));
    }

    /// What runs guests, with the bundled components in place.
    pub(crate) async fn registry(&self) -> Result<&Arc<Registry>, Failed> {
        self.registry
            .get_or_try_init(|| async {
                let registry = wiring::registry(&self.storage, &self.config, Arc::clone(&self.clock)).await?;
                for tenant in &self.tenants(&self.config).await? {
                    bundled::install(&registry, tenant).await;
                }
                Ok(registry)
            })
            .await
    }

    /// Tenants of the configuration, then those that only have a token which was not revoked.
    async fn tenants(&self, config: &Config) -> Result<Vec<TenantId>, Failed> {
        let mut tenants = config.tenants.clone();
        for named in Tokens::list(&self.storage).await? {
            if named.revoked_at.is_none() && !tenants.contains(&named.token.tenant) {
                tenants.push(named.token.tenant);
            }
        }
        Ok(tenants)
    }

    /// The storage of the home.
    pub(crate) const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Answers one command.
    ///
    /// # Errors
    /// The command was refused or failed; nothing of it stays.
    pub(crate) async fn answer(&self, request: Request) -> Result<Value, Failed> {
        match request {
            Request::Status => self.status().await,
            Request::ConfigReload => self.reload().await,
            Request::Skills { tenant } => {
                let installed = self.registry().await?.installed(&parse(&tenant)?);
                value(&installed.iter().map(SkillView::from).collect::<Vec<_>>())
            }
            Request::Skill { tenant, name } => self.skill(&parse(&tenant)?, &parse(&name)?).await,
            Request::Remove { tenant, name } => self.remove(&parse(&tenant)?, &parse(&name)?).await,
            Request::SetEnabled { tenant, name, enabled } => {
                self.set_enabled(&parse(&tenant)?, &parse(&name)?, enabled).await
            }
            Request::Call { tenant, target, arguments, deadline_ms } => {
                self.call(parse(&tenant)?, &target, arguments, deadline_ms).await
            }
            Request::TokenCreate { tenant, name, role, expires_ms } => {
                self.create_token(parse(&tenant)?, name, &role, expires_ms.map(Duration::from_millis)).await
            }
            Request::TokenList => {
                let (now, tokens) = (self.clock.now(), Tokens::list(&self.storage).await?);
                value(&tokens.iter().map(|token| TokenView::of(token, now)).collect::<Vec<_>>())
            }
            Request::TokenRevoke { tenant, name } => self.revoke_token(&parse(&tenant)?, &name).await,
            Request::Backup { to } => self.backup(&to).await,
            Request::Trace { tenant, id } => self.trace(&parse(&tenant)?, &id).await,
        }
    }

    /// Installs a component.
    ///
    /// # Errors
    /// It is no component of a world this gateway runs, or imports what nobody granted.
    pub(crate) async fn install(&self, install: Install, component: Bytes) -> Result<Value, Failed> {
        let tenant: TenantId = parse(&install.tenant)?;
        let name = install.name.as_deref().map(parse::<SkillName>).transpose()?;
        let installed = wiring::install(self.registry().await?, &tenant, component, name, false).await?;
        let detail = json!({"digest": installed.digest.to_string(), "imports": installed.imports});
        self.audit(&tenant, "skill.install", installed.name.as_str(), &detail).await?;
        value(&SkillView::from(&installed))
    }

    fn gateway(&self) -> Result<&RunningGateway, Failed> {
        self.running
            .get()
            .ok_or_else(|| Failed { ending: Ending::NotRunning, ..Failed::because("no gateway runs here yet") })
    }

    async fn reload(&self) -> Result<Value, Failed> {
        let (answer, answered) = oneshot::channel();
        let stopping = || Failed { ending: Ending::NotRunning, ..Failed::because("the gateway is stopping") };
        self.gateway()?.reload.send(answer).await.map_err(|_| stopping())?;
        let reloaded = answered.await.map_err(|_| stopping())??;
        self.audit(&TenantId::default(), "config.reload", &reloaded.file, &json!({})).await?;
        value(&reloaded)
    }

    async fn status(&self) -> Result<Value, Failed> {
        let running = self.gateway()?;
        let config = running.reloader.running();
        let registry = self.registry.get();
        let mut tenants = self.tenants(&config).await?;
        let installed = Packages::list(&self.storage).await?;
        for skill in &installed {
            if !tenants.contains(&skill.tenant) {
                tenants.push(skill.tenant.clone());
            }
        }
        let (instances_in_use, instances) = registry.map_or((0, 0), |registry| registry.places());
        value(&StatusView {
            running: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            home: self.storage.home().display().to_string(),
            url: running.url.clone(),
            auth_required: config.server.auth_required,
            uptime_seconds: running.since.elapsed().as_secs(),
            tenants: tenants.iter().map(ToString::to_string).collect(),
            skills: installed.len(),
            instances_in_use,
            instances,
            webhook_endpoints: config.server.ingress.len(),
        })
    }

    async fn skill(&self, tenant: &TenantId, name: &SkillName) -> Result<Value, Failed> {
        let installed = self.registry().await?.installed(tenant);
        match installed.iter().find(|skill| skill.name == *name) {
            Some(skill) => {
                let component = Packages::component(&self.storage, skill.digest).await?;
                let initial_memory = initial_memory(&component);
                value(&SkillView { initial_memory, ..SkillView::from(skill) })
            }
            None => Err(Refusal::SkillNotFound(name.to_string()).into()),
        }
    }

    async fn remove(&self, tenant: &TenantId, name: &SkillName) -> Result<Value, Failed> {
        let registry = self.registry().await?;
        let bundled = registry.installed(tenant).iter().any(|skill| skill.name == *name && skill.bundled);
        if bundled {
            return Err(Failed::refused(format!("`{name}` came with the gateway and would come back"))
                .hint(format!("run `openclaw skills disable {name}`")));
        }
        if !registry.remove(tenant, name).await? {
            return Err(Refusal::SkillNotFound(name.to_string()).into());
        }
        self.audit(tenant, "skill.remove", name.as_str(), &json!({})).await?;
        // An operator's own skill may have stood where a bundled one belongs.
        bundled::install(registry, tenant).await;
        Ok(json!({"removed": name.as_str()}))
    }

    async fn set_enabled(&self, tenant: &TenantId, name: &SkillName, enabled: bool) -> Result<Value, Failed> {
        let installed = self.registry().await?.set_enabled(tenant, name, enabled).await?;
        let action = if enabled { "skill.enable" } else { "skill.disable" };
        self.audit(tenant, action, name.as_str(), &json!({})).await?;
        value(&SkillView::from(&installed))
    }

    async fn call(
        &self,
        tenant: TenantId,
        target: &str,
        arguments: Arguments,
        deadline_ms: Option<u64>,
    ) -> Result<Value, Failed> {
        let registry = self.registry().await?;
        let parsed: SkillRef = target.parse().map_err(not_a_name)?;
        let schema = input_schema(&registry.installed(&tenant), &parsed);
        let trace = TraceId::new();
        let credential = Credential { tenant: tenant.clone(), role: Role::Operator, name: "cli".into() };
        let call = ToolCall {
            caller: Caller { credential, door: Door::Cli, trace },
            target: parsed,
            arguments: arguments.into_json(schema.as_ref()).into(),
            deadline: deadline_ms.map(Duration::from_millis),
            progress: openclaw_domain::ProgressSink::default(),
            session: None,
            resumed: None,
        };
        let view = CallView::of(&registry.call_tool(call).await?, trace.to_string());
        let result = &view.text[..view.text.floor_char_boundary(EVENT_TEXT_BYTES)];
        let data = json!({
            "task_name": target,
            "result": result,
            "truncated": result.len() < view.text.len(),
            "duration_ms": view.duration_ms,
        });
        self.storage.record(NewEvent {
            tenant,
            kind: EventKind::TaskCompleted,
            data: data.to_string(),
            trace,
            at: self.clock.now(),
            session: None,
        });
        value(&view)
    }

    async fn create_token(
        &self,
        tenant: TenantId,
        name: String,
        role: &str,
        expires: Option<Duration>,
    ) -> Result<Value, Failed> {
        let role = Role::from_name(role).ok_or_else(|| {
            Failed::refused(format!("`{role}` is no role")).hint("use `read`, `invoke` or `operator`")
        })?;
        // A token's name stands in logs and commands, so it follows the rule of names.
        let name = parse::<SkillName>(&name)
            .map(|name| name.to_string())
            .map_err(|failed| Failed { message: failed.message.replace("a skill name", "a token name"), ..failed })?;
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| Failed::because(format!("the system gives no random: {error}")))?;
        let token = format!("oc_{}", hex::encode(random));
        let created_at = self.clock.now();
        let expires_at = expires.map(|after| created_at.plus(after));
        self.storage
            .create(NewToken {
                name: name.clone(),
                tenant: tenant.clone(),
                role,
                hash: Sha256::digest(&token).into(),
                created_at,
                expires_at,
            })
            .await?;
        let detail = json!({"role": role.as_str(), "expires_at": expires_at.map(|end| end.to_string())});
        self.audit(&tenant, "token.create", &name, &detail).await?;
        if let Some(registry) = self.registry.get() {
            bundled::install(registry, &tenant).await;
        }
        self.tell_tokens_changed().await;
        value(&NewTokenView {
            name,
            tenant: tenant.to_string(),
            role: role.as_str().to_owned(),
            token,
            expires_at: expires_at.map(|end| end.to_string()),
            auth_required: self.auth_required(),
        })
    }

    async fn revoke_token(&self, tenant: &TenantId, name: &str) -> Result<Value, Failed> {
        if !self.storage.revoke(tenant, name, self.clock.now()).await? {
            return Err(Failed::refused(format!("tenant `{tenant}` has no active token named `{name}`"))
                .hint("`openclaw token list` names them"));
        }
        self.audit(tenant, "token.revoke", name, &json!({})).await?;
        self.tell_tokens_changed().await;
        Ok(json!({"revoked": name}))
    }

    fn auth_required(&self) -> bool {
        match self.running.get() {
            Some(running) => running.reloader.running().server.auth_required,
            None => self.config.server.auth_required,
        }
    }

    async fn tell_tokens_changed(&self) {
        if let Some(running) = self.running.get()
            && let Err(error) = running.server.reload_tokens().await
        {
            tracing::error!(%error, "the server knows the tokens as they were before");
        }
    }

    async fn backup(&self, to: &Path) -> Result<Value, Failed> {
        let report = wiring::backup(&self.storage, to).await?;
        self.audit(&TenantId::default(), "backup", &report.folder, &json!({"bytes": report.bytes})).await?;
        value::<BackupView>(&report)
    }

    async fn trace(&self, tenant: &TenantId, id: &str) -> Result<Value, Failed> {
        let id: TraceId = id.parse().map_err(not_a_name)?;
        // Events are written soon after they happen; whoever asks now means those of a moment ago as well.
        self.storage.flush().await?;
        let entries = Journal::trace(&self.storage, tenant, &id.to_string()).await?;
        value(&entries.iter().map(TraceView::from).collect::<Vec<_>>())
    }

    async fn audit(&self, tenant: &TenantId, action: &str, subject: &str, detail: &Value) -> Result<(), Failed> {
        let entry = AuditEntry {
            at: self.clock.now(),
            tenant: tenant.clone(),
            actor: "cli".to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_string(),
        };
        Ok(Journal::audit(&self.storage, entry).await?)
    }
}

/// The schema of the tool that a target means, if it means one.
fn input_schema(installed: &[Installed], target: &SkillRef) -> Option<Value> {
    let skill = installed.iter().find(|skill| skill.name == target.skill)?;
    let tool = match (&target.tool, &skill.tools[..]) {
        (Some(name), tools) => tools.iter().find(|tool| tool.name == *name)?,
        (None, [only]) => only,
        (None, _) => return None,
    };
    serde_json::from_str(&tool.input_schema).ok()
}

fn parse<T: std::str::FromStr<Err = IdError>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(not_a_name)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
fn not_a_name(error: IdError) -> Failed {
    Failed::refused(error.to_string())
}

fn value<T: Serialize>(view: &T) -> Result<Value, Failed> {
    serde_json::to_value(view).map_err(|error| Failed::because(error.to_string()))
}
