//! Backup and restore: round trips, and every way a restore must change nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openclaw_domain::ports::{Grants, Inbox, Journal, NewToken, Packages, Tokens};
use openclaw_domain::{Role, Timestamp};
use rusqlite::Connection;

use super::grants::grant;
use super::packages::{file, install};
use super::{entry, event, home, open, tenant};
use crate::home::database;
use crate::{BackupError, IfOccupied, LockError, RestoreError, SCHEMA_VERSION, Storage, restore};

/// A home with one of everything, still open.
async fn filled(home: &Path) -> Storage {
    let storage = open(home);
    install(&storage, "acme", "say", b"one").await;
    install(&storage, "rival", "tell", b"two").await;
    storage.accept(entry("acme", "/in", Some("k"), "x")).await.unwrap();
    let token = NewToken {
        name: "ci".to_owned(),
        tenant: tenant("acme"),
        role: Role::Read,
        hash: [1; 32],
        created_at: Timestamp::from_millis(1),
        expires_at: None,
    };
    storage.create(token).await.unwrap();
    for owner in ["acme", "rival"] {
        storage.grants().put(grant(owner, "say")).await.unwrap();
    }
    storage.record(event("acme", "queued just before"));
    storage
}

/// A finished backup of such a home.
async fn backed_up(to: &Path) {
    let home = home();
    filled(home.path()).await.backup(to).await.unwrap();
}

fn is_untouched(home: &Path) -> bool {
    let left: Vec<_> = fs::read_dir(home.join("components")).map(Iterator::collect).unwrap_or_default();
    let names: Vec<_> = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let grants = names.iter().any(|name| name.to_string_lossy().contains("grants"));
    !database(home).exists() && left.is_empty() && !grants
}

#[tokio::test]
async fn a_restored_home_remembers_everything() {
    let (home, folder, fresh) = (home(), home(), home());
    let (to, fresh) = (folder.path().join("backup"), fresh.path().join("home"));
    let storage = filled(home.path()).await;
    let report = storage.backup(&to).await.unwrap();
    assert_eq!((report.schema_version, report.components, report.grants), (SCHEMA_VERSION, 2, 2));
    storage.record(event("acme", "after the backup"));

    let restored = restore(&to, &fresh, IfOccupied::Refuse).unwrap();
    assert_eq!((restored.components, restored.put_aside), (2, None));
    assert_eq!((restored.grants, restored.grants_put_aside), (2, None));
    let copy = open(&fresh);
    assert!(copy.find(&tenant("acme"), "/in", "k").await.unwrap().is_some());
    assert_eq!(copy.events_since(&tenant("acme"), 0, 10).await.unwrap().len(), 2);
    assert_eq!(Tokens::list(&copy).await.unwrap(), Tokens::list(&storage).await.unwrap());
    assert_eq!(copy.grants().all(), storage.grants().all());
    assert!(copy.grants().problems().is_empty());
    let list = Packages::list(&copy).await.unwrap();
    assert_eq!(list, Packages::list(&storage).await.unwrap());
    for skill in list {
        copy.component(skill.digest).await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_goes_into_an_empty_folder_only_and_only_with_right_components() {
    let (home, folder) = (home(), home());
    let storage = filled(home.path()).await;
    fs::write(folder.path().join("mine"), "").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(storage.backup(folder.path()).await.unwrap_err(), BackupError::NotEmpty { .. }));
    let mode = fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o755, "a folder that is refused is left as it was");

    fs::write(file(home.path(), crate::files::hash(b"one")), "evil").unwrap();
    let to = folder.path().join("backup");
    assert!(matches!(storage.backup(&to).await.unwrap_err(), BackupError::Component(_)));
    let error = restore(&to, &folder.path().join("home"), IfOccupied::Refuse).unwrap_err();
    assert!(error.to_string().contains("no finished backup"), "{error}");
}

#[tokio::test]
async fn a_backup_with_one_flipped_byte_restores_nothing() {
    let folder = home();
    let to = folder.path().join("backup");
    backed_up(&to).await;
    for path in [database(&to), file(&to, crate::files::hash(b"two")), to.join("grants/acme/say.toml")] {
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&path, bad).unwrap();
        let target = home();
        let error = restore(&to, target.path(), IfOccupied::Refuse).unwrap_err();
        assert!(matches!(&error, RestoreError::Changed { path: named, .. } if *named == path), "{error:?}");
        assert!(is_untouched(target.path()));
        fs::write(&path, good).unwrap();
    }
    restore(&to, &folder.path().join("home"), IfOccupied::Refuse).unwrap();
}

#[tokio::test]
async fn a_manifest_that_names_a_file_elsewhere_or_leaves_one_out_restores_nothing() {
    let folder = home();
    let to = folder.path().join("backup");
    backed_up(&to).await;
    fs::create_dir(to.join("grants/other")).unwrap();
    fs::copy(to.join("grants/acme/say.toml"), to.join("grants/other/say.toml")).unwrap();
    let manifest = to.join("MANIFEST.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();

    type Change = fn(&mut serde_json::Value);
    let changes: [Change; 8] = [
        |manifest| manifest["files"][3]["path"] = "grants/../say.toml".into(),
        |manifest| manifest["files"][3]["path"] = "grants/acme/../../openclaw.db".into(),
        |manifest| manifest["files"][3]["path"] = "grants/other/say.toml".into(),
        |manifest| manifest["files"][1]["path"] = "../../.ssh/authorized_keys".into(),
        |manifest| manifest["files"][1]["path"] = "components/../openclaw.db".into(),
        |manifest| drop(manifest["files"].as_array_mut().unwrap().remove(2)),
        |manifest| drop(manifest["files"].as_array_mut().unwrap().remove(0)),
        |manifest| manifest["files"][2] = manifest["files"][1].clone(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(&manifest, bad.to_string()).unwrap();
        let target = home();
        let error = restore(&to, target.path(), IfOccupied::Refuse).unwrap_err();
        assert!(matches!(error, RestoreError::NotABackup { .. }), "change {number}: {error:?}");
        assert!(is_untouched(target.path()), "change {number}");
    }
}

#[tokio::test]
async fn a_backup_of_a_newer_schema_is_refused() {
    let folder = home();
    let to = folder.path().join("backup");
    backed_up(&to).await;
    let manifest = to.join("MANIFEST.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let newer = text.replace(&format!(r#""schema_version": {SCHEMA_VERSION}"#), r#""schema_version": 99"#);
    assert_ne!(newer, text);
    fs::write(&manifest, newer).unwrap();

    let target = home();
    let error = restore(&to, target.path(), IfOccupied::PutAside).unwrap_err();
    assert!(matches!(error, RestoreError::Newer { found: 99, known: SCHEMA_VERSION, .. }), "{error:?}");
    assert!(is_untouched(target.path()));
}

#[tokio::test]
async fn a_database_that_is_there_is_put_aside_only_when_asked_and_not_while_it_is_used() {
    let (folder, home) = (home(), home());
    let to = folder.path().join("backup");
    backed_up(&to).await;
    let storage = open(home.path());
    storage.accept(entry("other", "/mine", Some("k"), "mine")).await.unwrap();

    let error = restore(&to, home.path(), IfOccupied::PutAside).unwrap_err();
    assert!(matches!(error, RestoreError::InUse(LockError::Held { .. })), "{error:?}");
    storage.close().await.unwrap();
    let error = restore(&to, home.path(), IfOccupied::Refuse).unwrap_err();
    assert!(matches!(error, RestoreError::Occupied { .. }), "{error:?}");

    // As a crash leaves it: with a WAL that would be played into any database of its name.
    fs::write(home.path().join("openclaw.db-wal"), "stale").unwrap();
    let report = restore(&to, home.path(), IfOccupied::PutAside).unwrap();
    let aside = report.put_aside.unwrap();
    let mut wal = aside.clone().into_os_string();
    wal.push("-wal");
    assert_eq!(fs::read_to_string(&wal).unwrap(), "stale");
    fs::remove_file(&wal).unwrap();
    let mine: String =
        Connection::open(&aside).unwrap().query_row("SELECT path FROM inbox", [], |row| row.get(0)).unwrap();
    assert_eq!(mine, "/mine");
    assert!(open(home.path()).find(&tenant("acme"), "/in", "k").await.unwrap().is_some());
}

#[tokio::test]
async fn only_grants_that_are_in_force_are_backed_up_and_only_those_restored_are_in_force() {
    let (folder, home) = (home(), home());
    let to = folder.path().join("backup");
    let storage = filled(home.path()).await;
    let tampered = home.path().join("grants/rival/say.toml");
    fs::set_permissions(&tampered, fs::Permissions::from_mode(0o666)).unwrap();
    let report = storage.backup(&to).await.unwrap();
    assert_eq!(report.grants, 1, "one that others could write to is not trusted by way of a backup");
    storage.grants().put(grant("acme", "later")).await.unwrap();
    storage.close().await.unwrap();
    drop(storage);

    // Grants alone make a home occupied, too.
    for name in ["openclaw.db", "openclaw.db-wal", "openclaw.db-shm"] {
        drop(fs::remove_file(home.path().join(name)));
    }
    let error = restore(&to, home.path(), IfOccupied::Refuse).unwrap_err();
    assert!(matches!(&error, RestoreError::Occupied { path } if path.ends_with("grants")), "{error:?}");
    let restored = restore(&to, home.path(), IfOccupied::PutAside).unwrap();
    assert!(restored.grants_put_aside.unwrap().join("acme/later.toml").exists());
    let storage = open(home.path());
    let in_force: Vec<_> = storage.grants().all().iter().map(|it| format!("{}/{}", it.tenant, it.skill)).collect();
    assert_eq!(in_force, ["acme/say"]);
}
