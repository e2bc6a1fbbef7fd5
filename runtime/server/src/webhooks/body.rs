//! Reading a request's body: no more than the endpoint takes, in no more time than a sender may need.
//!
//! Invariants: memory held for a body never exceeds the endpoint's limit and one frame, whatever its headers claim; all
//! bodies of senders that have proven nothing yet share a budget, and hold of it only what they have sent; no address
//! holds all of it.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use openclaw_domain::Refusal;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::auth::ClientAddress;
use crate::shares::{Part, Shares};

/// Time in which a body must have arrived. Senders give up after 10 s or less; a slow one must not hold a place.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Bytes of a stranger's body that are read and dropped, so that the sender gets to read the answer.
pub(super) const DISCARDED_BYTES: u64 = 64 << 10;
/// The same for a body that is too large: many clients send all of it before they read, and a reset would hide the 413.
pub(super) const DISCARDED_EXCESS: u64 = 4 << 20;
/// Time for dropping them.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Bytes for which one permit of a budget stands.
const PERMIT_BYTES: usize = 1 << 10;
/// Bytes for which one part of an address's share stands. Coarser than a permit: a part is an entry of a list.
const PART_BYTES: usize = 16 << 10;

/// Bytes of bodies whose senders have proven nothing yet.
pub(super) struct Budget {
    bytes: usize,
    all: Semaphore,
    by_sender: Shares<IpAddr>,
}

impl Budget {
    /// A budget of this many bytes, of which an address may hold a quarter.
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes, all: Semaphore::new(bytes / PERMIT_BYTES), by_sender: Shares::default() }
    }
}

/// What a body holds of a budget; dropping it gives it back.
pub(super) struct Reservation<'a> {
    budget: Option<Share<'a>>,
    held: Option<SemaphorePermit<'a>>,
    held_permits: usize,
    parts: Vec<Part<IpAddr>>,
    bytes: usize,
}

/// What one address may hold of a budget.
#[derive(Clone, Copy)]
struct Share<'a> {
    budget: &'a Budget,
    sender: IpAddr,
    parts: usize,
}

impl<'a> Reservation<'a> {
    /// For a body of a sender that is known: it needs none.
    pub(super) const fn unneeded() -> Self {
        Self { budget: None, held: None, held_permits: 0, parts: Vec::new(), bytes: 0 }
    }

    /// For a body of a stranger, at an endpoint that takes bodies of up to `largest` bytes. One of these fits into the
    /// share of its address, or an honest sender could never prove itself.
    pub(super) fn within(budget: &'a Budget, sender: ClientAddress, largest: usize) -> Self {
        let parts = (budget.bytes / 4).max(largest).div_ceil(PART_BYTES);
        Self { budget: Some(Share { budget, sender: sender.throttle_key(), parts }), ..Self::unneeded() }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let Some(Share { budget, sender, parts }) = self.budget else { return Ok(()) };
        self.bytes += bytes;
        let more = self.bytes.div_ceil(PERMIT_BYTES) - self.held_permits;
        let full = || Refusal::QueueFull("webhook body");
        while self.parts.len() < self.bytes.div_ceil(PART_BYTES) {
            self.parts.push(budget.by_sender.take(&sender, parts).ok_or_else(full)?);
        }
        let permit = budget.all.try_acquire_many(u32::try_from(more).map_err(|_| full())?).map_err(|_| full())?;
        self.held_permits += more;
        match &mut self.held {
            Some(held) => held.merge(permit),
            held => *held = Some(permit),
        }
        Ok(())
    }
}

/// The whole body.
///
/// # Errors
/// Too large (as soon as it is), too slow, broken off, or over the budget. The connection is of no further use then.
pub(super) async fn read(body: Body, limit_bytes: usize, reserved: &mut Reservation<'_>) -> Result<Bytes, Refusal> {
    match timeout(ARRIVAL, collect(body, limit_bytes, reserved)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::invalid("body", format!("did not arrive within {} s", ARRIVAL.as_secs()))),
    }
}

async fn collect(mut body: Body, limit_bytes: usize, reserved: &mut Reservation<'_>) -> Result<Bytes, Refusal> {
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit_bytes {
        return Err(Refusal::PayloadTooLarge { limit_bytes });
    }
    reserved.grow(first.len())?;
    // The usual webhook arrives in one piece, which is passed on as it is.
    if body.is_end_stream() {
        return Ok(first);
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(announced).min(limit_bytes));
    whole.extend_from_slice(&first);
    while let Some(next) = next_data(&mut body).await? {
        if whole.len() + next.len() > limit_bytes {
            return Err(Refusal::PayloadTooLarge { limit_bytes });
        }
        reserved.grow(next.len())?;
        whole.extend_from_slice(&next);
    }
    Ok(whole.freeze())
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::invalid("body", "broke off before its end"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads and drops a body that nobody wants, if it is that small, and says whether all of it was read.
///
/// Closing a connection with unread bytes resets it, and the reset can overtake the answer.
pub(super) async fn discard(mut body: Body, limit_bytes: u64) -> bool {
    if body.size_hint().lower() > limit_bytes {
        return false;
    }
    let reading = async {
        let mut left = limit_bytes;
        loop {
            match next_data(&mut body).await {
                Ok(None) => return true,
                Err(_) => return false,
                Ok(Some(data)) => match left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                    Some(rest) => left = rest,
                    None => return false,
                },
            }
        }
    };
    timeout(DISCARD_TIME, reading).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn from(last: u8) -> ClientAddress {
        ClientAddress(IpAddr::from([192, 0, 2, last]))
    }

    fn chunks(pieces: &[&'static str]) -> Body {
        let pieces: Vec<Result<&'static str, std::io::Error>> = pieces.iter().map(|piece| Ok(*piece)).collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_exactly_its_limit() {
        assert_eq!(read(Body::from("12345"), 5, &mut Reservation::unneeded()).await.unwrap(), "12345");
        assert_eq!(read(chunks(&["12", "34", "5"]), 5, &mut Reservation::unneeded()).await.unwrap(), "12345");
        assert_eq!(read(Body::empty(), 5, &mut Reservation::unneeded()).await.unwrap(), "");
        for too_large in [Body::from("123456"), chunks(&["123", "456"]), chunks(&["1", "2345", "6"])] {
            assert!(matches!(
                read(too_large, 5, &mut Reservation::unneeded()).await,
                Err(Refusal::PayloadTooLarge { limit_bytes: 5 })
            ));
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_refused_as_soon_as_it_is_too_large() {
        let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>("0123456789")));
        assert!(matches!(
            read(endless, 1000, &mut Reservation::unneeded()).await,
            Err(Refusal::PayloadTooLarge { .. })
        ));
    }

    #[tokio::test]
    async fn strangers_share_a_budget_and_hold_what_they_have_sent() {
        let budget = Budget::new(4096);
        let whole = || chunks(&["0123456789"; 300]);
        let mut first = Reservation::within(&budget, from(1), 5000);
        assert_eq!(read(whole(), 5000, &mut first).await.unwrap().len(), 3000);
        assert_eq!(budget.all.available_permits(), 1);
        let mut second = Reservation::within(&budget, from(2), 5000);
        assert!(matches!(read(whole(), 5000, &mut second).await, Err(Refusal::QueueFull(_))));
        drop(second);
        assert_eq!(budget.all.available_permits(), 1);
        drop(first);
        assert!(read(whole(), 5000, &mut Reservation::within(&budget, from(2), 5000)).await.is_ok());
        assert_eq!(budget.all.available_permits(), 4);
    }

    #[test]
    fn an_address_holds_a_quarter_or_one_body_and_leaves_the_rest() {
        let budget = Budget::new(1 << 20);
        let hold = |sender, largest: usize, bytes| {
            let mut held = Reservation::within(&budget, sender, largest);
            held.grow(bytes).map(|()| held)
        };
        let small = 64 << 10;
        let held: Vec<_> = std::iter::from_fn(|| hold(from(1), small, small).ok()).collect();
        assert_eq!(held.len(), 4);
        let elsewhere = hold(from(2), small, small);
        assert!(elsewhere.is_ok());
        drop((held, elsewhere));
        // The largest body that the endpoint takes fits, even where it is more than a quarter; two do not.
        let whole = hold(from(1), 400 << 10, 400 << 10);
        assert!(whole.is_ok());
        assert!(hold(from(1), 400 << 10, 1).is_err());
    }

    #[tokio::test]
    async fn only_a_small_body_is_discarded() {
        assert!(discard(chunks(&["a", "b"]), 2).await);
        assert!(!discard(Body::from("abc"), 2).await);
        assert!(!discard(Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>("0123456789"))), 1000).await);
    }
}
