//! Runs a gateway: from a configuration to a process that serves, reloads and drains.
//!
//! Invariant: the order of things. The home is locked before anything is read from it; the address is bound before
//! anybody is told of it; at the end the server drains first, then the admin socket closes, then the storage.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use openclaw_domain::ports::Guests;
use openclaw_domain::{Clock, Refusal, SystemClock, TenantId};
use openclaw_server::deliveries::{Deliveries, DeliveryRoute};
use openclaw_server::settings::ServerSettings;
use openclaw_server::{Bus, Server, ServerParts};
use openclaw_wasm::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Component, Config, Problem, Reloaded, Reloader, Source};
use crate::exit::Failed;
use crate::ops::{AskedReload, Ops, ReloadView, RunningGateway};
use crate::telemetry::{self, LogFormat, LogLevel};
use crate::{admin, bundled, console, pruning, wiring};

/// What the command line says beyond the configuration.
pub(crate) struct Options {
    /// A file to write the bound address to once everything answers.
    pub(crate) ready_file: Option<PathBuf>,
    /// How logs are written.
    pub(crate) log_format: LogFormat,
}

/// Runs until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// The configuration cannot be used, the home is taken, the address is taken, or a part does not start.
pub(crate) async fn run(source: Source, options: Options) -> Result<(), Failed> {
    raise_open_files();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started_at = clock.now();
    let reloader = Arc::new(Reloader::start(source)?);
    let config = reloader.running();
    let source = reloader.source();
    let level = telemetry::log(config.log_level, options.log_format);
    for warning in &config.warnings {
        console::talk(format!("warning: {warning}"));
    }
    let render_metrics = match telemetry::collect_metrics() {
        Some(handle) => Arc::new(move || handle.render()) as openclaw_server::RenderMetrics,
        None => Arc::new(String::new),
    };

    let _lock = wiring::lock_home(source.home())?;
    let bus = Arc::new(Bus::new(started_at.as_millis()));
    let route = Arc::new(DeliveryRoute::default());
    let (listener, committed) = (Arc::clone(&bus), Arc::clone(&route));
    let storage = wiring::storage(
        source.home(),
        Arc::clone(&clock),
        Some(Box::new(move |events| {
            listener.publish(events);
            committed.committed(events);
        })),
    )?;
    let ops = Arc::new(wiring::ops(storage.clone(), Arc::clone(&config), Arc::clone(&clock)).await?);
    let registry = Arc::clone(ops.registry().await?);
    for warning in unusable_transforms(&config, &registry) {
        console::talk(format!("warning: {warning}"));
    }

    let guests: Arc<dyn Guests> = registry.clone();
    let deliveries = wiring::deliveries(&storage, &config, guests, &ops, Arc::clone(&route), Arc::clone(&clock))?;
    deliveries.restore().await?;
    storage.set_route(route);
    let (brain, agent) =
        wiring::brain(&storage, &config, registry.clone(), ops.secret_values(), Arc::clone(&clock), started_at)?;
    let settings = Arc::new(ArcSwap::from_pointee(config.server.clone()));
    let port = Arc::new(storage.clone());
    let server = Server::new(ServerParts {
        settings: Arc::clone(&settings),
        guests: registry.clone(),
        brain,
        journal: port.clone(),
        inbox: port.clone(),
        tokens: port,
        clock: Arc::clone(&clock),
        bus,
        render_metrics,
        version: env!("CARGO_PKG_VERSION").into(),
        started_at,
    });
    let bound = server.bind().await.map_err(not_bound)?;
    let address = bound.local_addr();
    let url = format!("ws://{address}");
    let (reload, reloads) = mpsc::channel(1);
    ops.set_running(RunningGateway {
        reloader: Arc::clone(&reloader),
        reload,
        url: url.clone(),
        since: Instant::now(),
        server: server.clone(),
        deliveries: deliveries.clone(),
    });

    let (stop, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let signals = Signals::listen().map_err(|error| Failed::because(format!("signals cannot be heard: {error}")))?;
    let mut tasks = JoinSet::new();
    let admin = admin::serve(source.home(), Arc::clone(&ops), stop_admin.clone())?;
    tasks.spawn(async move {
        if let Err(error) = admin.await {
            tracing::error!(%error, "the admin socket failed");
        }
    });
    let in_force = Arc::clone(&ops);
    let mut pruning = JoinSet::new();
    pruning.spawn(pruning::run(storage.clone(), Arc::clone(&clock), move || in_force.config_in_force().retention));
    let mut serving = JoinSet::new();
    serving.spawn(bound.run(stop.clone()));
    let mut delivering = JoinSet::new();
    delivering.spawn(deliveries.clone().run(stop.clone()));

    introduce(&config, source, address, &registry.installed(&TenantId::default()));
    if let Some(file) = &options.ready_file {
        announce(file, &url)?;
    }
    let attending = Attendant {
        reloader: Arc::clone(&reloader),
        settings,
        server,
        registry: Arc::clone(&registry),
        deliveries,
        agent,
        ops,
        level,
    };
    attending.run(signals, reloads).await;
    stop.cancel();
    console::talk("stopping: requests under way may finish");
    while let Some(served) = serving.join_next().await {
        if let Ok(Err(error)) = served {
            tracing::error!(%error, "the server failed");
        }
    }
    while delivering.join_next().await.is_some() {}
    stop_admin.cancel();
    pruning.shutdown().await;
    while tasks.join_next().await.is_some() {}
    registry.close().await;
    Ok(storage.close().await?)
}

/// Allows as many open files as the system lets this user have: the usual soft limit of 1,024 is fewer than the
/// connections the server counts for itself, and what runs out first would be the admin socket.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
fn not_bound(refusal: Refusal) -> Failed {
    match &refusal {
        Refusal::Internal(source) => Failed::because(source.to_string())
            .hint("`openclaw gateway --port 0` takes any free port; `gateway.port` in the configuration names one"),
        other => Failed::because(other.to_string()),
    }
}

/// Writes the address beside and renames: whoever waits for the file reads all of it.
fn announce(file: &Path, url: &str) -> Result<(), Failed> {
    let mut young = file.as_os_str().to_owned();
    young.push(".new");
    std::fs::write(&young, format!("{url}\n"))
        .and_then(|()| std::fs::rename(&young, file))
        .map_err(|error| Failed::because(format!("{} cannot be written: {error}", file.display())))
}

/// What a person who just started it wants to know.
fn introduce(config: &Config, source: &Source, address: SocketAddr, installed: &[openclaw_domain::Installed]) {
    let names: Vec<_> = installed.iter().filter(|skill| skill.enabled).map(|skill| skill.name.as_str()).collect();
    let file = source.file().display();
    console::talk(format!("openclaw {} is ready", env!("CARGO_PKG_VERSION")));
    console::talk(format!("  listening on ws://{address}"));
    console::talk(format!("  home         {}", source.home().display()));
    match source.file().exists() {
        true => console::talk(format!("  config       {file}")),
        false => console::talk(format!("  config       none, so the defaults ({file} would be read)")),
    }
    match config.server.auth_required {
        true => console::talk("  auth         token"),
        false => console::talk("  auth         off: whoever is on this machine may connect"),
    }
    console::talk(format!("  skills       {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }));
    for endpoint in &config.server.ingress {
        let prefix = match endpoint.tenant == TenantId::default() {
            true => String::new(),
            false => format!("/t/{}", endpoint.tenant),
        };
        console::talk(format!("  webhook      http://{address}/webhook{prefix}{}", endpoint.path));
    }
    let token = if config.server.auth_required { "?token=$OPENCLAW_AUTH_TOKEN" } else { "" };
    console::talk(format!(
        "  try          echo '{{\"type\":\"status\",\"id\":\"1\"}}' | websocat \"ws://{address}/{token}\""
    ));
    console::talk("               openclaw skills list");
}

/// What the configuration's endpoints name and this gateway cannot run.
fn unusable_transforms(config: &Config, registry: &Registry) -> Vec<Problem> {
    config::unusable_transforms(&config.transforms, |tenant| {
        registry.installed(tenant).iter().map(Component::from).collect()
    })
}

/// The signals a gateway obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Attends to a running gateway until it is told to stop: reloads when the file changes, on SIGHUP, and when an
/// operator asks. One task does all of it, so two reloads never mix.
struct Attendant {
    reloader: Arc<Reloader>,
    settings: Arc<ArcSwap<ServerSettings>>,
    server: Server,
    registry: Arc<Registry>,
    deliveries: Deliveries,
    agent: wiring::AgentControl,
    ops: Arc<Ops>,
    level: LogLevel,
}

impl Attendant {
    async fn run(&self, mut signals: Signals, mut asked: mpsc::Receiver<AskedReload>) {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hangup.recv() => drop(self.reload().await),
                () = self.reloader.changed() => drop(self.reload().await),
                Some(answer) = asked.recv() => drop(answer.send(self.reload().await)),
            }
        }
    }

    /// Reads the configuration again and puts all of it in force, or nothing. What came of it is logged, whoever asked.
    async fn reload(&self) -> Result<ReloadView, Failed> {
        let reloader = Arc::clone(&self.reloader);
        let reloaded = tokio::task::spawn_blocking(move || reloader.reload())
            .await
            .map_err(|error| Failed::because(format!("the configuration was not read: {error}")))?;
        let (config, needs_restart) = match reloaded {
            Reloaded::Replaced { config, needs_restart } => (config, needs_restart),
            Reloaded::Kept(error) => {
                for problem in &error.problems {
                    let (path, reason, fix) = (&problem.path, &problem.reason, &problem.fix);
                    tracing::error!(%path, %reason, %fix, "the new configuration cannot be used; the old one is kept");
                }
                return Err(error.into());
            }
        };
        self.settings.store(Arc::new(config.server.clone()));
        self.deliveries.replace(config.outgoing.clone());
        self.agent.configure(&config);
        self.level.set(config.log_level);
        self.ops.configure(&config).await;
        if let Err(error) = self.server.reload_tokens().await {
            tracing::error!(%error, "the tokens are kept as they were");
        }
        for tenant in &config.tenants {
            bundled::install(&self.registry, tenant).await;
        }
        let mut warnings = config.warnings.clone();
        warnings.extend(unusable_transforms(&config, &self.registry));
        for warning in &warnings {
            let (path, reason, fix) = (&warning.path, &warning.reason, &warning.fix);
            tracing::warn!(%path, %reason, %fix, "about the new configuration");
        }
        for key in &needs_restart {
            tracing::warn!(key, "needs a restart to change");
        }
        let file = self.reloader.source().file().display().to_string();
        tracing::info!(file, "the configuration is reloaded");
        Ok(ReloadView {
            file,
            needs_restart: needs_restart.into_iter().map(str::to_owned).collect(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
        })
    }
}
