//! `openclaw status`.

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{Request, StatusView};

/// Shows how the running gateway is; ends with 4 if none runs.
pub(super) async fn run(context: &Context) -> Result<(), Failed> {
    let status: StatusView = Session::running(context).await?.ask(Request::Status).await?;
    if context.format == Format::Json {
        console::json(&status);
        return Ok(());
    }
    console::data(format!("openclaw {} runs as process {}", status.version, status.pid));
    console::data(format!("  listening on  {}", status.url));
    console::data(format!("  home          {}", status.home));
    console::data(format!("  auth          {}", if status.auth_required { "token" } else { "off" }));
    console::data(format!("  up for        {} s", status.uptime_seconds));
    console::data(format!("  tenants       {}", status.tenants.join(", ")));
    console::data(format!("  skills        {}", status.skills));
    console::data(format!("  running       {} of {} guests", status.instances_in_use, status.instances));
    console::data(format!("  webhooks      {}", status.webhook_endpoints));
    Ok(())
}
