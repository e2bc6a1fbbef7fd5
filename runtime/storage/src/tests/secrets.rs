//! Secrets: sealed on disk, bound to tenant, name and machine, read anew at each use, and printed nowhere.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use openclaw_domain::ports::{SecretValue, Secrets};
use openclaw_domain::{Secret, SecretName};
use rusqlite::Connection;

use super::{home, open, tenant};
use crate::home::database;
use crate::{ConfiguredSecrets, IfOccupied, MAX_SECRET, SecretError, SecretSources, Source, Storage, restore};

const VALUE: &str = "correct-horse-battery-staple";

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(text: &str) -> SecretValue {
    Secret::new(Arc::from(text.as_bytes()))
}

async fn sealed(home: &Path) -> Storage {
    let storage = open(home);
    storage.seal_secret(&tenant("acme"), &name("token"), value(VALUE)).await.unwrap();
    storage
}

/// Every byte of every file below a folder.
fn everything(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(everything(&path)),
            false => all.extend(fs::read(&path).unwrap()),
        }
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// An error as the log prints it, causes too.
fn said(error: &dyn Error) -> String {
    let mut text = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error}"));
        cause = error.source();
    }
    text
}

fn sources(storage: &Storage, configured: &[(&str, Source)]) -> SecretSources {
    let configured = configured.iter().map(|(of, source)| ((tenant("acme"), name(of)), source.clone()));
    SecretSources::new(storage.clone(), configured.collect())
}

#[tokio::test]
async fn a_sealed_value_is_nowhere_on_disk_and_opens_after_a_restart() {
    let home = home();
    let storage = sealed(home.path()).await;
    storage.close().await.unwrap();
    assert!(!holds(&everything(home.path()), VALUE));

    let storage = open(home.path());
    let opened = storage.open_secret(&tenant("acme"), &name("token")).await.unwrap().unwrap();
    assert_eq!(opened.expose()[..], *VALUE.as_bytes());
    assert!(storage.open_secret(&tenant("rival"), &name("token")).await.unwrap().is_none());
    assert!(storage.open_secret(&tenant("acme"), &name("other")).await.unwrap().is_none());

    storage.seal_secret(&tenant("acme"), &name("token"), value("newer")).await.unwrap();
    let listed = storage.list_secrets(&tenant("acme")).await.unwrap();
    assert_eq!(listed.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["token"]);
    let opened = storage.open_secret(&tenant("acme"), &name("token")).await.unwrap().unwrap();
    assert_eq!(opened.expose()[..], *b"newer");
    assert!(storage.remove_secret(&tenant("acme"), &name("token")).await.unwrap());
    assert!(!storage.remove_secret(&tenant("acme"), &name("token")).await.unwrap());
    assert!(storage.open_secret(&tenant("acme"), &name("token")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_sealed_value_that_was_moved_or_changed_does_not_open() {
    let home = home();
    let storage = sealed(home.path()).await;
    storage.seal_secret(&tenant("acme"), &name("flipped"), value(VALUE)).await.unwrap();
    let conn = Connection::open(database(home.path())).unwrap();
    let mut bytes: Vec<u8> =
        conn.query_row("SELECT sealed FROM secrets WHERE name = 'flipped'", [], |row| row.get(0)).unwrap();
    bytes[3] ^= 1;
    conn.execute("UPDATE secrets SET sealed = ?1 WHERE name = 'flipped'", [bytes]).unwrap();
    conn.execute_batch(
        "INSERT INTO secrets SELECT 'rival', name, key_id, nonce, sealed, created_at FROM secrets
                 WHERE name = 'token';
             INSERT INTO secrets SELECT tenant, 'other', key_id, nonce, sealed, created_at FROM secrets
                 WHERE tenant = 'acme' AND name = 'token';",
    )
    .unwrap();
    for (owner, of) in [("rival", "token"), ("acme", "other"), ("acme", "flipped")] {
        let error = storage.open_secret(&tenant(owner), &name(of)).await.unwrap_err();
        assert!(matches!(error, SecretError::Changed { .. }), "{owner}/{of}: {error:?}");
        assert!(error.to_string().contains(&format!("openclaw secrets set {of} --tenant {owner}")), "{error}");
    }
    assert!(storage.open_secret(&tenant("acme"), &name("token")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_backup_holds_sealed_values_only_and_another_machine_cannot_open_them() {
    let (home, folder) = (home(), home());
    let to = folder.path().join("backup");
    let storage = sealed(home.path()).await;
    storage.backup(&to).await.unwrap();
    let key = fs::read(home.path().join("machine.key")).unwrap();
    let backup = everything(&to);
    assert!(!holds(&backup, VALUE) && !backup.windows(key.len()).any(|window| window == key));

    let fresh = folder.path().join("home");
    restore(&to, &fresh, IfOccupied::Refuse).unwrap();
    let copy = open(&fresh);
    let refused = async || copy.open_secret(&tenant("acme"), &name("token")).await.unwrap_err();
    let error = refused().await;
    assert!(matches!(error, SecretError::OtherMachine { .. }), "without a key: {error:?}");
    copy.seal_secret(&tenant("acme"), &name("new"), value("x")).await.unwrap();
    let error = refused().await;
    assert!(error.to_string().contains("sealed under the key of another machine"), "{error}");

    // The same home with its key put back opens again.
    fs::write(fresh.join("machine.key"), key).unwrap();
    assert!(copy.open_secret(&tenant("acme"), &name("token")).await.unwrap().is_some());
}

#[tokio::test]
async fn the_configuration_says_where_a_secret_is_before_the_sealed_store_does() {
    let home = home();
    let storage = sealed(home.path()).await;
    let file = home.path().join("token.txt");
    fs::write(&file, "from-a-file\r\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let secrets = sources(
        &storage,
        &[
            ("token", Source::File(file.clone())),
            ("path", Source::Env("PATH".to_owned())),
            ("unset", Source::Env("OPENCLAW_A_VARIABLE_NOBODY_SETS".to_owned())),
            ("gone", Source::File(home.path().join("nothing"))),
            ("sealed", Source::Sealed),
        ],
    );
    let acme = tenant("acme");
    let found =
        async |of: &str| secrets.value(&acme, &name(of)).await.map(|found| found.map(|it| it.expose().to_vec()));
    assert_eq!(found("token").await.unwrap().as_deref(), Some(&b"from-a-file"[..]));
    assert_eq!(found("path").await.unwrap().unwrap(), std::env::var("PATH").unwrap().into_bytes());
    assert_eq!(found("unset").await.unwrap(), None);
    assert_eq!(found("sealed").await.unwrap(), None);
    assert!(found("gone").await.is_err());
    assert!(!secrets.exists(&tenant("rival"), &name("token")).await.unwrap(), "secrets are a tenant's own");
    assert_eq!(secrets.configured(&acme).len(), 5);

    // Read anew at each use; an empty file is no secret.
    for (text, expected) in [("newer\n", Some(&b"newer"[..])), ("", None), ("\n", None), ("a\n\n", Some(b"a\n"))] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, text).unwrap();
        assert_eq!(found("token").await.unwrap().as_deref(), expected, "{text:?}");
    }
    secrets.configure(ConfiguredSecrets::new());
    assert_eq!(found("token").await.unwrap().as_deref(), Some(VALUE.as_bytes()), "the sealed one");
}

#[tokio::test]
async fn a_file_that_others_may_read_or_that_is_none_is_refused_with_what_to_do() {
    let home = home();
    let storage = open(home.path());
    let (file, link) = (home.path().join("token.txt"), home.path().join("link"));
    fs::write(&file, VALUE).unwrap();
    symlink(&file, &link).unwrap();
    let secrets = sources(&storage, &[("token", Source::File(link)), ("folder", Source::File(home.path().to_owned()))]);
    let refused = async |of: &str| secrets.read(&tenant("acme"), &name(of)).await.unwrap_err().to_string();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let error = refused("token").await;
        assert!(error.contains("run `chmod 600 ") && error.contains(&format!("{mode:o}")), "{error}");
    }
    assert!(refused("folder").await.contains("no regular file"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(secrets.exists(&tenant("acme"), &name("token")).await.unwrap(), "a link to a closed file is fine");
    fs::write(&file, "x".repeat(MAX_SECRET)).unwrap();
    assert!(secrets.exists(&tenant("acme"), &name("token")).await.unwrap());
    fs::write(&file, "x".repeat(MAX_SECRET + 3)).unwrap();
    assert!(refused("token").await.contains("use 1 to 65536"));
    for length in [0, MAX_SECRET + 1] {
        let long = value(&"x".repeat(length));
        let error = storage.seal_secret(&tenant("acme"), &name("long"), long).await.unwrap_err();
        assert!(matches!(error, SecretError::Length { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_hmac_is_the_one_of_rfc_4231_and_of_no_secret_there_is_none() {
    let home = home();
    let storage = open(home.path());
    storage.seal_secret(&tenant("acme"), &name("key"), value("Jefe")).await.unwrap();
    let secrets = sources(&storage, &[]);
    let message = bytes::Bytes::from_static(b"what do ya want for nothing?");
    let mac = secrets.hmac_sha256(&tenant("acme"), &name("key"), message.clone()).await.unwrap().unwrap();
    assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_eq!(secrets.hmac_sha256(&tenant("rival"), &name("key"), message).await.unwrap(), None);
}

#[tokio::test]
async fn no_value_is_in_a_debug_output_or_an_error() {
    let home = home();
    let storage = sealed(home.path()).await;
    let file = home.path().join("token.txt");
    fs::write(&file, VALUE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let secrets = sources(&storage, &[("open", Source::File(file.clone()))]);
    let acme = tenant("acme");
    let mut texts = vec![format!("{secrets:?}")];
    texts.push(format!("{:?}", secrets.value(&acme, &name("token")).await.unwrap()));
    texts.push(said(&secrets.read(&acme, &name("open")).await.unwrap_err()));
    texts.push(said(&secrets.value(&acme, &name("open")).await.unwrap_err()));
    let long = value(&VALUE.repeat(3000));
    texts.push(said(&storage.seal_secret(&acme, &name("long"), long).await.unwrap_err()));
    Connection::open(database(home.path())).unwrap().execute("UPDATE secrets SET nonce = x'00'", []).unwrap();
    texts.push(said(&secrets.value(&acme, &name("token")).await.unwrap_err()));
    fs::write(home.path().join("machine.key"), VALUE).unwrap();
    texts.push(said(&secrets.value(&acme, &name("token")).await.unwrap_err()));
    for text in texts {
        assert!(!text.contains("correct") && !text.contains("staple"), "{text}");
    }
}
