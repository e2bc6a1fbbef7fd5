//! Learning: a tool runs with its denials recorded instead of refused, and what it needed becomes the smallest grant.
//!
//! Invariant: learning grants nothing. What it finds is lines for an operator to read, and the call that found them
//! reached private addresses only if that was said.

use openclaw_domain::ports::Guests;
use openclaw_domain::{
    Caller, Credential, Door, Installed, ProgressSink, Refusal, Role, SkillRef, TenantId, ToolCall, TraceId,
    grant_command,
};
use openclaw_wasm::Learned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grant_lines::GrantLine;
use super::run::{Ops, input_schema, not_a_name, value};
use super::{Arguments, CallView};
use crate::exit::Failed;

/// What a call would have needed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LearnView {
    /// Which skill.
    pub(crate) skill: String,
    /// Whose.
    pub(crate) tenant: String,
    /// The lines that its grant lacks for this call; empty if it lacks none.
    pub(crate) lines: Vec<GrantLine>,
    /// The command that grants them.
    pub(crate) command: String,
    /// The text of its result, if it came to one.
    pub(crate) outcome: Option<String>,
    /// Why it came to none.
    pub(crate) failure: Option<String>,
    /// The trace it belongs to.
    pub(crate) trace_id: String,
}

/// A denial with what would help. Where the author could not say what a power is wanted for (a URL that an operator
/// sets), and where a skill trapped before it could, a run that learns finds the command that no denial could name.
pub(super) fn denied(refusal: Refusal, installed: &[Installed], target: &SkillRef, arguments: &str) -> Failed {
    let Refusal::CapabilityDenied { tenant, skill, denial } = &refusal else { return refusal.into() };
    let is_unlinked = denial.reason.as_ref().is_some_and(|reason| reason.starts_with("nothing of"));
    let requests = installed.iter().find(|known| known.name == *skill).map(|known| known.requests.as_slice());
    let is_left_open = requests
        .unwrap_or_default()
        .iter()
        .any(|request| request.wants.is_empty() && !denial.missing.has(request.capability));
    let is_whole = !denial.missing.is_empty() && !(denial.is_of_imports() && is_left_open);
    if is_whole || denial.missing.is_empty() && !is_unlinked {
        return refusal.into();
    }
    let tool = target.tool.as_ref().map_or("-", |tool| tool.as_str());
    let of = if *tenant == TenantId::default() { String::new() } else { format!(" --tenant {tenant}") };
    // The arguments may have come from anywhere before somebody typed them: quoted, nothing in them ends the word.
    let quoted = arguments.replace('\'', r"'\''");
    let command = format!("openclaw skills grant {skill}{of} --learn '{tool}' --args '{quoted}'");
    Failed::from(refusal).hint(command)
}

impl Ops {
    /// Runs a tool and says what grant would have let it pass.
    pub(super) async fn learn(
        &self,
        tenant: TenantId,
        target: &str,
        arguments: Arguments,
        allow_private: bool,
    ) -> Result<Value, Failed> {
        let parsed: SkillRef = target.parse().map_err(not_a_name)?;
        let installed = self.installed(&tenant, &parsed.skill).await?;
        let registry = self.registry().await?;
        let schema = input_schema(&registry.installed(&tenant), &parsed);
        let trace = TraceId::new();
        let credential = Credential { tenant: tenant.clone(), role: Role::Operator, name: "cli".into() };
        let call = ToolCall {
            caller: Caller { credential, door: Door::Cli, trace },
            target: parsed,
            arguments: arguments.into_json(schema.as_ref()).into(),
            deadline: None,
            progress: ProgressSink::default(),
            session: None,
            resumed: None,
        };
        let Learned { result: reply, powers: needed } = Box::pin(registry.learn(call, allow_private)).await;
        let lines: Vec<_> = needed.lines().into_iter().map(|(option, text)| GrantLine::new(option, text)).collect();
        let (outcome, failure) = match &reply {
            Ok(reply) => (Some(CallView::of(reply, trace.to_string()).text), None),
            Err(refusal) => (None, Some(refusal.to_string())),
        };
        let detail = json!({"lines": super::grants::texts(&lines), "passed": outcome.is_some()});
        self.audit(&tenant, "grant.learn", installed.name.as_str(), &detail).await?;
        value(&LearnView {
            skill: installed.name.to_string(),
            tenant: tenant.to_string(),
            lines,
            command: grant_command(&tenant, &installed.name, &needed),
            outcome,
            failure,
            trace_id: trace.to_string(),
        })
    }
}
