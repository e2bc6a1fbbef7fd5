//! Skill calls that transforms ask for: accepted first, run afterwards, reported as an event, settled last.
//!
//! Invariants: a call runs only after its request is on disk, and then it runs at least once, even if the sender hangs
//! up or the process is killed: it is owed until it is settled, and what is owed runs again at the next start, under
//! the same request id and trace. Waiting calls are bounded, and a request without a place is refused before anything
//! is written. Where several tenants have endpoints, one holds three quarters of the places and of what runs at most.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use openclaw_domain::ports::{Accepted, Guests, Inbox, InboxEntry, Journal, OwedCall};
use openclaw_domain::{
    Caller, Clock, Credential, Door, EventKind, NewEvent, ProgressSink, Refusal, Role, SkillRef, TenantId, ToolCall,
    ToolOutput, ToolReply, TraceId, WebhookId,
};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use super::verdict::InvokeDetail;
use crate::settings::ServerSettings;
use crate::shares::{Part, Shares, share_of};

/// Calls that may wait or run at one time.
pub(super) const PLACES: usize = 256;
/// Calls that run at one time, so that a burst of webhooks leaves instances for everybody else.
const RUNNING: usize = 16;

/// How often a call is tried that finds the gateway busy. The sender was told 200 and will not send it again.
pub(super) const TRIES: u32 = 60;
/// How long a call waits that found the gateway busy, if the refusal does not say.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A call a transform asked for.
pub(super) struct Invocation {
    /// The request that owes it: the same at each try, so whoever hears its event twice can tell.
    pub(super) id: WebhookId,
    pub(super) target: SkillRef,
    pub(super) arguments: Arc<str>,
    pub(super) tenant: TenantId,
    pub(super) path: Arc<str>,
    pub(super) trace: TraceId,
}

/// Runs them.
#[derive(Clone)]
pub(super) struct Invocations {
    guests: Arc<dyn Guests>,
    inbox: Arc<dyn Inbox>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// What each tenant holds of `places`.
    places_by_tenant: Arc<Shares<TenantId>>,
    /// Each tenant's part of `running`, while several share it.
    turns: Arc<Mutex<HashMap<TenantId, Arc<Semaphore>>>>,
    settings: Arc<ArcSwap<ServerSettings>>,
    /// Requests whose call runs or waits to: what is owed is looked up again whenever a pause ends.
    at_work: Arc<Mutex<HashSet<WebhookId>>>,
}

/// A place in the queue; dropping it gives it back.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _part: Part<TenantId>,
}

impl Invocations {
    /// Runs them as tasks of `tasks`.
    pub(super) fn new(
        guests: Arc<dyn Guests>,
        inbox: Arc<dyn Inbox>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
        settings: Arc<ArcSwap<ServerSettings>>,
    ) -> Self {
        let (places, running) = (Arc::new(Semaphore::new(PLACES)), Arc::new(Semaphore::new(RUNNING)));
        let (places_by_tenant, turns, at_work) = (Arc::default(), Arc::default(), Arc::default());
        Self { guests, inbox, journal, clock, tasks, places, running, places_by_tenant, turns, settings, at_work }
    }

    /// Takes a place for one call.
    ///
    /// # Errors
    /// All places are taken, or all that this tenant may hold.
    pub(super) fn reserve(&self, tenant: &TenantId) -> Result<Place, Refusal> {
        let full = || Refusal::QueueFull("webhook invocation");
        let share = if self.settings.load().has_many_ingress_tenants() { share_of(PLACES) } else { PLACES };
        let part = self.places_by_tenant.take(tenant, share).ok_or_else(full)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full())?;
        Ok(Place { _place: place, _part: part })
    }

    /// What a tenant's call waits for before it waits for all others', so that the others' wait is short.
    fn turn(&self, tenant: &TenantId) -> Option<Arc<Semaphore>> {
        if !self.settings.load().has_many_ingress_tenants() {
            return None;
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(share_of(RUNNING))));
        Some(Arc::clone(turn))
    }

    /// Writes the request, then runs its call, unless the same request was accepted before.
    ///
    /// Returns when the request is on disk. Cancel safety: the writing and the call go on.
    pub(super) async fn accept_then_run(
        &self,
        place: Place,
        entry: InboxEntry,
        invocation: Invocation,
    ) -> Result<Accepted, Refusal> {
        let (tx, rx) = oneshot::channel();
        let this = self.clone();
        self.tasks.spawn(async move {
            let accepted = this.inbox.accept(entry).await;
            let is_new = matches!(accepted, Ok(Accepted::New(_)));
            // Nobody listens when the sender hung up; what was accepted is run all the same.
            let _ = tx.send(accepted);
            if is_new {
                this.run(invocation).await;
            }
            drop(place);
        });
        rx.await.map_err(|_| Refusal::internal("the task that accepts a webhook ended without an answer"))?
    }

    /// Begins the calls an earlier process owed, in the order of their requests, and says how many.
    ///
    /// # Errors
    /// The inbox cannot be read.
    pub(super) async fn resume(&self) -> Result<usize, Refusal> {
        let owed = self.inbox.owed().await?;
        let count = owed.len();
        let this = self.clone();
        self.tasks.spawn(async move {
            for call in owed {
                let Ok(place) = Arc::clone(&this.places).acquire_owned().await else { return };
                let runner = this.clone();
                this.tasks.spawn(async move {
                    runner.rerun(call).await;
                    drop(place);
                });
            }
        });
        Ok(count)
    }

    async fn rerun(&self, owed: OwedCall) {
        let OwedCall { id, tenant, path, trace, detail } = owed;
        match read_detail(&detail) {
            Some((target, arguments)) => {
                self.run(Invocation { id, target, arguments, tenant, path: path.into(), trace }).await;
            }
            // Only a build that wrote it differently could bring this about; another try would not help.
            None => {
                tracing::error!(%tenant, path, %id, "an owed skill call cannot be read and is given up");
                self.settle(&tenant, id).await;
            }
        }
    }

    /// Runs a call that is on disk already, as soon as there is a place for it.
    pub(super) async fn begin(&self, invocation: Invocation) {
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
        let this = self.clone();
        self.tasks.spawn(async move {
            this.run(invocation).await;
            drop(place);
        });
    }

    /// Runs a call, unless it runs already.
    async fn run(&self, invocation: Invocation) {
        let id = invocation.id;
        if !self.at_work().insert(id) {
            return;
        }
        self.run_once(invocation).await;
        self.at_work().remove(&id);
    }

    fn at_work(&self) -> MutexGuard<'_, HashSet<WebhookId>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run_once(&self, invocation: Invocation) {
        let Invocation { id, target, arguments, tenant, path, trace } = invocation;
        let name = match &target.tool {
            Some(tool) => format!("{}/{tool}", target.skill),
            None => target.skill.to_string(),
        };
        let credential =
            Credential { tenant: tenant.clone(), role: Role::Invoke, name: format!("webhook {path}").into() };
        let caller = Caller { credential, door: Door::Webhook, trace };
        let ran = self
            .call(ToolCall {
                caller,
                target,
                arguments,
                deadline: None,
                resumed: None,
                progress: ProgressSink::default(),
                session: None,
            })
            .await;
        // Paused: it stays owed, and runs when the pause has ended.
        if let Err(Refusal::Cancelled | Refusal::Paused { .. }) = ran {
            tracing::info!(%tenant, path = &*path, %id, skill = name, "a webhook's skill call is put off");
            return;
        }
        let (kind, data) = report(&name, &path, id, ran);
        // Queued before the settlement, so it is on disk no later: a kill in between repeats it, and loses nothing.
        let at = self.clock.now();
        self.journal.record(NewEvent { tenant: tenant.clone(), kind, data, trace, at, session: None });
        self.settle(&tenant, id).await;
    }

    /// Calls until the gateway has room for it. [`Refusal::Cancelled`] if this process ends first: the next one calls.
    async fn call(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        let mut tries = 1;
        loop {
            let ran = {
                let turn = self.turn(call.caller.tenant());
                let _turn = match &turn {
                    Some(turn) => Some(turn.acquire().await.map_err(|_| Refusal::Cancelled)?),
                    None => None,
                };
                let _running = self.running.acquire().await.map_err(|_| Refusal::Cancelled)?;
                self.guests.call_tool(call.clone()).await
            };
            let Err(refusal @ (Refusal::Busy(_) | Refusal::QueueFull(_))) = ran else { return ran };
            if self.tasks.is_closed() {
                return Err(Refusal::Cancelled);
            }
            if tries == TRIES {
                return Err(refusal);
            }
            tries += 1;
            tokio::time::sleep(refusal.retry_after().unwrap_or(TRY_AGAIN)).await;
        }
    }

    async fn settle(&self, tenant: &TenantId, id: WebhookId) {
        if let Err(error) = self.inbox.settle(tenant, id, self.clock.now()).await {
            tracing::warn!(%tenant, %id, %error, "a webhook's skill call has run and will run again at the next start");
        }
    }
}

fn read_detail(detail: &str) -> Option<(SkillRef, Arc<str>)> {
    let InvokeDetail { skill, arguments } = serde_json::from_str(detail).ok()?;
    Some((skill.parse().ok()?, arguments.into()))
}

fn report(name: &str, path: &str, id: WebhookId, ran: Result<ToolReply, Refusal>) -> (EventKind, String) {
    let request_id = id.to_string();
    let error = |code: &str, message: String| {
        let context = json!({ "webhook": path, "skill": name, "code": code, "request_id": request_id });
        (EventKind::Error, json!({ "message": message, "stack": "", "context": context }).to_string())
    };
    match ran {
        Ok(reply) => match &reply.output {
            ToolOutput::Complete(result) => {
                let duration_ms = u64::try_from(reply.duration.as_millis()).unwrap_or(u64::MAX);
                let task_name = format!("{}/{}", reply.skill, reply.tool);
                let result = result.to_text();
                let data = json!({
                    "task_name": task_name, "result": result, "duration_ms": duration_ms, "request_id": request_id
                });
                (EventKind::TaskCompleted, data.to_string())
            }
            ToolOutput::InputRequired(_) => {
                error("SKILL_FAILED", format!("`{name}` asks for input, which a webhook cannot give"))
            }
        },
        Err(refusal) => {
            if let Refusal::Internal(source) = &refusal {
                tracing::error!(skill = name, path, error = %source, "a webhook's skill call failed inside the gateway");
            }
            error(refusal.code().as_str(), refusal.to_string())
        }
    }
}
