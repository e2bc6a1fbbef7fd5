//! The one thread that advances the epoch: once a millisecond while guests run, not at all while none does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Length of a tick: how long a guest runs before it is asked to make room.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest before the thread parks: short enough to leave an idle machine alone, long enough that a
/// steady stream of calls never pays for waking it.
const IDLE_TICKS: u32 = 200;

/// Owns the thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stopping: AtomicBool,
}

impl Ticker {
    /// Starts ticking for an engine.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, seen) = (engine.weak(), Arc::clone(&shared));
        let worker = thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            let mut idle = 0;
            while !seen.stopping.load(Ordering::SeqCst) {
                idle = if seen.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
                if idle > IDLE_TICKS {
                    seen.parked.store(true, Ordering::SeqCst);
                    // A guest that came in between sees `parked` and unparks, or is seen here.
                    if seen.running.load(Ordering::SeqCst) == 0 && !seen.stopping.load(Ordering::SeqCst) {
                        thread::park();
                    }
                    seen.parked.store(false, Ordering::SeqCst);
                    idle = 0;
                }
                thread::park_timeout(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })?;
        let thread = worker.thread().clone();
        Ok(Self { shared, worker: Some(worker), thread })
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn run(self: &Arc<Self>) -> Ticking {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(Arc::clone(self))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(worker) = self.worker.take()
            && worker.thread().id() != thread::current().id()
        {
            drop(worker.join());
        }
    }
}

/// While one of these lives, the epoch advances.
#[derive(Debug)]
pub(crate) struct Ticking(Arc<Ticker>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}
