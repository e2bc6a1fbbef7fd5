//! One piece of writing: what runs inside the writer's transaction, and what is said when it is committed.
//!
//! Invariant: a job can be run again after a rollback, and is answered once, after the last run.

use std::sync::Arc;

use openclaw_domain::{EndpointName, Event, Refusal};
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::StorageError;
use crate::inbox::Acceptance;
use crate::inbox_queue::Decision;
use crate::journal::insert_event;
use crate::outbox::insert_deliveries;

/// What the writer does.
pub(crate) enum Job {
    /// Writes one event with the deliveries it is owed in; nobody waits.
    Record(Event, Vec<EndpointName>),
    /// Writes one webhook request with its events.
    Accept(Box<Acceptance>),
    /// Writes what was decided about a queued one, with its events.
    Decide(Box<Decision>),
    /// Anything rarer.
    Other(Box<dyn Work>),
}

impl Job {
    /// How many events it may write.
    pub(crate) fn events(&self) -> usize {
        match self {
            Self::Record(..) => 1,
            Self::Accept(acceptance) => acceptance.most_events(),
            Self::Decide(decision) => decision.most_events(),
            Self::Other(_) => 0,
        }
    }

    /// The events the last run wrote, of a job somebody waits for.
    pub(crate) fn written(&self) -> &[Event] {
        match self {
            Self::Accept(acceptance) => acceptance.written(),
            Self::Decide(decision) => decision.written(),
            Self::Record(..) | Self::Other(_) => &[],
        }
    }

    /// Whether somebody waits until it is on disk.
    pub(crate) const fn is_awaited(&self) -> bool {
        !matches!(self, Self::Record(..))
    }

    /// Writes it, within the transaction that is open.
    pub(crate) fn run(&mut self, conn: &Connection, numbers: &mut Numbers) -> rusqlite::Result<()> {
        match self {
            Self::Record(event, owed_to) => {
                insert_event(conn, event, numbers)?;
                insert_deliveries(conn, event, owed_to)
            }
            Self::Accept(acceptance) => acceptance.run(conn, numbers),
            Self::Decide(decision) => decision.run(conn, numbers),
            Self::Other(work) => work.run(conn),
        }
    }

    /// Tells whoever waits. `conn` is outside any transaction.
    pub(crate) fn answer(self, conn: &Connection, result: Result<(), StorageError>) {
        match self {
            Self::Record(..) => {}
            Self::Accept(acceptance) => acceptance.answer(result),
            Self::Decide(decision) => decision.answer(result),
            Self::Other(work) => work.answer(conn, result),
        }
    }
}

/// Hands out the places of events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    next: i64,
}

impl Numbers {
    /// The first one will be `next`.
    pub(crate) const fn starting_at(next: i64) -> Self {
        Self { next }
    }

    /// The highest one given out.
    pub(crate) const fn last(self) -> i64 {
        self.next - 1
    }

    /// Gives an event the next place, and an id if it has none yet.
    pub(crate) fn assign(&mut self, event: &mut Event) {
        event.seq = self.next;
        self.next += 1;
        if event.id.is_empty() {
            let mut digits = Uuid::encode_buffer();
            event.id.reserve_exact(36);
            event.id.push_str("evt_");
            event.id.push_str(Uuid::now_v7().simple().encode_lower(&mut digits));
        }
    }
}

/// A piece of writing that is not worth a variant of its own.
pub(crate) trait Work: Send {
    /// Writes it, within the transaction that is open.
    fn run(&mut self, conn: &Connection) -> rusqlite::Result<()>;

    /// Tells whoever waits.
    fn answer(self: Box<Self>, conn: &Connection, result: Result<(), StorageError>);
}

/// Work made of two closures: one that writes, one that follows up once that is committed.
pub(crate) struct Write<T, R, A> {
    /// Runs within the transaction.
    pub(crate) run: R,
    /// Runs after the commit, on the writer's thread.
    pub(crate) after: A,
    /// What `run` returned last.
    pub(crate) value: Option<T>,
    /// Who waits.
    pub(crate) answer: oneshot::Sender<Result<T, Refusal>>,
}

impl<T, R, A> Work for Write<T, R, A>
where
    T: Send,
    R: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    A: FnOnce(&Connection, &T) + Send,
{
    fn run(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.run)(conn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, conn: &Connection, result: Result<(), StorageError>) {
        let answer = match (result, self.value) {
            (Ok(()), Some(value)) => {
                (self.after)(conn, &value);
                Ok(value)
            }
            (Ok(()), None) => Err(Refusal::internal(StorageError::WriterGone)),
            (Err(error), _) => Err(Refusal::internal(error)),
        };
        // Whoever asked may have gone: the write is done all the same.
        let _ = self.answer.send(answer);
    }
}

/// The same failure, for each of several who wait.
pub(crate) fn not_committed(error: &Arc<rusqlite::Error>) -> StorageError {
    StorageError::NotCommitted(Arc::clone(error))
}
