//! The handle everything else holds: opens a home, queues writes, runs reads, closes in order.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use openclaw_domain::ports::Route;
use openclaw_domain::{Clock, EndpointName, Event, NewEvent, Refusal, SystemClock};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::components::Components;
use crate::job::{Job, Write};
use crate::lock::{HomeLock, LockError};
use crate::queue::Queue;
use crate::readers::Readers;
use crate::writer::{Counters, SharedListener, Writer};
use crate::{GrantFiles, IoFailure, OpenError, StorageError, files, home, schema};

/// Hears of events once they are committed: all of them, in order of `seq`, before those who wait are answered.
///
/// It runs on the writer's thread, so it hands on and returns: whatever it waits for, every write waits for. It must
/// not hold a [`Storage`], which would keep the storage open for ever.
pub type Listener = Box<dyn Fn(&[Event]) + Send>;

/// What may be chosen when storage is opened.
pub struct StorageOptions {
    /// Hears of committed events. Default: nobody; see [`Storage::set_listener`].
    pub listener: Option<Listener>,
    /// Dates migrations and backups. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
    /// Writes that may wait for the disk at one time; more are refused with `QUEUE_FULL`. Default 4096.
    pub waiting_writes: usize,
    /// Reads that may run at one time; more wait. Default 4.
    pub readers: u32,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { listener: None, clock: Arc::new(SystemClock), waiting_writes: 4096, readers: 4 }
    }
}

/// What storage has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStats {
    /// Jobs the writer has not taken yet.
    pub queued: usize,
    /// Writes somebody waits for, queued or being written.
    pub waiting: usize,
    /// Transactions committed.
    pub commits: u64,
    /// Those of them that were synced to disk before anybody was answered.
    pub synced_commits: u64,
    /// Jobs in all transactions; divided by `commits`, the mean size of a group.
    pub jobs: u64,
    /// Events a listener heard of, or would have, one by one.
    pub events: u64,
    /// Events that could not be written. Anything but 0 is in the log with its reason.
    pub lost_events: u64,
}

/// Everything a gateway remembers. A handle: clones are cheap and share one writer.
///
/// It implements the ports `Inbox`, `Outbox`, `Journal`, `Tokens`, `Packages`, `Kv`, `Tenants`, `Conversations`, `Usage`
/// and `Records`; [`Storage::grants`] and [`SecretSources`](crate::SecretSources) are `Grants` and `Secrets`.
#[derive(Clone)]
pub struct Storage {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) home: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) components: Arc<Components>,
    pub(crate) grants: GrantFiles,
    pub(crate) readers: Readers,
    queue: Arc<Queue>,
    listener: SharedListener,
    route: OnceLock<Arc<dyn Route>>,
    counters: Arc<Counters>,
    writer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<HomeLock>>,
}

impl Storage {
    /// Opens the storage of a home, making what is missing and bringing the database up to date.
    ///
    /// The home is closed to other users (mode 0700). Blocks on the disk: call it at start, or on a blocking thread.
    /// A home is open in one process at a time; a second one gets [`OpenError::InUse`].
    pub fn open(home: &Path, options: StorageOptions) -> Result<Self, OpenError> {
        files::private_folder(home)?;
        let lock = HomeLock::take(home, home::STORAGE_LOCK)?;
        let database = home::database(home);
        files::private_file(&database)?;
        files::sync_folder(home)?;
        let conn = schema::open_writer(&database, options.clock.now())?;
        let components = Components::open(home::components(home))?;
        components.remove_unused(&conn)?;

        let queue = Arc::new(Queue::new(options.waiting_writes));
        let listener: SharedListener = Arc::new(Mutex::new(options.listener));
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(conn, Arc::clone(&queue), Arc::clone(&listener), Arc::clone(&counters))
            .map_err(OpenError::sqlite(&database))?;
        let writer = std::thread::Builder::new()
            .name("storage-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(IoFailure::when("start the writer of", &database))?;
        let inner = Inner {
            home: home.to_owned(),
            clock: options.clock,
            components: Arc::new(components),
            grants: GrantFiles::open(home),
            readers: Readers::new(database, options.readers.max(1)),
            queue,
            listener,
            route: OnceLock::new(),
            counters,
            writer: Mutex::new(Some(writer)),
            lock: Mutex::new(Some(lock)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps other gateways off a home while the lock is held; the error names the process that holds it.
    pub fn lock_home(home: &Path) -> Result<HomeLock, LockError> {
        files::private_folder(home)?;
        HomeLock::take(home, home::GATEWAY_LOCK)
    }

    /// Replaces who hears of committed events. Events committed before are not told again.
    pub fn set_listener(&self, listener: Listener) {
        *self.inner.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    /// Says who knows which endpoints an event is owed to; events recorded from now on bring their deliveries. Only the
    /// first one counts: what may change is the route's own affair.
    pub fn set_route(&self, route: Arc<dyn Route>) {
        drop(self.inner.route.set(route));
    }

    /// The endpoints an event is owed to. Without a route this costs one look.
    pub(crate) fn owed_to(&self, event: &NewEvent) -> Vec<EndpointName> {
        self.inner.route.get().map_or_else(Vec::new, |route| route.owed_to(event))
    }

    /// The grants of this home.
    pub fn grants(&self) -> &GrantFiles {
        &self.inner.grants
    }

    /// The folder this storage lives in.
    pub fn home(&self) -> &Path {
        &self.inner.home
    }

    /// What it has done so far.
    pub fn stats(&self) -> StorageStats {
        let Inner { queue, counters, .. } = &*self.inner;
        StorageStats {
            queued: queue.len(),
            waiting: queue.waiting(),
            commits: counters.commits.load(Ordering::Relaxed),
            synced_commits: counters.synced_commits.load(Ordering::Relaxed),
            jobs: counters.jobs.load(Ordering::Relaxed),
            events: counters.events.load(Ordering::Relaxed),
            lost_events: counters.lost_events.load(Ordering::Relaxed),
        }
    }

    /// Returns once everything queued before is written and heard.
    pub async fn flush(&self) -> Result<(), Refusal> {
        self.write(|_| Ok(())).await
    }

    /// Writes what is queued, refuses what comes later, folds the WAL into the database and gives the home back.
    ///
    /// The first call waits until that is done; a second one finds nothing to do. Dropping the last handle does the
    /// same, blocking.
    pub async fn close(&self) -> Result<(), Refusal> {
        self.inner.queue.close();
        self.inner.readers.close().await;
        let writer = self.inner.take_writer();
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join()).await.map_err(Refusal::internal)?;
            self.inner.let_go();
            joined.map_err(|_| Refusal::internal(StorageError::WriterGone))?;
        }
        Ok(())
    }

    /// Queues a job nobody waits for.
    #[expect(clippy::result_large_err, reason = "only a closed queue gives a job back, and that is the end of it")]
    pub(crate) fn push_unawaited(&self, job: Job) -> Result<(), Job> {
        self.inner.queue.push(job)
    }

    /// Queues a job somebody waits for, and waits. `queue` is what a refusal calls the queue when it is full.
    pub(crate) async fn push_awaited<T>(
        &self,
        queue: &'static str,
        job: Job,
        answer: oneshot::Receiver<Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        if !self.inner.queue.admit() {
            return Err(Refusal::QueueFull(queue));
        }
        if self.inner.queue.push(job).is_err() {
            self.inner.queue.release(1);
            return Err(Refusal::Cancelled);
        }
        answer.await.unwrap_or_else(|_| Err(Refusal::internal(StorageError::WriterGone)))
    }

    /// Writes durably. `run` may be run again after a rollback.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.write_then(run, |_, _| ()).await
    }

    /// Writes durably; `after` follows up on the writer's thread once that is committed.
    pub(crate) async fn write_then<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(&Connection, &T) + Send + 'static,
    ) -> Result<T, Refusal> {
        let (tx, rx) = oneshot::channel();
        let work = Write { run, after, value: None, answer: tx };
        self.push_awaited("storage", Job::Other(Box::new(work)), rx).await
    }
}

impl Inner {
    fn take_writer(&self) -> Option<JoinHandle<()>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives the home back. The listener goes too: it may hold whatever waits for the last event.
    fn let_go(&self) {
        drop(self.listener.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.take_writer() {
            // The last handle may be dropped by the writer itself, in a listener or an answer: it cannot join itself.
            if writer.thread().id() != std::thread::current().id() && writer.join().is_err() {
                tracing::error!("the storage writer had panicked");
            }
        }
    }
}
