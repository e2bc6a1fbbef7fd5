//! The guest runtime inside a test: a real registry over real storage, with limits small enough to be run into.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openclaw_domain::ports::{Grants as _, Guests as _, Journal as _};
use openclaw_domain::{
    Caller, Clock, Credential, Door, Event, Grant, GrantLimits, IngressCall, IngressOutcome, IngressReply,
    IngressRequest, Installed, Powers, Progress, ProgressSink, Refusal, Resumption, Role, SystemClock, TenantId,
    TenantLimits, Timestamp, ToolCall, ToolOutput, ToolReply, TraceId,
};
use openclaw_egress::{Egress, EgressSettings};
use openclaw_storage::{GrantFiles, Storage, StorageOptions};
use openclaw_wasm::{InstallError, Registry, RegistryParts, WasmSettings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::{JoinError, JoinSet};

use crate::ports::{TestPolicy, TestSecrets};
use crate::programs::{shared_cache, test_compiler};

/// Memory of a call in tests: enough for every honest guest, and soon allocated.
const MEMORY: usize = 16 << 20;
/// Host calls of a call in tests.
const HOST_CALLS: u64 = 10_000;
/// The deadline of honest calls: so long that no load on the machine makes one run into it.
const DEADLINE: Duration = Duration::from_secs(120);

/// How a [`TestRegistry`] is opened.
pub struct Opening {
    /// Sizes and limits; the tests' own unless changed.
    pub settings: WasmSettings,
    /// The folder of compiled code and its key. Default: one that all tests share.
    pub cache: PathBuf,
    /// Where it gets the time from. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for Opening {
    fn default() -> Self {
        let mut settings = WasmSettings::new(test_compiler());
        settings.limits.memory = MEMORY;
        settings.limits.host_calls = HOST_CALLS;
        settings.limits.deadline = DEADLINE;
        // Eight permits: enough to hold some back, few enough to use them up.
        settings.live_instances = 8;
        Self { settings, cache: shared_cache(), clock: Arc::new(SystemClock) }
    }
}

impl Opening {
    /// One whose compiler and cache are yet to be named: for programs that are no tests.
    pub fn bare() -> Self {
        Self { settings: WasmSettings::new(PathBuf::new()), cache: PathBuf::new(), clock: Arc::new(SystemClock) }
    }

    /// The same with other settings.
    pub fn with(mut self, change: impl FnOnce(&mut WasmSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The same with compiled code kept in this folder.
    pub fn with_cache(mut self, folder: &Path) -> Self {
        self.cache = folder.to_owned();
        self
    }

    /// Opens it over storage of its own.
    pub async fn open(self) -> TestRegistry {
        let home = TempDir::new().expect("a temporary folder can be made");
        self.open_over(home).await
    }

    /// Opens it over what another registry has left.
    pub async fn open_over(self, home: TempDir) -> TestRegistry {
        let storage = Storage::open(home.path(), StorageOptions::default()).expect("storage opens");
        let limits = TenantLimits { call: self.settings.limits, calls_per_minute: u32::MAX, ..TenantLimits::default() };
        let policy = Arc::new(TestPolicy::new(limits));
        let secrets = Arc::new(TestSecrets::default());
        let grants = Arc::new(GrantFiles::open(home.path()));
        let egress = Egress::new(&EgressSettings::default(), Arc::clone(&secrets) as _).expect("the way out opens");
        let registry = Registry::open(RegistryParts {
            home: self.cache,
            settings: self.settings,
            packages: Arc::new(storage.clone()),
            journal: Arc::new(storage.clone()),
            egress,
            kv: Arc::new(storage.clone()),
            secrets: Arc::clone(&secrets) as _,
            grants: Arc::clone(&grants) as _,
            policy: Arc::clone(&policy) as _,
            clock: self.clock,
        })
        .await
        .expect("the registry opens");
        TestRegistry { registry, storage, grants, policy, secrets, home }
    }
}

/// A registry, its storage and the folder both live in.
pub struct TestRegistry {
    /// The registry under test.
    pub registry: Arc<Registry>,
    /// What it keeps its packages and events in.
    pub storage: Storage,
    /// What is granted.
    pub grants: Arc<GrantFiles>,
    /// Limits, settings and pauses.
    pub policy: Arc<TestPolicy>,
    /// Values that guests use.
    pub secrets: Arc<TestSecrets>,
    home: TempDir,
}

impl TestRegistry {
    /// One with small limits and these component files installed for the default tenant.
    pub async fn serving(components: &[&str]) -> Self {
        let registry = Opening::default().open().await;
        for component in components {
            registry.install(component).await;
        }
        registry
    }

    /// Installs a component file for the default tenant.
    pub async fn install(&self, component: &str) -> Installed {
        let bytes = std::fs::read(component).expect("the guest was built");
        self.take(bytes).await.unwrap_or_else(|error| panic!("{component}: {error}"))
    }

    /// Installs a component for the default tenant, or says why not.
    pub async fn take(&self, bytes: impl Into<Bytes>) -> Result<Installed, InstallError> {
        let installation = self.registry.install(&TenantId::default(), bytes.into(), None, false).await;
        installation.map(|installation| installation.skill().clone())
    }

    /// Installs a component for the default tenant under a name.
    pub async fn take_as(&self, name: &str, bytes: impl Into<Bytes>) -> Result<Installed, InstallError> {
        let name = name.parse().expect("a skill name");
        let installation = self.registry.install(&TenantId::default(), bytes.into(), Some(name), false).await;
        installation.map(|installation| installation.skill().clone())
    }

    /// Why a component is refused under the name `refused`: the message, and the hint on a line of its own.
    pub async fn refusal_to_install(&self, bytes: impl Into<Bytes>) -> String {
        match self.take_as("refused", bytes).await {
            Ok(installed) => format!("it was installed: {:?}", installed.digest),
            Err(error) => match error.hint() {
                Some(hint) => format!("{error}\nhint: {hint}"),
                None => error.to_string(),
            },
        }
    }

    /// Calls a tool as the default tenant; the text of its result.
    pub async fn call(&self, target: &str, arguments: Value) -> Result<String, Refusal> {
        self.run(call(&TenantId::default(), target, &arguments)).await.map(|reply| text_of(&reply))
    }

    /// As [`Self::call`], with a deadline.
    pub async fn call_within(&self, deadline: Duration, target: &str, arguments: Value) -> Result<String, Refusal> {
        let call = ToolCall { deadline: Some(deadline), ..call(&TenantId::default(), target, &arguments) };
        self.run(call).await.map(|reply| text_of(&reply))
    }

    /// As [`Self::call`], as another tenant.
    pub async fn call_as(&self, tenant: &TenantId, target: &str, arguments: Value) -> Result<String, Refusal> {
        self.run(call(tenant, target, &arguments)).await.map(|reply| text_of(&reply))
    }

    /// As [`Self::call`], as part of a trace.
    pub async fn call_in(&self, trace: TraceId, target: &str, arguments: Value) -> Result<String, Refusal> {
        let mut call = call(&TenantId::default(), target, &arguments);
        call.caller.trace = trace;
        self.run(call).await.map(|reply| text_of(&reply))
    }

    /// Calls a tool; the whole output.
    pub async fn output(
        &self,
        target: &str,
        arguments: Value,
        resumed: Option<Resumption>,
    ) -> Result<ToolOutput, Refusal> {
        let call = ToolCall { resumed, ..call(&TenantId::default(), target, &arguments) };
        self.run(call).await.map(|reply| reply.output)
    }

    /// As [`Self::output`], as another tenant.
    pub async fn output_as(
        &self,
        tenant: &TenantId,
        target: &str,
        arguments: Value,
        resumed: Option<Resumption>,
    ) -> Result<ToolOutput, Refusal> {
        let call = ToolCall { resumed, ..call(tenant, target, &arguments) };
        self.run(call).await.map(|reply| reply.output)
    }

    /// As [`Self::call`], with what the guest said while it worked.
    pub async fn call_hearing(&self, target: &str, arguments: Value) -> (Result<String, Refusal>, Vec<Progress>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let progress = ProgressSink::new(move |said| hear.lock().unwrap_or_else(PoisonError::into_inner).push(said));
        let call = ToolCall { progress, ..call(&TenantId::default(), target, &arguments) };
        let result = self.run(call).await.map(|reply| text_of(&reply));
        let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        (result, heard)
    }

    /// Runs a tool to find out what it needs: how it ended, and what it was.
    pub async fn learn(&self, target: &str, arguments: Value, allow_private: bool) -> (String, Powers) {
        let learned = self.registry.learn(call(&TenantId::default(), target, &arguments), allow_private).await;
        (told(learned.result.map(|reply| text_of(&reply))), learned.powers)
    }

    /// Grants a skill of a tenant powers, in place of what it had, with bounds as `change` leaves them.
    pub async fn grant_to(&self, tenant: &TenantId, skill: &str, powers: Powers, change: impl FnOnce(&mut Grant)) {
        let installed = self.registry.installed(tenant);
        let installed = installed.iter().find(|known| known.name.as_str() == skill).expect("it is installed");
        let mut grant = Grant {
            tenant: tenant.clone(),
            skill: installed.name.clone(),
            component: installed.digest,
            imports: installed.imports.clone(),
            powers,
            limits: GrantLimits::default(),
            expires: None,
            granted_at: Timestamp::from_millis(0),
        };
        change(&mut grant);
        self.grants.put(grant).await.expect("the grant is written");
    }

    /// Grants a skill of the default tenant powers, in place of what it had.
    pub async fn grant(&self, skill: &str, powers: Powers) {
        self.grant_to(&TenantId::default(), skill, powers, |_| {}).await;
    }

    /// How a call is refused, with the command that would help on a line of its own.
    pub async fn refused_with(&self, target: &str, arguments: Value) -> String {
        match self.call(target, arguments).await {
            Err(refusal) => match refusal.hint() {
                Some(hint) => format!("{}\nhint: {hint}", told(Err(refusal))),
                None => told(Err(refusal)),
            },
            went_well => told(went_well),
        }
    }

    async fn run(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        self.registry.call_tool(call).await
    }

    /// A call in the background, which ends when what this returns is dropped.
    pub fn begin(&self, tenant: &TenantId, target: &str, arguments: &Value) -> InFlight {
        let registry = Arc::clone(&self.registry);
        let call = call(tenant, target, arguments);
        let mut task = JoinSet::new();
        task.spawn(async move { told(registry.call_tool(call).await.map(|reply| text_of(&reply))) });
        InFlight(task, None)
    }

    /// How a call that must not succeed is refused: code and message.
    pub async fn refused(&self, target: &str) -> String {
        told(self.call(target, Value::Object(serde_json::Map::new())).await)
    }

    /// Runs the transform `name` with these settings on a small request.
    pub async fn transform(&self, name: &str, settings: Value) -> Result<IngressReply, Refusal> {
        let request = IngressRequest {
            path: "/door".into(),
            method: "POST".to_owned(),
            query: Vec::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            content_type: Some("application/json".to_owned()),
            body: Bytes::from_static(b"{}"),
            received_at: Timestamp::from_millis(1_780_920_000_000),
            settings: settings.to_string().into(),
        };
        let transform = name.parse().expect("a skill name");
        let call = IngressCall { tenant: TenantId::default(), transform, request, trace: TraceId::new() };
        self.registry.transform_ingress(call).await
    }

    /// What a transform decided, or how it was refused.
    pub async fn decided(&self, name: &str, settings: Value) -> String {
        match self.transform(name, settings).await {
            Ok(reply) => match reply.outcome {
                IngressOutcome::Respond { status, content_type, body } => {
                    format!("respond {status} {content_type}, {} bytes", body.len())
                }
                other => format!("{other:?}"),
            },
            Err(refusal) => told(Err(refusal)),
        }
    }

    /// Everything recorded for the default tenant.
    pub async fn events(&self) -> Vec<Event> {
        self.storage.flush().await.expect("storage writes");
        self.storage.events_since(&TenantId::default(), 0, 1000).await.expect("storage reads")
    }

    /// Places of the pool in use.
    pub fn places_in_use(&self) -> usize {
        self.registry.places().0
    }

    /// Ends it in order and gives back what it left on disk.
    pub async fn close(self) -> TempDir {
        self.registry.close().await;
        drop(self.registry);
        self.storage.close().await.expect("storage closes");
        self.home
    }
}

/// A call in flight.
pub struct InFlight(JoinSet<String>, Option<Result<String, JoinError>>);

impl InFlight {
    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        if self.1.is_none() {
            self.1 = self.0.try_join_next();
        }
        self.1.is_some()
    }

    /// How it ended: its text, or code and message.
    pub async fn ended(mut self) -> String {
        let ended = match self.1.take() {
            Some(ended) => ended,
            None => self.0.join_next().await.expect("there is one call"),
        };
        ended.expect("a call does not panic")
    }

    /// Drops the call wherever it is, as when its caller has gone.
    pub async fn drop_it(mut self) {
        self.0.shutdown().await;
    }
}

/// A tenant by name.
pub fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant name")
}

/// A result as a test reads it: the text, or code and message.
pub fn told(result: Result<String, Refusal>) -> String {
    match result {
        Ok(text) => format!("it went well: {text}"),
        Err(Refusal::Internal(source)) => format!("INTERNAL: {source:#}"),
        Err(refusal) => format!("{}: {refusal}", refusal.code().as_str()),
    }
}

/// Waits, turn by turn and without a clock, until something is so.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

fn call(tenant: &TenantId, target: &str, arguments: &Value) -> ToolCall {
    let credential = Credential { tenant: tenant.clone(), role: Role::Invoke, name: "test".into() };
    ToolCall {
        caller: Caller { credential, door: Door::Cli, trace: TraceId::new() },
        target: target.parse().expect("a skill, or skill and tool"),
        arguments: arguments.to_string().into(),
        deadline: None,
        progress: ProgressSink::default(),
        session: None,
        resumed: None,
    }
}

fn text_of(reply: &ToolReply) -> String {
    match &reply.output {
        ToolOutput::Complete(result) => result.to_text(),
        ToolOutput::InputRequired(needed) => format!("it asks: {}", needed.requests[0].message),
    }
}

/// What the compiling child makes of a component: native code, as `wasmtime compile` would write it.
pub fn compile_by_hand(component: &[u8]) -> impl Future<Output = Vec<u8>> {
    let component = component.to_vec();
    async move {
        let mut child = tokio::process::Command::new(test_compiler())
            .args([openclaw_wasm::COMPILE_COMMAND, "reserved", "1610612736", "60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the compiler starts");
        let mut input = child.stdin.take().expect("standard input is a pipe");
        tokio::io::AsyncWriteExt::write_all(&mut input, &component).await.expect("the compiler reads");
        drop(input);
        child.wait_with_output().await.expect("the compiler ends").stdout
    }
}
