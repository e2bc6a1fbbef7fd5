//! `openclaw skills build DIR…`.

use std::path::PathBuf;

use openclaw_package::{BuildOptions, Built, Target, build_many};
use serde_json::{Value, json};

use super::Context;
use crate::console::{self, Format};
use crate::exit::{Failed, chain};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders, each with a `skill.toml`
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// The file to write, for a single folder
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build for `wasm32-wasip2`, for guests that want std's input and output
    #[arg(long)]
    wasip2: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failed> {
    let target = if arguments.wasip2 { Target::Wasip2 } else { Target::Unknown };
    let options = BuildOptions { target, output: arguments.output, ..BuildOptions::default() };
    let built = build(arguments.dirs, options).await?;
    match context.format {
        Format::Json => console::json(&built.iter().map(to_json).collect::<Vec<_>>()),
        Format::Text => {
            for one in &built {
                console::data(describe(one));
            }
            if let [one] = &built[..] {
                console::hint(format!("install it with `openclaw skills install {}`", one.path.display()));
            }
        }
    }
    Ok(())
}

/// Builds folders on a thread that may block.
pub(super) async fn build(dirs: Vec<PathBuf>, options: BuildOptions) -> Result<Vec<Built>, Failed> {
    tokio::task::spawn_blocking(move || build_many(&dirs, &options))
        .await
        .map_err(|error| Failed::because(error.to_string()))?
        .map_err(|error| Failed::because(chain(&error)))
}

fn to_json(built: &Built) -> Value {
    let package = &built.package;
    json!({
        "name": built.name.as_str(),
        "file": built.path,
        "size": package.size,
        "digest": package.digest.to_string(),
        "world": package.world().ok().map(openclaw_domain::World::as_str),
        "imports": package.imports,
    })
}

fn describe(built: &Built) -> String {
    let package = &built.package;
    let imports = if package.imports.is_empty() { "nothing".to_owned() } else { package.imports.join(", ") };
    format!(
        "{}\n  file     {}\n  size     {} bytes\n  imports  {imports}\n  digest   {}",
        built.name,
        built.path.display(),
        package.size,
        package.digest
    )
}
