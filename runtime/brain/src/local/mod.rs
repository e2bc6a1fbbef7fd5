//! `local`: the model that is always there, without network or key.
//!
//! It is a router and no language model, and says so. It understands commands, answers questions about the gateway from
//! the gateway's own records, and calls a tool when a message names one and brings everything that tool requires.
//! Invariant: it never guesses an argument, and calls nothing that may destroy unless it was named with `/`.

mod arguments;
mod command;
mod rank;
mod reports;
mod words;

use std::sync::Arc;

use openclaw_domain::ports::{
    DeltaSink, Guests, ModelCall, ModelMessage, ModelReply, ModelRequest, ModelResult, Records, Usage,
};
use openclaw_domain::{Clock, Refusal, Timestamp};

use command::Command;
use rank::Choice;
use reports::Reports;

/// What `local` answers from.
#[derive(Clone)]
pub struct LocalParts {
    /// What is installed.
    pub guests: Arc<dyn Guests>,
    /// What happened.
    pub records: Arc<dyn Records>,
    /// What models used.
    pub usage: Arc<dyn Usage>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The gateway's version.
    pub version: Arc<str>,
    /// When the gateway started.
    pub started_at: Timestamp,
}

/// Answers without a language model.
pub(crate) struct Local {
    reports: Reports,
}

impl Local {
    pub(crate) fn new(parts: LocalParts) -> Self {
        Self { reports: Reports::new(parts) }
    }

    /// Answers as a model would: with text, or with a tool to call first.
    pub(crate) async fn complete(&self, request: &ModelRequest, deltas: &DeltaSink) -> Result<ModelReply, Refusal> {
        let step = match request.messages.last() {
            Some(ModelMessage::Results(results)) => Step::Say(results_in_words(results)),
            Some(ModelMessage::User(text)) => self.answer(request, text).await?,
            Some(ModelMessage::Assistant { .. }) | None => Step::Say(introduction(request)),
        };
        Ok(match step {
            Step::Say(text) => {
                deltas(&text);
                ModelReply { text, ..ModelReply::default() }
            }
            Step::Call { name, arguments } => ModelReply {
                calls: vec![ModelCall { id: "local-1".to_owned(), name, arguments }],
                ..ModelReply::default()
            },
        })
    }

    async fn answer(&self, request: &ModelRequest, text: &str) -> Result<Step, Refusal> {
        let tenant = &request.tenant;
        if let Some(command) = Command::read(text) {
            return Ok(match command {
                Command::Help => Step::Say(help()),
                Command::Skills => Step::Say(skills(request)),
                Command::Status => Step::Say(self.reports.health(tenant).await?),
                Command::Usage => Step::Say(self.reports.usage(tenant, 7).await?),
                Command::Alerts => Step::Say(self.reports.alerts(tenant).await?),
                Command::Tool { name, rest } => command::call(&request.tools, name, rest),
            });
        }
        let words = words::of(text);
        let has = |any: &[&str]| any.iter().any(|word| words.iter().any(|given| words::same(given, word)));
        if has(&["token", "tokens", "usage"]) {
            let days = if has(&["today"]) { 1 } else { 7 };
            return Ok(Step::Say(self.reports.usage(tenant, days).await?));
        }
        if has(&["alert", "alerts"]) {
            return Ok(Step::Say(self.reports.alerts(tenant).await?));
        }
        if has(&["overnight"]) || (has(&["what"]) && has(&["happened"])) {
            return Ok(Step::Say(self.reports.lately(tenant).await?));
        }
        // A tool that was named and has what it needs knows more than the records.
        match rank::choose(&request.tools, text, &words) {
            Choice::Call { name, arguments } => return Ok(Step::Call { name, arguments }),
            Choice::Ask(question) => {
                let about = if has(&["deployment"]) { self.reports.deployments(tenant).await? } else { String::new() };
                return Ok(Step::Say(join(&about, &question)));
            }
            Choice::None => {}
        }
        if has(&["deploy", "deployment", "deployments"]) {
            return Ok(Step::Say(self.reports.deployments(tenant).await?));
        }
        if has(&["health", "healthy", "status", "uptime"]) {
            return Ok(Step::Say(self.reports.health(tenant).await?));
        }
        Ok(Step::Say(introduction(request)))
    }
}

/// What `local` does next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Answer.
    Say(String),
    /// Call a tool, and answer with what it says.
    Call {
        /// Its name.
        name: String,
        /// A JSON object as text.
        arguments: String,
    },
}

fn join(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { format!("{one}\n\n{other}") }
}

fn results_in_words(results: &[ModelResult]) -> String {
    let one = |result: &ModelResult| match result.is_error {
        true => format!("`{}` did not work. {}", result.name, result.output),
        false => result.output.clone(),
    };
    results.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// What somebody is told who said nothing `local` can do anything with.
fn introduction(request: &ModelRequest) -> String {
    let mut text =
        "No language model is configured for this turn, so `local` answered: it is a router and no language \
                    model, and cannot hold a conversation. It runs commands (`/help`), calls skills by name, and \
                    answers questions about this gateway: its status, alerts, deployments, what happened overnight, \
                    token usage."
            .to_owned();
    let names: Vec<_> = request.tools.iter().take(10).map(|tool| format!("`/{}`", tool.name)).collect();
    if !names.is_empty() {
        text.push_str(&format!("\nSkills: {}.", names.join(", ")));
    }
    text
}

fn help() -> String {
    "`local` is a router and no language model. It understands:\n\
     /help                    this text\n\
     /skills                  what can be called\n\
     /status                  how the gateway is\n\
     /alerts                  today's alerts and errors\n\
     /usage                   tokens of the last seven days\n\
     /skill key=value         calls a skill; quote values with spaces\n\
     /skill {\"key\": 1}        the same with a JSON object\n\
     /skill/tool …            calls one tool of a skill that has several\n\
     Without `/` it answers questions about the gateway, and calls a skill that is named with everything it requires."
        .to_owned()
}

fn skills(request: &ModelRequest) -> String {
    if request.tools.is_empty() {
        return "No skill is installed. `openclaw skills install FILE` installs one.".to_owned();
    }
    let line = |tool: &openclaw_domain::ports::ModelTool| {
        let about = tool.description.lines().next().unwrap_or_default();
        format!("/{}{} - {about}", tool.name, arguments::signature(&tool.schema))
    };
    request.tools.iter().map(line).collect::<Vec<_>>().join("\n")
}
