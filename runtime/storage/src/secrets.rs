//! Where the values of secrets come from: the environment, files, and the sealed store, as the configuration says.
//!
//! A value is read anew at each use, so that one that was changed counts from then on.
//! Invariant: no value is in a `Debug` output, an error or the log; what is read into memory of ours on the way is wiped.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use openclaw_domain::ports::{SecretValue, Secrets};
use openclaw_domain::{Refusal, Secret, SecretName, TenantId};
use rustix::fs::OFlags;
use sha2::Sha256;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::sealed::system;
use crate::{IoFailure, MAX_SECRET, SecretError, Storage};

/// Where the value of one secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this variable of the gateway's environment.
    Env(String),
    /// In this file, which only its owner may read; a newline at its end is no part of the value.
    File(PathBuf),
    /// In the sealed store, where those are, too, of which the configuration says nothing.
    Sealed,
}

/// What the configuration says of secrets.
pub type ConfiguredSecrets = HashMap<(TenantId, SecretName), Source>;

/// The secrets of all tenants: those the configuration names first, then the sealed store.
///
/// A secret the configuration names is only there: a file that is missing never lets an older sealed value through.
pub struct SecretSources {
    storage: Storage,
    configured: ArcSwap<ConfiguredSecrets>,
}

impl SecretSources {
    /// The secrets of a configuration and of a storage.
    pub fn new(storage: Storage, configured: ConfiguredSecrets) -> Self {
        Self { storage, configured: ArcSwap::from_pointee(configured) }
    }

    /// Replaces what the configuration says. Uses that began before end with what it said then.
    pub fn configure(&self, configured: ConfiguredSecrets) {
        self.configured.store(Arc::new(configured));
    }

    /// The secrets of a tenant that the configuration names, by name.
    pub fn configured(&self, tenant: &TenantId) -> Vec<(SecretName, Source)> {
        let configured = self.configured.load();
        let mut names: Vec<_> = configured
            .iter()
            .filter(|((owner, _), _)| owner == tenant)
            .map(|((_, name), source)| (name.clone(), source.clone()))
            .collect();
        names.sort_by(|one, other| one.0.cmp(&other.0));
        names
    }

    /// The value of a secret; `None` if it has none. As [`Secrets::value`], with an error that says what to do.
    pub async fn read(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, SecretError> {
        read(&self.storage, self.source(tenant, name), tenant, name).await
    }

    fn source(&self, tenant: &TenantId, name: &SecretName) -> Source {
        self.configured.load().get(&(tenant.clone(), name.clone())).cloned().unwrap_or(Source::Sealed)
    }
}

async fn read(
    storage: &Storage,
    source: Source,
    tenant: &TenantId,
    name: &SecretName,
) -> Result<Option<SecretValue>, SecretError> {
    match source {
        Source::Sealed => storage.open_secret(tenant, name).await,
        Source::Env(variable) => {
            let value = std::env::var_os(variable).map(|value| Zeroizing::new(value.as_bytes().to_vec()));
            checked(name, value.as_ref().map_or(&[], |value| &value[..]))
        }
        Source::File(path) => {
            let of = name.clone();
            let read = tokio::task::spawn_blocking(move || read_file(&of, &path));
            read.await.map_err(|error| system(name, error))?
        }
    }
}

/// A value that is there and not too long. An empty one is none: as the key of an HMAC it would be no secret.
fn checked(name: &SecretName, value: &[u8]) -> Result<Option<SecretValue>, SecretError> {
    match value.len() {
        0 => Ok(None),
        length if length > MAX_SECRET => Err(SecretError::Length { name: name.clone(), length }),
        _ => Ok(Some(Secret::new(Arc::from(value)))),
    }
}

fn read_file(name: &SecretName, path: &Path) -> Result<Option<SecretValue>, SecretError> {
    // Without O_NONBLOCK, opening a pipe would wait for somebody who writes.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let file = file.map_err(IoFailure::when("open", path))?;
    let about = file.metadata().map_err(IoFailure::when("read", path))?;
    let shown = || path.display().to_string();
    if !about.is_file() {
        return Err(SecretError::NotAFile { name: name.clone(), path: shown() });
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::OpenToOthers { name: name.clone(), path: shown(), mode });
    }
    // Room for all of it at once: a buffer that grows leaves copies behind that nobody wipes.
    let most = MAX_SECRET + 3;
    let mut value = Zeroizing::new(Vec::with_capacity(most));
    file.take(most as u64).read_to_end(&mut value).map_err(IoFailure::when("read", path))?;
    let trimmed = value.strip_suffix(b"\n").unwrap_or(&value[..]);
    checked(name, trimmed.strip_suffix(b"\r").filter(|_| trimmed.len() < value.len()).unwrap_or(trimmed))
}

#[async_trait]
impl Secrets for SecretSources {
    async fn value(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        self.read(tenant, name).await.map_err(Refusal::internal)
    }

    async fn exists(&self, tenant: &TenantId, name: &SecretName) -> Result<bool, Refusal> {
        Ok(self.value(tenant, name).await?.is_some())
    }

    async fn hmac_sha256(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        message: Bytes,
    ) -> Result<Option<[u8; 32]>, Refusal> {
        let (storage, source) = (self.storage.clone(), self.source(tenant, name));
        let (tenant, name) = (tenant.clone(), name.clone());
        // A task of its own: whoever polls this may be a guest's fiber, and the key must not be near its stack.
        let mut task = JoinSet::new();
        task.spawn(async move {
            let value = read(&storage, source, &tenant, &name).await?;
            Ok::<_, SecretError>(value.map(|value| {
                let mut mac = Hmac::<Sha256>::new_from_slice(value.expose()).expect("HMAC takes a key of any length");
                mac.update(&message);
                mac.finalize().into_bytes().into()
            }))
        });
        match task.join_next().await {
            Some(computed) => computed.map_err(Refusal::internal)?.map_err(Refusal::internal),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretSources").field("configured", &self.configured.load().len()).finish_non_exhaustive()
    }
}
