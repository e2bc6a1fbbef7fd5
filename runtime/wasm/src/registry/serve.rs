//! The `Guests` port: every door's way to a guest.
//!
//! Invariant: look up, check the arguments, admit, run, classify, in this order, whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use openclaw_domain::ports::Guests;
use openclaw_domain::{
    CallLimits, EgressCall, EgressReply, GrantShape, IngressCall, IngressReply, Installed, InvocationId, Refusal,
    Resumption, TenantId, ToolCall, ToolName, ToolOutput, ToolReply, ToolSpec, TraceId,
};

use super::Registry;
use super::begin::stopped;
use crate::alerts::shown;
use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::call::Task;
use crate::limits::OnRefusal;
use crate::loaded::{Entry, Loaded};
use crate::reach::Learning;
use crate::seal::Asker;
use crate::serving::Serving;
use crate::worlds::{egress_transform, ingress_transform, tools};

impl Registry {
    /// A component ready to run. What is not in memory is loaded by a task of its own: a caller that gives up leaves
    /// the work to the next one, and compiling after an upgrade is never begun twice.
    async fn ready(
        &self,
        skill: &Arc<Serving>,
        shape: &GrantShape,
        trace: TraceId,
        deadline: Instant,
    ) -> Result<Arc<Loaded>, Refusal> {
        if let Some(loaded) = self.loader.in_memory(skill, shape) {
            return Ok(loaded);
        }
        let (loader, wanted, shape) = (Arc::clone(&self.loader), Arc::clone(skill), shape.clone());
        let loading = self.background.spawn(async move { loader.load(&wanted, shape, trace).await });
        match tokio::time::timeout_at(deadline.into(), loading).await {
            Ok(Ok(loaded)) => Ok(loaded?),
            Ok(Err(broken)) => Err(Refusal::internal(broken)),
            Err(_) => Err(Refusal::Busy(format!("`{}` is still being compiled", skill.name))),
        }
    }

    /// Runs one tool; `learning` is there when the run is to find out what it needs.
    pub(super) async fn call(&self, call: ToolCall, learning: Option<Arc<Learning>>) -> Result<ToolReply, Refusal> {
        let ToolCall { caller, target, arguments, deadline, resumed, progress, session: _ } = call;
        let started = Instant::now();
        let skill = self
            .find(caller.tenant(), &target.skill)
            .filter(|skill| skill.enabled)
            .ok_or_else(|| Refusal::SkillNotFound(target.skill.to_string()))?;
        let tool = tool_of(&skill, target.tool.as_ref())?;
        let begun = self.begin(&skill, caller.trace, learning.as_deref())?;
        let mut limits = begun.limits;
        limits.deadline = deadline.map_or(limits.deadline, |asked| asked.min(limits.deadline));
        let end = started + limits.deadline;
        let asker = Asker { tenant: caller.tenant(), component: skill.digest, tool: &tool.name };
        let resumed = resumed.map(|resumed| self.resume(asker, &skill, &resumed)).transpose()?;
        let loaded = self.ready(&skill, &begun.shape, caller.trace, end).await?;
        let mut task = task(caller.tenant(), skill.name.as_str().into(), caller.trace, limits, end, &loaded);
        task.places = begun.places;
        if loaded.reaches {
            task.reach = Some(self.reach(&begun, &skill, caller.trace, end, progress, learning));
        }
        let schemas = loaded.schemas.get(&tool.name);
        if let Some(schemas) = schemas {
            schemas.check_arguments(&self.runner, &task, &skill.name, &tool.name, &arguments).await?;
        }
        let invocation = InvocationId::new();
        let Entry::Skill(pre) = &loaded.entry else {
            return Err(Refusal::internal(format!("`{}` has tools but is no skill", skill.name)));
        };
        let pre = pre.clone();
        let mut context = wit::Context {
            tenant: caller.tenant().as_str().to_owned(),
            caller: caller.door.as_str().to_owned(),
            invocation_id: invocation.to_string(),
            trace_id: caller.trace.to_string(),
            deadline_ms: 0,
            resumed,
        };
        let name = tool.name.clone();
        let running = self.runner.run(&task, |mut store| {
            // Now, and not before: the call may have waited for its component, a check and a place.
            let left = end.saturating_duration_since(Instant::now());
            context.deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
            Box::pin(async move {
                let called = async {
                    let instance = pre.instantiate_async(&mut store).await?;
                    let guest = instance.openclaw_gateway_tools();
                    guest.call_call_tool(&mut store, name.as_str(), &arguments, &context).await
                };
                let called = called.await;
                (called, store.into_data())
            })
        });
        let ended = match &begun.registered {
            None => running.await,
            Some(registered) => match registered.unless_stopped(running).await {
                Ok(ended) => ended,
                Err(reason) => return Err(stopped(&skill, reason)),
            },
        };
        let (result, usage) = ended.map_err(|refusal| denied(&task, refusal))?;
        tracing::debug!(
            %invocation, skill = %skill.name, peak_memory = usage.peak_memory, dropped_lines = usage.dropped_lines,
            us = usage.duration.as_micros(), "called"
        );
        match result {
            Ok(output) => Ok(ToolReply {
                invocation,
                output: match tools::output_from(output, &task.guest, &limits)? {
                    ToolOutput::InputRequired(mut needed) => {
                        needed.state = self.seal.close(asker, self.clock.now(), &needed.state).into();
                        ToolOutput::InputRequired(needed)
                    }
                    ToolOutput::Complete(done) => {
                        if let (Some(schemas), Some(structured)) = (schemas, &done.structured) {
                            schemas.check_result(&self.runner, &task, structured).await?;
                        }
                        ToolOutput::Complete(done)
                    }
                },
                skill: skill.name.clone(),
                tool: tool.name.clone(),
                duration: started.elapsed(),
            }),
            Err(failure) => {
                let (skill, tool) = (skill.name.clone(), tool.name.clone());
                Err(denied(&task, Refusal::SkillFailed { skill, tool, failure: tools::failure_from(&failure) }))
            }
        }
    }

    /// What a resumed call brings back, if the state is what this tool gave out and the answers are JSON.
    fn resume(&self, asker: Asker<'_>, skill: &Installed, resumed: &Resumption) -> Result<wit::Resumption, Refusal> {
        let wrong = |reason: String| Refusal::InvalidArguments {
            skill: skill.name.clone(),
            tool: asker.tool.clone(),
            path: String::new(),
            reason,
        };
        let state = self.seal.open(asker, self.clock.now(), &resumed.state).ok_or_else(|| {
            wrong("the `state` of `resume` is not one this tool gave to this tenant within the last hour".to_owned())
        })?;
        for answer in &resumed.answers {
            serde_json::from_str::<serde::de::IgnoredAny>(&answer.value)
                .map_err(|error| wrong(format!("the answer to `{}` is not JSON: {error}", answer.id)))?;
        }
        Ok(tools::resumption_to(state, &resumed.answers))
    }
}

/// `deadline` is when the whole call must be over, loading included.
pub(super) fn task(
    tenant: &TenantId,
    guest: Arc<str>,
    trace: TraceId,
    limits: CallLimits,
    deadline: Instant,
    loaded: &Loaded,
) -> Task {
    let on_refusal = match loaded.entry {
        Entry::Skill(_) => OnRefusal::Tell,
        Entry::Ingress(_) | Entry::Egress(_) | Entry::Transform(..) => OnRefusal::Trap,
    };
    Task {
        guest,
        tenant: tenant.clone(),
        trace,
        limits,
        deadline,
        on_refusal,
        wasi: loaded.wasi,
        weight: loaded.weight,
        places: usize::MAX,
        reach: None,
    }
}

/// A guest that failed after a power was denied failed for want of it: the refusal names the first, with the guest's own
/// words.
fn denied(task: &Task, refusal: Refusal) -> Refusal {
    let words = match &refusal {
        Refusal::SkillFailed { failure, .. } => &failure.message,
        Refusal::Trapped { reason, .. } => reason,
        _ => return refusal,
    };
    let Some(reach) = &task.reach else { return refusal };
    let Some(mut denial) = reach.first_denial() else { return refusal };
    let reason = denial.reason.take().unwrap_or_else(|| "no grant allows it".to_owned());
    denial.reason = Some(format!("{reason}; the skill said: {}", shown(words)));
    reach.serving.denied(denial)
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
            true => format!("none: its world is `{}`", skill.world),
            false => skill.tools.iter().map(|tool| format!("`{}`", tool.name)).collect::<Vec<_>>().join(", "),
        },
    })
}

#[async_trait]
impl Guests for Registry {
    fn installed(&self, tenant: &TenantId) -> Vec<Installed> {
        let snapshot = self.snapshot();
        snapshot.get(tenant).into_iter().flat_map(BTreeMap::values).map(|skill| skill.installed().clone()).collect()
    }

    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        self.call(call, None).await
    }

    async fn transform_ingress(&self, call: IngressCall) -> Result<IngressReply, Refusal> {
        let IngressCall { tenant, transform, request, trace } = call;
        let failed = |reason: String| Refusal::TransformFailed { transform: transform.to_string(), reason };
        let skill = self
            .find(&tenant, &transform)
            .filter(|skill| skill.enabled && skill.world.transforms_ingress())
            .ok_or_else(|| failed("no ingress transform of that name is installed and enabled".to_owned()))?;
        self.check_pause(&tenant, &transform)?;
        let limits = self.ports.policy.limits(&tenant).call;
        let end = Instant::now() + limits.deadline;
        let loaded = self.ready(&skill, &GrantShape::default(), trace, end).await?;
        let Some(pre) = loaded.entry.ingress().cloned() else {
            return Err(failed("it is no ingress transform".to_owned()));
        };
        let task = task(&tenant, skill.name.as_str().into(), trace, limits, end, &loaded);
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

    async fn transform_egress(&self, call: EgressCall) -> Result<EgressReply, Refusal> {
        let EgressCall { tenant, transform, event, trace } = call;
        let failed = |reason: String| Refusal::TransformFailed { transform: transform.to_string(), reason };
        let skill = self
            .find(&tenant, &transform)
            .filter(|skill| skill.enabled && skill.world.transforms_egress())
            .ok_or_else(|| failed("no egress transform of that name is installed and enabled".to_owned()))?;
        self.check_pause(&tenant, &transform)?;
        let limits = self.ports.policy.limits(&tenant).call;
        let end = Instant::now() + limits.deadline;
        let loaded = self.ready(&skill, &GrantShape::default(), trace, end).await?;
        let Some(pre) = loaded.entry.egress().cloned() else {
            return Err(failed("it is no egress transform".to_owned()));
        };
        let task = task(&tenant, skill.name.as_str().into(), trace, limits, end, &loaded);
        let event = egress_transform::event_to(&event, &tenant, trace);
        let (result, usage) = self
            .runner
            .run(&task, |mut store| {
                Box::pin(async move {
                    let transformed = async {
                        let instance = pre.instantiate_async(&mut store).await?;
                        instance.openclaw_gateway_egress().call_transform(&mut store, &event).await
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
        let outcome = result.map_err(|failure| failed(egress_transform::failure_text(&failure)))?;
        Ok(EgressReply {
            outcome: egress_transform::outcome_from(outcome, task.limits.output_bytes).map_err(failed)?,
            digest: skill.digest,
            duration: usage.duration,
        })
    }
}
