//! `openclaw trace ID`.

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{Request, TraceView};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The trace id: 32 hex digits, as in replies, logs and `traceparent`
    id: String,
    /// Whose trace it is
    #[arg(long, default_value = "default")]
    tenant: String,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failed> {
    let Arguments { id, tenant } = arguments;
    let request = Request::Trace { tenant: tenant.clone(), id: id.clone() };
    let entries: Vec<TraceView> = Session::open(context).await?.ask(request).await?;
    if entries.is_empty() {
        return Err(Failed::refused(format!("nothing is recorded for tenant `{tenant}` under trace {id}"))
            .hint("`--tenant` names another tenant; the log has the lines of requests that recorded nothing"));
    }
    match context.format {
        Format::Json => console::json(&entries),
        Format::Text => {
            for entry in &entries {
                let line = format!("{}  {:8}  {}  {}", entry.at, entry.source, entry.what, entry.detail);
                console::data(console::printable(&line));
            }
        }
    }
    Ok(())
}
