//! `models` and `agent`: which language models there are, and the bounds of turns.
//!
//! Invariant: a key never stands in the configuration; a provider names the secret that holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use openclaw_brain::{AgentSettings, Api, LOCAL, ModelSettings, ProviderSettings};
use openclaw_domain::{Origin, Scheme, SecretName};
use serde_json::Value;

use super::problem::Problems;
use super::read::Object;

const PROVIDER: [&str; 6] = ["api", "baseUrl", "apiKey", "apiKeySecret", "allowPrivate", "models"];
const AGENT: [&str; 8] = [
    "prompt",
    "deadlineMs",
    "maxToolCalls",
    "maxTurnTokens",
    "maxTokensPerDay",
    "maxReplyTokens",
    "conversationBytes",
    "resultBytes",
];
const KEY_FIX: &str = "keep it with `openclaw secrets set NAME` and write `\"apiKeySecret\": \"NAME\"`";

/// Reads `models`.
pub(crate) fn models(top: &Object<'_>, problems: &mut Problems) -> ModelSettings {
    let Some(models) = top.object("models", &["default", "aliases", "providers"], problems) else {
        return ModelSettings::default();
    };
    let mut aliases = BTreeMap::new();
    if let Some(given) = models.object("aliases", &[], problems) {
        for (name, ..) in given.entries() {
            if let Some(model) = given.text(name, problems) {
                aliases.insert(name.to_owned(), model);
            }
        }
    }
    let mut providers = Vec::new();
    if let Some(given) = models.object("providers", &[], problems) {
        providers.extend(given.entries().filter_map(|(name, at, value)| provider(name, &at, value, problems)));
    }
    let default = models.text("default", problems);
    if providers.is_empty() && default.as_deref().is_some_and(|name| name != LOCAL) {
        let fix = "add a provider to `models.providers`, or remove the key";
        problems.warn(models.at("default"), "names a model, and no provider is configured: `local` answers", fix);
    }
    ModelSettings { default, aliases, providers }
}

fn provider(name: &str, at: &str, value: &Value, problems: &mut Problems) -> Option<ProviderSettings> {
    let provider = Object::of(at, value, &PROVIDER, problems)?;
    let is_name = !name.is_empty() && name != LOCAL && !name.contains('/') && name.len() <= 64;
    if !is_name {
        problems.error(at, "is no name of a provider", "use 1 to 64 characters without `/`, and not `local`");
    }
    let usual = if name == "anthropic" { Api::AnthropicMessages } else { Api::OpenAiCompletions };
    let words = Api::ALL.map(Api::as_str);
    let api = provider.word("api", &words, problems);
    let api = Api::ALL.into_iter().find(|known| Some(known.as_str()) == api).unwrap_or(usual);
    let url = provider.text("baseUrl", problems).unwrap_or_else(|| usual_url(api).to_owned());
    let allow_private = provider.flag("allowPrivate", problems).unwrap_or(false);
    let (origin, path) = match Origin::split(&url) {
        Ok((origin, path)) => (origin, path.trim_end_matches('/').to_owned()),
        Err(error) => {
            let reason = format!("is no URL ({})", error.reason);
            problems.error(provider.at("baseUrl"), reason, "write `https://host` or `https://host/v1`");
            return None;
        }
    };
    if path.contains(['?', '#']) {
        problems.error(provider.at("baseUrl"), "has a query or a fragment", "end it with its path");
    }
    if origin.scheme == Scheme::Http && !allow_private {
        let fix = "use `https`, or add `\"allowPrivate\": true` for a server on this machine or network";
        problems.error(provider.at("baseUrl"), "is plain `http`", fix);
    }
    if provider.has("apiKey") {
        problems.error(provider.at("apiKey"), "is a key, and a key does not belong into this file", KEY_FIX);
    }
    let key = provider.text("apiKeySecret", problems).and_then(|name| match name.parse::<SecretName>() {
        Ok(name) => Some(name),
        Err(error) => {
            // What stands there may be the key itself.
            let fix = format!("use {}; {KEY_FIX}", error.rule);
            problems.error(provider.at("apiKeySecret"), "is not named as a secret can be", fix);
            None
        }
    });
    let listed = provider.list("models", problems);
    let models = listed.into_iter().filter_map(|(at, item)| model(&at, item, problems));
    Some(ProviderSettings { name: name.to_owned(), api, origin, path, key, allow_private, models: models.collect() })
}

const fn usual_url(api: Api) -> &'static str {
    match api {
        Api::AnthropicMessages => "https://api.anthropic.com",
        Api::OpenAiCompletions => "https://api.openai.com/v1",
    }
}

/// A model's name, or an object with its `id`.
fn model(at: &str, item: &Value, problems: &mut Problems) -> Option<String> {
    let name = item.as_str().or_else(|| item.get("id").and_then(Value::as_str)).filter(|name| !name.is_empty());
    if name.is_none() {
        problems.error(at, "names no model", "write its name, or an object with its `id`");
    }
    name.map(str::to_owned)
}

/// Reads `agent`.
pub(crate) fn agent(top: &Object<'_>, problems: &mut Problems) -> AgentSettings {
    let usual = AgentSettings::default();
    let Some(agent) = top.object("agent", &AGENT, problems) else { return usual };
    let size = |given: Option<u64>, usual: usize| given.and_then(|given| usize::try_from(given).ok()).unwrap_or(usual);
    AgentSettings {
        deadline: agent.whole("deadlineMs", 1..=3_600_000, problems).map_or(usual.deadline, Duration::from_millis),
        tool_calls: size(agent.whole("maxToolCalls", 0..=256, problems), usual.tool_calls),
        turn_tokens: agent.whole("maxTurnTokens", 1..=100_000_000, problems).unwrap_or(usual.turn_tokens),
        tenant_tokens_per_day: agent.whole("maxTokensPerDay", 0..=1 << 50, problems),
        reply_tokens: agent
            .whole("maxReplyTokens", 1..=1_000_000, problems)
            .and_then(|tokens| u32::try_from(tokens).ok())
            .unwrap_or(usual.reply_tokens),
        conversation_bytes: size(
            agent.whole("conversationBytes", 1 << 10..=4 << 20, problems),
            usual.conversation_bytes,
        ),
        result_bytes: size(agent.whole("resultBytes", 256..=1 << 20, problems), usual.result_bytes),
        prompt: agent.text("prompt", problems),
    }
}
