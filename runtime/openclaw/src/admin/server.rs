//! The gateway's end of the admin socket.
//!
//! Invariant: the socket is made in a folder only its owner can enter, and takes its name by a rename: there is no
//! moment at which another user could connect, and the socket a dead gateway left behind is replaced in one step.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{COMMAND_ROUTE, INSTALL_ROUTE, LONGEST_PATH, socket};
use crate::exit::{Ending, Failed};
use crate::ops::{Install, Ops, Request};

/// The largest body: a component file. What may be installed is decided by the registry's own, smaller limit.
const LARGEST_BODY: usize = 256 << 20;

/// Opens the socket and answers on it until `stop`; the returned future ends when the last answer is sent.
///
/// # Errors
/// The home's path is too long for a socket, or the socket cannot be made.
pub(crate) fn serve(
    home: &Path,
    ops: Arc<Ops>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = std::io::Result<()>> + Send + 'static> {
    let listener = bind(home)?;
    let routes = Router::new()
        .route(COMMAND_ROUTE, post(command))
        .route(INSTALL_ROUTE, post(install))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(ops);
    let path = socket(home);
    Ok(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
        // A gateway that ended says so by leaving no socket; one that was killed leaves one nobody answers on.
        drop(tokio::fs::remove_file(path).await);
        served
    })
}

fn bind(home: &Path) -> anyhow::Result<UnixListener> {
    let path = socket(home);
    let nursery = tempfile::Builder::new()
        .prefix(".admin-")
        .rand_bytes(6)
        .tempdir_in(home)
        .with_context(|| format!("making a folder in {}", home.display()))?;
    let young = nursery.path().join("s");
    let longest = young.as_os_str().len().max(path.as_os_str().len());
    anyhow::ensure!(
        longest < LONGEST_PATH,
        "the home {} is {} bytes too long for a Unix socket: choose a shorter one",
        home.display(),
        longest - LONGEST_PATH + 1
    );
    let listener = UnixListener::bind(&young).with_context(|| format!("opening {}", young.display()))?;
    std::fs::set_permissions(&young, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&young, &path))
        .with_context(|| format!("opening {}", path.display()))?;
    Ok(listener)
}

async fn command(State(ops): State<Arc<Ops>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Request>(&body) {
        Ok(request) => answer(ops.answer(request).await),
        Err(error) => answer(Err(Failed::refused(format!("the gateway does not know this command ({error})"))
            .hint("use the `openclaw` of the version that runs, or restart the gateway with this one"))),
    }
}

async fn install(State(ops): State<Arc<Ops>>, Query(install): Query<Install>, body: Bytes) -> Response {
    answer(ops.install(install, body).await)
}

fn answer(answer: Result<serde_json::Value, Failed>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(failed) => {
            let status = match failed.ending {
                Ending::Refused => StatusCode::UNPROCESSABLE_ENTITY,
                Ending::Failed | Ending::NotRunning | Ending::HomeInUse => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, Json(failed)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_only_for_its_owner_and_replaces_one_nobody_answers_on() {
        let home = tempfile::tempdir().unwrap();
        drop(bind(home.path()).unwrap());
        assert!(socket(home.path()).exists(), "a killed gateway leaves its socket");
        let _listener = bind(home.path()).unwrap();
        let mode = std::fs::metadata(socket(home.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        tokio::net::UnixStream::connect(socket(home.path())).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["admin.sock"]);
    }

    #[tokio::test]
    async fn a_home_too_long_for_a_socket_is_refused_by_name() {
        let base = tempfile::tempdir().unwrap();
        let home = base.path().join("x".repeat(100));
        std::fs::create_dir(&home).unwrap();
        assert!(bind(&home).unwrap_err().to_string().contains("choose a shorter one"));
    }
}
