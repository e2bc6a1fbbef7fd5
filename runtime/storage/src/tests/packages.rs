//! Component files and what is installed: bytes verified on reading, files shared, rows by tenant.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openclaw_domain::ports::Packages;
use openclaw_domain::{
    Capability, CapabilityRequest, Digest, HeldUpgrade, Installed, Powers, Refusal, Timestamp, ToolHints, ToolSpec,
    World,
};

use super::{home, open, tenant};
use crate::{Storage, StorageError, files};

pub(super) fn installed(owner: &str, name: &str, bytes: &[u8]) -> Installed {
    Installed {
        tenant: tenant(owner),
        name: name.parse().unwrap(),
        digest: files::hash(bytes),
        version: "1.2.3".to_owned(),
        description: "Says things.".to_owned(),
        world: World::Skill,
        imports: vec!["openclaw:gateway/log@0.1.0".to_owned()],
        requests: vec![CapabilityRequest {
            capability: Capability::Http,
            reason: "asks the service how it is".to_owned(),
            wants: Powers {
                http: BTreeSet::from(["GET https://*.example.com/**".parse().unwrap()]),
                private: BTreeSet::from(["http://127.0.0.1:8080".parse().unwrap()]),
                kv: BTreeSet::from(["state".to_owned()]),
                secrets: BTreeSet::from(["key for hmac".parse().unwrap(), "t for https://a.b".parse().unwrap()]),
                config: BTreeSet::from(["*".to_owned()]),
                events: BTreeSet::from(["changed".to_owned()]),
            },
        }],
        settings: r#"{"url":"http://127.0.0.1"}"#.to_owned(),
        tools: vec![ToolSpec {
            name: "say".parse().unwrap(),
            title: Some("Say".to_owned()),
            description: "Says one thing.".to_owned(),
            input_schema: r#"{"type":"object"}"#.to_owned(),
            output_schema: None,
            hints: ToolHints { read_only: true, destructive: false, idempotent: true, open_world: false },
        }],
        enabled: true,
        bundled: false,
        size: bytes.len() as u64,
        installed_at: Timestamp::from_millis(4),
    }
}

pub(super) async fn install(storage: &Storage, owner: &str, name: &str, bytes: &'static [u8]) -> Digest {
    let row = installed(owner, name, bytes);
    let digest = row.digest;
    storage.put_component(digest, Bytes::from_static(bytes)).await.unwrap();
    storage.put(row).await.unwrap();
    digest
}

pub(super) fn file(home: &Path, digest: Digest) -> PathBuf {
    home.join("components").join(format!("{}.wasm", digest.to_hex()))
}

fn cause(refusal: &Refusal) -> &StorageError {
    refusal.source().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn what_was_installed_is_there_after_a_restart() {
    let home = home();
    let storage = open(home.path());
    let digest = install(&storage, "rival", "say", b"one").await;
    install(&storage, "acme", "tell", b"two").await;
    install(&storage, "acme", "say", b"one").await;
    let transform = Installed {
        world: World::IngressTransform,
        tools: Vec::new(),
        imports: Vec::new(),
        enabled: false,
        bundled: true,
        ..installed("acme", "tell", b"two")
    };
    storage.put(transform.clone()).await.unwrap();
    storage.close().await.unwrap();

    let storage = open(home.path());
    assert_eq!(
        Packages::list(&storage).await.unwrap(),
        [installed("acme", "say", b"one"), transform, installed("rival", "say", b"one")]
    );
    assert_eq!(storage.component(digest).await.unwrap(), b"one"[..]);
}

#[tokio::test]
async fn a_component_file_that_was_changed_is_never_handed_out() {
    let home = home();
    let storage = open(home.path());
    let digest = install(&storage, "acme", "say", b"good bytes").await;
    fs::write(file(home.path(), digest), b"evil bytes").unwrap();

    let refusal = storage.component(digest).await.unwrap_err();
    let evil = files::hash(b"evil bytes");
    assert!(matches!(cause(&refusal), StorageError::ComponentChanged { found, .. } if *found == evil), "{refusal:?}");

    storage.put_component(digest, Bytes::from_static(b"good bytes")).await.unwrap();
    assert_eq!(storage.component(digest).await.unwrap(), b"good bytes"[..], "installing again puts it right");
    fs::remove_file(file(home.path(), digest)).unwrap();
    let refusal = storage.component(digest).await.unwrap_err();
    assert!(matches!(cause(&refusal), StorageError::ComponentMissing { .. }), "{refusal:?}");
}

#[tokio::test]
async fn bytes_that_do_not_hash_to_their_digest_are_not_kept() {
    let home = home();
    let storage = open(home.path());
    let digest = files::hash(b"said");
    let refusal = storage.put_component(digest, Bytes::from_static(b"done")).await.unwrap_err();
    assert!(matches!(cause(&refusal), StorageError::ComponentChanged { .. }), "{refusal:?}");
    assert!(!file(home.path(), digest).exists());
}

#[tokio::test]
async fn a_file_goes_with_the_last_row_that_names_it() {
    let home = home();
    let storage = open(home.path());
    let digest = install(&storage, "acme", "say", b"one").await;
    install(&storage, "rival", "say", b"one").await;
    let name = "say".parse().unwrap();

    assert!(storage.remove(&tenant("acme"), &name).await.unwrap());
    assert!(!storage.remove(&tenant("acme"), &name).await.unwrap());
    assert!(file(home.path(), digest).exists());
    assert!(storage.remove(&tenant("rival"), &name).await.unwrap());
    assert!(!file(home.path(), digest).exists());
}

#[tokio::test]
async fn a_file_about_to_be_installed_is_not_removed_under_the_install() {
    let home = home();
    let storage = open(home.path());
    let digest = install(&storage, "acme", "say", b"one").await;
    storage.put_component(digest, Bytes::from_static(b"one")).await.unwrap();
    storage.remove(&tenant("acme"), &"say".parse().unwrap()).await.unwrap();
    storage.put(installed("rival", "say", b"one")).await.unwrap();
    assert_eq!(storage.component(digest).await.unwrap(), b"one"[..]);
}

#[tokio::test]
async fn files_nothing_uses_are_gone_after_the_next_start() {
    let home = home();
    let storage = open(home.path());
    let old = install(&storage, "acme", "say", b"old").await;
    let new = install(&storage, "acme", "say", b"new").await;
    assert!(file(home.path(), old).exists(), "calls of the old version may be in flight");
    let foreign = home.path().join("components/README");
    let unfinished = home.path().join("components/.x.wasm.1-0.tmp");
    fs::write(&foreign, "").unwrap();
    fs::write(&unfinished, "").unwrap();
    storage.close().await.unwrap();

    drop(open(home.path()));
    assert!(!file(home.path(), old).exists());
    assert!(!unfinished.exists());
    assert!(file(home.path(), new).exists());
    assert!(foreign.exists());
}

/// Keeps an upgrade waiting, its file first.
async fn hold(storage: &Storage, owner: &str, name: &str, bytes: &'static [u8]) -> HeldUpgrade {
    let held = HeldUpgrade {
        upgrade: installed(owner, name, bytes),
        new_imports: vec!["wasi:http/outgoing-handler@0.2.0".to_owned()],
        new_requests: vec!["http: asks the service how it is".to_owned()],
    };
    storage.put_component(held.upgrade.digest, Bytes::from_static(bytes)).await.unwrap();
    storage.hold(held.clone()).await.unwrap();
    held
}

#[tokio::test]
async fn an_upgrade_that_waits_is_kept_with_its_file_until_it_is_released() {
    let home = home();
    let storage = open(home.path());
    let old = install(&storage, "acme", "say", b"old").await;
    let first = hold(&storage, "acme", "say", b"new").await;
    assert_eq!(storage.held().await.unwrap(), std::slice::from_ref(&first));

    let second = hold(&storage, "acme", "say", b"newer").await;
    assert!(!file(home.path(), first.upgrade.digest).exists(), "the one it replaced goes");
    storage.close().await.unwrap();
    drop(storage);

    let storage = open(home.path());
    assert_eq!(storage.held().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(storage.component(second.upgrade.digest).await.unwrap(), b"newer"[..]);
    assert_eq!(storage.list().await.unwrap()[0].digest, old, "what is installed serves on");

    let name = "say".parse().unwrap();
    storage.put(second.upgrade.clone()).await.unwrap();
    assert!(storage.release(&tenant("acme"), &name).await.unwrap());
    assert!(!storage.release(&tenant("acme"), &name).await.unwrap());
    assert_eq!(storage.component(second.upgrade.digest).await.unwrap(), b"newer"[..], "it is installed now");
    assert!(storage.held().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_backup_holds_the_file_of_an_upgrade_that_waits() {
    let (home, folder) = (home(), home());
    let storage = open(home.path());
    let held = hold(&storage, "acme", "say", b"new").await;
    storage.backup(&folder.path().join("backup")).await.unwrap();
    let fresh = folder.path().join("home");
    crate::restore(&folder.path().join("backup"), &fresh, crate::IfOccupied::Refuse).unwrap();
    let copy = open(&fresh);
    assert_eq!(copy.held().await.unwrap(), std::slice::from_ref(&held));
    assert_eq!(copy.component(held.upgrade.digest).await.unwrap(), b"new"[..]);
}
