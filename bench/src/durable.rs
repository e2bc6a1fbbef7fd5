//! The floor of an accepted webhook: one POST, one row on disk, 200. No secret, no transform, no events.
//!
//! One writer thread commits whatever has arrived as one transaction (WAL, `synchronous=FULL`), as the gateway's does.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Result, anyhow};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::StatusCode;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Requests that may wait for the writer; more is backpressure.
const QUEUE: usize = 1024;
/// Rows of one transaction at most.
const BATCH: usize = 256;

type Work = (Bytes, oneshot::Sender<()>);

/// Serves until the process is ended; the first line printed is the address.
pub(crate) async fn serve(folder: &Path) -> Result<()> {
    let database = Connection::open(folder.join("floor.sqlite"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE inbox (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
    let (tx, rx) = sync_channel(QUEUE);
    let writer = std::thread::spawn(move || write(database, &rx));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    crate::report::say(&format!("http://{}", listener.local_addr()?));
    let router = Router::new().route("/{*path}", post(accept)).with_state(tx);
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, router).await?;
    writer.join().map_err(|_| anyhow!("the writer panicked"))?
}

async fn accept(State(writer): State<SyncSender<Work>>, body: Bytes) -> (StatusCode, &'static str) {
    let (tx, rx) = oneshot::channel();
    // The load is far smaller than the queue, so a full one is a defect of the bench and shows as a refusal.
    if writer.try_send((body, tx)).is_err() || rx.await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "{\"ok\":false}");
    }
    (StatusCode::OK, "{\"ok\":true}")
}

fn write(mut database: Connection, rx: &Receiver<Work>) -> Result<()> {
    let mut done = Vec::with_capacity(BATCH);
    while let Ok((body, tx)) = rx.recv() {
        let transaction = database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO inbox (body) VALUES (?1)")?;
            insert.execute([&body[..]])?;
            done.push(tx);
            while done.len() < BATCH
                && let Ok((body, tx)) = rx.try_recv()
            {
                insert.execute([&body[..]])?;
                done.push(tx);
            }
        }
        transaction.commit()?;
        for tx in done.drain(..) {
            // A sender that has gone away has nothing to be told.
            let _ = tx.send(());
        }
    }
    Ok(())
}
