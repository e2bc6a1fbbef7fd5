//! Operators' commands about webhooks: endpoints, deliveries, and requests that are shown to a transform again.
//!
//! Invariant: with `--dry-run` nothing is written, sent or recorded; without it, what was done is in the audit log.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::{Guests, Journal, Outbox, Policy, Secrets};
use openclaw_domain::{
    Caller, Credential, DeliveryId, DeliveryQuery, DeliveryState, Door, EndpointHealth, EndpointKey, EventKind,
    IngressCall, IngressOutcome, IngressRequest, NewEvent, ProgressSink, Role, TenantId, Timestamp, ToolCall, TraceId,
    WebhookId,
};
use openclaw_storage::KeptRequest;
use serde_json::{Value, json};

use super::run::{Ops, parse, value};
use super::webhook_view::{
    AttemptView, BodyView, DecisionView, DeliveryChoice, DeliveryDetailView, DeliveryView, EndpointView, ReplayedView,
    RequestReplayView, RequestView, TestView, WebhookRequest,
};
use crate::exit::Failed;

/// Deliveries one command names at most.
const MOST: usize = 10_000;

impl Ops {
    /// The values of secrets, for the part that sends.
    pub(crate) fn secret_values(&self) -> Arc<dyn Secrets> {
        Arc::clone(&self.secrets) as _
    }

    /// What is paused, for the part that sends.
    pub(crate) fn policy_in_force(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.policy) as _
    }

    /// Answers one command about webhooks.
    pub(super) async fn webhooks(&self, request: WebhookRequest) -> Result<Value, Failed> {
        match request {
            WebhookRequest::List { tenant } => {
                let tenant = tenant.as_deref().map(parse::<TenantId>).transpose()?;
                value(&self.endpoints(tenant.as_ref()).await?)
            }
            WebhookRequest::Test { tenant, endpoint, event } => {
                let key = self.endpoint(&tenant, &endpoint)?;
                self.test_endpoint(&key, event.as_deref()).await
            }
            WebhookRequest::Deliveries(choice) => value(&self.deliveries(&choice).await?),
            WebhookRequest::Show { tenant, id } if id.starts_with("wh_") => {
                let (id, kept) = self.kept_request(&parse(&tenant)?, &id).await?;
                value(&request_view(&tenant, id, &kept))
            }
            WebhookRequest::Show { id, .. } => self.show_delivery(&id).await,
            WebhookRequest::Replay { ids, dry_run } => {
                let ids = ids.iter().map(|id| parse(id)).collect::<Result<Vec<DeliveryId>, _>>()?;
                let mut deliveries = Vec::new();
                for id in ids {
                    let found =
                        Outbox::delivery(&self.storage, id).await?.ok_or_else(|| no_delivery(&id.to_string()))?;
                    deliveries.push(DeliveryView::from(&found.record));
                }
                self.replay_deliveries(deliveries, dry_run).await
            }
            WebhookRequest::ReplayChosen { choice, dry_run } => {
                let deliveries = self.deliveries(&choice).await?;
                self.replay_deliveries(deliveries, dry_run).await
            }
            WebhookRequest::ReplayRequest { tenant, id, dry_run } => {
                self.replay_request(parse(&tenant)?, &id, dry_run).await
            }
            WebhookRequest::SetEnabled { tenant, endpoint, enabled } => {
                let key = self.endpoint(&tenant, &endpoint)?;
                self.set_endpoint_enabled(&key, enabled).await
            }
        }
    }

    /// The key of an endpoint the configuration has.
    fn endpoint(&self, tenant: &str, name: &str) -> Result<EndpointKey, Failed> {
        let key = EndpointKey { tenant: parse(tenant)?, name: parse(name)? };
        let config = self.config_in_force();
        if config.outgoing.iter().any(|endpoint| endpoint.key == key) {
            return Ok(key);
        }
        Err(Failed::refused(format!("tenant `{tenant}` has no endpoint named `{name}`"))
            .hint("`openclaw webhooks list` names them"))
    }

    async fn endpoints(&self, tenant: Option<&TenantId>) -> Result<Vec<EndpointView>, Failed> {
        self.storage.flush().await?;
        let (health, backlog) = (self.storage.health().await?, self.storage.backlog().await?);
        let statuses = self.running_deliveries().map(|deliveries| deliveries.endpoints()).unwrap_or_default();
        let config = self.config_in_force();
        let wanted =
            config.outgoing.iter().filter(|endpoint| tenant.is_none_or(|wanted| endpoint.key.tenant == *wanted));
        let views = wanted.map(|endpoint| {
            let key = &endpoint.key;
            let health =
                health.iter().find(|(other, _)| other == key).map(|(_, health)| health.clone()).unwrap_or_default();
            let waiting = backlog.iter().find(|backlog| backlog.endpoint == *key);
            let (state, since, reason) = match health {
                EndpointHealth { disabled: Some((at, reason)), .. } => ("disabled", Some(at), Some(reason)),
                _ if !endpoint.enabled => ("off", None, None),
                EndpointHealth { failing_since: Some(since), .. } => ("failing", Some(since), None),
                EndpointHealth { failing_since: None, disabled: None } => ("ok", None, None),
            };
            EndpointView {
                name: key.name.to_string(),
                tenant: key.tenant.to_string(),
                url: endpoint.origin.to_string(),
                events: endpoint.events.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
                state: state.to_owned(),
                reason,
                since: since.map(|since| since.to_string()),
                open: waiting.map_or(0, |waiting| waiting.open),
                oldest: waiting.map(|waiting| waiting.oldest.to_string()),
                breaker: statuses.iter().find(|status| status.key == *key).map(|status| status.breaker.to_owned()),
            }
        });
        Ok(views.collect())
    }

    async fn test_endpoint(&self, key: &EndpointKey, event: Option<&str>) -> Result<Value, Failed> {
        let kind = match event {
            None => None,
            Some(name) => Some(EventKind::from_name(name).ok_or_else(|| {
                let known = EventKind::ALL.map(EventKind::as_str).join(", ");
                Failed::refused(format!("`{name}` is no kind of event")).hint(format!("use one of: {known}"))
            })?),
        };
        let deliveries = &self.gateway()?.deliveries;
        let report = deliveries
            .test(key, kind)
            .await
            .ok_or_else(|| Failed::refused(format!("the running gateway has no endpoint `{key}`")))?;
        let detail = json!({ "status": report.status });
        self.audit(&key.tenant, "webhook.test", key.name.as_str(), &detail).await?;
        value(&TestView {
            ok: report.error.is_none(),
            status: report.status,
            error: report.error,
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            excerpt: report.excerpt,
            body: report.body.as_ref().map(BodyView::from),
        })
    }

    async fn deliveries(&self, choice: &DeliveryChoice) -> Result<Vec<DeliveryView>, Failed> {
        let now = self.clock.now();
        let state = match choice.state.as_deref() {
            None => None,
            Some(name) => Some(DeliveryState::from_name(name).ok_or_else(|| {
                let known = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
                Failed::refused(format!("`{name}` is no state of a delivery")).hint(format!("use one of: {known}"))
            })?),
        };
        let query = DeliveryQuery {
            tenant: choice.tenant.as_deref().map(parse).transpose()?,
            endpoint: choice.endpoint.as_deref().map(parse).transpose()?,
            state,
            since: choice.since_ms.map(|ago| before(now, ago)),
            limit: choice.limit.min(MOST),
        };
        // Events are written soon after they happen; whoever asks now means those of a moment ago as well.
        self.storage.flush().await?;
        Ok(Outbox::deliveries(&self.storage, query).await?.iter().map(DeliveryView::from).collect())
    }

    async fn show_delivery(&self, id: &str) -> Result<Value, Failed> {
        self.storage.flush().await?;
        let found = Outbox::delivery(&self.storage, parse(id)?).await?.ok_or_else(|| no_delivery(id))?;
        value(&DeliveryDetailView {
            delivery: DeliveryView::from(&found.record),
            trace_id: found.event.fact.trace.to_string(),
            data: serde_json::from_str(&found.event.fact.data).unwrap_or(Value::Null),
            body: found.body.as_ref().map(BodyView::from),
            tries: found.attempts.iter().map(AttemptView::from).collect(),
        })
    }

    async fn replay_deliveries(&self, mut deliveries: Vec<DeliveryView>, dry_run: bool) -> Result<Value, Failed> {
        let is_settled =
            |view: &DeliveryView| DeliveryState::from_name(&view.state).is_some_and(DeliveryState::is_settled);
        deliveries.retain(is_settled);
        let mut replayed = 0;
        if !dry_run && !deliveries.is_empty() {
            let ids = deliveries.iter().map(|view| parse(&view.id)).collect::<Result<Vec<DeliveryId>, _>>()?;
            replayed = Outbox::replay(&self.storage, ids, self.clock.now()).await?;
            for view in &deliveries {
                let detail = json!({ "endpoint": view.endpoint, "state": view.state });
                self.audit(&parse(&view.tenant)?, "webhook.replay", &view.id, &detail).await?;
            }
            if let Some(running) = self.running_deliveries() {
                running.wake();
            }
        }
        value(&ReplayedView { replayed, deliveries })
    }

    async fn set_endpoint_enabled(&self, key: &EndpointKey, enabled: bool) -> Result<Value, Failed> {
        match self.running_deliveries() {
            Some(running) => running.set_enabled(key, enabled).await?,
            None => {
                let disabled = (!enabled).then(|| (self.clock.now(), "an operator disabled it".to_owned()));
                self.storage.set_health(key, EndpointHealth { failing_since: None, disabled }).await?;
            }
        }
        let action = if enabled { "webhook.enable" } else { "webhook.disable" };
        self.audit(&key.tenant, action, key.name.as_str(), &json!({})).await?;
        let views = self.endpoints(Some(&key.tenant)).await?;
        value(&views.iter().find(|view| view.name == key.name.as_str()))
    }

    async fn kept_request(&self, tenant: &TenantId, id: &str) -> Result<(WebhookId, KeptRequest), Failed> {
        let id: WebhookId = parse(id)?;
        let kept = self.storage.webhook_request(tenant, id).await?;
        let kept = kept.ok_or_else(|| Failed::refused(format!("tenant `{tenant}` has no request `{id}`")))?;
        Ok((id, kept))
    }

    async fn replay_request(&self, tenant: TenantId, id: &str, dry_run: bool) -> Result<Value, Failed> {
        let (id, kept) = self.kept_request(&tenant, id).await?;
        let config = self.config_in_force();
        let endpoint = config
            .server
            .ingress
            .iter()
            .find(|endpoint| endpoint.tenant == tenant && *endpoint.path == *kept.path)
            .ok_or_else(|| Failed::refused(format!("no endpoint of the configuration has the path `{}`", kept.path)))?;
        let call = IngressCall {
            tenant: tenant.clone(),
            transform: endpoint.transform.clone(),
            request: request_of(&kept, Arc::clone(&endpoint.path), Arc::clone(&endpoint.settings)),
            trace: kept.trace,
        };
        let registry = self.registry().await?;
        let (after, outcome) = match registry.transform_ingress(call).await {
            Ok(reply) => {
                let transform = format!("{}@{}", endpoint.transform, reply.digest);
                (decision(&reply.outcome, transform), Some(reply.outcome))
            }
            Err(refusal) => {
                let detail = json!({ "code": refusal.code().as_str(), "message": refusal.to_string() });
                let transform = endpoint.transform.to_string();
                (DecisionView { outcome: "failed".to_owned(), detail, transform }, None)
            }
        };
        let before = decision_then(&kept);
        let differs = (&before.outcome, &before.detail) != (&after.outcome, &after.detail);
        if !dry_run && let Some(outcome) = outcome {
            let detail = json!({ "outcome": outcome.kind(), "transform": after.transform });
            self.audit(&tenant, "webhook.replay", &id.to_string(), &detail).await?;
            self.apply(&tenant, &kept.path, kept.trace, outcome).await?;
        }
        value(&RequestReplayView { id: id.to_string(), before, after, differs, applied: !dry_run })
    }

    /// Does what a request's transform of today decided, as the door does it; nobody waits to be answered.
    async fn apply(
        &self,
        tenant: &TenantId,
        path: &str,
        trace: TraceId,
        outcome: IngressOutcome,
    ) -> Result<(), Failed> {
        let (kind, data) = match outcome {
            IngressOutcome::Message { text, .. } => {
                let data = json!({ "channel": "webhook", "sender": path, "sender_name": path, "text": text });
                (EventKind::MessageReceived, data)
            }
            IngressOutcome::Invoke { skill, arguments } => {
                let credential = Credential { tenant: tenant.clone(), role: Role::Invoke, name: path.into() };
                let call = ToolCall {
                    caller: Caller { credential, door: Door::Webhook, trace },
                    target: parse(&skill)?,
                    arguments: arguments.into(),
                    deadline: None,
                    progress: ProgressSink::default(),
                    session: None,
                    resumed: None,
                };
                let reply = self.registry().await?.call_tool(call).await?;
                let duration = u64::try_from(reply.duration.as_millis()).unwrap_or(u64::MAX);
                let view = super::CallView::of(&reply, trace.to_string());
                (EventKind::TaskCompleted, json!({ "task_name": skill, "result": view.text, "duration_ms": duration }))
            }
            IngressOutcome::Respond { .. } | IngressOutcome::Discard { .. } => return Ok(()),
        };
        let at = self.clock.now();
        let event = NewEvent { tenant: tenant.clone(), kind, data: data.to_string(), trace, at, session: None };
        Journal::record(&self.storage, event);
        Ok(())
    }
}

fn no_delivery(id: &str) -> Failed {
    Failed::refused(format!("no delivery `{id}` is remembered")).hint("`openclaw webhooks deliveries` names them")
}

fn before(now: Timestamp, millis: u64) -> Timestamp {
    let millis = i64::try_from(Duration::from_millis(millis).as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

/// The request as the transform is shown it; its settings are those of today.
fn request_of(kept: &KeptRequest, path: Arc<str>, settings: Arc<str>) -> IngressRequest {
    let content_type = kept.headers.iter().find(|(name, _)| name == "content-type").and_then(|(_, value)| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        (!essence.is_empty()).then_some(essence)
    });
    IngressRequest {
        path,
        method: kept.method.clone(),
        query: form_urlencoded::parse(kept.query.as_bytes()).into_owned().collect(),
        headers: kept.headers.clone(),
        content_type,
        body: kept.body.clone(),
        received_at: kept.received_at,
        settings,
    }
}

fn decision(outcome: &IngressOutcome, transform: String) -> DecisionView {
    let detail = match outcome {
        IngressOutcome::Message { text, conversation, missing } => {
            json!({ "text": text, "conversation": conversation, "missing": missing })
        }
        IngressOutcome::Invoke { skill, arguments } => json!({ "skill": skill, "arguments": arguments }),
        IngressOutcome::Respond { status, content_type, body } => {
            json!({ "status": status, "content_type": content_type, "bytes": body.len() })
        }
        IngressOutcome::Discard { reason } => json!({ "reason": reason }),
    };
    DecisionView { outcome: outcome.kind().to_owned(), detail, transform }
}

fn decision_then(kept: &KeptRequest) -> DecisionView {
    DecisionView {
        outcome: kept.outcome.clone(),
        detail: serde_json::from_str(&kept.detail).unwrap_or_else(|_| Value::from(kept.detail.as_str())),
        transform: kept.transform.clone(),
    }
}

fn request_view(tenant: &str, id: WebhookId, kept: &KeptRequest) -> RequestView {
    RequestView {
        id: id.to_string(),
        tenant: tenant.to_owned(),
        path: kept.path.clone(),
        method: kept.method.clone(),
        received_at: kept.received_at.to_string(),
        trace_id: kept.trace.to_string(),
        headers: kept.headers.clone(),
        body: String::from_utf8_lossy(&kept.body).into_owned(),
        status: kept.status,
        decision: decision_then(kept),
    }
}
