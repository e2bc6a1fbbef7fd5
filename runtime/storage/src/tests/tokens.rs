//! Named tokens: kept, listed, revoked once.

use std::time::Duration;

use openclaw_domain::ports::{NamedToken, NewToken, Tokens};
use openclaw_domain::{Code, Role, Timestamp};

use super::{home, open, tenant};

fn token(owner: &str, name: &str, number: u8) -> NewToken {
    let created_at = Timestamp::from_millis(i64::from(number));
    NewToken {
        name: name.to_owned(),
        tenant: tenant(owner),
        role: Role::Invoke,
        hash: [number; 32],
        created_at,
        expires_at: number.is_multiple_of(2).then(|| created_at.plus(Duration::from_secs(1))),
    }
}

#[tokio::test]
async fn tokens_are_listed_oldest_first_over_restarts() {
    let home = home();
    let storage = open(home.path());
    for (owner, name, number) in [("acme", "ci", 2), ("rival", "ci", 3), ("acme", "phone", 1)] {
        storage.create(token(owner, name, number)).await.unwrap();
    }
    assert!(storage.revoke(&tenant("rival"), "ci", Timestamp::from_millis(9)).await.unwrap());
    storage.close().await.unwrap();

    let listed = Tokens::list(&open(home.path())).await.unwrap();
    let kept =
        |token, revoked_at: Option<i64>| NamedToken { token, revoked_at: revoked_at.map(Timestamp::from_millis) };
    assert_eq!(
        listed,
        [
            kept(token("acme", "phone", 1), None),
            kept(token("acme", "ci", 2), None),
            kept(token("rival", "ci", 3), Some(9)),
        ]
    );
}

#[tokio::test]
async fn a_name_is_taken_even_by_a_revoked_token() {
    let home = home();
    let storage = open(home.path());
    storage.create(token("acme", "ci", 1)).await.unwrap();
    storage.revoke(&tenant("acme"), "ci", Timestamp::from_millis(2)).await.unwrap();
    let refusal = storage.create(token("acme", "ci", 3)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidRequest);
    assert_eq!(refusal.to_string(), "`name` `ci` is taken by another token: choose another name");
}

#[tokio::test]
async fn a_token_is_revoked_once_and_only_by_its_own_tenant() {
    let home = home();
    let storage = open(home.path());
    storage.create(token("acme", "ci", 1)).await.unwrap();
    let at = Timestamp::from_millis(7);
    assert!(!storage.revoke(&tenant("rival"), "ci", at).await.unwrap());
    assert!(!storage.revoke(&tenant("acme"), "other", at).await.unwrap());
    assert!(storage.revoke(&tenant("acme"), "ci", at).await.unwrap());
    assert!(!storage.revoke(&tenant("acme"), "ci", Timestamp::from_millis(8)).await.unwrap());
    assert_eq!(Tokens::list(&storage).await.unwrap()[0].revoked_at, Some(at));
}
