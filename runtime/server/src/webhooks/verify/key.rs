//! Keys of HMACs, and the comparison of what they make with what a request shows.
//!
//! Invariant: every key is tried and every shown signature compared, each in a time that depends on lengths only.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use openclaw_domain::Secret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Rejection;

/// A hash an HMAC is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::webhooks) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How a signature is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::webhooks) enum Encoding {
    Hex,
    Base64,
    Base64Url,
}

impl Encoding {
    /// The bytes; `None` if it is not written that way. There is one spelling for each value, so that a changed
    /// character always changes what is compared.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => {
                let (lower, upper) =
                    (text.bytes().any(|b| b.is_ascii_lowercase()), text.bytes().any(|b| b.is_ascii_uppercase()));
                if lower && upper { None } else { hex::decode(text).ok() }
            }
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64Url if text.ends_with('=') => URL_SAFE.decode(text).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        }
    }
}

/// A key, mixed into its hash already: each request saves two blocks of hashing.
#[derive(Clone)]
enum MacKey {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn made<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

impl MacKey {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(keyed(secret)),
            Algorithm::Sha256 => Self::Sha256(keyed(secret)),
            Algorithm::Sha512 => Self::Sha512(keyed(secret)),
        }
    }

    fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1(key) => made(key, parts),
            Self::Sha256(key) => made(key, parts),
            Self::Sha512(key) => made(key, parts),
        }
    }
}

/// The keys of one endpoint; several while one replaces another.
pub(in crate::webhooks) struct MacKeys(Box<[MacKey]>);

impl MacKeys {
    /// Keys that are the secrets as they stand. An empty secret is no key.
    pub(super) fn of_text(algorithm: Algorithm, secrets: &[Secret<String>]) -> Self {
        // Exposed only to be mixed into a hash.
        Self::of_bytes(algorithm, secrets.iter().map(|secret| secret.expose().as_bytes()))
    }

    /// Keys of bytes.
    pub(super) fn of_bytes<'a>(algorithm: Algorithm, secrets: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(secrets.filter(|secret| !secret.is_empty()).map(|secret| MacKey::new(algorithm, secret)).collect())
    }

    /// The position of the key that made one of the shown signatures over these parts.
    ///
    /// # Errors
    /// None did.
    pub(super) fn find(&self, parts: &[&[u8]], shown: &[Vec<u8>]) -> Result<KeyAt, Rejection> {
        let (mut position, mut found) = (0_u32, Choice::from(0));
        for (at, key) in (0_u32..).zip(&self.0) {
            let signature = key.sign(parts);
            let hit = shown.iter().fold(Choice::from(0), |hit, one| hit | signature.as_slice().ct_eq(one));
            position = u32::conditional_select(&position, &at, hit);
            found |= hit;
        }
        if found.into() { Ok(KeyAt(position)) } else { Err(Rejection::Mismatch) }
    }

    /// Signs with a key that was found.
    pub(in crate::webhooks) fn sign(&self, key: KeyAt, parts: &[&[u8]]) -> Vec<u8> {
        self.0.get(key.0 as usize).map_or_else(Vec::new, |key| key.sign(parts))
    }
}

/// Which of an endpoint's keys it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::webhooks) struct KeyAt(u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_has_one_spelling() {
        assert_eq!(Encoding::Hex.decode("0aff"), Some(vec![0x0a, 0xff]));
        assert_eq!(Encoding::Hex.decode("0AFF"), Some(vec![0x0a, 0xff]));
        assert_eq!(Encoding::Base64.decode("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(Encoding::Base64Url.decode("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(Encoding::Base64Url.decode("-_8"), Some(vec![0xfb, 0xff]));
        for (encoding, wrong) in [
            (Encoding::Hex, "0aFf"),
            (Encoding::Hex, "0af"),
            (Encoding::Hex, " 0aff"),
            (Encoding::Base64, "+/9="),
            (Encoding::Base64, "+/8"),
            (Encoding::Base64, "-_8="),
            (Encoding::Base64Url, "+/8="),
            (Encoding::Base64Url, "-_9"),
        ] {
            assert_eq!(encoding.decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_key_that_signed_is_found_wherever_it_stands() {
        let secrets = ["one", "two", "three"].map(|secret| Secret::new(secret.to_owned()));
        let keys = MacKeys::of_text(Algorithm::Sha256, &secrets);
        for at in 0..3 {
            let signature = keys.sign(KeyAt(at), &[b"a", b"b"]);
            assert_eq!(keys.find(&[b"ab"], &[vec![0; 32], signature.clone(), vec![]]).unwrap(), KeyAt(at));
            assert!(keys.find(&[b"ab"], &[signature[..31].to_vec()]).is_err());
        }
        assert!(keys.find(&[b"ab"], &[]).is_err());
        assert!(MacKeys::of_text(Algorithm::Sha256, &[]).find(&[b""], &[vec![]]).is_err());
    }
}
