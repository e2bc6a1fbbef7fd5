//! The gateway's admin socket, as far as the bench needs it: installing, again and again, what must not be installed.
//!
//! Spoken directly and not through the command line: a process started for each attempt would be a load of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// The admin socket of one home.
#[derive(Clone, Debug)]
pub(crate) struct Admin(PathBuf);

impl Admin {
    /// Of the gateway that runs on this home.
    pub(crate) fn of(home: &Path) -> Self {
        Self(home.join("admin.sock"))
    }

    /// Tries to install a component as `attempt` and gives back what the gateway said, a refusal or not.
    pub(crate) async fn install(&self, component: Bytes) -> Result<String> {
        let stream = UnixStream::connect(&self.0).await.context("the admin socket cannot be reached")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Drives the connection; ends with this attempt.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::post("/v1/install?tenant=default&name=attempt")
            .header("host", "admin")
            .header("content-type", "application/wasm")
            .body(Full::new(component))?;
        let reply = sender.send_request(request).await?;
        let body = reply.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
