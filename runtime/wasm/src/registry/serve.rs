//! The `Guests` port: every door's way to a guest.
//!
//! Invariant: look up, check the arguments, admit, run, classify, in this order, whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openclaw_domain::ports::Guests;
use openclaw_domain::{
    CallLimits, IngressCall, IngressReply, Installed, InvocationId, Refusal, TenantId, ToolCall, ToolName, ToolReply,
    ToolSpec, TraceId, World,
};

use super::Registry;
use crate::arguments;
use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::call::Task;
use crate::limits::OnRefusal;
use crate::loaded::{Entry, Loaded};
use crate::worlds::{ingress_transform, tools};

impl Registry {
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
}

pub(super) fn task(tenant: &TenantId, guest: Arc<str>, trace: TraceId, limits: CallLimits, loaded: &Loaded) -> Task {
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
            true => format!("none: its world is `{}`", skill.world),
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
