//! Runs operators' commands on a home's storage and skills.
//!
//! Invariant: everything that changes something is written to the audit log under the actor `cli`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openclaw_domain::ports::{AuditEntry, Grants, Guests, Journal, Kv, NewToken, Packages, Tenants, Tokens};
use openclaw_domain::{
    Caller, Clock, Credential, Door, EventKind, IdError, Installed, NewEvent, Refusal, Role, SkillName, SkillRef,
    TenantId, ToolCall, TraceId,
};
use openclaw_server::Server;
use openclaw_server::deliveries::Deliveries;
use openclaw_storage::{SecretSources, Storage};
use openclaw_wasm::{Installation, Registry};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::grant_view::{HeldView, skill_state};
use super::memory::initial_memory;
use super::tenants::role_of;
use super::{
    Arguments, BackupView, CallView, Install, NewTokenView, ReloadView, Request, SkillView, TokenView, TraceView,
};
use crate::bundled;
use crate::config::{Config, Reloader};
use crate::exit::{Ending, Failed};
use crate::policy::OperatorPolicy;
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
    /// Posts events to endpoints.
    pub(crate) deliveries: Deliveries,
}

/// What operators' commands act on.
pub(crate) struct OpsParts {
    /// The storage of the home.
    pub(crate) storage: Storage,
    /// The configuration a command begins with.
    pub(crate) config: Arc<Config>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What operators granted.
    pub(crate) grants: Arc<dyn Grants>,
    /// What skills remember.
    pub(crate) kv: Arc<dyn Kv>,
    /// The values of secrets, wherever they are.
    pub(crate) secrets: Arc<SecretSources>,
    /// Tenants that were added, and pauses.
    pub(crate) tenants: Arc<dyn Tenants>,
    /// Limits, settings and pauses in force.
    pub(crate) policy: Arc<OperatorPolicy>,
}

/// Answers operators' commands.
pub(crate) struct Ops {
    pub(super) storage: Storage,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grants: Arc<dyn Grants>,
    pub(super) kv: Arc<dyn Kv>,
    pub(super) secrets: Arc<SecretSources>,
    pub(super) tenant_store: Arc<dyn Tenants>,
    /// Held from reading a grant or the pauses to writing them, so that two changes never undo each other.
    pub(super) changing: tokio::sync::Mutex<()>,
    pub(super) policy: Arc<OperatorPolicy>,
    config: Arc<Config>,
    registry: OnceCell<Arc<Registry>>,
    pub(super) running: OnceCell<RunningGateway>,
}

impl Ops {
    /// For a home whose storage is open. The part that runs guests is made when a command first needs it.
    pub(crate) fn new(parts: OpsParts) -> Self {
        let OpsParts { storage, config, clock, grants, kv, secrets, tenants, policy } = parts;
        Self {
            storage,
            clock,
            grants,
            kv,
            secrets,
            tenant_store: tenants,
            changing: tokio::sync::Mutex::default(),
            policy,
            config,
            registry: OnceCell::new(),
            running: OnceCell::new(),
        }
    }

    /// Says that a gateway runs here; commands about it are answered from now on.
    pub(crate) fn set_running(&self, gateway: RunningGateway) {
        drop(self.running.set(gateway));
    }

    /// What runs guests, with the bundled components in place.
    pub(crate) async fn registry(&self) -> Result<&Arc<Registry>, Failed> {
        self.registry
            .get_or_try_init(|| async {
                let parts = wiring::PowersParts {
                    grants: Arc::clone(&self.grants),
                    kv: Arc::clone(&self.kv),
                    secrets: Arc::clone(&self.secrets) as _,
                    policy: Arc::clone(&self.policy) as _,
                };
                let registry = wiring::registry(&self.storage, &self.config, parts, Arc::clone(&self.clock)).await?;
                for tenant in &self.tenants(&self.config).await? {
                    bundled::install(&registry, tenant).await;
                }
                Ok(registry)
            })
            .await
    }

    /// What runs guests, if a command needed it already.
    pub(super) fn registry_if_open(&self) -> Option<&Arc<Registry>> {
        self.registry.get()
    }

    /// The configuration in force.
    pub(crate) fn config_in_force(&self) -> Arc<Config> {
        match self.running.get() {
            Some(running) => running.reloader.running(),
            None => Arc::clone(&self.config),
        }
    }

    /// Puts a configuration that was reloaded in force for guests: limits, settings, where secrets are, and the grant
    /// files as they stand now.
    pub(crate) async fn configure(&self, config: &Arc<Config>) {
        self.reload_grants().await;
        self.policy.set_config(Arc::clone(config));
        self.secrets.configure(wiring::configured_secrets(config));
    }

    /// Ends the calls of a tenant, or of one of its skills, that run now; how many there were.
    pub(super) fn stop_calls(&self, tenant: &TenantId, skill: Option<&SkillName>, reason: &str) -> usize {
        self.registry.get().map_or(0, |registry| registry.stop_calls(tenant, skill, reason))
    }

    /// Tenants of the configuration, added ones, then those that only have a token which was not revoked.
    pub(super) async fn tenants(&self, config: &Config) -> Result<Vec<TenantId>, Failed> {
        let mut tenants = config.tenants.clone();
        for added in self.tenant_store.list().await? {
            if !tenants.contains(&added.name) {
                tenants.push(added.name);
            }
        }
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
                let mut views = Vec::new();
                for skill in self.registry().await?.installed(&parse(&tenant)?) {
                    views.push(self.skill_view(&skill).await?);
                }
                value(&views)
            }
            Request::Skill { tenant, name } => self.skill(&parse(&tenant)?, &parse(&name)?).await,
            Request::Remove { tenant, name, forget_data } => {
                self.remove(&parse(&tenant)?, &parse(&name)?, forget_data).await
            }
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
            Request::Agent { what } => self.agent(what).await,
            Request::Webhooks { what } => self.webhooks(what).await,
            Request::Backup { to } => self.backup(&to).await,
            Request::Trace { tenant, id } => self.trace(&parse(&tenant)?, &id).await,
            Request::Grant { tenant, name, lines } => self.grant(&parse(&tenant)?, &parse(&name)?, &lines).await,
            Request::Revoke { tenant, name, lines } => self.revoke(&parse(&tenant)?, &parse(&name)?, &lines).await,
            Request::Grants { tenant, name } => {
                self.grants(parse_some(tenant.as_deref())?.as_ref(), parse_some(name.as_deref())?.as_ref()).await
            }
            Request::GrantsDiff { tenant, name } => {
                self.grants_diff(&parse(&tenant)?, parse_some(name.as_deref())?.as_ref()).await
            }
            Request::Approve { tenant, name } => self.approve(&parse(&tenant)?, &parse(&name)?).await,
            Request::Reject { tenant, name } => self.reject(&parse(&tenant)?, &parse(&name)?).await,
            Request::Learn { tenant, target, arguments, allow_private } => {
                self.learn(parse(&tenant)?, &target, arguments, &allow_private).await
            }
            Request::SecretSet { tenant, name, value } => {
                self.set_secret(&parse(&tenant)?, &parse(&name)?, value.0).await
            }
            Request::SecretList { tenant } => self.list_secrets(parse_some(tenant.as_deref())?.as_ref()).await,
            Request::SecretRemove { tenant, name } => self.remove_secret(&parse(&tenant)?, &parse(&name)?).await,
            Request::TenantAdd { name, role } => self.add_tenant(parse(&name)?, &role).await,
            Request::TenantList => self.list_tenants().await,
            Request::TenantRotate { name, role } => self.rotate_token(parse(&name)?, role.as_deref()).await,
            Request::TenantExport { name } => self.export_tenant(&parse(&name)?).await,
            Request::TenantErase { name, force } => self.erase_tenant(&parse(&name)?, force).await,
            Request::Pause { tenant, skill, paused } => {
                self.set_paused(parse_some(tenant.as_deref())?, parse_some(skill.as_deref())?, paused).await
            }
        }
    }

    /// Installs a component.
    ///
    /// # Errors
    /// It is no component of a world this gateway runs, or imports what nobody granted.
    pub(crate) async fn install(&self, install: Install, component: Bytes) -> Result<Value, Failed> {
        let tenant: TenantId = parse(&install.tenant)?;
        let name = install.name.as_deref().map(parse::<SkillName>).transpose()?;
        let installation = wiring::install(self.registry().await?, &tenant, component, name, false).await?;
        let skill = installation.skill();
        let detail = json!({"digest": skill.digest.to_string(), "imports": skill.imports});
        let action = match &installation {
            Installation::Installed(_) => "skill.install",
            Installation::Held(_) => "skill.hold",
        };
        self.audit(&tenant, action, skill.name.as_str(), &detail).await?;
        match &installation {
            Installation::Installed(installed) => value(&self.skill_view(installed).await?),
            // What is told is what serves; the upgrade stands beside it.
            Installation::Held(held) => {
                value(&self.skill_view(&self.installed(&tenant, &held.upgrade.name).await?).await?)
            }
        }
    }

    /// What is told of a skill, with its grant and with the upgrade that waits.
    pub(super) async fn skill_view(&self, skill: &Installed) -> Result<SkillView, Failed> {
        let held = Packages::held(&self.storage).await?;
        let held = held.iter().find(|held| held.upgrade.tenant == skill.tenant && held.upgrade.name == skill.name);
        let grant = self.grants.grant(&skill.tenant, &skill.name);
        Ok(SkillView {
            grant: skill_state(skill, grant.as_deref(), self.clock.now()),
            held: held.map(HeldView::of),
            ..SkillView::from(skill)
        })
    }

    /// Posts events to endpoints, while a gateway runs.
    pub(super) fn running_deliveries(&self) -> Option<&Deliveries> {
        self.running.get().map(|running| &running.deliveries)
    }

    pub(super) fn gateway(&self) -> Result<&RunningGateway, Failed> {
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

    async fn skill(&self, tenant: &TenantId, name: &SkillName) -> Result<Value, Failed> {
        let installed = self.registry().await?.installed(tenant);
        match installed.iter().find(|skill| skill.name == *name) {
            Some(skill) => {
                let component = Packages::component(&self.storage, skill.digest).await?;
                let initial_memory = initial_memory(&component);
                value(&SkillView { initial_memory, ..self.skill_view(skill).await? })
            }
            None => Err(Refusal::SkillNotFound(name.to_string()).into()),
        }
    }

    async fn set_enabled(&self, tenant: &TenantId, name: &SkillName, enabled: bool) -> Result<Value, Failed> {
        let installed = self.registry().await?.set_enabled(tenant, name, enabled).await?;
        let action = if enabled { "skill.enable" } else { "skill.disable" };
        self.audit(tenant, action, name.as_str(), &json!({})).await?;
        value(&self.skill_view(&installed).await?)
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
        let (target_of_call, arguments) = (call.target.clone(), Arc::clone(&call.arguments));
        let reply =
            registry.call_tool(call).await.map_err(|refusal| self.denied(refusal, &target_of_call, &arguments))?;
        let view = CallView::of(&reply, trace.to_string());
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
        let role = role_of(role)?;
        // A token's name stands in logs and commands, so it follows the rule of names.
        let name = parse::<SkillName>(&name)
            .map(|name| name.to_string())
            .map_err(|failed| Failed { message: failed.message.replace("a skill name", "a token name"), ..failed })?;
        let (token, hash) = Self::new_token()?;
        let created_at = self.clock.now();
        let expires_at = expires.map(|after| created_at.plus(after));
        self.storage
            .create(NewToken { name: name.clone(), tenant: tenant.clone(), role, hash, created_at, expires_at })
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

    /// A token nobody has yet, and what is kept of it.
    pub(super) fn new_token() -> Result<(String, [u8; 32]), Failed> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| Failed::because(format!("the system gives no random: {error}")))?;
        let token = format!("oc_{}", hex::encode(random));
        let hash = Sha256::digest(&token).into();
        Ok((token, hash))
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

    pub(super) fn auth_required(&self) -> bool {
        self.config_in_force().server.auth_required
    }

    pub(super) async fn tell_tokens_changed(&self) {
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

    pub(super) async fn audit(
        &self,
        tenant: &TenantId,
        action: &str,
        subject: &str,
        detail: &Value,
    ) -> Result<(), Failed> {
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
pub(super) fn input_schema(installed: &[Installed], target: &SkillRef) -> Option<Value> {
    let skill = installed.iter().find(|skill| skill.name == target.skill)?;
    let tool = match (&target.tool, &skill.tools[..]) {
        (Some(name), tools) => tools.iter().find(|tool| tool.name == *name)?,
        (None, [only]) => only,
        (None, _) => return None,
    };
    serde_json::from_str(&tool.input_schema).ok()
}

pub(super) fn parse<T: std::str::FromStr<Err = IdError>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(not_a_name)
}

fn parse_some<T: std::str::FromStr<Err = IdError>>(text: Option<&str>) -> Result<Option<T>, Failed> {
    text.map(parse).transpose()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
pub(super) fn not_a_name(error: IdError) -> Failed {
    Failed::refused(error.to_string())
}

pub(super) fn value<T: Serialize>(view: &T) -> Result<Value, Failed> {
    serde_json::to_value(view).map_err(|error| Failed::because(error.to_string()))
}
