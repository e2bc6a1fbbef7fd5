//! Learning: a tool runs with its denials recorded instead of refused, and what it needed becomes the smallest grant.
//!
//! Invariant: learning grants nothing. What it finds is lines for an operator to read. The requests it makes are really
//! sent; private addresses are reached only if that was said, and a cloud's metadata only if its origin was.

use openclaw_domain::ports::Guests;
use openclaw_domain::{
    Caller, Credential, Door, Origin, OriginError, ProgressSink, Refusal, Role, SkillRef, TenantId, ToolCall, TraceId,
    grant_command, tenant_option,
};
use openclaw_wasm::{Learned, PrivateReach};
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

/// What stands for addresses that a request writes as such, in place of an origin.
pub(crate) const LITERALS: &str = "*";

/// Reads what may be reached while a tool is learned.
fn private_reach(texts: &[String]) -> Result<PrivateReach, Failed> {
    let mut reach = PrivateReach::default();
    for text in texts {
        if text == LITERALS {
            reach.literals = true;
        } else {
            let origin: Origin = text.parse().map_err(|error: OriginError| {
                Failed::refused(error.to_string()).hint("`--allow-private=http://127.0.0.1:9000` names one origin")
            })?;
            reach.origins.insert(origin);
        }
    }
    Ok(reach)
}

impl Ops {
    /// A denial with what would help, where the denial itself cannot say. A grant's file that is not in force is that;
    /// and where a skill was denied before it could name what it wants, a run that learns finds the command.
    pub(super) fn denied(&self, refusal: Refusal, target: &SkillRef, arguments: &str) -> Failed {
        let Refusal::CapabilityDenied { tenant, skill, denial } = &refusal else { return refusal.into() };
        if let Some(problem) = self.storage.grants().problem(tenant, skill) {
            return Failed::from(refusal).hint(problem.to_string());
        }
        let is_unlinked = denial.reason.as_ref().is_some_and(|reason| reason.starts_with("nothing of"));
        if denial.command(tenant, skill).is_some() || !(is_unlinked || denial.is_of_imports()) {
            return refusal.into();
        }
        let tool = target.tool.as_ref().map_or("-", |tool| tool.as_str());
        // The arguments may have come from anywhere before somebody typed them: quoted, nothing in them ends the word.
        let quoted = arguments.replace('\'', r"'\''");
        let of = tenant_option(tenant);
        let command = format!("openclaw skills grant {skill}{of} --learn '{tool}' --args '{quoted}'");
        Failed::from(refusal).hint(command)
    }

    /// Runs a tool and says what grant would have let it pass.
    pub(super) async fn learn(
        &self,
        tenant: TenantId,
        target: &str,
        arguments: Arguments,
        allow_private: &[String],
    ) -> Result<Value, Failed> {
        let private = private_reach(allow_private)?;
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
        let Learned { result: reply, powers: needed } = Box::pin(registry.learn(call, private)).await;
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
