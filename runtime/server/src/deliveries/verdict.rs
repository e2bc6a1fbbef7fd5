//! What an answer, or the want of one, means for a delivery and for its endpoint. Pure.
//!
//! 2xx is delivered. Whatever may be different another time is tried again: no answer, 3xx, 5xx, and 408, 409, 421,
//! 423, 425 and 429. Any other 4xx, and a request that may not be sent at all, is refused: trying a permanent no for
//! three days helps nobody, and an operator can replay it. 410 asks not to be sent anything any more.

use std::time::Duration;

use openclaw_domain::{Attempt, DeliveryState, EgressError, Lease, Settlement, Timestamp};

use super::schedule::LONGEST_RETRY_AFTER;
use super::settings::OutgoingEndpoint;

/// How long an endpoint that answers 429 without saying how long is left alone.
const THROTTLED_FOR: Duration = Duration::from_secs(60);

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With an answer.
    Answered {
        /// Its status.
        status: u16,
        /// What its `Retry-After` asks for.
        retry_after: Option<Duration>,
    },
    /// Without one.
    Failed(EgressError),
}

/// What an attempt says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// It is well.
    Delivered,
    /// It answers, and says no.
    Refused,
    /// It does not answer, or with its own failure.
    Failed,
    /// It wants to be left alone until then.
    Throttled(Timestamp),
    /// It wants nothing any more.
    Gone,
    /// Nothing: it was not asked.
    Nothing,
}

/// Why the ending is no success; `None` if it is one.
pub(super) fn complaint(ending: &Ending, endpoint: &OutgoingEndpoint) -> Option<String> {
    match ending {
        Ending::Answered { status: 200..=299, .. } => None,
        Ending::Answered { status: status @ 300..=399, .. } => {
            Some(format!("answered {status}: redirects are not followed; configure the final URL"))
        }
        Ending::Answered { status, .. } => Some(format!("answered {status}")),
        Ending::Failed(error @ EgressError::AddressDenied { .. }) => {
            let at = &endpoint.at;
            Some(format!("{error}; if this address is meant, set `{at}.allowPrivate` to `true`"))
        }
        Ending::Failed(error) => Some(error.to_string()),
    }
}

/// Whether trying again cannot help.
fn is_permanent(ending: &Ending) -> bool {
    match ending {
        Ending::Answered { status, .. } => {
            matches!(status, 400..=499) && !matches!(status, 408 | 409 | 421 | 423 | 425 | 429)
        }
        Ending::Failed(error) => match error {
            EgressError::NameDenied { .. }
            | EgressError::AddressDenied { .. }
            | EgressError::BadRequest { .. }
            | EgressError::SecretMissing { .. } => true,
            EgressError::TooLarge { what, .. } => what.contains("request"),
            EgressError::Dns { .. }
            | EgressError::Connect { .. }
            | EgressError::Tls { .. }
            | EgressError::TimedOut
            | EgressError::TooSlow(_)
            | EgressError::Protocol(_)
            | EgressError::Internal => false,
        },
    }
}

/// What becomes of the delivery, and what is learned of the endpoint.
pub(super) fn judge(
    ending: &Ending,
    lease: &Lease,
    endpoint: &OutgoingEndpoint,
    attempt: Attempt,
    now: Timestamp,
) -> (Settlement, Signal) {
    let Some(reason) = attempt.error.clone() else {
        let done = Settlement::Done { state: DeliveryState::Delivered, at: now, reason: None, attempt: Some(attempt) };
        return (done, Signal::Delivered);
    };
    let signal = signal(ending, now);
    let done =
        |state, reason, attempt| Settlement::Done { state, at: now, reason: Some(reason), attempt: Some(attempt) };
    if is_permanent(ending) {
        return (done(DeliveryState::Refused, reason, attempt), signal);
    }
    let made = lease.attempts.saturating_add(1);
    let Some(delay) = endpoint.schedule.after(made, lease.id) else {
        return (done(DeliveryState::Dead, format!("{reason}, as the last of {made} attempts"), attempt), signal);
    };
    let retry_after = match ending {
        Ending::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
        Ending::Failed(_) => Duration::ZERO,
    };
    let mut next_at = now.plus(delay.max(retry_after).min(LONGEST_RETRY_AFTER.max(delay)));
    if let Some(longest) = endpoint.ordered {
        let end = lease.first_attempt_at.unwrap_or(attempt.at).plus(longest);
        if end <= now {
            let reason = format!("{reason}, and it has held up those behind it for {} s", longest.as_secs());
            return (done(DeliveryState::Dead, reason, attempt), signal);
        }
        next_at = next_at.min(end);
    }
    (Settlement::Again { next_at, attempt: Some(attempt), reason }, signal)
}

fn signal(ending: &Ending, now: Timestamp) -> Signal {
    match ending {
        Ending::Answered { status: 200..=299, .. } => Signal::Delivered,
        Ending::Answered { status: 410, .. } => Signal::Gone,
        Ending::Answered { status: 429, retry_after } => {
            Signal::Throttled(now.plus(retry_after.unwrap_or(THROTTLED_FOR)))
        }
        Ending::Answered { status: 503, retry_after: Some(after) } => Signal::Throttled(now.plus(*after)),
        Ending::Answered { status: 400..=499, .. } => Signal::Refused,
        Ending::Answered { .. } => Signal::Failed,
        // A request that was never sent says nothing of the endpoint.
        Ending::Failed(_) if is_permanent(ending) => Signal::Nothing,
        Ending::Failed(_) => Signal::Failed,
    }
}
