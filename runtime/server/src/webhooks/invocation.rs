//! Skill calls that transforms ask for: accepted first, run afterwards, reported as an event.
//!
//! Invariants: a call runs only after its request is on disk, and then it runs even if the sender hangs up; waiting
//! calls are bounded, and a request without a place is refused before anything is written.

use std::sync::Arc;

use openclaw_domain::ports::{Accepted, Guests, Inbox, InboxEntry, Journal};
use openclaw_domain::{
    Caller, Clock, Credential, Door, EventKind, NewEvent, Refusal, Role, SkillRef, TenantId, ToolCall, ToolOutput,
    ToolReply, TraceId,
};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

/// Calls that may wait or run at one time.
pub(super) const PLACES: usize = 256;
/// Calls that run at one time, so that a burst of webhooks leaves instances for everybody else.
const RUNNING: usize = 16;

/// A call a transform asked for.
pub(super) struct Invocation {
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
}

/// A place in the queue; dropping it gives it back.
pub(super) struct Place(OwnedSemaphorePermit);

impl Invocations {
    /// Runs them as tasks of `tasks`.
    pub(super) fn new(
        guests: Arc<dyn Guests>,
        inbox: Arc<dyn Inbox>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        let (places, running) = (Arc::new(Semaphore::new(PLACES)), Arc::new(Semaphore::new(RUNNING)));
        Self { guests, inbox, journal, clock, tasks, places, running }
    }

    /// Takes a place for one call.
    ///
    /// # Errors
    /// All places are taken.
    pub(super) fn reserve(&self) -> Result<Place, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| Refusal::QueueFull("webhook invocation"))
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
            drop(place.0);
        });
        rx.await.map_err(|_| Refusal::internal("the task that accepts a webhook ended without an answer"))?
    }

    async fn run(&self, invocation: Invocation) {
        let Ok(_running) = self.running.acquire().await else { return };
        let Invocation { target, arguments, tenant, path, trace } = invocation;
        let name = match &target.tool {
            Some(tool) => format!("{}/{tool}", target.skill),
            None => target.skill.to_string(),
        };
        let credential =
            Credential { tenant: tenant.clone(), role: Role::Invoke, name: format!("webhook {path}").into() };
        let caller = Caller { credential, door: Door::Webhook, trace };
        let ran = self.guests.call_tool(ToolCall { caller, target, arguments, deadline: None, resumed: None }).await;
        let (kind, data) = report(&name, &path, ran);
        self.journal.record(NewEvent { tenant, kind, data, trace, at: self.clock.now(), session: None });
    }
}

fn report(name: &str, path: &str, ran: Result<ToolReply, Refusal>) -> (EventKind, String) {
    let error = |code: &str, message: String| {
        let context = json!({ "webhook": path, "skill": name, "code": code });
        (EventKind::Error, json!({ "message": message, "stack": "", "context": context }).to_string())
    };
    match ran {
        Ok(reply) => match &reply.output {
            ToolOutput::Complete(result) => {
                let duration_ms = u64::try_from(reply.duration.as_millis()).unwrap_or(u64::MAX);
                let task_name = format!("{}/{}", reply.skill, reply.tool);
                let data = json!({ "task_name": task_name, "result": result.to_text(), "duration_ms": duration_ms });
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
