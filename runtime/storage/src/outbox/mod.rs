//! The outbox: deliveries, written with the event that causes them and kept until they are settled and old.
//!
//! Invariant: a delivery changes only in the hands of whoever holds its lease; the moment the lease ends is the proof,
//! compared inside the writer's transaction. Nothing but settling ends a delivery.

mod insert;
mod lease;
mod list;
mod request;
mod settle;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use openclaw_domain::ports::{Leased, Outbox};
use openclaw_domain::{
    Backlog, DeliveryBody, DeliveryDetail, DeliveryId, DeliveryQuery, DeliveryRecord, EndpointHealth, EndpointKey,
    Lease, Refusal, Settlement, Timestamp,
};

pub(crate) use insert::insert_deliveries;
pub use request::KeptRequest;

use crate::Storage;

/// A bound of rows as SQLite takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Outbox for Storage {
    async fn lease(
        &self,
        endpoint: &EndpointKey,
        limit: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Leased, Refusal> {
        let endpoint = endpoint.clone();
        self.write(move |conn| lease::take(conn, &endpoint, lease::Which::Due(limit), now, until)).await
    }

    async fn lease_oldest(&self, endpoint: &EndpointKey, now: Timestamp, until: Timestamp) -> Result<Leased, Refusal> {
        let endpoint = endpoint.clone();
        self.write(move |conn| lease::take(conn, &endpoint, lease::Which::Oldest, now, until)).await
    }

    async fn fix(&self, lease: &Lease, body: DeliveryBody) -> Result<bool, Refusal> {
        let (id, until) = (lease.id, lease.until);
        self.write(move |conn| settle::fix(conn, id, until, &body)).await
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<bool, Refusal> {
        let (id, until) = (lease.id, lease.until);
        self.write(move |conn| settle::settle(conn, id, until, &settlement)).await
    }

    async fn end_leases(&self) -> Result<u64, Refusal> {
        self.write(lease::end_all).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, Refusal> {
        self.inner.readers.read(list::backlog).await
    }

    async fn health(&self) -> Result<Vec<(EndpointKey, EndpointHealth)>, Refusal> {
        self.inner.readers.read(list::health).await
    }

    async fn set_health(&self, endpoint: &EndpointKey, health: EndpointHealth) -> Result<(), Refusal> {
        let endpoint = endpoint.clone();
        self.write(move |conn| settle::set_health(conn, &endpoint, &health)).await
    }

    async fn set_failing(&self, endpoint: &EndpointKey, since: Option<Timestamp>) -> Result<(), Refusal> {
        let endpoint = endpoint.clone();
        self.write(move |conn| settle::set_failing(conn, &endpoint, since)).await
    }

    async fn disable(&self, endpoint: &EndpointKey, at: Timestamp, reason: &str) -> Result<bool, Refusal> {
        let (endpoint, reason) = (endpoint.clone(), reason.to_owned());
        self.write(move |conn| settle::disable(conn, &endpoint, at, &reason)).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<DeliveryRecord>, Refusal> {
        self.inner.readers.read(move |conn| list::records(conn, &query)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, Refusal> {
        self.inner.readers.read(move |conn| list::detail(conn, id)).await
    }

    async fn replay(&self, ids: Vec<DeliveryId>, now: Timestamp) -> Result<u64, Refusal> {
        self.write(move |conn| settle::replay(conn, &ids, now)).await
    }

    async fn forget(&self, settled_before: Timestamp, limit: usize) -> Result<u64, Refusal> {
        self.write(move |conn| settle::forget(conn, settled_before, limit)).await
    }
}
