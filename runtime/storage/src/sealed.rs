//! The sealed store: values of secrets, encrypted under a key of this machine that is not in the database.
//!
//! XChaCha20-Poly1305 with a random nonce, the key derived from `machine.key`; tenant and name are the associated data.
//! Invariant: a value is in the clear only in the memory of whoever set or uses it; a row that was moved to another
//! tenant or name, or changed, does not open.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use openclaw_domain::ports::SecretValue;
use openclaw_domain::{Refusal, Secret, SecretName, TenantId, Timestamp};
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::machine_key::MachineKey;
use crate::rows::parsed;
use crate::{IoFailure, Storage};

/// Bytes of the longest value a secret may have: 64 KiB. A private key in PEM is some 3 KiB.
pub const MAX_SECRET: usize = 64 << 10;

/// Why a secret has no value to use although it should. Says nothing of any value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It was sealed on another machine, or the key it was sealed under is gone.
    #[error(
        "secret `{name}` of tenant `{tenant}` was sealed under the key of another machine, which no backup holds: set it \
         again with `{}`",
        set_command(.tenant, .name)
    )]
    OtherMachine {
        /// Whose.
        tenant: TenantId,
        /// Which.
        name: SecretName,
    },
    /// The row is not what it was when it was sealed.
    #[error(
        "the sealed value of secret `{name}` of tenant `{tenant}` was changed or moved: set it again with `{}`",
        set_command(.tenant, .name)
    )]
    Changed {
        /// Whose.
        tenant: TenantId,
        /// Which.
        name: SecretName,
    },
    /// The value is empty, or longer than [`MAX_SECRET`].
    #[error("the value of secret `{name}` is {length} bytes long: use 1 to {MAX_SECRET}")]
    Length {
        /// Which.
        name: SecretName,
        /// How long it is; of a file, at least.
        length: usize,
    },
    /// The file may be read by others than its owner.
    #[error(
        "the file of secret `{name}`, `{path}`, may be read by other users (mode {mode:03o}): run `chmod 600 {path}`"
    )]
    OpenToOthers {
        /// Which.
        name: SecretName,
        /// Its file.
        path: String,
        /// The file's permissions.
        mode: u32,
    },
    /// What stands where the file should be is a folder, a pipe or a device.
    #[error("the file of secret `{name}`, `{path}`, is no regular file: name one that holds only the value")]
    NotAFile {
        /// Which.
        name: SecretName,
        /// Its path.
        path: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The operating system gave no random bytes, or a task was stopped.
    #[error("secret `{name}` cannot be used now")]
    System {
        /// Which.
        name: SecretName,
        /// Why.
        #[source]
        source: openclaw_domain::BoxError,
    },
    /// The database could not be read or written.
    #[error(transparent)]
    Storage(#[from] Refusal),
}

fn set_command(tenant: &TenantId, name: &SecretName) -> String {
    match *tenant == TenantId::default() {
        true => format!("openclaw secrets set {name}"),
        false => format!("openclaw secrets set {name} --tenant {tenant}"),
    }
}

/// A secret in the sealed store, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Its name.
    pub name: SecretName,
    /// When its value was set.
    pub created_at: Timestamp,
}

impl Storage {
    /// Seals a value, replacing the one of the same tenant and name; on disk when this returns.
    pub async fn seal_secret(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<(), SecretError> {
        let length = value.expose().len();
        if length == 0 || length > MAX_SECRET {
            return Err(SecretError::Length { name: name.clone(), length });
        }
        let (of, home) = ((tenant.clone(), name.clone()), self.inner.home.clone());
        let sealed = tokio::task::spawn_blocking(move || {
            let key = MachineKey::read_or_make(&home)?;
            seal(&key, &of.0, &of.1, &value)
        });
        let Sealed { key_id, nonce, sealed } = sealed.await.map_err(|error| system(name, error))??;
        let (tenant, name, at) = (tenant.clone(), name.clone(), self.inner.clock.now());
        self.write(move |conn| {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO secrets (tenant, name, key_id, nonce, sealed, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![tenant.as_str(), name.as_str(), key_id, nonce, sealed, at.as_millis()])
            .map(drop)
        })
        .await
        .map_err(SecretError::Storage)
    }

    /// Opens a sealed value; `None` if there is none under this name.
    pub async fn open_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, SecretError> {
        let (of, home) = ((tenant.clone(), name.clone()), self.inner.home.clone());
        let found = self
            .inner
            .readers
            .read(move |conn| {
                let (tenant, name) = &of;
                let sealed = conn
                    .prepare_cached("SELECT key_id, nonce, sealed FROM secrets WHERE tenant = ?1 AND name = ?2")?
                    .query_row([tenant.as_str(), name.as_str()], |row| {
                        Ok(Sealed { key_id: row.get(0)?, nonce: row.get(1)?, sealed: row.get(2)? })
                    })
                    .optional()?;
                // Here, on the blocking thread: the key's file is read for each use.
                Ok(sealed.map(|sealed| match MachineKey::read(&home)? {
                    Some(key) => open(&key, tenant, name, &sealed),
                    None => Err(SecretError::OtherMachine { tenant: tenant.clone(), name: name.clone() }),
                }))
            })
            .await?;
        found.transpose()
    }

    /// The sealed secrets of a tenant, by name.
    pub async fn list_secrets(&self, tenant: &TenantId) -> Result<Vec<SealedSecret>, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached("SELECT name, created_at FROM secrets WHERE tenant = ?1 ORDER BY name")?
                    .query_map([tenant.as_str()], |row| {
                        Ok(SealedSecret { name: parsed(row, 0)?, created_at: Timestamp::from_millis(row.get(1)?) })
                    })?
                    .collect()
            })
            .await
    }

    /// Forgets a sealed secret; `false` if there was none.
    pub async fn remove_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<bool, Refusal> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.write(move |conn| {
            let removed = conn
                .prepare_cached("DELETE FROM secrets WHERE tenant = ?1 AND name = ?2")?
                .execute([tenant.as_str(), name.as_str()])?;
            Ok(removed > 0)
        })
        .await
    }
}

/// The columns of a sealed value.
struct Sealed {
    key_id: Vec<u8>,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
}

const KEY: &str = "openclaw sealed secrets, version 1: key";
const KEY_ID: &str = "openclaw sealed secrets, version 1: name of the key";

fn key_id(key: &MachineKey) -> [u8; 8] {
    let id = key.derive(KEY_ID);
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    first
}

/// What a sealed value is bound to. Neither name can hold a NUL.
fn bound_to(tenant: &TenantId, name: &SecretName) -> Vec<u8> {
    format!("{tenant}\0{name}").into_bytes()
}

fn cipher(key: &MachineKey) -> XChaCha20Poly1305 {
    let key = key.derive(KEY);
    XChaCha20Poly1305::new_from_slice(&key[..]).expect("a derived key has the cipher's 32 bytes")
}

fn seal(key: &MachineKey, tenant: &TenantId, name: &SecretName, value: &SecretValue) -> Result<Sealed, SecretError> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(|error| system(name, std::io::Error::other(error)))?;
    let payload = Payload { msg: value.expose(), aad: &bound_to(tenant, name) };
    let sealed = cipher(key).encrypt(&XNonce::from(nonce), payload).expect("64 KiB are within what can be sealed");
    Ok(Sealed { key_id: key_id(key).to_vec(), nonce: nonce.to_vec(), sealed })
}

fn open(key: &MachineKey, tenant: &TenantId, name: &SecretName, sealed: &Sealed) -> Result<SecretValue, SecretError> {
    let (tenant, name) = (tenant.clone(), name.clone());
    if sealed.key_id != key_id(key) {
        return Err(SecretError::OtherMachine { tenant, name });
    }
    let payload = Payload { msg: &sealed.sealed[..], aad: &bound_to(&tenant, &name) };
    let opened = <[u8; 24]>::try_from(&sealed.nonce[..])
        .ok()
        .and_then(|nonce| cipher(key).decrypt(&XNonce::from(nonce), payload).ok())
        .map(Zeroizing::new);
    match opened {
        Some(value) => Ok(Secret::new(Arc::from(&value[..]))),
        None => Err(SecretError::Changed { tenant, name }),
    }
}

/// What the system would not do.
pub(crate) fn system(name: &SecretName, error: impl Into<openclaw_domain::BoxError>) -> SecretError {
    SecretError::System { name: name.clone(), source: error.into() }
}
