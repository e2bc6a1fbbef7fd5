//! The one thread that writes: takes what is queued, commits it as a group, tells the listener, then those who wait.
//!
//! Group commit is what makes a durable write cheap: one sync serves everybody who came while the last one ran.
//! Invariant: nobody is answered and no event is heard before the commit that holds it; a job that cannot be
//! written fails alone; an event that could not be written yet keeps its place at the front.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::Event;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::StorageError;
use crate::job::{Job, Numbers, not_committed};
use crate::queue::{Queue, Taken};
use crate::storage::Listener;

/// Jobs in one transaction: bounds how long the first of them waits for the last.
pub(crate) const GROUP: usize = 512;
/// How often the writer looks whether those it just answered came back, before it commits without them. On two busy
/// cores with 16 waiting, the mean group was 9.2 to 9.6 jobs without looking and 10.8 to 13.7 with it.
const LOOKS: usize = 24;
/// How long events gather that nobody waits for. Each commit costs some ten page writes and wakes every session, so
/// a stream of finished calls is written, and told, a few hundred times a second instead of once for each.
const GATHER: Duration = Duration::from_millis(4);
/// How long events that could not be written wait for the next try, if nothing else is to be written before.
const RETRY: Duration = Duration::from_secs(1);
/// Events kept in memory while the disk refuses them; beyond that the oldest are lost, counted and logged.
const OWED: usize = 100_000;
/// Places of events reserved at one time. After a crash numbering goes on behind the reserve.
const RESERVE: i64 = 65_536;

/// What the writer counts. Read by anybody, at any time.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) synced_commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) lost_events: AtomicU64,
}

/// Who hears of committed events; may be set while the writer runs.
pub(crate) type SharedListener = Arc<Mutex<Option<Listener>>>;

pub(crate) struct Writer {
    conn: Connection,
    queue: Arc<Queue>,
    listener: SharedListener,
    counters: Arc<Counters>,
    numbers: Numbers,
    /// No place above this one was ever given out; on disk in `meta`.
    floor: i64,
    /// Whether the connection now syncs each commit.
    syncs: bool,
    batch: Vec<Job>,
    heard: Vec<Event>,
    answers: Vec<(Job, Option<rusqlite::Error>)>,
}

impl Writer {
    /// A writer on an open connection; finds out where the numbering of events goes on.
    pub(crate) fn new(
        conn: Connection,
        queue: Arc<Queue>,
        listener: SharedListener,
        counters: Arc<Counters>,
    ) -> rusqlite::Result<Self> {
        let floor: Option<i64> =
            conn.query_row("SELECT value FROM meta WHERE key = 'seq_floor'", [], |row| row.get(0)).optional()?;
        let newest: Option<i64> = conn.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        let floor = floor.unwrap_or(0).max(newest.unwrap_or(0));
        Ok(Self {
            conn,
            queue,
            listener,
            counters,
            numbers: Numbers::starting_at(floor + 1),
            floor,
            syncs: true,
            batch: Vec::with_capacity(GROUP),
            heard: Vec::new(),
            answers: Vec::new(),
        })
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _closing = CloseOnExit(Arc::clone(&self.queue));
        let mut jobs = VecDeque::new();
        loop {
            // Jobs that are here before `take` are events the disk refused last time.
            let patience = (!jobs.is_empty()).then_some(RETRY);
            let taken = self.queue.take(&mut jobs, patience);
            if taken == Taken::Jobs && jobs.len() < GROUP && !jobs.iter().any(Job::is_awaited) {
                self.queue.linger(GATHER);
                self.queue.take_more(&mut jobs);
            }
            self.write(&mut jobs);
            if taken == Taken::Closed {
                break;
            }
            if jobs.is_empty() && jobs.capacity() > 16 * GROUP {
                jobs.shrink_to(GROUP);
            }
        }
        self.lose(jobs.len(), "the disk refused them until the end");
        self.end();
    }

    /// Writes all jobs, group by group. What is left afterwards are events to try again.
    fn write(&mut self, jobs: &mut VecDeque<Job>) {
        while !jobs.is_empty() {
            let mut batch = std::mem::take(&mut self.batch);
            batch.extend(jobs.drain(..jobs.len().min(GROUP)));
            let result = self.commit(&mut batch);
            match result {
                Ok(failures) => {
                    let answered = self.tell(&mut batch, failures);
                    self.batch = batch;
                    if jobs.is_empty() {
                        self.gather(answered);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, jobs = batch.len() + jobs.len(), "the disk refuses writes");
                    let error = Arc::new(error);
                    let all: Vec<Job> = batch.drain(..).chain(jobs.drain(..)).collect();
                    self.batch = batch;
                    for job in all {
                        if job.is_awaited() {
                            self.queue.release(1);
                            job.answer(&self.conn, Err(not_committed(&error)));
                        } else {
                            jobs.push_back(job);
                        }
                    }
                    let excess = jobs.len().saturating_sub(OWED);
                    jobs.drain(..excess);
                    self.lose(excess, "the disk has refused them for too long");
                    return;
                }
            }
        }
    }

    /// Commits a group. The answer names the jobs that failed alone, by place; empty if none did.
    fn commit(&mut self, batch: &mut [Job]) -> rusqlite::Result<Vec<Option<rusqlite::Error>>> {
        match self.attempt(batch, Isolation::Group) {
            Err(error) if is_about_one_job(&error) => self.attempt(batch, Isolation::EachJob),
            result => result,
        }
    }

    fn attempt(&mut self, batch: &mut [Job], isolation: Isolation) -> rusqlite::Result<Vec<Option<rusqlite::Error>>> {
        let events: usize = batch.iter().map(Job::events).sum();
        let highest = self.numbers.last() + i64::try_from(events).unwrap_or(i64::MAX);
        let floor = if highest > self.floor { highest + RESERVE } else { self.floor };
        // A new floor must be on disk before a place below it is heard of, or a power cut could give it out twice.
        self.set_syncs(floor != self.floor || batch.iter().any(Job::is_awaited))?;
        let numbers = self.numbers;
        self.step("BEGIN IMMEDIATE")?;
        let result = self.run_all(batch, isolation, floor).and_then(|failures| {
            self.step("COMMIT")?;
            Ok(failures)
        });
        match result {
            Ok(failures) => {
                self.floor = floor;
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters.synced_commits.fetch_add(u64::from(self.syncs), Ordering::Relaxed);
                self.counters.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
                Ok(failures)
            }
            Err(error) => {
                self.numbers = numbers;
                // SQLite has rolled back by itself after some errors.
                if !self.conn.is_autocommit() {
                    self.step("ROLLBACK")?;
                }
                Err(error)
            }
        }
    }

    fn run_all(
        &mut self,
        batch: &mut [Job],
        isolation: Isolation,
        floor: i64,
    ) -> rusqlite::Result<Vec<Option<rusqlite::Error>>> {
        if floor != self.floor {
            set_floor(&self.conn, floor)?;
        }
        let mut failures = Vec::new();
        for job in batch {
            if isolation == Isolation::Group {
                job.run(&self.conn, &mut self.numbers)?;
                continue;
            }
            let numbers = self.numbers;
            self.step("SAVEPOINT job")?;
            match job.run(&self.conn, &mut self.numbers) {
                Ok(()) => failures.push(None),
                Err(error) if is_about_one_job(&error) => {
                    self.numbers = numbers;
                    self.step("ROLLBACK TO job")?;
                    failures.push(Some(error));
                }
                Err(error) => return Err(error),
            }
            self.step("RELEASE job")?;
        }
        Ok(failures)
    }

    /// Tells the listener of all events, then answers those who wait; says how many those were.
    fn tell(&mut self, batch: &mut Vec<Job>, failures: Vec<Option<rusqlite::Error>>) -> usize {
        let mut failures = failures.into_iter();
        let listener = Arc::clone(&self.listener);
        let listener = listener.lock().unwrap_or_else(PoisonError::into_inner);
        for job in batch.drain(..) {
            match (job, failures.next().flatten()) {
                (Job::Record(event, _), None) => self.heard.push(event),
                (Job::Record(event, _), Some(error)) => {
                    tracing::error!(%error, kind = event.fact.kind.as_str(), "an event cannot be written");
                    self.counters.lost_events.fetch_add(1, Ordering::Relaxed);
                }
                (job, failure) => {
                    if failure.is_none() && listener.is_some() {
                        self.heard.extend(job.written().iter().cloned());
                    }
                    self.answers.push((job, failure));
                }
            }
        }
        self.counters.events.fetch_add(self.heard.len() as u64, Ordering::Relaxed);
        if let Some(listener) = listener.as_ref()
            && !self.heard.is_empty()
            && catch_unwind(AssertUnwindSafe(|| listener(&self.heard))).is_err()
        {
            tracing::error!(events = self.heard.len(), "the listener of events panicked");
        }
        drop(listener);
        self.heard.clear();

        let answered = self.answers.len();
        // Before the answers: whoever is answered may ask again at once.
        self.queue.release(answered);
        for (job, failure) in self.answers.drain(..) {
            let result = match failure {
                None => Ok(()),
                Some(error) => Err(StorageError::NotCommitted(Arc::new(error))),
            };
            job.answer(&self.conn, result);
        }
        answered
    }

    /// Gives those who were just answered a moment to come back, so that they share the next sync.
    fn gather(&self, answered: usize) {
        if answered < 2 {
            return;
        }
        for _ in 0..LOOKS {
            if self.queue.len() >= answered {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn set_syncs(&mut self, syncs: bool) -> rusqlite::Result<()> {
        if self.syncs != syncs {
            // In WAL mode NORMAL never loses a commit to a crash of the process, only to one of the machine.
            self.conn.execute_batch(if syncs { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" })?;
            self.syncs = syncs;
        }
        Ok(())
    }

    fn step(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn lose(&self, events: usize, why: &str) {
        if events > 0 {
            self.counters.lost_events.fetch_add(events as u64, Ordering::Relaxed);
            tracing::error!(events, "events are lost: {why}");
        }
    }

    /// Gives the reserve back and folds the WAL into the database.
    fn end(mut self) {
        let last = self.numbers.last();
        let ended = self.set_syncs(true).and_then(|()| set_floor(&self.conn, last)).and_then(|()| {
            // Answers with a row: whether it was kept from finishing by a reader, which does no harm.
            self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "the database was not closed cleanly; the next start puts it right");
        }
    }
}

/// How jobs of a group are kept from spoiling each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// Not at all: the usual case, and the fast one.
    Group,
    /// A savepoint each, after one of them failed.
    EachJob,
}

/// Whether an error is the job's own fault, so that the others can be written without it.
fn is_about_one_job(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        // Not SQLite's: a value that does not convert.
        None => true,
        Some(code) => matches!(
            code,
            ErrorCode::TooBig
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::ApiMisuse
        ),
    }
}

fn set_floor(conn: &Connection, floor: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO meta (key, value) VALUES ('seq_floor', ?1) ON CONFLICT DO UPDATE SET value = ?1")?
        .execute(params![floor])
        .map(drop)
}

/// However the writer ends, nobody waits for it any more.
struct CloseOnExit(Arc<Queue>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.close();
        self.0.clear();
    }
}
