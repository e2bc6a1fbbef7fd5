//! What the gateway's own records say, in a few lines.
//!
//! Invariant: everything here is counted or quoted from records of the tenant that asks; nothing is made up.

use std::collections::BTreeMap;
use std::time::Duration;

use openclaw_domain::ports::ModelUse;
use openclaw_domain::{Event, EventKind, Refusal, TenantId, Timestamp, World};
use serde_json::Value;

use super::LocalParts;

/// Events one report reads.
const MOST_EVENTS: usize = 1000;
/// Events one report quotes.
const MOST_QUOTED: usize = 5;
/// Characters of one quotation.
const QUOTE_CHARS: usize = 160;
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY_MILLIS: i64 = 86_400_000;
/// How far back a night goes.
const NIGHT: Duration = Duration::from_secs(12 * 60 * 60);
/// How far back deployments are looked for.
const DEPLOYMENTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) struct Reports {
    parts: LocalParts,
}

impl Reports {
    pub(super) fn new(parts: LocalParts) -> Self {
        Self { parts }
    }

    async fn since(&self, tenant: &TenantId, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        self.parts.records.recent(tenant, at, MOST_EVENTS).await
    }

    fn ago(&self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.parts.clock.now().as_millis().saturating_sub(millis))
    }

    /// The first moment of today, UTC.
    fn today(&self) -> Timestamp {
        let now = self.parts.clock.now().as_millis();
        Timestamp::from_millis(now - now.rem_euclid(DAY_MILLIS))
    }

    /// How the gateway is.
    pub(super) async fn health(&self, tenant: &TenantId) -> Result<String, Refusal> {
        let now = self.parts.clock.now();
        let up = now.since(self.parts.started_at);
        let installed = self.parts.guests.installed(tenant);
        let skills: Vec<_> = installed
            .iter()
            .filter(|skill| skill.enabled && skill.world == World::Skill)
            .map(|skill| skill.name.as_str())
            .collect();
        let day = self.since(tenant, self.ago(24 * HOUR)).await?;
        let troubled = day.iter().any(|event| is_trouble(event.fact.kind));
        let verdict = if troubled { "Needs attention" } else { "All systems operational" };
        let skills = match skills.len() {
            0 => "no skills installed".to_owned(),
            count => format!("{count} skills: {}", skills.join(", ")),
        };
        let mut text = format!(
            "{verdict}. openclaw {}, up {} ({} seconds).\n{skills}.\nLast 24 hours: {}.",
            self.parts.version,
            span(up),
            up.as_secs(),
            counted(&day)
        );
        quote(&mut text, day.iter().filter(|event| is_trouble(event.fact.kind)));
        Ok(text)
    }

    /// Today's alerts and errors.
    pub(super) async fn alerts(&self, tenant: &TenantId) -> Result<String, Refusal> {
        let today = self.since(tenant, self.today()).await?;
        let trouble: Vec<_> = today.iter().filter(|event| is_trouble(event.fact.kind)).collect();
        if trouble.is_empty() {
            return Ok("No alerts today (UTC): no security alert, no error, no channel lost.".to_owned());
        }
        let mut text = format!("{} today (UTC): {}.", plural(trouble.len(), "alert"), counted(trouble.iter().copied()));
        quote(&mut text, trouble.into_iter());
        Ok(text)
    }

    /// What happened in the last twelve hours.
    pub(super) async fn lately(&self, tenant: &TenantId) -> Result<String, Refusal> {
        let events = self.since(tenant, self.ago(NIGHT)).await?;
        if events.is_empty() {
            return Ok("Nothing happened in the last 12 hours: no event was recorded.".to_owned());
        }
        let mut text = format!("In the last 12 hours: {}.", counted(&events));
        quote(&mut text, events.iter());
        Ok(text)
    }

    /// What the records say of deployments.
    pub(super) async fn deployments(&self, tenant: &TenantId) -> Result<String, Refusal> {
        let events = self.since(tenant, self.ago(DEPLOYMENTS)).await?;
        let about: Vec<_> =
            events.iter().filter(|event| event.fact.data.to_ascii_lowercase().contains("deploy")).collect();
        if about.is_empty() {
            return Ok("The records of the last 7 days mention no deployment. They hold what webhooks said and what \
                       skills did."
                .to_owned());
        }
        let mut text = format!("Deployments in the records of the last 7 days: {}.", counted(about.iter().copied()));
        quote(&mut text, about.into_iter());
        Ok(text)
    }

    /// Tokens by model, of today and the days before it.
    pub(super) async fn usage(&self, tenant: &TenantId, days: i64) -> Result<String, Refusal> {
        let today = ModelUse::day_of(self.parts.clock.now());
        let used = self.parts.usage.used_since(tenant, today - (days - 1)).await?;
        let span = if days == 1 { "today (UTC)".to_owned() } else { format!("in the last {days} days") };
        let total: u64 = used.iter().map(ModelUse::tokens).sum();
        let mut models: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
        for one in &used {
            let sum = models.entry(&one.model).or_default();
            *sum = (sum.0 + one.input_tokens, sum.1 + one.output_tokens, sum.2 + one.requests);
        }
        let mut text = format!("{total} tokens used {span}.");
        for (model, (input, output, requests)) in models {
            text.push_str(&format!(
                "\n{model}: {} tokens ({input} in, {output} out) in {}",
                input + output,
                plural(usize::try_from(requests).unwrap_or(usize::MAX), "request")
            ));
        }
        if total == 0 {
            text.push_str(" `local` uses none.");
        }
        Ok(text)
    }
}

const fn is_trouble(kind: EventKind) -> bool {
    matches!(kind, EventKind::Error | EventKind::SecurityAlert | EventKind::ChannelDisconnected)
}

const fn name_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::TaskCompleted => "task completed",
        EventKind::Error => "error",
        EventKind::MessageReceived => "message received",
        EventKind::ChannelDisconnected => "channel disconnected",
        EventKind::SecurityAlert => "security alert",
        EventKind::SkillEvent => "skill event",
    }
}

/// `3 tasks completed, 1 error`.
fn counted<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let mut counts = [0_usize; EventKind::ALL.len()];
    for event in events {
        for (count, kind) in counts.iter_mut().zip(EventKind::ALL) {
            *count += usize::from(kind == event.fact.kind);
        }
    }
    let parts = counts.into_iter().zip(EventKind::ALL).filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, kind)| plural(count, name_of(kind))).collect();
    if parts.is_empty() { "nothing recorded".to_owned() } else { parts.join(", ") }
}

/// `1 error`, `2 errors`, `2 tasks completed`.
fn plural(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (count, Some((noun, rest))) if rest.ends_with("ed") => format!("{count} {noun}s {rest}"),
        (count, _) => format!("{count} {what}s"),
    }
}

/// Adds the newest of some events, a line each.
fn quote<'a>(text: &mut String, events: impl Iterator<Item = &'a Event>) {
    for event in events.take(MOST_QUOTED) {
        text.push_str(&format!("\n- {} {}: {}", event.fact.at, name_of(event.fact.kind), gist(event)));
    }
}

/// What an event is about, on one line.
fn gist(event: &Event) -> String {
    let data: Value = serde_json::from_str(&event.fact.data).unwrap_or_default();
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    let gist = match event.fact.kind {
        EventKind::TaskCompleted => format!("{}: {}", text("task_name"), text("result")),
        EventKind::Error => text("message").to_owned(),
        EventKind::MessageReceived => format!("{} {}: {}", text("channel"), text("sender"), text("text")),
        EventKind::ChannelDisconnected => format!("{}: {}", text("channel"), text("error")),
        EventKind::SecurityAlert => format!("{} ({})", text("type"), text("severity")),
        EventKind::SkillEvent => text("name").to_owned(),
    };
    // Other people's text: on one line, so that it cannot pass for a line of this report.
    let line: String = gist.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut cut: String = line.chars().take(QUOTE_CHARS).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

/// `2d 3h 4m 5s`, without what is zero in front.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let parts: Vec<_> = parts.iter().skip(first).map(|(count, unit)| format!("{count}{unit}")).collect();
    parts.join(" ")
}
