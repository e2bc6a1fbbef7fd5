//! The tokens that are known, and what each stands for.
//!
//! Invariants: tokens are compared as SHA-256 hashes, in constant time, against every known one; a session keeps only
//! what it is allowed, and that is looked up again whenever the known tokens change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use openclaw_domain::ports::NamedToken;
use openclaw_domain::{Credential, Role, TenantId, Timestamp};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Account;
use crate::settings::ServerSettings;

/// What a session is allowed, and by which token.
#[derive(Clone)]
pub(crate) struct Access {
    /// Who it is.
    pub(crate) credential: Credential,
    /// When it ends, if it does.
    pub(crate) expires_at: Option<Timestamp>,
    /// Limits and replies that all sessions of this credential share.
    pub(crate) account: Arc<Account>,
    /// SHA-256 of the token; `None` for the anonymous access of a gateway without authentication.
    hash: Option<[u8; 32]>,
}

impl Access {
    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }
}

/// Accounts by the tenant and name of their credential.
type Accounts = HashMap<(TenantId, Arc<str>), Arc<Account>>;

/// All known tokens. Reading is lock-free; a reload replaces them whole.
pub(crate) struct TokenBook {
    entries: ArcSwap<Vec<Access>>,
    accounts: Mutex<Accounts>,
    anonymous: Access,
}

impl TokenBook {
    /// A book that knows no token yet.
    pub(crate) fn new() -> Self {
        let credential = Credential { tenant: TenantId::default(), role: Role::Invoke, name: "anonymous".into() };
        let anonymous = Access { credential, expires_at: None, account: Arc::default(), hash: None };
        Self { entries: ArcSwap::default(), accounts: Mutex::default(), anonymous }
    }

    /// Replaces the known tokens.
    pub(crate) fn replace(&self, settings: &ServerSettings, named: Vec<NamedToken>) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut access = |credential: Credential, expires_at, hash| {
            let key = (credential.tenant.clone(), Arc::clone(&credential.name));
            let account = Arc::clone(accounts.entry(key).or_default());
            Access { credential, expires_at, account, hash: Some(hash) }
        };
        let mut entries = Vec::with_capacity(settings.tokens.len() + named.len());
        for configured in &settings.tokens {
            entries.push(access(configured.credential.clone(), None, sha256(configured.token.expose())));
        }
        for NamedToken { token, revoked_at } in named {
            if revoked_at.is_none() {
                let credential = Credential { tenant: token.tenant, role: token.role, name: token.name.into() };
                entries.push(access(credential, token.expires_at, token.hash));
            }
        }
        accounts.retain(|key, _| {
            entries.iter().any(|entry| entry.credential.tenant == key.0 && entry.credential.name == key.1)
        });
        self.entries.store(Arc::new(entries));
    }

    /// Whether more than one tenant has a token.
    pub(crate) fn has_many_tenants(&self) -> bool {
        let entries = self.entries.load();
        entries.iter().any(|entry| entry.credential.tenant != entries[0].credential.tenant)
    }

    /// What this token allows, if it is known and not expired.
    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Access> {
        self.find_hash(&sha256(token), now)
    }

    /// What everybody is allowed where no authentication is required.
    pub(crate) fn anonymous(&self) -> Access {
        self.anonymous.clone()
    }

    /// Whether this access still stands as it was given.
    pub(crate) fn still_stands(&self, access: &Access, settings: &ServerSettings, now: Timestamp) -> bool {
        match &access.hash {
            None => !settings.auth_required,
            Some(hash) => self.find_hash(hash, now).is_some_and(|known| known.credential == access.credential),
        }
    }

    fn find_hash(&self, hash: &[u8; 32], now: Timestamp) -> Option<Access> {
        let entries = self.entries.load();
        let mut found = None;
        for entry in entries.iter() {
            let known = entry.hash.as_ref().map_or(Choice::from(0), |known| known.ct_eq(hash));
            // No early exit: how long this takes tells how many tokens there are, and nothing else.
            if bool::from(known) {
                found = Some(entry);
            }
        }
        found.filter(|entry| !entry.is_expired(now)).cloned()
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ConfiguredToken;
    use crate::tests::fakes::{named_token, settings};
    use openclaw_domain::Secret;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn a_revoked_or_expired_token_is_unknown() {
        let book = TokenBook::new();
        let mut revoked = named_token("gone", "t-gone");
        revoked.revoked_at = Some(NOW);
        let mut expired = named_token("old", "t-old");
        expired.token.expires_at = Some(NOW);
        book.replace(&settings(), vec![revoked, expired, named_token("ci", "t-ci")]);
        let name = |token| book.find(token, NOW).map(|access| access.credential.name.to_string());
        assert_eq!([name("t-gone"), name("t-old"), name("t-ci")], [None, None, Some("ci".to_owned())]);
    }

    #[test]
    fn an_access_stands_until_its_token_is_rotated_or_its_role_changes() {
        let book = TokenBook::new();
        let mut settings = settings();
        book.replace(&settings, Vec::new());
        let access = book.find("secret", NOW).unwrap();
        assert!(book.still_stands(&access, &settings, NOW));
        settings.tokens[0].credential.role = Role::Read;
        book.replace(&settings, Vec::new());
        assert!(!book.still_stands(&access, &settings, NOW));
        let credential = settings.tokens[0].credential.clone();
        settings.tokens = vec![ConfiguredToken { token: Secret::new("rotated".to_owned()), credential }];
        book.replace(&settings, Vec::new());
        assert!(!book.still_stands(&access, &settings, NOW));
        assert!(book.find("secret", NOW).is_none() && book.find("rotated", NOW).is_some());
    }
}
