//! The one path of a call: admit, make a store, run the first slice here, hand a long guest to its own lane, classify.
//!
//! Invariant: the deadline covers everything from admission to result, and a call that ends for whatever reason drops
//! its store first and gives back its place after.

use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use openclaw_domain::{CallLimits, Refusal, TenantId, TraceId};
use tokio::time::timeout_at;
use wasmtime::{Engine, Store};

use crate::admission::{Admission, Permit};
use crate::host::log::LogBook;
use crate::lane::Lane;
use crate::limits::OnRefusal;
use crate::reach::Reach;
use crate::state::{HostState, Slice, new_store};
use crate::stop::classify;
use crate::ticker::{Ticker, Ticking};

/// Runs guests.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) admission: Arc<Admission>,
    ticker: Arc<Ticker>,
    lane: Lane,
}

/// What one run needs to know besides the guest itself.
#[derive(Clone)]
pub(crate) struct Task {
    /// How the guest is named in refusals and logs.
    pub(crate) guest: Arc<str>,
    pub(crate) tenant: TenantId,
    pub(crate) trace: TraceId,
    pub(crate) limits: CallLimits,
    /// When the whole call must be over: the moment it began and `limits.deadline`.
    pub(crate) deadline: Instant,
    pub(crate) on_refusal: OnRefusal,
    pub(crate) wasi: bool,
    pub(crate) weight: NonZeroUsize,
    /// Places the tenant may hold at one time, if fewer than its share.
    pub(crate) places: usize,
    /// What the call may reach, if its component imports any of it.
    pub(crate) reach: Option<Arc<Reach>>,
}

impl Task {
    fn timed_out(&self) -> Refusal {
        Refusal::TimedOut { guest: self.guest.to_string(), limit: self.limits.deadline }
    }
}

/// What a finished run used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Wall-clock time from admission on.
    pub(crate) duration: Duration,
    /// Bytes of all memories at their peak.
    pub(crate) peak_memory: usize,
    /// Log lines over the budget.
    pub(crate) dropped_lines: u64,
}

/// A guest's work: owns the store and gives back its state, so that a refusal can say what the guest ran into.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = (wasmtime::Result<T>, HostState)> + Send>>;

impl Runner {
    pub(crate) fn new(engine: Engine, admission: Arc<Admission>) -> std::io::Result<Self> {
        let ticker = Arc::new(Ticker::start(&engine)?);
        Ok(Self { engine, admission, ticker, lane: Lane::default() })
    }

    /// Runs `work` in a fresh store.
    ///
    /// Cancel safety: dropping the future ends the guest, at once if it waits and at its next tick if it computes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: &Task,
        work: impl FnOnce(Store<HostState>) -> Work<T>,
    ) -> Result<(T, Usage), Refusal> {
        let started = Instant::now();
        let deadline = task.deadline;
        let permit = self.admit(task, deadline).await?;
        let slice = Slice::default();
        let log = LogBook::new(Arc::clone(&task.guest), task.tenant.clone(), task.trace, task.limits.log_bytes);
        let state = HostState::new(&task.limits, task.on_refusal, log, task.wasi, task.reach.clone());
        let store = new_store(&self.engine, state, &task.limits, deadline, &slice);
        let running = Running { work: Some(work(store)), _permit: permit, _ticking: self.ticker.run() };
        let ended = self.drive(task, running, &slice).await;
        let (result, state) = match ended {
            Ended::Returned(returned) => *returned,
            Ended::TimedOut => return Err(task.timed_out()),
            Ended::Broke(what) => return Err(Refusal::internal(format!("running `{}`: {what}", task.guest))),
        };
        match result {
            Ok(value) => {
                let usage = Usage {
                    duration: started.elapsed(),
                    peak_memory: state.limiter.peak_memory(),
                    dropped_lines: state.log.dropped(),
                };
                Ok((value, usage))
            }
            Err(error) => Err(classify(&error, &task.guest, &task.limits, Some(&state))),
        }
    }

    /// Does work of the host's own that is too long for a thread that does I/O, as if a guest did it: with a place of
    /// the tenant's share, on guest threads, within the deadline.
    ///
    /// Cancel safety: work that has begun ends by itself, and keeps its place until then.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        task: &Task,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = self.admit(task, task.deadline).await?;
        let elsewhere = self.lane.take_over(&task.tenant, async move {
            let _permit = permit;
            work()
        });
        let elsewhere = elsewhere.ok_or_else(|| Refusal::internal("no threads for long-running guests"))?;
        match timeout_at(task.deadline.into(), elsewhere).await {
            Ok(done) => done.map_err(Refusal::internal),
            Err(_) => Err(task.timed_out()),
        }
    }

    async fn admit(&self, task: &Task, deadline: Instant) -> Result<Permit, Refusal> {
        let mut admit = std::pin::pin!(self.admission.admit(&task.tenant, task.weight, task.places));
        // Most calls find room at once; they need no timer.
        if let Poll::Ready(permit) = poll_once(admit.as_mut()).await {
            return permit;
        }
        timeout_at(deadline.into(), admit)
            .await
            .unwrap_or_else(|_| Err(Refusal::Busy("no instance became free within the deadline".to_owned())))
    }

    async fn drive<T: Send + 'static>(&self, task: &Task, mut running: Running<T>, slice: &Slice) -> Ended<T> {
        if let Poll::Ready(ended) = poll_once(Pin::new(&mut running)).await {
            return ended;
        }
        let rest = async move {
            // A guest that waits for the host stays here; one that computes past its slice moves away.
            let here = poll_fn(|context| match slice.is_over() {
                true => Poll::Ready(None),
                false => Pin::new(&mut running).poll(context).map(Some),
            });
            if let Some(ended) = here.await {
                return ended;
            }
            match self.lane.take_over(&task.tenant, running) {
                Some(elsewhere) => elsewhere.await.unwrap_or_else(|error| Ended::Broke(error.to_string())),
                None => Ended::Broke("no threads for long-running guests".to_owned()),
            }
        };
        timeout_at(task.deadline.into(), rest).await.unwrap_or(Ended::TimedOut)
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// How a run ended.
enum Ended<T> {
    Returned(Box<(wasmtime::Result<T>, HostState)>),
    TimedOut,
    Broke(String),
}

/// A guest at work with what it holds. The fields drop in order: the store first, then its place in the pool.
struct Running<T> {
    work: Option<Work<T>>,
    _permit: Permit,
    _ticking: Ticking,
}

impl<T> Future for Running<T> {
    type Output = Ended<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended<T>> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Ready(Ended::Broke("polled after its end".to_owned()));
        };
        // A panic in the host's half of a call costs that call.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(returned)) => Ended::Returned(Box::new(returned)),
            Err(_) => Ended::Broke("the host panicked".to_owned()),
        };
        self.work = None;
        Poll::Ready(ended)
    }
}
