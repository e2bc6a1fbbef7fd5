//! An event owed to an endpoint, and what is known of getting it there.
//!
//! Invariant: a delivery has one id and one body for all its attempts. Receivers know a duplicate by the id, which is
//! the `webhook-id` they are sent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::{EndpointName, Event, EventKind, IdError, TenantId, Timestamp};

/// One delivery; unique and ordered by time. Its text is `msg_` and 32 hex digits: the `webhook-id` of every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(Uuid);

impl DeliveryId {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for DeliveryId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}", self.0.simple())
    }
}

impl FromStr for DeliveryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("msg_").and_then(|digits| Uuid::try_parse(digits).ok()).map(Self).ok_or_else(|| IdError {
            given: text.chars().take(80).collect(),
            what: "a delivery's id",
            rule: "`msg_` and 32 hex digits",
        })
    }
}

/// An endpoint: a URL that others serve and a tenant's events are posted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey {
    /// Whose.
    pub tenant: TenantId,
    /// What the tenant calls it.
    pub name: EndpointName,
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It waits for its first or next attempt.
    Pending,
    /// A worker has it.
    Leased,
    /// The endpoint answered 2xx.
    Delivered,
    /// It cannot succeed by being tried again: the endpoint said no, or the request may not be sent.
    Refused,
    /// Its schedule is used up.
    Dead,
    /// Its transform decided that nothing is sent.
    Skipped,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Leased, Self::Delivered, Self::Refused, Self::Dead, Self::Skipped];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing more happens by itself.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Pending | Self::Leased)
    }
}

/// What a delivery sends, decided once. Values of `${VAR}` are no part of it: they are filled in at each attempt, so
/// that no secret lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryBody {
    /// Media type.
    pub content_type: String,
    /// Headers the transform added, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The transform that made it, and the digest of its component (`name@sha256:…`); empty for the default body.
    pub transform: String,
    /// Where the values of `${VAR}` go into it; decided with it, so that no later configuration moves one.
    pub slots: Vec<BodySlot>,
}

/// A string of a JSON body that values of `${VAR}` go into at each attempt. It has their names, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySlot {
    /// Where it stands: keys and places in lists, outermost first.
    pub pointer: Vec<String>,
    /// How the string begins, or all of it if there is no `tail`, each `${VAR}` as it was written.
    pub head: String,
    /// How it ends, each `${VAR}` as it was written; what is in between is data.
    pub tail: Option<String>,
}

/// A delivery that one worker holds until a moment; afterwards anybody may take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which.
    pub id: DeliveryId,
    /// Where it goes.
    pub endpoint: EndpointKey,
    /// The event.
    pub event: Event,
    /// Attempts made before.
    pub attempts: u32,
    /// When the first one was made, if one was.
    pub first_attempt_at: Option<Timestamp>,
    /// What is sent, once that is decided.
    pub body: Option<DeliveryBody>,
    /// When the lease ends; the proof of holding it, since no two leases of a delivery end at the same moment.
    pub until: Timestamp,
}

/// One HTTP try at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The status that was answered, if one was.
    pub status: Option<u16>,
    /// What went wrong, if something did. No secret and no URL path stands in it.
    pub error: Option<String>,
    /// How the answer's body begins; empty if it could not be read.
    pub excerpt: String,
}

/// What became of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is done with: `state` is a settled one.
    Done {
        /// How it ended.
        state: DeliveryState,
        /// When.
        at: Timestamp,
        /// Why, if it was not delivered.
        reason: Option<String>,
        /// The attempt, if one was made.
        attempt: Option<Attempt>,
    },
    /// It is tried again.
    Again {
        /// When.
        next_at: Timestamp,
        /// The attempt, if one was made; without one the schedule stays where it was.
        attempt: Option<Attempt>,
        /// Why.
        reason: String,
    },
}

/// What operators and alerts know of an endpoint's health. An endpoint nothing is kept of is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// Since when and why nothing is sent there: an operator's word, a 410, or too long a failure.
    pub disabled: Option<(Timestamp, String)>,
}

/// A delivery as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Which.
    pub id: DeliveryId,
    /// Where it goes.
    pub endpoint: EndpointKey,
    /// The event's id.
    pub event_id: String,
    /// What kind of event.
    pub kind: EventKind,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When it was owed.
    pub created_at: Timestamp,
    /// When it is tried next, if it is.
    pub next_at: Option<Timestamp>,
    /// When it was settled, if it was.
    pub settled_at: Option<Timestamp>,
    /// The last status that was answered.
    pub last_status: Option<u16>,
    /// Why the last attempt failed, or why none was made.
    pub last_error: Option<String>,
}

/// Everything about one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryDetail {
    /// As it is listed.
    pub record: DeliveryRecord,
    /// The event.
    pub event: Event,
    /// What is sent, once that is decided.
    pub body: Option<DeliveryBody>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Which deliveries are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of this tenant only.
    pub tenant: Option<TenantId>,
    /// To the endpoint of this name only.
    pub endpoint: Option<EndpointName>,
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// Owed at or after this moment only.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// What waits for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Which endpoint.
    pub endpoint: EndpointKey,
    /// Deliveries that are not settled.
    pub open: u64,
    /// When the oldest of them was owed.
    pub oldest: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_id_reads_what_it_prints_and_nothing_else() {
        let id = DeliveryId::new();
        assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
        for bad in ["", "msg_", "wh_00000000000000000000000000000000", "msg_x"] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_state_reads_its_own_name() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_name(state.as_str()), Some(state));
        }
        assert!(DeliveryState::Dead.is_settled() && !DeliveryState::Leased.is_settled());
    }
}
