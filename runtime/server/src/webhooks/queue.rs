//! Requests that came while an operator had paused their tenant or transform: accepted then, decided when the pause ends.
//!
//! Invariants: a queued request was verified when it came, and is decided once; one tenant's are decided in the order in
//! which they came; what cannot be decided now stays queued.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_domain::ports::QueuedRequest;
use openclaw_domain::{IngressRequest, Refusal, TenantId};
use tokio::task::JoinSet;

use super::address::EndpointAddress;
use super::invocation::Invocation;
use super::receive::Ingress;
use super::verdict::{Decision, Judgement, judge};
use super::visible;

/// Requests read at one time: each may hold a whole body.
const PAGE: usize = 16;
/// How long a request waits that found the gateway busy, and how often it is tried until the next end of a pause.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 60;

/// What became of a queued request.
enum Turn {
    /// It is decided, or was by somebody else.
    Decided,
    /// There is no room for it now.
    Later,
    /// It is paused still, or again.
    Paused,
}

impl Ingress {
    /// Decides what is queued, each tenant's by itself, until nothing is left that may be decided. The count of them.
    ///
    /// # Errors
    /// The inbox cannot be read; what is left stays queued.
    pub(super) async fn decide_queued(self: &Arc<Self>) -> Result<u64, Refusal> {
        let mut queues = JoinSet::new();
        for (tenant, _) in self.inbox.queues().await? {
            let ingress = Arc::clone(self);
            queues.spawn(async move { ingress.decide_queue(&tenant).await });
        }
        let mut decided = 0;
        while let Some(queue) = queues.join_next().await {
            match queue {
                Ok(Ok(count)) => decided += count,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a tenant's queued webhooks wait for the next end of a pause")
                }
                Err(error) => tracing::error!(%error, "a tenant's queued webhooks could not be decided"),
            }
        }
        Ok(decided)
    }

    /// What is paused still is passed over: it must not hold up what no pause concerns.
    async fn decide_queue(&self, tenant: &TenantId) -> Result<u64, Refusal> {
        let (mut decided, mut passed_over) = (0, HashSet::new());
        loop {
            let page = self.inbox.queued(tenant, PAGE + passed_over.len()).await?;
            let left: Vec<_> = page.into_iter().filter(|request| !passed_over.contains(&request.id)).collect();
            if left.is_empty() {
                return Ok(decided);
            }
            for request in left {
                let mut tries = 1;
                loop {
                    match self.decide(&request).await? {
                        Turn::Decided => decided += 1,
                        Turn::Later if tries < TRIES => {
                            tries += 1;
                            tokio::time::sleep(TRY_AGAIN).await;
                            continue;
                        }
                        Turn::Later | Turn::Paused => drop(passed_over.insert(request.id)),
                    }
                    break;
                }
            }
        }
    }

    async fn decide(&self, queued: &QueuedRequest) -> Result<Turn, Refusal> {
        let address = EndpointAddress::of(queued.tenant.as_str(), &queued.path);
        let judgement = match self.admission.endpoint(&address) {
            None => Judgement::failed("gateway", "its endpoint is no longer configured"),
            Some(endpoint) => {
                let request = request_of(queued, Arc::clone(&endpoint.path), Arc::clone(&endpoint.settings));
                let began = Instant::now();
                let ran = self.run_transform(&endpoint, request, queued.trace).await;
                match judge(endpoint.transform.as_str(), ran, began.elapsed()) {
                    Ok(Judgement { decision: Decision::Queued { .. }, .. }) => return Ok(Turn::Paused),
                    Ok(judgement) => judgement.whole_or(endpoint.on_partial),
                    Err(_) => return Ok(Turn::Later),
                }
            }
        };
        let now = self.clock.now();
        let events = judgement.events(&queued.tenant, &queued.path, queued.trace, now);
        let decided = self.inbox.decide(&queued.tenant, queued.id, judgement.verdict(), events).await?;
        if let (Some(_), Decision::Invoke { target, arguments, .. }) = (decided, judgement.decision) {
            let invocation = Invocation {
                id: queued.id,
                target,
                arguments,
                tenant: queued.tenant.clone(),
                path: queued.path.as_str().into(),
                trace: queued.trace,
            };
            self.invocations.begin(invocation).await;
        }
        Ok(Turn::Decided)
    }
}

/// The request as its transform would have seen it then, with the endpoint's settings of now.
fn request_of(queued: &QueuedRequest, path: Arc<str>, settings: Arc<str>) -> IngressRequest {
    // Written by this gateway; what another build may have written differently is an empty list, not a lost request.
    let headers: Vec<(String, String)> = serde_json::from_str(&queued.headers).unwrap_or_default();
    let content_type = headers.iter().find(|(name, _)| name == "content-type").and_then(|(_, value)| {
        let value = http::HeaderValue::from_str(value).ok()?;
        let headers = http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, value)]);
        visible::media_type(&headers).ok().flatten()
    });
    IngressRequest {
        path,
        method: queued.method.clone(),
        query: visible::query(Some(&queued.query)),
        headers,
        content_type,
        body: queued.body.clone(),
        received_at: queued.received_at,
        settings,
    }
}
