//! The port's implementation: checks a request, waits for a place, and hands it to a task of its own.
//!
//! Invariant: the gateway has [`Egress::new`], whose address policy is [`Strict`]. Another policy or dialer takes a type
//! that exists only in test crates; no setting, flag or feature leads to one.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::ports::{self, Secrets};
use openclaw_domain::{EgressError, Incoming, Outgoing};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::{AddressPolicy, Strict};
use crate::admission::Admission;
use crate::exchange::{self, Route};
use crate::network::{self, Dialer, Direct};
use crate::pool::Pool;
use crate::resolve::Resolver;
use crate::settings::{EgressSettings, EgressSettingsError};
use crate::{measures, request};

/// Sends requests. One for the whole gateway.
pub struct Egress {
    route: Arc<Route>,
    admission: Admission,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Egress {
    /// The way out as it is shipped: public addresses, and with the second key an operator's own.
    ///
    /// # Errors
    /// If a setting is wrong; the error names it.
    pub fn new(settings: &EgressSettings, secrets: Arc<dyn Secrets>) -> Result<Arc<Self>, EgressSettingsError> {
        Self::with_network(settings, secrets, Arc::new(Strict), Arc::new(Direct))
    }

    /// The same with a network of the caller's making: for tests, which show that what was refused would have worked.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn with_network(
        settings: &EgressSettings,
        secrets: Arc<dyn Secrets>,
        policy: Arc<dyn AddressPolicy>,
        dialer: Arc<dyn Dialer>,
    ) -> Result<Arc<Self>, EgressSettingsError> {
        settings.check()?;
        measures::describe();
        let route = Route {
            policy,
            dialer,
            resolver: Resolver::new(&settings.nameservers, settings.hosts_file.clone()),
            tls: network::connector(settings.tls()?),
            proxy: settings.proxy.clone(),
            secrets,
            connect_timeout: settings.connect_timeout,
            pool: Pool::default(),
        };
        Ok(Arc::new(Self {
            route: Arc::new(route),
            admission: Admission::new(settings.max_connections, settings.max_connections_per_tenant),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Breaks off what is under way, and returns when every connection is closed.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.route.pool.clear();
    }

    /// Connections that are kept for the next request.
    pub fn idle_connections(&self) -> usize {
        self.route.pool.len()
    }

    async fn start(&self, request: Outgoing) -> Result<oneshot::Receiver<Result<Incoming, EgressError>>, EgressError> {
        let head = request::read(&request)?;
        let deadline = Instant::from_std(request.deadline);
        let place =
            timeout_at(deadline, self.admission.enter(&request.tenant)).await.unwrap_or(Err(EgressError::TimedOut))?;
        let (answer_tx, answer) = oneshot::channel();
        let work = exchange::run(Arc::clone(&self.route), request, head, place, answer_tx);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            // A request that is broken off by the end of the gateway drops its connection, and its reader is told.
            let _: Option<()> = stop.run_until_cancelled(work).await;
        });
        Ok(answer)
    }
}

#[async_trait]
impl ports::Egress for Egress {
    async fn send(&self, request: Outgoing) -> Result<Incoming, EgressError> {
        let answer = self.start(request).await.inspect_err(measures::failed)?;
        answer.await.unwrap_or_else(|_| Err(EgressError::Protocol("the gateway is stopping".to_owned())))
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("requests", &self.tasks.len()).finish_non_exhaustive()
    }
}
