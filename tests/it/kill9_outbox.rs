//! An event that was accepted is delivered, whatever kills the gateway: at least once, always under one `webhook-id`.
//!
//! Senders post webhooks whose messages are owed to two endpoints; the gateway is killed at a random moment and started
//! again on the same home. In the end nothing is owed, and the receivers have had every event that is in the journal.
//! `OPENCLAW_KILL_ROUNDS` says how often (30), `OPENCLAW_SEED` where chance begins.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{cli, request};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::deliveries_sink::{Received, Sink};

const SENDERS: usize = 3;
/// Posts one sender makes in a round at most; the kill comes before.
const POSTS: usize = 30;

/// Posts one key after the other, each told to `acknowledged`, until the gateway is gone. The ids of what was accepted.
async fn send(address: String, keys: Vec<String>, acknowledged: watch::Sender<usize>) -> Vec<String> {
    let mut accepted = Vec::new();
    for key in keys {
        let headers = [("content-type", "application/json"), ("x-webhook-secret", "a-secret-of-the-tests-own")];
        let body = json!({ "key": key }).to_string();
        match request(&address, "POST", "/webhook/door", &headers, body.as_bytes()).await {
            Ok(answer) if answer.status == 200 => accepted.push(key),
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
        acknowledged.send_modify(|count| *count += 1);
    }
    accepted
}

/// The `webhook-id`s under which each text arrived.
fn ids_by_text(received: &[Received], text: impl Fn(&Value) -> Option<String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for received in received {
        let text = text(&received.json()).expect("a body has its text");
        ids.entry(text).or_default().insert(received.header("webhook-id").to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_no_accepted_event_and_no_delivery_that_is_owed() {
    let from = |variable, default: u64| {
        std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rounds, seed) = (from("OPENCLAW_KILL_ROUNDS", 30), from("OPENCLAW_SEED", 20_260_608));
    // xorshift64*: good enough to choose moments with.
    let mut state = seed | 1;
    let mut chance = move |bound: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    };
    let (plain, made) = (Sink::start().await, Sink::start().await);
    let config = json!({ "log_level": "error", "webhooks": {
        "incoming": { "secret": "a-secret-of-the-tests-own", "endpoints": [
            { "path": "/door", "message": "{{body.key}}", "limits": { "requestsPerMinute": 10_000_000 } },
        ] },
        "outgoing": [
            { "event": "channel.*", "name": "plain", "url": plain.url("/"), "allowPrivate": true },
            { "event": "channel.*", "name": "made", "url": made.url("/"), "allowPrivate": true,
              "transform": { "text": "{{event.text}}" } },
        ],
    } })
    .to_string();
    let mut home = TempDir::new().unwrap();
    let mut accepted: BTreeSet<String> = BTreeSet::new();
    for round in 0..rounds {
        let gateway = TestGateway::start_in(home, &config).await;
        let (acknowledged, mut count) = watch::channel(0);
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let keys = (0..POSTS).map(|number| format!("r{round}-s{sender}-{number}")).collect();
            senders.spawn(send(gateway.address().to_owned(), keys, acknowledged.clone()));
        }
        // The moment is counted in answers, not in time: on a slow machine it is the same moment.
        let moment = usize::try_from(chance((SENDERS * POSTS) as u64 * 2 / 3)).unwrap();
        count.wait_for(|count| *count >= moment).await.unwrap();
        home = gateway.kill9().await;
        while let Some(answered) = senders.join_next().await {
            accepted.extend(answered.unwrap());
        }
    }

    let gateway = TestGateway::start_in(home, &config).await;
    loop {
        let listed = cli(gateway.home(), &["webhooks", "list"]).await.unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        if listed.as_array().unwrap().iter().all(|endpoint| endpoint["open"] == 0) {
            break;
        }
    }
    let home = gateway.stop().await;
    let database =
        Connection::open_with_flags(home.path().join("openclaw.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut events = database.prepare("SELECT data FROM events WHERE kind = 'channel.message.received'").unwrap();
    let recorded: BTreeSet<String> = events
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|data| serde_json::from_str::<Value>(&data.unwrap()).unwrap()["text"].as_str().unwrap().to_owned())
        .collect();
    assert!(accepted.is_subset(&recorded), "seed {seed}: an accepted event is gone");
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    for (name, ids) in [
        ("plain", ids_by_text(&plain.received(), |body| text_of(&body["data"]["text"]))),
        ("made", ids_by_text(&made.received(), |body| text_of(&body["text"]))),
    ] {
        let arrived: BTreeSet<String> = ids.keys().cloned().collect();
        assert_eq!(arrived, recorded, "seed {seed}: `{name}` has had every event that is in the journal");
        let doubled: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() > 1).collect();
        assert!(doubled.is_empty(), "seed {seed}: `{name}` knows duplicates by their id: {doubled:?}");
    }
    let settled: i64 =
        database.query_row("SELECT count(*) FROM deliveries WHERE state = 'delivered'", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(settled).unwrap(), 2 * recorded.len(), "seed {seed}: two deliveries an event");
    assert!(accepted.len() as u64 >= rounds, "the rounds have tested something");
}
