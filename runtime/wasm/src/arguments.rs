//! Arguments against their schema, before any guest runs, and structured results against theirs, after one ran.
//!
//! Invariant: what a check costs is known before it begins; one that is not small is done where guests run, with a
//! place of the tenant's share and within the call's deadline.

use std::sync::Arc;

use openclaw_domain::{Refusal, SkillName, ToolName, ToolSpec};

use crate::call::{Runner, Task};
use crate::schema::{Effort, Schema, Wrong};

/// The compiled schemas of a tool.
pub(crate) struct Schemas {
    input: Arc<Schema>,
    output: Option<Arc<Schema>>,
}

impl Schemas {
    /// Compiles what a tool declares; the error completes "tool `…` was refused: ".
    pub(crate) fn of(tool: &ToolSpec) -> Result<Self, String> {
        let wrong = |which: &str, reason: String| format!("the {which} schema of tool `{}` {reason}", tool.name);
        let input = Schema::compile_for_object(&tool.input_schema).map_err(|reason| wrong("input", reason))?;
        let output = tool.output_schema.as_deref().map(Schema::compile).transpose();
        let output = output.map_err(|reason| wrong("output", reason))?;
        Ok(Self { input: Arc::new(input), output: output.map(Arc::new) })
    }

    /// Checks one call's arguments. The error names the path of what is wrong.
    pub(crate) async fn check_arguments(
        &self,
        runner: &Runner,
        task: &Task,
        skill: &SkillName,
        tool: &ToolName,
        arguments: &str,
    ) -> Result<(), Refusal> {
        check(&self.input, runner, task, arguments).await?.map_err(|wrong| Refusal::InvalidArguments {
            skill: skill.clone(),
            tool: tool.clone(),
            path: wrong.path,
            reason: wrong.reason,
        })
    }

    /// Checks a structured result, if the tool says what it looks like.
    pub(crate) async fn check_result(&self, runner: &Runner, task: &Task, structured: &str) -> Result<(), Refusal> {
        let Some(schema) = &self.output else { return Ok(()) };
        check(schema, runner, task, structured).await?.map_err(|Wrong { path, reason }| Refusal::BadOutput {
            guest: task.guest.to_string(),
            reason: match path.as_str() {
                "" => format!("a structured result that breaks its output schema: {reason}"),
                path => format!("a structured result that breaks its output schema at `{path}`: {reason}"),
            },
        })
    }
}

async fn check(schema: &Arc<Schema>, runner: &Runner, task: &Task, text: &str) -> Result<Result<(), Wrong>, Refusal> {
    match schema.effort(text) {
        Effort::Small => Ok(schema.check(text)),
        Effort::Large => {
            let (schema, text) = (Arc::clone(schema), text.to_owned());
            runner.aside(task, move || schema.check(&text)).await
        }
        Effort::TooLarge => Ok(Err(Wrong {
            path: String::new(),
            reason: "too large or too deep for this schema: checking it would take too long".to_owned(),
        })),
    }
}
