//! What a guest wants back with the answers to its questions, sealed while it is away.
//!
//! The state leaves the gateway and comes back from whoever resumes the call, so it goes out as
//! `expiry ‖ HMAC-SHA256 ‖ state` under a key of this machine, bound to tenant, component and tool.
//! Invariant: a guest is only ever given state that this very component returned from this very tool to this tenant,
//! no longer than [`LIFE`] ago. Nothing is remembered: the same state may come back more than once.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use openclaw_domain::{Digest, TenantId, Timestamp, ToolName};
use sha2::Sha256;

/// How long a question may stay unanswered.
pub(crate) const LIFE: Duration = Duration::from_secs(60 * 60);
/// Bytes of the expiry, in milliseconds since the epoch.
const EXPIRY: usize = 8;
/// Bytes of the tag.
const TAG: usize = 32;

/// Seals and opens state.
#[derive(Debug)]
pub(crate) struct Seal {
    key: [u8; 32],
}

/// What a state belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) component: Digest,
    pub(crate) tool: &'a ToolName,
}

impl Seal {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    fn tag(&self, asker: Asker<'_>, expiry: &[u8], state: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        // Lengths before what has none of its own: no two askers give the same bytes.
        for part in [asker.tenant.as_str().as_bytes(), asker.component.as_bytes(), asker.tool.as_str().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(expiry);
        mac.update(state);
        mac
    }

    /// Seals state that leaves at this moment.
    pub(crate) fn close(&self, asker: Asker<'_>, now: Timestamp, state: &[u8]) -> Vec<u8> {
        let expiry = now.plus(LIFE).as_millis().to_be_bytes();
        let tag = self.tag(asker, &expiry, state).finalize().into_bytes();
        [&expiry[..], &tag[..], state].concat()
    }

    /// The state inside, unless it was changed, is somebody else's, or is too old.
    pub(crate) fn open<'a>(&self, asker: Asker<'_>, now: Timestamp, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (expiry, rest) = sealed.split_first_chunk::<EXPIRY>()?;
        let (tag, state) = rest.split_at_checked(TAG)?;
        self.tag(asker, expiry, state).verify_slice(tag).ok()?;
        (now.as_millis() < i64::from_be_bytes(*expiry)).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_comes_back_to_whoever_it_left_and_to_nobody_else() {
        let (seal, now) = (Seal::new([7; 32]), Timestamp::from_millis(1_780_920_000_000));
        let (tenant, other): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (tool, sister): (ToolName, ToolName) = ("ask".parse().unwrap(), "tell".parse().unwrap());
        let asker = Asker { tenant: &tenant, component: Digest::from_bytes([1; 32]), tool: &tool };
        let sealed = seal.close(asker, now, b"state");
        assert_eq!(seal.open(asker, now, &sealed), Some(&b"state"[..]));
        for stranger in [
            Asker { tenant: &other, ..asker },
            Asker { tool: &sister, ..asker },
            Asker { component: Digest::from_bytes([2; 32]), ..asker },
        ] {
            assert_eq!(seal.open(stranger, now, &sealed), None);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(asker, now, &changed), None, "byte {at}");
        }
        assert_eq!(seal.open(asker, now, b"short"), None);
        assert_eq!(Seal::new([8; 32]).open(asker, now, &sealed), None);
        let almost = now.plus(LIFE - Duration::from_millis(1));
        assert!(seal.open(asker, almost, &sealed).is_some());
        assert_eq!(seal.open(asker, now.plus(LIFE), &sealed), None);
    }
}
