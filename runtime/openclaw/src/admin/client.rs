//! The command line's end of the admin socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{COMMAND_ROUTE, INSTALL_ROUTE, socket};
use crate::exit::{Ending, Failed};
use crate::ops::{Install, Request};

/// A connection to a running gateway; one request each.
pub(crate) struct Client {
    stream: UnixStream,
    path: PathBuf,
}

impl Client {
    /// Connects to the gateway that runs on `home`; `None` if none does.
    ///
    /// # Errors
    /// One may be running and this user may not connect.
    pub(crate) async fn connect(home: &Path) -> Result<Option<Self>, Failed> {
        let path = socket(home);
        match UnixStream::connect(&path).await {
            Ok(stream) => Ok(Some(Self { stream, path })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(Failed::refused(format!("{} belongs to another user", path.display()))
                    .hint("run this as the user who runs the gateway"))
            }
            Err(error) => Err(Failed::because(format!("connecting to {}: {error}", path.display()))),
        }
    }

    /// Sends a command.
    pub(crate) async fn command(self, request: &Request) -> Result<Value, Failed> {
        let body = serde_json::to_vec(request).map_err(|error| Failed::because(error.to_string()))?;
        self.post(COMMAND_ROUTE, "application/json", body.into()).await
    }

    /// Sends a component to install.
    pub(crate) async fn install(self, install: &Install, component: Bytes) -> Result<Value, Failed> {
        let route = format!("{INSTALL_ROUTE}?{}", install.to_query());
        self.post(&route, "application/wasm", component).await
    }

    async fn post(self, route: &str, kind: &str, body: Bytes) -> Result<Value, Failed> {
        let lost = |error: &dyn std::error::Error| {
            Failed::because(format!("the gateway at {} hung up: {error}", self.path.display()))
        };
        let request = http::Request::post(route)
            .header(HOST, "admin")
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body))
            .map_err(|error| lost(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(self.stream)).await.map_err(|error| lost(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::pin!(exchange, connection);
        let (status, body) = tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error),
            },
        }
        .map_err(|error| lost(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| lost(&error));
        }
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| Failed {
            ending: Ending::Failed,
            code: None,
            message: format!("the gateway answered {status}: {}", String::from_utf8_lossy(&body).trim()),
            hint: None,
        }))
    }
}
