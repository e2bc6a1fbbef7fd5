//! `retention`: how long what happened is remembered.

use std::time::Duration;

use super::problem::Problems;
use super::read::Object;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A hundred years: whoever wants to keep everything writes this.
const MOST_DAYS: u64 = 36_500;

/// Ages past which rows are forgotten; `None` leaves the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetentionConfig {
    /// Accepted webhook requests. Default 30 days.
    pub(crate) inbox: Option<Duration>,
    /// Events. Default 30 days.
    pub(crate) events: Option<Duration>,
    /// The audit record. Default 365 days.
    pub(crate) audit: Option<Duration>,
}

impl RetentionConfig {
    /// Reads `retention`, if it stands there.
    pub(crate) fn read(top: &Object<'_>, problems: &mut Problems) -> Self {
        const KEYS: [&str; 3] = ["inboxDays", "eventsDays", "auditDays"];
        let Some(retention) = top.object("retention", &KEYS, problems) else { return Self::default() };
        let mut days = |key| {
            let days = retention.whole(key, 1..=MOST_DAYS, problems)?;
            Some(DAY * u32::try_from(days).unwrap_or(u32::MAX))
        };
        Self { inbox: days("inboxDays"), events: days("eventsDays"), audit: days("auditDays") }
    }
}
