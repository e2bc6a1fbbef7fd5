//! How a command reaches a home: through the admin socket when a gateway runs there, directly otherwise.
//!
//! Invariant: both ways run the same functions (`ops`), so what a command does never depends on which way it went.

use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::SystemClock;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Context;
use crate::admin::Client;
use crate::config::ListenOverrides;
use crate::exit::{Ending, Failed};
use crate::ops::{Install, Ops, Request};
use crate::wiring;

/// One command's access to a home.
pub(super) enum Session {
    /// A gateway runs there.
    Running(Client),
    /// None does: this process opened the home.
    Direct(Box<Ops>),
}

impl Session {
    /// Finds out which way it is.
    ///
    /// # Errors
    /// The home is held by another process that answers no commands, or cannot be opened.
    pub(super) async fn open(context: &Context) -> Result<Self, Failed> {
        let source = context.source(ListenOverrides::default())?;
        if let Some(client) = Client::connect(source.home()).await? {
            return Ok(Self::Running(client));
        }
        let config = source.load()?;
        let clock = Arc::new(SystemClock);
        let storage = wiring::storage(source.home(), clock.clone(), None)?;
        wiring::owe_deliveries(&storage, &config).await?;
        Ok(Self::Direct(Box::new(wiring::ops(storage, Arc::new(config), clock).await?)))
    }

    /// Only if a gateway runs.
    ///
    /// # Errors
    /// None does.
    pub(super) async fn running(context: &Context) -> Result<Self, Failed> {
        let source = context.source(ListenOverrides::default())?;
        match Client::connect(source.home()).await? {
            Some(client) => Ok(Self::Running(client)),
            None => Err(Failed {
                ending: Ending::NotRunning,
                code: None,
                message: format!("no gateway runs on the home {}", source.home().display()),
                hint: Some("start one with `openclaw gateway`".to_owned()),
            }),
        }
    }

    /// Runs one command and ends the session.
    pub(super) async fn ask<T: DeserializeOwned>(self, request: Request) -> Result<T, Failed> {
        match self {
            Self::Running(client) => understand(client.command(&request).await?),
            Self::Direct(ops) => {
                let answer = ops.answer(request).await;
                close(&ops).await;
                understand(answer?)
            }
        }
    }

    /// Installs a component and ends the session.
    pub(super) async fn install<T: DeserializeOwned>(self, install: Install, component: Bytes) -> Result<T, Failed> {
        match self {
            Self::Running(client) => understand(client.install(&install, component).await?),
            Self::Direct(ops) => {
                let answer = ops.install(install, component).await;
                close(&ops).await;
                understand(answer?)
            }
        }
    }
}

/// Gives the home back in order: what was recorded is on disk when the command ends.
async fn close(ops: &Ops) {
    if let Err(error) = ops.storage().close().await {
        tracing::warn!(%error, "the storage was not closed in order");
    }
}

fn understand<T: DeserializeOwned>(answer: Value) -> Result<T, Failed> {
    serde_json::from_value(answer).map_err(|error| {
        Failed::because(format!("the gateway's answer cannot be read ({error})"))
            .hint("the gateway and this command may be of different versions: restart the gateway")
    })
}
