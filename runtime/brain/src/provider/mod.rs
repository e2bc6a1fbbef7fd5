//! Asks a provider over the one way out: tries, waits, tries again, and reads the answer as it comes.
//!
//! Invariants: the key goes out as a secret header and is never in this process's hands here; every wait and every
//! answer is within the turn's deadline; an answer that was heard in part is not asked for again.

mod anthropic;
mod openai;
mod retry;
mod sse;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Method};
use openclaw_domain::ports::{DeltaSink, Egress, ModelReply, ModelRequest, ModelResult};
use openclaw_domain::{
    BodyStream, EgressError, EgressLimits, HeaderPart, NamePolicy, Outgoing, OutgoingBody, Refusal, SecretHeader,
    TenantId,
};
use serde_json::{Value, json};

use crate::settings::{Api, ProviderSettings};
use retry::{ATTEMPTS, wait_before};
use sse::Events;

/// Bytes of an error's body that are read for its message.
const ERROR_BYTES: usize = 8 << 10;
/// Characters of a provider's message that are passed on.
const MESSAGE_CHARS: usize = 300;
/// A model may think for a minute before its next word, so only the deadline bounds how slowly an answer comes.
const LEAST_BYTES_PER_SECOND: u32 = 0;
/// Bytes of a whole conversation on its way out.
const REQUEST_BYTES: u64 = 16 << 20;

/// Why one attempt came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: String,
    hint: String,
    /// Whether another attempt may succeed, and when the provider says it would.
    retry: Option<Option<std::time::Duration>>,
}

impl Failure {
    /// What will not change by asking again.
    fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: String::new(), retry: None }
    }

    /// What may pass.
    fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: String::new(), retry: Some(None) }
    }
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        let hint = match &error {
            EgressError::AddressDenied { .. } => {
                "if the provider is meant to be there, set its `allowPrivate`".to_owned()
            }
            _ => String::new(),
        };
        let may_pass = matches!(
            error,
            EgressError::Dns { .. } | EgressError::Connect { .. } | EgressError::Protocol(_) | EgressError::Tls { .. }
        );
        Self { reason: error.to_string(), hint, retry: may_pass.then_some(None) }
    }
}

/// Reads a provider's stream.
pub(crate) trait Reader: Send {
    /// Takes the data of one event; `true` once the answer is whole.
    fn take(&mut self, data: &str, say: &mut (dyn FnMut(&str) + Send)) -> Result<bool, Failure>;

    /// Whether the stream may end here although nothing said so.
    fn may_end(&self) -> bool;

    /// The answer.
    fn reply(self: Box<Self>) -> ModelReply;
}

/// Asks a provider's model.
pub(crate) async fn complete(
    egress: &dyn Egress,
    provider: &ProviderSettings,
    model: &str,
    request: &ModelRequest,
    deltas: &DeltaSink,
) -> Result<ModelReply, Refusal> {
    let body = match provider.api {
        Api::OpenAiCompletions => openai::body(model, request),
        Api::AnthropicMessages => anthropic::body(model, request),
    };
    let body = Bytes::from(body.to_string());
    let mut attempt = 1;
    loop {
        let mut was_heard = false;
        let failure = match try_once(egress, provider, &body, request.deadline, deltas, &mut was_heard).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        let wait = failure.retry.filter(|_| !was_heard && attempt < ATTEMPTS).and_then(|asked| {
            let left = request.deadline.saturating_duration_since(Instant::now());
            wait_before(attempt, asked).filter(|wait| *wait < left)
        });
        let Some(wait) = wait else {
            tracing::warn!(
                model = request.model, attempt, reason = failure.reason, trace = %request.trace,
                "a model did not answer"
            );
            let Failure { reason, hint, .. } = failure;
            return Err(Refusal::ModelFailed { model: request.model.clone(), reason, hint });
        };
        tracing::info!(
            model = request.model, attempt, reason = failure.reason, wait_ms = wait.as_millis(), trace = %request.trace,
            "a model is asked again"
        );
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

async fn try_once(
    egress: &dyn Egress,
    provider: &ProviderSettings,
    body: &Bytes,
    deadline: Instant,
    deltas: &DeltaSink,
    was_heard: &mut bool,
) -> Result<ModelReply, Failure> {
    let response = egress.send(outgoing(provider, body, deadline)).await?;
    if !response.status.is_success() {
        return Err(refused(provider, response.status, &response.headers, response.body).await);
    }
    let mut reader: Box<dyn Reader> = match provider.api {
        Api::OpenAiCompletions => Box::new(openai::Stream::default()),
        Api::AnthropicMessages => Box::new(anthropic::Stream::default()),
    };
    let mut say = |text: &str| {
        *was_heard = true;
        deltas(text);
    };
    let (mut events, mut chunks) = (Events::default(), response.body);
    while let Some(chunk) = chunks.next().await {
        for data in events.feed(&chunk?)? {
            if reader.take(&data, &mut say)? {
                return Ok(reader.reply());
            }
        }
    }
    if reader.may_end() {
        return Ok(reader.reply());
    }
    Err(Failure::passing("its stream broke off before the answer was whole"))
}

fn outgoing(provider: &ProviderSettings, body: &Bytes, deadline: Instant) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let (path, name, prefix) = match provider.api {
        Api::OpenAiCompletions => ("/chat/completions", http::header::AUTHORIZATION, "Bearer "),
        Api::AnthropicMessages => {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
            ("/v1/messages", HeaderName::from_static("x-api-key"), "")
        }
    };
    let secret_headers = provider.key.iter().map(|key| {
        let secret = HeaderPart::Secret(key.clone());
        let parts = if prefix.is_empty() { vec![secret] } else { vec![HeaderPart::Text(prefix.to_owned()), secret] };
        SecretHeader { name: name.clone(), parts }
    });
    Outgoing {
        // The key is the operator's own, whosever turn it is.
        tenant: TenantId::default(),
        sender: Arc::from(format!("model {}", provider.name)),
        method: Method::POST,
        origin: provider.origin.clone(),
        path_and_query: format!("{}{path}", provider.path),
        headers,
        secret_headers: secret_headers.collect(),
        body: OutgoingBody::Full(body.clone()),
        names: NamePolicy::Configured,
        allow_private: provider.allow_private,
        limits: EgressLimits {
            least_bytes_per_second: LEAST_BYTES_PER_SECOND,
            request_body_bytes: REQUEST_BYTES,
            ..EgressLimits::default()
        },
        deadline,
    }
}

/// Why a provider refused, in its own words.
async fn refused(
    provider: &ProviderSettings,
    status: http::StatusCode,
    headers: &HeaderMap,
    mut body: BodyStream,
) -> Failure {
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        text.extend_from_slice(&chunk);
        if text.len() >= ERROR_BYTES {
            break;
        }
    }
    let message = serde_json::from_slice::<Value>(&text).ok().and_then(|value| {
        value.pointer("/error/message").or_else(|| value.get("error")).and_then(Value::as_str).map(str::to_owned)
    });
    let message: String = message.unwrap_or_default().chars().take(MESSAGE_CHARS).collect();
    let reason = match message.as_str() {
        "" => format!("`{}` answered {}", provider.name, status.as_u16()),
        message => format!("`{}` answered {}: {message}", provider.name, status.as_u16()),
    };
    let hint = match (status.as_u16(), &provider.key) {
        (401 | 403, Some(key)) => format!("the key is the secret `{key}`; `openclaw secrets set {key}` replaces it"),
        (401 | 403, None) => {
            format!("name the secret that holds its key in `models.providers.{}.apiKeySecret`", provider.name)
        }
        _ => String::new(),
    };
    let may_pass = matches!(status.as_u16(), 408 | 409 | 429 | 500 | 502 | 503 | 504 | 529);
    Failure { reason, hint, retry: may_pass.then(|| retry::asked(headers)) }
}

/// A result as a model reads it: inside a JSON string, from which no text can break out, under a name that says what
/// it is worth.
fn marked(result: &ModelResult) -> String {
    json!({ "tool": result.name, "ok": !result.is_error, "untrusted_output": result.output }).to_string()
}

/// A schema as an object; both protocols refuse anything else.
fn schema(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut schema)) => {
            schema.entry("type").or_insert_with(|| "object".into());
            Value::Object(schema)
        }
        _ => json!({ "type": "object" }),
    }
}
