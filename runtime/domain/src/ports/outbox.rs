//! Deliveries that are owed: on disk with the event that causes them, until they are settled.

use async_trait::async_trait;

use crate::{
    Backlog, DeliveryBody, DeliveryDetail, DeliveryId, DeliveryQuery, DeliveryRecord, EndpointHealth, EndpointKey,
    EndpointName, Lease, NewEvent, Refusal, Settlement, Timestamp,
};

/// Whatever knows which endpoints an event is owed to.
///
/// It is asked on the way of every event to the disk, so it answers from memory and at once.
pub trait Route: Send + Sync {
    /// The endpoints of the event's own tenant that are owed it; usually none.
    fn owed_to(&self, event: &NewEvent) -> Vec<EndpointName>;
}

/// What a worker got of an endpoint's deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leased {
    /// The deliveries.
    pub leases: Vec<Lease>,
    /// When the next one of this endpoint may be taken, leases that end included; `None` if nothing waits.
    pub next_at: Option<Timestamp>,
}

/// Whatever remembers deliveries. Events bring them in: see [`Route`].
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes up to `limit` deliveries of an endpoint that may be tried at `now`; nobody else gets them before `until`.
    ///
    /// Cancel safety: what was taken by a call nobody awaits is free again at `until`.
    async fn lease(
        &self,
        endpoint: &EndpointKey,
        limit: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Leased, Refusal>;

    /// Takes the oldest unsettled delivery of an endpoint if it may be tried at `now`; while it may not, the ones
    /// behind it wait as well.
    async fn lease_oldest(&self, endpoint: &EndpointKey, now: Timestamp, until: Timestamp) -> Result<Leased, Refusal>;

    /// Fixes what a delivery sends, durably; `false` if the lease is somebody else's by now.
    async fn fix(&self, lease: &Lease, body: DeliveryBody) -> Result<bool, Refusal>;

    /// Notes durably what became of a lease; `false` if it is somebody else's by now, and then nothing is noted.
    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<bool, Refusal>;

    /// Ends all leases: for a process that is alone on its storage and has just started. Returns how many there were.
    async fn end_leases(&self) -> Result<u64, Refusal>;

    /// What waits, for each endpoint that something waits for.
    async fn backlog(&self) -> Result<Vec<Backlog>, Refusal>;

    /// The health of endpoints that anything is kept of.
    async fn health(&self) -> Result<Vec<(EndpointKey, EndpointHealth)>, Refusal>;

    /// Keeps an endpoint's health.
    async fn set_health(&self, endpoint: &EndpointKey, health: EndpointHealth) -> Result<(), Refusal>;

    /// Keeps since when an endpoint has failed (`None`: no longer), and leaves alone whether it is disabled: the attempt
    /// that says so may have been under way when somebody disabled it.
    async fn set_failing(&self, endpoint: &EndpointKey, since: Option<Timestamp>) -> Result<(), Refusal>;

    /// Keeps that nothing is sent to an endpoint any more; `false` if that was so before, and then nothing changes.
    async fn disable(&self, endpoint: &EndpointKey, at: Timestamp, reason: &str) -> Result<bool, Refusal>;

    /// Deliveries, the newest first.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<DeliveryRecord>, Refusal>;

    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, Refusal>;

    /// Makes settled deliveries pending again, their schedule from its beginning, id and body as they are. Returns how
    /// many: ones that are not settled are left as they are.
    async fn replay(&self, ids: Vec<DeliveryId>, now: Timestamp) -> Result<u64, Refusal>;

    /// Forgets at most `limit` deliveries settled before a moment, with their attempts. Returns how many.
    async fn forget(&self, settled_before: Timestamp, limit: usize) -> Result<u64, Refusal>;
}
