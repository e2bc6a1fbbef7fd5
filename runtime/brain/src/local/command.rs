//! Messages that begin with `/`.

use openclaw_domain::ports::ModelTool;

use super::{Step, arguments};

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Help,
    Skills,
    Status,
    Usage,
    Alerts,
    /// A tool by name, and what follows the name.
    Tool {
        name: &'a str,
        rest: &'a str,
    },
}

impl<'a> Command<'a> {
    /// The command a message is, if it is one.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let text = text.trim().strip_prefix('/')?;
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        // `/etc/passwd is …` and `/ 2` are no commands.
        if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            return None;
        }
        Some(match name.to_ascii_lowercase().as_str() {
            "help" => Self::Help,
            "skills" => Self::Skills,
            "status" => Self::Status,
            "usage" => Self::Usage,
            "alerts" => Self::Alerts,
            _ => Self::Tool { name, rest: rest.trim() },
        })
    }
}

/// Calls a tool by name, or says why not.
pub(super) fn call(tools: &[ModelTool], name: &str, rest: &str) -> Step {
    let Some(tool) = find(tools, name) else { return Step::Say(unknown(tools, name)) };
    match arguments::read(&tool.schema, rest) {
        Ok(arguments) => Step::Call { name: tool.name.clone(), arguments },
        Err(reason) => Step::Say(format!("{reason}\nusage: /{}{}", tool.name, arguments::signature(&tool.schema))),
    }
}

/// By the name models use, by `skill/tool`, or by the skill alone if it has one tool.
fn find<'a>(tools: &'a [ModelTool], name: &str) -> Option<&'a ModelTool> {
    let slashed = |tool: &ModelTool| {
        tool.target.tool.as_ref().map(|own| format!("{}/{own}", tool.target.skill)).as_deref() == Some(name)
    };
    tools.iter().find(|tool| tool.name == name || slashed(tool))
}

fn unknown(tools: &[ModelTool], name: &str) -> String {
    let name: String = name.chars().take(80).collect();
    let of_skill = tools.iter().filter(|tool| tool.target.skill.as_str() == name);
    let of_skill: Vec<_> = of_skill.map(|tool| format!("/{}", tool.name)).collect();
    match of_skill.is_empty() {
        true => format!("no skill or command is named `{name}`; `/skills` lists what can be called"),
        false => format!("`{name}` has several tools: {}", of_skill.join(", ")),
    }
}
