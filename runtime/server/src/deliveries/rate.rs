//! How often an endpoint is posted to: a bucket that fills by the domain's clock.

use openclaw_domain::Timestamp;

/// Permits of one endpoint; a tenth of a minute's worth may be used at once, at least one.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    per_minute: u32,
    /// Microseconds since the epoch at which everything used so far is paid for.
    paid_at: i64,
}

impl Rate {
    pub(super) const fn new(per_minute: u32) -> Self {
        Self { per_minute, paid_at: 0 }
    }

    fn interval(&self) -> i64 {
        60_000_000 / i64::from(self.per_minute.max(1))
    }

    fn burst(&self) -> i64 {
        i64::from((self.per_minute / 10).max(1))
    }

    /// How many may go now; if none, the moment the next one may.
    pub(super) fn available(&self, now: Timestamp) -> Result<usize, Timestamp> {
        let now = now.as_millis().saturating_mul(1000);
        let room = now.saturating_add(self.interval() * self.burst()).saturating_sub(self.paid_at.max(now));
        match usize::try_from(room / self.interval()) {
            Ok(count) if count > 0 => Ok(count),
            _ => {
                let missing = self.interval() - room.max(0) % self.interval();
                Err(Timestamp::from_millis((now.saturating_add(missing)).div_euclid(1000) + 1))
            }
        }
    }

    /// Notes that so many went.
    pub(super) fn take(&mut self, count: usize, now: Timestamp) {
        let now = now.as_millis().saturating_mul(1000);
        let cost = self.interval().saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        self.paid_at = self.paid_at.max(now).saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_minute_lets_a_minutes_worth_through_and_says_when_there_is_more() {
        let mut now = Timestamp::from_millis(1_780_920_000_000);
        let (mut rate, mut sent) = (Rate::new(60), 0);
        let end = now.plus(Duration::from_secs(60));
        while now < end {
            match rate.available(now) {
                Ok(count) => {
                    rate.take(count, now);
                    sent += count;
                }
                Err(at) => {
                    assert!(at > now);
                    now = at;
                }
            }
        }
        assert!((60..=67).contains(&sent), "{sent}");
    }

    #[test]
    fn one_a_minute_is_one_a_minute() {
        let now = Timestamp::from_millis(1_780_920_000_000);
        let mut rate = Rate::new(1);
        assert_eq!(rate.available(now), Ok(1));
        rate.take(1, now);
        let at = rate.available(now).unwrap_err();
        assert!(at.since(now) >= Duration::from_secs(60) && at.since(now) < Duration::from_secs(61));
        assert_eq!(rate.available(at), Ok(1));
    }
}
