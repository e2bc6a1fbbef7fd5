//! `openclaw backup DIR`, `openclaw restore DIR`.

use std::path::PathBuf;

use serde_json::json;

use super::Context;
use super::session::Session;
use crate::admin::Client;
use crate::config::ListenOverrides;
use crate::console::{self, Format};
use crate::exit::{Ending, Failed};
use crate::ops::{BackupView, Request};
use crate::wiring;

#[derive(Debug, clap::Args)]
pub(super) struct BackupArguments {
    /// A folder that is empty or does not exist
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArguments {
    /// A folder that `openclaw backup` made
    dir: PathBuf,
    /// Put a database that is there aside, beside the new one
    #[arg(long)]
    force: bool,
}

/// Backs up, also while the gateway runs.
pub(super) async fn backup(context: &Context, arguments: &BackupArguments) -> Result<(), Failed> {
    let to = std::path::absolute(&arguments.dir).map_err(|error| Failed::because(error.to_string()))?;
    let made: BackupView = Session::open(context).await?.ask(Request::Backup { to }).await?;
    match context.format {
        Format::Json => console::json(&made),
        Format::Text => {
            console::data(&made.folder);
            console::talk(format!("{} components, {} bytes", made.components, made.bytes));
            console::hint("`openclaw.json` is yours to keep: a backup holds no configuration");
        }
    }
    Ok(())
}

/// Restores, only while no gateway runs.
pub(super) async fn restore(context: &Context, arguments: RestoreArguments) -> Result<(), Failed> {
    let source = context.source(ListenOverrides::default())?;
    if Client::connect(source.home()).await?.is_some() {
        return Err(Failed {
            ending: Ending::HomeInUse,
            ..Failed::refused(format!("a gateway runs on the home {}", source.home().display()))
        }
        .hint("stop it first"));
    }
    let home = source.home().to_owned();
    let restored = tokio::task::spawn_blocking(move || {
        let _lock = wiring::lock_home(&home)?;
        wiring::restore(&arguments.dir, &home, arguments.force)
    })
    .await
    .map_err(|error| Failed::because(error.to_string()))??;
    match context.format {
        Format::Json => console::json(&json!({
            "created_at": restored.created_at,
            "schema_version": restored.schema_version,
            "components": restored.components,
            "put_aside": restored.put_aside,
        })),
        Format::Text => {
            console::talk(format!("restored {} components as of {}", restored.components, restored.created_at));
            if let Some(aside) = &restored.put_aside {
                console::talk(format!("the database that was there is now {}", aside.display()));
            }
        }
    }
    Ok(())
}
