//! The tools of a tenant as a model sees them.
//!
//! Invariant: a name leads to exactly one tool, and only to one that is installed and enabled for the tenant of the turn.

use std::collections::HashSet;
use std::sync::Arc;

use openclaw_domain::ports::{Guests, ModelTool};
use openclaw_domain::{Installed, SkillRef, TenantId, ToolSpec, World};

/// Tools one request may offer: what OpenAI takes.
const MOST_TOOLS: usize = 128;
/// Longest name both protocols take.
const NAME_BYTES: usize = 64;

/// Everything a tenant's turn may call.
pub(crate) fn offered(guests: &dyn Guests, tenant: &TenantId) -> Arc<[ModelTool]> {
    let mut names = HashSet::new();
    let installed = guests.installed(tenant);
    let skills = installed.iter().filter(|skill| skill.enabled && skill.world == World::Skill);
    let tools = skills.flat_map(|skill| skill.tools.iter().map(move |tool| model_tool(skill, tool)));
    // Installing refuses collisions; a name that was cut could make another one.
    tools.filter(|tool| names.insert(tool.name.clone())).take(MOST_TOOLS).collect()
}

fn model_tool(skill: &Installed, tool: &ToolSpec) -> ModelTool {
    let mut name = match skill.tools.len() {
        1 => skill.name.to_string(),
        _ => format!("{}__{}", skill.name, tool.name),
    };
    name.truncate(NAME_BYTES);
    ModelTool {
        name,
        target: SkillRef { skill: skill.name.clone(), tool: Some(tool.name.clone()) },
        title: tool.title.clone(),
        description: if tool.description.is_empty() { skill.description.clone() } else { tool.description.clone() },
        schema: tool.input_schema.clone(),
        hints: tool.hints,
    }
}
