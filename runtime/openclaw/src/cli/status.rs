//! `openclaw status`.

use super::Context;
use super::session::Session;
use super::skills::tenant_words;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{Request, StatusView, TenantStatusView, size};

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
    if !status.paused.is_empty() {
        console::data(format!("  paused        {}", status.paused.join(", ")));
    }
    let rows: Vec<_> = status.usage.iter().map(row).collect();
    console::data("");
    console::data(console::table(["TENANT", "CALLS", "LAST MINUTE", "EGRESS", "KEPT", "STATE"], &rows));
    for problem in &status.grant_problems {
        console::talk(format!("warning: the grant {problem}"));
    }
    for tenant in &status.usage {
        for grant in &tenant.expiring {
            let verb = if grant.expired { "ended at" } else { "ends at" };
            let (name, skill, end) = (&tenant.name, &grant.skill, &grant.expires_at);
            console::talk(format!("warning: the grant of `{skill}` of tenant `{name}` {verb} {end}"));
        }
        for skill in &tenant.held {
            let (name, of) = (&tenant.name, tenant_words(&tenant.name));
            console::talk(format!(
                "warning: an upgrade of `{skill}` of tenant `{name}` waits: `openclaw skills approve {skill}{of}`"
            ));
        }
    }
    Ok(())
}

fn row(tenant: &TenantStatusView) -> [String; 6] {
    let mut state: Vec<String> = Vec::new();
    state.extend(tenant.paused.then(|| "paused".to_owned()));
    state.extend(tenant.paused_skills.iter().map(|skill| format!("{skill} paused")));
    state.extend((!tenant.held.is_empty()).then(|| format!("{} held", tenant.held.len())));
    [
        tenant.name.clone(),
        format!("{} of {}", tenant.calls, tenant.calls_limit),
        format!("{} of {}", tenant.calls_last_minute, tenant.calls_per_minute_limit),
        size(tenant.egress_bytes),
        format!("{} of {} a skill", size(tenant.kv_bytes), size(tenant.kv_bytes_limit_per_skill)),
        if state.is_empty() { "serves".to_owned() } else { state.join(", ") },
    ]
}
