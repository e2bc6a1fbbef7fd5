//! Signs what is sent, as Standard Webhooks 1.0 has it.
//!
//! Invariant: the signature covers id, timestamp and the very bytes that are sent. With several keys there are several
//! signatures, so a receiver goes on verifying while one key replaces another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use openclaw_domain::{DeliveryId, Timestamp};
use sha2::Sha256;

/// The least and most bytes of a symmetric key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key that deliveries are signed with.
#[derive(Clone)]
pub struct DeliveryKey(Kind);

#[derive(Clone)]
enum Kind {
    /// `whsec_…`: HMAC-SHA256, `v1`.
    Shared(Hmac<Sha256>),
    /// `whsk_…`: Ed25519, `v1a`.
    Pair(Box<SigningKey>),
}

impl std::fmt::Debug for DeliveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl DeliveryKey {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and the base64 of an Ed25519 private key (its 32
    /// bytes, or those and the 32 of its public key).
    ///
    /// # Errors
    /// Why it is neither, as the rest of a sentence that begins with the key's place; nothing of the key is in it.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is no signing key: write `whsec_` and the base64 of 24 to 64 random bytes";
        if let Some(encoded) = text.strip_prefix("whsec_") {
            let bytes = STANDARD.decode(encoded).map_err(|_| FORM)?;
            if !KEY_BYTES.contains(&bytes.len()) {
                return Err(FORM);
            }
            let mac = Hmac::<Sha256>::new_from_slice(&bytes).map_err(|_| FORM)?;
            return Ok(Self(Kind::Shared(mac)));
        }
        let encoded = text.strip_prefix("whsk_").ok_or(FORM)?;
        let wrong = "is no Ed25519 key: write `whsk_` and the base64 of its 32 or 64 bytes";
        let bytes = STANDARD.decode(encoded).map_err(|_| wrong)?;
        let seed: [u8; 32] = bytes.get(..32).and_then(|seed| seed.try_into().ok()).ok_or(wrong)?;
        let key = SigningKey::from_bytes(&seed);
        match bytes.get(32..) {
            Some([]) => {}
            Some(public) if public == key.verifying_key().as_bytes() => {}
            _ => return Err("is an Ed25519 key whose public half does not belong to its private one"),
        }
        Ok(Self(Kind::Pair(Box::new(key))))
    }

    fn sign(&self, message: &[&[u8]]) -> String {
        match &self.0 {
            Kind::Shared(mac) => {
                let mut mac = mac.clone();
                message.iter().for_each(|part| mac.update(part));
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Kind::Pair(key) => format!("v1a,{}", STANDARD.encode(key.sign(&message.concat()).to_bytes())),
        }
    }
}

/// The three headers of an attempt.
pub(super) struct Signed {
    /// `webhook-id`.
    pub(super) id: String,
    /// `webhook-timestamp`: seconds, of this attempt.
    pub(super) timestamp: String,
    /// `webhook-signature`; `None` without a key.
    pub(super) signatures: Option<String>,
}

/// Signs one attempt with every key.
pub(super) fn sign(keys: &[DeliveryKey], id: DeliveryId, now: Timestamp, body: &[u8]) -> Signed {
    let (id, timestamp) = (id.to_string(), (now.as_millis().div_euclid(1000)).to_string());
    let message: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(&message)).collect();
    Signed { signatures: (!signatures.is_empty()).then(|| signatures.join(" ")), id, timestamp }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the Standard Webhooks specification.
    #[test]
    fn the_vector_of_the_specification_is_signed_as_it_says() {
        let key = DeliveryKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let parts: [&[u8]; 5] =
            [b"msg_p5jXN8AQM9LWM0D4loKWxJek", b".", b"1614265330", b".", br#"{"test": 2432232314}"#];
        assert_eq!(key.sign(&parts), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_key_signs_in_its_order() {
        let pair = SigningKey::from_bytes(&[7; 32]);
        let keys = [
            DeliveryKey::read(&format!("whsec_{}", STANDARD.encode([1; 32]))).unwrap(),
            DeliveryKey::read(&format!("whsk_{}", STANDARD.encode([7; 32]))).unwrap(),
            DeliveryKey::read(&format!("whsk_{}", STANDARD.encode(pair.to_keypair_bytes()))).unwrap(),
        ];
        let signed = sign(&keys, DeliveryId::new(), Timestamp::from_millis(1_614_265_330_999), b"{}");
        assert_eq!(signed.timestamp, "1614265330");
        let signatures = signed.signatures.unwrap();
        let parts: Vec<_> = signatures.split(' ').collect();
        assert!(parts[0].starts_with("v1,") && parts[1].starts_with("v1a,"));
        assert_eq!(parts[1], parts[2]);
        assert!(sign(&[], DeliveryId::new(), Timestamp::from_millis(0), b"").signatures.is_none());
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for bad in ["", "secret", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "whsk_AAAA", "whpk_AAAA"] {
            let error = DeliveryKey::read(bad).unwrap_err();
            assert!(!error.contains("c2hvcnQ"), "{bad}: {error}");
        }
        let wrong_half = [SigningKey::from_bytes(&[7; 32]).to_bytes(), [0; 32]].concat();
        assert!(DeliveryKey::read(&format!("whsk_{}", STANDARD.encode(wrong_half))).is_err());
        assert_eq!(format!("{:?}", DeliveryKey::read(&format!("whsk_{}", STANDARD.encode([7; 32])))), "Ok(…)");
    }
}
