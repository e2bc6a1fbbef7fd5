//! When a provider is asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// Attempts at one answer.
pub(super) const ATTEMPTS: u32 = 4;
/// The first wait, if the provider names none; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait, whatever the provider asks for: somebody is waiting for the answer. Asked for more than this, the turn
/// fails at once and says so.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How long to wait after attempt number `attempt`; `None` if the provider wants more time than a turn has.
pub(super) fn wait_before(attempt: u32, asked: Option<Duration>) -> Option<Duration> {
    match asked {
        Some(asked) => (asked <= LONGEST_WAIT * 3).then(|| asked.min(LONGEST_WAIT)),
        None => Some((FIRST_WAIT * 2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST_WAIT)),
    }
}

/// What `Retry-After` says (RFC 9110 §10.2.3): seconds or a date.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_the_providers_within_bounds_or_grows() {
        let second = Duration::from_secs(1);
        assert_eq!(wait_before(1, Some(second)), Some(second));
        assert_eq!(wait_before(1, Some(second * 40)), Some(LONGEST_WAIT));
        assert_eq!(wait_before(1, Some(second * 3600)), None);
        assert_eq!([1, 2, 3].map(|attempt| wait_before(attempt, None).unwrap().as_millis()), [500, 1000, 2000]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let said = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            asked(&headers)
        };
        assert_eq!(said("7"), Some(Duration::from_secs(7)));
        assert_eq!(said("-1"), Some(Duration::ZERO));
        assert_eq!(said("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(said("soon"), None);
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
