//! Webhook ingress seen from its routes, with fakes at the ports: guests, inbox, journal.

mod accepting;
mod admitting;
mod fakes;
mod following;
mod logging;
mod signing;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use openclaw_domain::{IngressOutcome, ManualClock, Refusal, Secret};
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::fakes::{FakeGuests, FakeInbox, FakeJournal};
use super::{IngressParts, Webhooks};
use crate::settings::{Endpoint, EndpointAuth, OnPartial, ServerSettings};

/// The secret of the guide.
const SECRET: &str = "your-webhook-secret";
/// The message of the guide's `/deploy-alert`.
const DEPLOY_MESSAGE: &str = "Deployment completed: {{body.service}} is now {{body.status}} (commit {{body.commit}})";
/// The body of the guide's first `curl` command.
const DEPLOY_BODY: &str = r#"{"service": "api-v2", "status": "success", "commit": "abc123"}"#;

/// A gateway's webhook door with its fakes.
struct Door {
    router: Router,
    webhooks: Webhooks,
    guests: Arc<FakeGuests>,
    inbox: Arc<FakeInbox>,
    journal: Arc<FakeJournal>,
    settings: Arc<ArcSwap<ServerSettings>>,
    tasks: TaskTracker,
}

impl Door {
    /// Serves these endpoints; transforms fill templates in, like the bundled one.
    fn with(ingress: Vec<Endpoint>) -> Self {
        Self::deciding(ingress, fakes::fill_template)
    }

    /// Serves `/deploy-alert`, whose transform decides so.
    fn that_decides(decide: impl Fn() -> Result<IngressOutcome, Refusal> + Send + Sync + 'static) -> Self {
        Self::deciding(vec![deploy_alert()], move |_| decide())
    }

    fn deciding(
        ingress: Vec<Endpoint>,
        decide: impl Fn(&openclaw_domain::IngressCall) -> Result<IngressOutcome, Refusal> + Send + Sync + 'static,
    ) -> Self {
        let guests = Arc::new(FakeGuests::new(decide));
        let (inbox, journal) = (Arc::new(FakeInbox::default()), Arc::new(FakeJournal::default()));
        let settings = Arc::new(ArcSwap::from_pointee(settings(ingress)));
        let tasks = TaskTracker::new();
        Self::of(guests, inbox, journal, settings, tasks)
    }

    fn of(
        guests: Arc<FakeGuests>,
        inbox: Arc<FakeInbox>,
        journal: Arc<FakeJournal>,
        settings: Arc<ArcSwap<ServerSettings>>,
        tasks: TaskTracker,
    ) -> Self {
        let webhooks = Webhooks::new(IngressParts {
            guests: guests.clone(),
            inbox: inbox.clone(),
            journal: journal.clone(),
            clock: Arc::new(ManualClock::new(fakes::NOW)),
            settings: settings.clone(),
            tasks: tasks.clone(),
        });
        let router = webhooks.routes();
        Self { router, webhooks, guests, inbox, journal, settings, tasks }
    }

    /// The same gateway started again: what is in the inbox is there, everything else is new.
    fn restarted(self) -> Self {
        let guests = Arc::new(FakeGuests::new(fakes::fill_template));
        Self::of(guests, self.inbox, Arc::new(FakeJournal::default()), self.settings, TaskTracker::new())
    }

    /// The guide's endpoints.
    fn of_the_guide() -> Self {
        let error_alert = "Production error in {{body.service}}: {{body.error}}";
        Self::with(vec![deploy_alert(), endpoint("default", "/error-alert", error_alert)])
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answered { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Nothing got past the door.
    fn assert_untouched(&self) {
        assert_eq!(self.guests.transforms().len(), 0);
        assert_eq!(self.inbox.entries().len(), 0);
    }
}

fn settings(ingress: Vec<Endpoint>) -> ServerSettings {
    ServerSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        auth_required: true,
        tokens: Vec::new(),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        max_connections: 64,
        commands_per_minute: 60_000,
        ingress,
    }
}

fn endpoint(tenant: &str, path: &str, message: &str) -> Endpoint {
    Endpoint {
        tenant: tenant.parse().unwrap(),
        path: path.into(),
        transform: "template".parse().unwrap(),
        settings: serde_json::json!({ "message": message }).to_string().into(),
        auth: EndpointAuth::SharedSecret(vec![Secret::new(SECRET.to_owned())]),
        on_partial: OnPartial::Send,
        max_bytes: 1 << 20,
        requests_per_minute: 6_000,
    }
}

fn deploy_alert() -> Endpoint {
    endpoint("default", "/deploy-alert", DEPLOY_MESSAGE)
}

/// A request as `curl -X POST -H 'Content-Type: application/json' -d …` sends it, from 127.0.0.1, without a secret.
fn unsigned(path: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(Method::POST).uri(path).body(body.into()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4711))));
    with(request, "content-type", "application/json")
}

/// The same with the guide's secret.
fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    with(unsigned(path, body), "x-webhook-secret", SECRET)
}

/// The guide's first `curl` command.
fn deploy() -> Request<Body> {
    post("/webhook/deploy-alert", DEPLOY_BODY)
}

/// One more header.
fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and `error.code`.
    fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"]["code"].as_str().unwrap_or("none").to_owned())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The pair [`Answered::error`] gives.
fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
