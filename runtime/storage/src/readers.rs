//! A few read-only connections, used on blocking threads.
//!
//! Invariant: at most as many reads run as there are connections, and none runs on an async thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::Refusal;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{StorageError, schema};

/// The pool. Connections are opened when first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    count: u32,
}

#[derive(Debug)]
struct Shared {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// A pool of at most `count` connections to a database.
    pub(crate) fn new(database: PathBuf, count: u32) -> Self {
        let permits = Arc::new(Semaphore::new(count as usize));
        Self { shared: Arc::new(Shared { database, idle: Mutex::default() }), permits, count }
    }

    /// Runs one read. It sees everything that was committed before it began.
    ///
    /// Cancel safety: a read that began goes on without its caller; nothing else depends on it.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Refusal::Cancelled)?;
        let shared = Arc::clone(&self.shared);
        let result = tokio::task::spawn_blocking(move || {
            let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let conn = match idle {
                Some(conn) => conn,
                None => schema::open_reader(&shared.database)?,
            };
            let result = read(&conn);
            shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            drop(permit);
            result
        });
        match result.await {
            Ok(result) => result.map_err(|error| Refusal::internal(StorageError::Read(error))),
            Err(error) => Err(Refusal::internal(error)),
        }
    }

    /// Waits for reads that run, refuses later ones and closes the connections.
    pub(crate) async fn close(&self) {
        // An error means that another `close` was first.
        let all = self.permits.acquire_many(self.count).await;
        self.permits.close();
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(all);
    }
}
