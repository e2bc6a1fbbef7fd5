//! `openclaw webhooks list|test|deliveries|show|replay|enable|disable`.
//!
//! Invariant: what is printed as data is what the gateway keeps; no credential of an endpoint is in it.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::{Ending, Failed};
use crate::ops::{
    DeliveryChoice, DeliveryDetailView, DeliveryView, EndpointView, ReplayedView, Request, RequestReplayView, TestView,
    WebhookRequest,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the endpoints that events are posted to, with how they are
    List {
        /// Whose; all tenants' without it
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Post an example event to an endpoint, now; a gateway must run
    Test {
        #[command(flatten)]
        endpoint: Endpoint,
        /// The kind of event; the first the endpoint is sent without it
        #[arg(long)]
        event: Option<String>,
    },
    /// List deliveries, the newest first
    Deliveries(Choice),
    /// Show a delivery (`msg_…`) with its attempts, or an accepted request (`wh_…`)
    Show {
        /// The id
        id: String,
        /// Whose request
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Make settled deliveries again, or show accepted requests to the transform of today
    Replay {
        /// `msg_…` or `wh_…`; without ids, the refused and dead deliveries that the options choose
        ids: Vec<String>,
        #[command(flatten)]
        choice: Choice,
        /// Change nothing, only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Send to an endpoint again, its failures forgiven
    Enable(Endpoint),
    /// Send nothing to an endpoint; what waits for it goes on waiting
    Disable(Endpoint),
}

#[derive(Debug, Args)]
pub(super) struct Endpoint {
    /// What the endpoint is called
    name: String,
    /// Whose endpoint it is
    #[arg(long, default_value = "default")]
    tenant: String,
}

#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<String>,
    /// To this endpoint only
    #[arg(long)]
    endpoint: Option<String>,
    /// In this state only: pending, leased, delivered, refused, dead or skipped
    #[arg(long)]
    state: Option<String>,
    /// Owed within this time only, such as `2h`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl Choice {
    fn view(&self) -> DeliveryChoice {
        DeliveryChoice {
            tenant: self.tenant.clone(),
            endpoint: self.endpoint.clone(),
            state: self.state.clone(),
            since_ms: self.since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            limit: self.limit,
        }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::List { tenant } => {
            let endpoints: Vec<EndpointView> = ask(context, WebhookRequest::List { tenant }).await?;
            print(context, &endpoints, |endpoints| match endpoints.is_empty() {
                true => console::talk("no endpoints: add them to `webhooks.outgoing` in the configuration"),
                false => console::data(endpoint_table(endpoints)),
            });
        }
        Command::Test { endpoint: Endpoint { name, tenant }, event } => {
            let request = WebhookRequest::Test { tenant, endpoint: name.clone(), event };
            let tested: TestView = ask(context, request).await?;
            print(context, &tested, |tested| print_test(&name, tested));
            if !tested.ok {
                let why = tested.error.unwrap_or_else(|| "it was not taken".to_owned());
                return Err(Failed { ending: Ending::Failed, ..Failed::because(format!("`{name}`: {why}")) });
            }
        }
        Command::Deliveries(choice) => {
            let deliveries: Vec<DeliveryView> = ask(context, WebhookRequest::Deliveries(choice.view())).await?;
            print(context, &deliveries, |deliveries| match deliveries.is_empty() {
                true => console::talk("no deliveries"),
                false => console::data(delivery_table(deliveries)),
            });
        }
        Command::Show { id, tenant } => {
            let is_delivery = id.starts_with("msg_");
            let shown: Value = ask(context, WebhookRequest::Show { tenant, id }).await?;
            match (context.format, serde_json::from_value::<DeliveryDetailView>(shown.clone())) {
                (Format::Text, Ok(detail)) if is_delivery => print_delivery(&detail),
                _ => console::json(&shown),
            }
        }
        Command::Replay { ids, choice, dry_run } => replay(context, ids, &choice, dry_run).await?,
        Command::Enable(endpoint) => switch(context, endpoint, true).await?,
        Command::Disable(endpoint) => switch(context, endpoint, false).await?,
    }
    Ok(())
}

async fn ask<T: serde::de::DeserializeOwned>(context: &Context, what: WebhookRequest) -> Result<T, Failed> {
    Session::open(context).await?.ask(Request::Webhooks { what }).await
}

fn print<T: serde::Serialize>(context: &Context, answer: &T, text: impl FnOnce(&T)) {
    match context.format {
        Format::Json => console::json(answer),
        Format::Text => text(answer),
    }
}

async fn replay(context: &Context, ids: Vec<String>, choice: &Choice, dry_run: bool) -> Result<(), Failed> {
    let (requests, deliveries): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| id.starts_with("wh_"));
    let has_requests = !requests.is_empty();
    for id in requests {
        let tenant = choice.tenant.clone().unwrap_or_else(|| "default".to_owned());
        let replayed: RequestReplayView = ask(context, WebhookRequest::ReplayRequest { tenant, id, dry_run }).await?;
        print(context, &replayed, print_request);
    }
    if deliveries.is_empty() && has_requests {
        return Ok(());
    }
    let mut all = ReplayedView { replayed: 0, deliveries: Vec::new() };
    if deliveries.is_empty() {
        // What succeeded is only sent again if it is asked for by name or state.
        let states =
            choice.state.clone().map_or_else(|| vec!["refused".to_owned(), "dead".to_owned()], |state| vec![state]);
        for state in states {
            let chosen = DeliveryChoice { state: Some(state), ..choice.view() };
            let some: ReplayedView = ask(context, WebhookRequest::ReplayChosen { choice: chosen, dry_run }).await?;
            all.replayed += some.replayed;
            all.deliveries.extend(some.deliveries);
        }
    } else {
        all = ask(context, WebhookRequest::Replay { ids: deliveries, dry_run }).await?;
    }
    print(context, &all, |all| {
        if !all.deliveries.is_empty() {
            console::data(delivery_table(&all.deliveries));
        }
        match dry_run {
            true => console::talk(format!("{} would be made again", all.deliveries.len())),
            false => console::talk(format!("{} are made again", all.replayed)),
        }
    });
    Ok(())
}

async fn switch(context: &Context, endpoint: Endpoint, enabled: bool) -> Result<(), Failed> {
    let Endpoint { name, tenant } = endpoint;
    let request = WebhookRequest::SetEnabled { tenant, endpoint: name.clone(), enabled };
    let view: Value = ask(context, request).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    print(context, &view, |_| console::talk(format!("endpoint `{name}` is {word}")));
    Ok(())
}

fn endpoint_table(endpoints: &[EndpointView]) -> String {
    let rows: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let why = endpoint.reason.clone().or_else(|| endpoint.since.clone().map(|since| format!("since {since}")));
            [
                endpoint.name.clone(),
                endpoint.tenant.clone(),
                endpoint.url.clone(),
                endpoint.events.join(","),
                endpoint.state.clone(),
                endpoint.open.to_string(),
                endpoint.breaker.clone().unwrap_or_else(|| "-".to_owned()),
                why.unwrap_or_default(),
            ]
        })
        .collect();
    console::table(["NAME", "TENANT", "URL", "EVENTS", "STATE", "OPEN", "BREAKER", "WHY"], &rows)
}

fn delivery_table(deliveries: &[DeliveryView]) -> String {
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let status = delivery.last_status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            [
                delivery.id.clone(),
                delivery.endpoint.clone(),
                delivery.kind.clone(),
                delivery.state.clone(),
                delivery.attempts.to_string(),
                status,
                delivery.next_at.clone().unwrap_or_else(|| "-".to_owned()),
                delivery.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    console::table(["ID", "ENDPOINT", "EVENT", "STATE", "ATTEMPTS", "STATUS", "NEXT", "WHY"], &rows)
}

fn print_delivery(detail: &DeliveryDetailView) {
    console::data(delivery_table(std::slice::from_ref(&detail.delivery)));
    console::data(format!("\nevent {} of trace {}", detail.delivery.event, detail.trace_id));
    console::json(&detail.data);
    if let Some(body) = &detail.body {
        let by = if body.transform.is_empty() { "the default body" } else { &body.transform };
        console::data(format!("\n{} by {by}\n{}", body.content_type, body.body));
    }
    let rows: Vec<_> = detail
        .tries
        .iter()
        .map(|attempt| {
            let status = attempt.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let error = attempt.error.clone().unwrap_or_default();
            [attempt.at.clone(), status, format!("{} ms", attempt.duration_ms), error, attempt.excerpt.clone()]
        })
        .collect();
    if !rows.is_empty() {
        console::data(format!("\n{}", console::table(["AT", "STATUS", "TOOK", "WHY", "ANSWER"], &rows)));
    }
}

fn print_test(name: &str, tested: &TestView) {
    if let Some(body) = &tested.body {
        console::data(&body.body);
    }
    if let (true, Some(status)) = (tested.ok, tested.status) {
        console::talk(format!("`{name}` answered {status} after {} ms", tested.duration_ms));
    }
    if !tested.excerpt.is_empty() {
        console::talk(format!("it said: {}", tested.excerpt));
    }
}

/// What was decided then and what is decided now, line by line.
fn print_request(replayed: &RequestReplayView) {
    let lines = |decision| serde_json::to_string_pretty(decision).unwrap_or_default();
    let (before, after) = (lines(&replayed.before), lines(&replayed.after));
    if replayed.differs {
        let diff = similar::TextDiff::from_lines(&before, &after);
        console::data(diff.unified_diff().header("then", "now").to_string().trim_end());
    } else {
        console::data(format!("{}: the same: {}", replayed.id, replayed.after.outcome));
    }
    match replayed.applied {
        true => console::talk("what is decided now was done"),
        false => console::talk("nothing was changed"),
    }
}
