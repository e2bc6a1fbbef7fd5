//! Which model answers, and who is asked for it.
//!
//! A model is named by an alias, `provider/model`, a name a provider lists, or `local`. Without any provider every name
//! leads to `local`, so that a client that names its favourite works with a gateway nobody has given a key to.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openclaw_domain::Refusal;
use openclaw_domain::ports::{DeltaSink, Egress, ModelReply, ModelRequest, Models};

use crate::local::{Local, LocalParts};
use crate::provider;
use crate::settings::{Api, LOCAL, ModelSettings, ProviderSettings};

/// How many aliases may lead to one another.
const ALIAS_STEPS: usize = 4;

/// What a router is made of.
pub struct RouterParts {
    /// Which models there are; a reload stores new ones here.
    pub settings: Arc<ArcSwap<ModelSettings>>,
    /// The one way out.
    pub egress: Arc<dyn Egress>,
    /// What `local` answers from.
    pub local: LocalParts,
}

/// Asks the model that was named. One for the whole gateway.
pub struct Router {
    settings: Arc<ArcSwap<ModelSettings>>,
    egress: Arc<dyn Egress>,
    local: Local,
}

impl Router {
    /// Puts a router together.
    pub fn new(parts: RouterParts) -> Self {
        Self { settings: parts.settings, egress: parts.egress, local: Local::new(parts.local) }
    }
}

/// The provider of a model and the model's own name there; `None` is `local`.
fn find<'a>(
    settings: &'a ModelSettings,
    asked: Option<&str>,
) -> Result<Option<(&'a ProviderSettings, String)>, Refusal> {
    if settings.providers.is_empty() {
        return Ok(None);
    }
    let mut name = asked.or(settings.default.as_deref()).unwrap_or(LOCAL);
    for _ in 0..ALIAS_STEPS {
        match settings.aliases.get(name) {
            Some(other) => name = other,
            None => break,
        }
    }
    if name == LOCAL {
        return Ok(None);
    }
    if let Some((provider, model)) = name.split_once('/')
        && let Some(provider) = settings.providers.iter().find(|known| known.name == provider)
        && !model.is_empty()
    {
        return Ok(Some((provider, model.to_owned())));
    }
    let lists = |provider: &&ProviderSettings| provider.models.iter().any(|model| model == name);
    let speaks = |provider: &&ProviderSettings| {
        name.starts_with("claude-") && provider.api == Api::AnthropicMessages && provider.models.is_empty()
    };
    let provider = settings.providers.iter().find(lists).or_else(|| settings.providers.iter().find(speaks));
    match provider {
        Some(provider) => Ok(Some((provider, name.to_owned()))),
        None => Err(unknown(settings, name)),
    }
}

fn unknown(settings: &ModelSettings, name: &str) -> Refusal {
    let listed = settings.providers.iter().flat_map(|provider| {
        provider.models.iter().map(|model| format!("{}/{model}", provider.name)).collect::<Vec<_>>()
    });
    let mut known: Vec<_> = settings.aliases.keys().cloned().chain(listed).chain([LOCAL.to_owned()]).collect();
    known.truncate(20);
    let name: String = name.chars().take(80).collect();
    let reason = format!("is `{name}`, which is not configured here; known are `{}`", known.join("`, `"));
    Refusal::invalid("payload.options.model", reason)
}

#[async_trait]
impl Models for Router {
    fn resolve(&self, asked: Option<&str>) -> Result<String, Refusal> {
        let settings = self.settings.load();
        Ok(match find(&settings, asked)? {
            None => LOCAL.to_owned(),
            Some((provider, model)) => format!("{}/{model}", provider.name),
        })
    }

    async fn complete(&self, request: ModelRequest, deltas: DeltaSink) -> Result<ModelReply, Refusal> {
        let settings = self.settings.load_full();
        match find(&settings, Some(&request.model))? {
            None => self.local.complete(&request, &deltas).await,
            Some((provider, model)) => provider::complete(&*self.egress, provider, &model, &request, &deltas).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, api: Api, models: &[&str]) -> ProviderSettings {
        ProviderSettings {
            name: name.to_owned(),
            api,
            origin: "https://example.com".parse().unwrap(),
            path: String::new(),
            key: None,
            allow_private: false,
            models: models.iter().map(|&model| model.to_owned()).collect(),
        }
    }

    fn settings() -> ModelSettings {
        ModelSettings {
            default: Some("fast".to_owned()),
            aliases: [("fast", "openai/gpt-small"), ("loop", "loop")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            providers: vec![
                provider("openai", Api::OpenAiCompletions, &["gpt-small"]),
                provider("anthropic", Api::AnthropicMessages, &[]),
            ],
        }
    }

    fn named(asked: Option<&str>) -> String {
        let settings = settings();
        match find(&settings, asked) {
            Ok(None) => "local".to_owned(),
            Ok(Some((provider, model))) => format!("{}/{model}", provider.name),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn a_model_is_found_by_alias_provider_list_or_kind() {
        assert_eq!(named(None), "openai/gpt-small");
        assert_eq!(named(Some("gpt-small")), "openai/gpt-small");
        assert_eq!(named(Some("openai/other")), "openai/other");
        assert_eq!(named(Some("claude-haiku-4-5-20251001")), "anthropic/claude-haiku-4-5-20251001");
        assert_eq!(named(Some("local")), "local");
        assert_eq!(
            named(Some("nobody")),
            "`payload.options.model` is `nobody`, which is not configured here; known are `fast`, `loop`, \
             `openai/gpt-small`, `local`"
        );
        assert!(named(Some("loop")).contains("not configured"));
    }

    #[test]
    fn without_any_provider_every_name_leads_to_local() {
        assert!(find(&ModelSettings::default(), Some("claude-haiku-4-5-20251001")).unwrap().is_none());
    }
}
