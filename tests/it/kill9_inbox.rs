//! Accepted means durable: whatever was answered 200 is in the inbox after a kill, once, and the skill it calls has run.
//!
//! Four senders post webhooks with idempotency keys, every second one to an endpoint that calls a skill; the gateway is
//! killed at a random moment, started again on the same home, and the senders send everything again.
//! `OPENCLAW_KILL_ROUNDS` says how often (30), `OPENCLAW_SEED` where chance begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{cli, request};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::guests::{HOSTILE, INGRESS_HOSTILE};

const SENDERS: usize = 4;
/// Posts one sender makes in a round at most; the kill comes before.
const POSTS: usize = 40;

const CONFIG: &str = r#"{
    log_level: "error",
    webhooks: { incoming: { secret: "a-secret-of-the-tests-own", endpoints: [
        { path: "/door", message: "{{body.key}}", limits: { requestsPerMinute: 10000000 } },
        { path: "/work", transform: "ingress-hostile", message: "invoke", limits: { requestsPerMinute: 10000000 } },
    ] } },
}"#;

/// A small generator of numbers that repeats from its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*: good enough to choose moments with.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

/// Whether this key is posted to the endpoint whose transform calls a skill.
fn calls_a_skill(key: &str) -> bool {
    key.ends_with(['1', '3', '5', '7', '9'])
}

/// The receipt of a post that was answered 200; `None` if the connection broke.
async fn post(address: &str, key: &str) -> Option<Value> {
    let headers = [
        ("content-type", "application/json"),
        ("x-webhook-secret", "a-secret-of-the-tests-own"),
        ("idempotency-key", key),
    ];
    let body = serde_json::json!({ "key": key }).to_string();
    let path = if calls_a_skill(key) { "/webhook/work" } else { "/webhook/door" };
    let answer = request(address, "POST", path, &headers, body.as_bytes()).await.ok()?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Some(answer.json())
}

/// Posts one key after the other, each told to `acknowledged`, until the gateway is gone.
async fn send(address: String, keys: Vec<String>, acknowledged: watch::Sender<usize>) -> Vec<(String, String)> {
    let mut receipts = Vec::new();
    for key in keys {
        let Some(receipt) = post(&address, &key).await else { break };
        receipts.push((key, receipt["id"].as_str().expect("a receipt has an id").to_owned()));
        acknowledged.send_modify(|count| *count += 1);
    }
    receipts
}

/// What a home holds in the end.
struct Kept {
    /// Key and id of every request.
    inbox: Vec<(String, String)>,
    /// The texts of all message events.
    messages: Vec<String>,
    /// The requests whose skill call ended, by id; one may have ended more than once.
    called: BTreeSet<String>,
    /// Skill calls that are still owed.
    owed: i64,
}

fn kept(home: &Path) -> Kept {
    let database = Connection::open_with_flags(home.join("openclaw.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut inbox = database.prepare("SELECT key, id FROM inbox ORDER BY number").unwrap();
    let inbox = inbox.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut events = database.prepare("SELECT data FROM events WHERE kind = 'channel.message.received'").unwrap();
    let field = |data: String, name: &str| {
        serde_json::from_str::<Value>(&data).unwrap()[name].as_str().expect("a text").to_owned()
    };
    let messages =
        events.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|data| field(data.unwrap(), "text"));
    let mut calls = database.prepare("SELECT data FROM events WHERE kind = 'agent.task.completed'").unwrap();
    let called =
        calls.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|data| field(data.unwrap(), "request_id"));
    let owed = database.query_row("SELECT count(*) FROM inbox WHERE owed = 1", [], |row| row.get(0)).unwrap();
    Kept { inbox, messages: messages.collect(), called: called.collect(), owed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_no_webhook_that_was_answered_nor_its_call_and_doubles_none() {
    let rounds = number_from("OPENCLAW_KILL_ROUNDS", 30);
    let seed = number_from("OPENCLAW_SEED", 20_260_608);
    let mut chance = Chance(seed | 1);
    let mut receipts: BTreeMap<String, String> = BTreeMap::new();
    let mut sent: BTreeSet<String> = BTreeSet::new();
    let mut home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", HOSTILE]).await.unwrap();
    cli(home.path(), &["skills", "install", INGRESS_HOSTILE]).await.unwrap();

    for round in 0..rounds {
        let gateway = TestGateway::start_in(home, CONFIG).await;
        let (acknowledged, mut count) = watch::channel(0);
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let keys: Vec<String> = (0..POSTS).map(|number| format!("r{round}-s{sender}-{number}")).collect();
            sent.extend(keys.iter().cloned());
            senders.spawn(send(gateway.address().to_owned(), keys, acknowledged.clone()));
        }
        // The moment is counted in answers, not in time: on a slow machine it is the same moment.
        let moment = usize::try_from(chance.below((SENDERS * POSTS) as u64 / 2)).unwrap();
        count.wait_for(|count| *count >= moment).await.unwrap();
        home = gateway.kill9().await;
        let mut fresh = Vec::new();
        while let Some(answered) = senders.join_next().await {
            fresh.extend(answered.unwrap());
        }

        // After the restart everything is sent again: what was answered before is known, under the id it was given.
        let gateway = TestGateway::start_in(home, CONFIG).await;
        for (key, id) in fresh {
            let again = post(gateway.address(), &key).await.expect("nobody kills it now");
            assert_eq!(again["duplicate"], true, "seed {seed}, round {round}: `{key}` was answered 200 and is gone");
            assert_eq!(again["id"], id, "seed {seed}, round {round}: `{key}`");
            receipts.insert(key, id);
        }
        for sender in 0..SENDERS {
            let key = format!("r{round}-s{sender}-{}", chance.below(POSTS as u64));
            let receipt = post(gateway.address(), &key).await.expect("nobody kills it now");
            receipts.insert(key, receipt["id"].as_str().unwrap().to_owned());
        }
        home = gateway.kill9().await;
    }

    let home = TestGateway::start_in(home, CONFIG).await.stop().await;
    let Kept { inbox, messages, called, owed } = kept(home.path());
    let unique: BTreeMap<String, String> = inbox.iter().cloned().collect();
    assert_eq!(unique.len(), inbox.len(), "seed {seed}: a key is in the inbox twice");
    for (key, id) in &receipts {
        assert_eq!(unique.get(key), Some(id), "seed {seed}: `{key}` was answered 200");
    }
    assert!(unique.keys().all(|key| sent.contains(key)));
    let mut messages: Vec<&String> = messages.iter().collect();
    messages.sort();
    let (working, telling): (Vec<_>, Vec<_>) = unique.iter().partition(|(key, _)| calls_a_skill(key));
    let telling: Vec<&String> = telling.into_iter().map(|(key, _)| key).collect();
    assert_eq!(messages, telling, "seed {seed}: each request has exactly one event");
    assert_eq!(owed, 0, "seed {seed}: the last start has run what the kills left over");
    let working: BTreeSet<String> = working.into_iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(called, working, "seed {seed}: each request that calls a skill has called it");
    assert!(receipts.len() as u64 >= rounds, "the rounds have tested something");
}
