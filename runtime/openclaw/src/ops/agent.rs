//! Operators' commands about the agent: what its models used, and what it remembers.
//!
//! Invariant: what is forgotten is in the audit log, by its name and never by its text.

use openclaw_domain::ports::{Conversations, ModelUse, Usage};
use openclaw_domain::{ConversationKey, Door, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::{Ops, parse, value};
use crate::exit::Failed;

const DAY_MILLIS: i64 = 86_400_000;

/// One command about the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AgentRequest {
    /// What models used.
    Usage {
        /// Whose; all tenants' without it.
        tenant: Option<String>,
        /// Today and the days before it, in UTC.
        days: u32,
    },
    /// The conversations of a tenant.
    Conversations {
        /// Whose.
        tenant: String,
    },
    /// What was said in a conversation.
    Show(ConversationName),
    /// Forgets a conversation.
    Forget(ConversationName),
}

/// Names a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConversationName {
    /// Whose.
    pub(crate) tenant: String,
    /// The door it is held at.
    pub(crate) door: String,
    /// The channel within the door.
    pub(crate) channel: String,
    /// With whom.
    pub(crate) user: String,
}

/// What one model used of a tenant's tokens on one day.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsageView {
    /// Whose.
    pub(crate) tenant: String,
    /// The day in UTC: `2026-06-08`.
    pub(crate) day: String,
    /// The model: `provider/model`.
    pub(crate) model: String,
    /// Requests.
    pub(crate) requests: u64,
    /// Tokens it read.
    pub(crate) input_tokens: u64,
    /// Tokens it wrote.
    pub(crate) output_tokens: u64,
}

/// A conversation as a list shows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConversationView {
    /// The door it is held at.
    pub(crate) door: String,
    /// The channel within the door.
    pub(crate) channel: String,
    /// With whom.
    pub(crate) user: String,
    /// Messages that are kept.
    pub(crate) messages: u64,
    /// Bytes of text that are kept.
    pub(crate) bytes: u64,
    /// When something was last said.
    pub(crate) last_at: String,
}

/// Something that was said.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SaidView {
    /// `user` or `agent`.
    pub(crate) speaker: String,
    /// What.
    pub(crate) text: String,
    /// When.
    pub(crate) at: String,
}

impl Ops {
    /// Answers one command about the agent.
    pub(super) async fn agent(&self, request: AgentRequest) -> Result<Value, Failed> {
        match request {
            AgentRequest::Usage { tenant, days } => {
                let tenants = match tenant {
                    Some(tenant) => vec![parse(&tenant)?],
                    None => self.tenants(&self.config_in_force()).await?,
                };
                let since = ModelUse::day_of(self.clock.now()) - i64::from(days.max(1) - 1);
                let mut views = Vec::new();
                for tenant in tenants {
                    let used = self.storage.used_since(&tenant, since).await?;
                    views.extend(used.into_iter().map(|used| usage_view(&tenant, used)));
                }
                value(&views)
            }
            AgentRequest::Conversations { tenant } => {
                let found = Conversations::conversations(&self.storage, &parse(&tenant)?).await?;
                let views = found.into_iter().map(|one| ConversationView {
                    door: one.key.door.as_str().to_owned(),
                    channel: one.key.channel,
                    user: one.key.user,
                    messages: one.messages,
                    bytes: one.bytes,
                    last_at: one.last_at.to_string(),
                });
                value(&views.collect::<Vec<_>>())
            }
            AgentRequest::Show(name) => {
                let said = Conversations::load(&self.storage, &key(&name)?, usize::MAX).await?;
                let views = said.into_iter().map(|said| SaidView {
                    speaker: said.speaker.as_str().to_owned(),
                    text: said.text,
                    at: said.at.to_string(),
                });
                value(&views.collect::<Vec<_>>())
            }
            AgentRequest::Forget(name) => {
                let key = key(&name)?;
                let messages = Conversations::forget(&self.storage, &key).await?;
                if messages > 0 {
                    let subject = format!("{}/{}/{}", name.door, name.channel, name.user);
                    self.audit(&key.tenant, "conversation.forget", &subject, &json!({ "messages": messages })).await?;
                }
                value(&json!({ "messages": messages }))
            }
        }
    }
}

fn usage_view(tenant: &TenantId, used: ModelUse) -> UsageView {
    let day = Timestamp::from_millis(used.day.saturating_mul(DAY_MILLIS)).to_string();
    UsageView {
        tenant: tenant.to_string(),
        day: day.split('T').next().unwrap_or_default().to_owned(),
        model: used.model,
        requests: used.requests,
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
    }
}

fn key(name: &ConversationName) -> Result<ConversationKey, Failed> {
    let doors = || Door::ALL.map(Door::as_str).join(", ");
    let door = Door::from_name(&name.door)
        .ok_or_else(|| Failed::refused(format!("`{}` is no door", name.door)).hint(format!("one of: {}", doors())))?;
    Ok(ConversationKey { tenant: parse(&name.tenant)?, door, channel: name.channel.clone(), user: name.user.clone() })
}
