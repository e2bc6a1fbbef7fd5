//! Comparing what a sender shows with what is configured, without telling how near it came.
//!
//! Invariant: the time of a comparison depends on nothing but the length of what was shown. Both sides are hashed
//! first, so neither a common prefix nor the length of the secret can be measured, and every secret is compared.

use openclaw_domain::Secret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The secrets of one endpoint, as hashes; several while one is replaced by another.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretSet(Box<[[u8; 32]]>);

impl SecretSet {
    /// The hashes of these secrets. An empty secret is no secret.
    pub(super) fn new(secrets: &[Secret<String>]) -> Self {
        // Exposed only to be hashed.
        Self(secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty()).map(hash).collect())
    }

    /// A set that nothing matches, and that takes as long to say so as a set of one secret.
    pub(super) fn decoy() -> Self {
        Self(Box::new([[0; 32]]))
    }

    /// Whether one of the secrets was shown. An empty set refuses everything.
    pub(super) fn matches(&self, shown: &[u8]) -> bool {
        let shown = hash(shown);
        self.0.iter().fold(Choice::from(0), |found, secret| found | secret.ct_eq(&shown)).into()
    }
}

fn hash(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_each_of_its_secrets_and_nothing_else() {
        let set = SecretSet::new(&[Secret::new("old-secret".to_owned()), Secret::new("new-secret".to_owned())]);
        assert!(set.matches(b"old-secret") && set.matches(b"new-secret"));
        for wrong in ["", "old", "old-secret2", "NEW-SECRET", "old-secretnew-secret"] {
            assert!(!set.matches(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn an_empty_set_an_empty_secret_and_the_decoy_match_nothing() {
        for set in [SecretSet::new(&[]), SecretSet::new(&[Secret::new(String::new())]), SecretSet::decoy()] {
            assert!(!set.matches(b"") && !set.matches(b"anything") && !set.matches(&[0; 32]));
        }
    }
}
