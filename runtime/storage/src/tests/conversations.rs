//! Conversations against real SQLite: told apart by all of their key, bounded, and forgotten; and what models used.

use openclaw_domain::ports::{Conversations, Journal, ModelUse, Records, Usage};
use openclaw_domain::{ConversationKey, Door, Said, Speaker, Timestamp};

use super::{event, home, open, tenant};

fn key(owner: &str, door: Door, user: &str) -> ConversationKey {
    ConversationKey { tenant: tenant(owner), door, channel: "api".to_owned(), user: user.to_owned() }
}

fn said(speaker: Speaker, text: &str) -> Said {
    Said { speaker, text: text.to_owned(), at: Timestamp::from_millis(5) }
}

fn turn(question: &str, answer: &str) -> Vec<Said> {
    vec![said(Speaker::User, question), said(Speaker::Agent, answer)]
}

#[tokio::test]
async fn a_conversation_is_its_tenants_doors_and_users_alone() {
    let home = home();
    let storage = open(home.path());
    let mine = key("acme", Door::WebSocket, "ada");
    let others =
        [key("rival", Door::WebSocket, "ada"), key("acme", Door::Channel, "ada"), key("acme", Door::WebSocket, "bob")];
    storage.append(&mine, turn("hello", "good day"), 1000).await.unwrap();
    for other in &others {
        assert!(storage.load(other, 1000).await.unwrap().is_empty(), "{other:?}");
    }
    storage.append(&others[1], turn("x", "y"), 1000).await.unwrap();
    assert_eq!(storage.load(&mine, 1000).await.unwrap(), turn("hello", "good day"));
    let listed = storage.conversations(&tenant("acme")).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one.key.door, one.messages, one.bytes)).collect();
    assert_eq!(listed, [(Door::Channel, 2, 2), (Door::WebSocket, 2, 13)]);
    assert_eq!(storage.forget(&mine).await.unwrap(), 2);
    assert!(storage.load(&mine, 1000).await.unwrap().is_empty());
    assert_eq!(storage.load(&others[1], 1000).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_conversation_forgets_its_oldest_messages_and_keeps_its_newest() {
    let home = home();
    let storage = open(home.path());
    let mine = key("acme", Door::WebSocket, "ada");
    for number in 0..10 {
        storage.append(&mine, turn(&format!("question {number}"), "ok"), 25).await.unwrap();
    }
    let kept = storage.load(&mine, 1000).await.unwrap();
    assert_eq!(
        kept.iter().map(|said| said.text.as_str()).collect::<Vec<_>>(),
        ["question 8", "ok", "question 9", "ok"]
    );
    assert_eq!(storage.load(&mine, 12).await.unwrap(), turn("question 9", "ok"));
    storage.append(&mine, vec![said(Speaker::User, &"ä".repeat(100))], 30).await.unwrap();
    assert_eq!(storage.load(&mine, 1000).await.unwrap().len(), 1, "the newest stays, however long it is");
    assert_eq!(storage.trim(&mine, 0).await.unwrap(), 0);
}

#[tokio::test]
async fn what_models_used_adds_up_by_tenant_day_and_model() {
    let home = home();
    let storage = open(home.path());
    let used = |day, model: &str, input| ModelUse {
        day,
        model: model.to_owned(),
        requests: 1,
        input_tokens: input,
        output_tokens: 1,
    };
    for one in [used(1, "a/x", 10), used(2, "a/x", 10), used(2, "a/x", 5), used(2, "a/y", 1)] {
        storage.add_use(&tenant("acme"), one).await.unwrap();
    }
    storage.add_use(&tenant("rival"), used(2, "a/x", 99)).await.unwrap();
    let found = storage.used_since(&tenant("acme"), 2).await.unwrap();
    let expected = ModelUse { requests: 2, output_tokens: 2, ..used(2, "a/x", 15) };
    assert_eq!(found, [expected, used(2, "a/y", 1)]);
    assert_eq!(storage.used_since(&tenant("acme"), 0).await.unwrap().iter().map(ModelUse::tokens).sum::<u64>(), 30);
}

#[tokio::test]
async fn what_happened_lately_comes_newest_first_and_no_older_than_asked() {
    let home = home();
    let storage = open(home.path());
    for (at, name) in [(1, "old"), (5, "one"), (6, "two")] {
        let fact = event("acme", &format!("{{\"n\":\"{name}\"}}"));
        storage.record(openclaw_domain::NewEvent { at: Timestamp::from_millis(at), ..fact });
    }
    storage.record(event("rival", "{}"));
    storage.flush().await.unwrap();
    let recent = storage.recent(&tenant("acme"), Timestamp::from_millis(5), 10).await.unwrap();
    assert_eq!(
        recent.iter().map(|event| event.fact.data.as_str()).collect::<Vec<_>>(),
        [r#"{"n":"two"}"#, r#"{"n":"one"}"#]
    );
    assert_eq!(storage.recent(&tenant("acme"), Timestamp::from_millis(0), 1).await.unwrap().len(), 1);
}
