//! The laws of buckets: what is written together is there together, sums add up, and nothing passes a quota.

use bytes::Bytes;
use openclaw_domain::ports::{Bucket, KV_ANSWER_BYTES, Kv, KvChange, KvError, KvQuota, KvUse, Swapped};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;
use tokio::task::JoinSet;

use super::{home, open, tenant};
use crate::home::database;

fn bucket(owner: &str, skill: &str, name: &str) -> Bucket {
    Bucket { tenant: tenant(owner), skill: skill.parse().unwrap(), name: name.to_owned() }
}

fn set(key: &str, value: &str) -> KvChange {
    KvChange::Set(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

fn quota(bytes: u64, keys: u64) -> KvQuota {
    KvQuota { bytes, keys, ..KvQuota::default() }
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_and_nowhere_else() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    let changes = vec![set("one", "1"), set("two", "2"), set("one", "uno"), KvChange::Delete("none".to_owned())];
    storage.change(&mine, changes, KvQuota::default()).await.unwrap();
    storage.close().await.unwrap();
    drop(storage);

    let storage = open(home.path());
    let keys = || vec!["two".to_owned(), "none".to_owned(), "one".to_owned()];
    let found = storage.get(&mine, keys()).await.unwrap();
    assert_eq!(found, [Some(Bytes::from_static(b"2")), None, Some(Bytes::from_static(b"uno"))]);
    for other in [bucket("rival", "notes", "a"), bucket("acme", "other", "a"), bucket("acme", "notes", "b")] {
        assert_eq!(storage.get(&other, keys()).await.unwrap(), [None, None, None], "{other:?}");
        assert!(storage.keys(&other, None, 10).await.unwrap().is_empty());
    }
    assert_eq!(storage.used(&mine.tenant, &mine.skill).await.unwrap(), KvUse { bytes: 10, keys: 2 });

    Kv::erase(&storage, &mine.tenant, &mine.skill).await.unwrap();
    assert_eq!(storage.get(&mine, keys()).await.unwrap(), [None, None, None]);
    assert_eq!(storage.used(&mine.tenant, &mine.skill).await.unwrap(), KvUse::default());
}

#[tokio::test]
async fn keys_come_in_byte_order_page_by_page() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    let mut keys = ["b", "", "ä", "a\0b", "a", "Z", "a b", "\u{10ffff}", "\u{ffff}"].map(str::to_owned).to_vec();
    storage.change(&mine, keys.iter().map(|key| set(key, "")).collect(), KvQuota::default()).await.unwrap();
    keys.sort();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = storage.keys(&mine, after.clone(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    assert_eq!(found, keys);
    let bytes = keys.iter().map(String::len).sum::<usize>() as u64;
    assert_eq!(storage.used(&mine.tenant, &mine.skill).await.unwrap(), KvUse { bytes, keys: 9 });
}

#[tokio::test]
async fn a_change_over_the_quota_writes_nothing_and_names_it() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    storage.change(&mine, vec![set("k", "123")], quota(10, 2)).await.unwrap();
    let refused = async |changes, quota| match storage.change(&mine, changes, quota).await.unwrap_err() {
        KvError::OverQuota { what, wanted, limit } => (what, wanted, limit),
        other => panic!("{other}"),
    };
    assert_eq!(refused(vec![set("l", "1"), set("m", "")], quota(10, 2)).await, ("keys", 3, 2));
    assert_eq!(refused(vec![set("l", "123456")], quota(10, 2)).await, ("bytes", 11, 10));
    let small = KvQuota { value_bytes: 2, key_bytes: 3, ..KvQuota::default() };
    assert_eq!(refused(vec![set("l", "123")], small).await, ("value bytes", 3, 2));
    assert_eq!(refused(vec![set("long", "")], small).await, ("key bytes", 4, 3));
    // Another bucket of the skill counts together with this one; another skill does not.
    let second = bucket("acme", "notes", "b");
    assert!(storage.change(&second, vec![set("l", "123456")], quota(10, 2)).await.is_err());
    storage.change(&bucket("acme", "other", "a"), vec![set("l", "123456")], quota(10, 2)).await.unwrap();
    assert_eq!(storage.used(&mine.tenant, &mine.skill).await.unwrap(), KvUse { bytes: 4, keys: 1 });

    // A quota that was lowered below what is there: it may shrink, and what is free may be used by none.
    storage.change(&mine, vec![set("k", "12")], quota(1, 1)).await.unwrap();
    assert_eq!(refused(vec![set("k", "123")], quota(1, 1)).await, ("bytes", 4, 1));
    storage.change(&mine, vec![KvChange::Delete("k".to_owned()), set("z", "")], quota(1, 1)).await.unwrap();
    assert_eq!(storage.keys(&mine, None, 9).await.unwrap(), ["z"]);
}

#[tokio::test]
async fn an_answer_is_bounded_while_it_is_read_and_a_key_named_twice_is_read_once() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    let value = "x".repeat(1 << 20);
    let changes = ["a", "b", "c", "d"].map(|key| set(key, &value)).to_vec();
    storage.change(&mine, changes, quota(8 << 20, 9)).await.unwrap();
    let asked = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let found = storage.get(&mine, asked(&["a", "none", "b", "c", "d"])).await.unwrap();
    let bytes = found.iter().flatten().map(Bytes::len).sum::<usize>() as u64;
    assert_eq!((bytes, found[1].is_none()), (KV_ANSWER_BYTES, true), "all that fits is read");
    let twice = storage.get(&mine, asked(&["a", "a"])).await.unwrap();
    let at = |value: &Option<Bytes>| value.as_ref().unwrap().as_ptr();
    assert_eq!(at(&twice[0]), at(&twice[1]), "one value in memory");
    for keys in [vec!["a"; 1000], vec!["a", "b", "c", "d", "a"]] {
        let refused = storage.get(&mine, asked(&keys)).await.unwrap_err();
        assert!(
            matches!(refused, KvError::TooMuchAtOnce) && refused.to_string().contains("bytes at once"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_number_is_eight_bytes_little_endian_and_never_wraps() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    let add = async |key: &str, by| storage.increment(&mine, key.to_owned(), by, KvQuota::default()).await;
    assert_eq!(add("n", 5).await.unwrap(), 5);
    assert_eq!(add("n", -7).await.unwrap(), -2);
    assert_eq!(
        storage.get(&mine, vec!["n".to_owned()]).await.unwrap()[0].as_deref(),
        Some(&(-2_i64).to_le_bytes()[..])
    );
    storage.change(&mine, vec![set("text", "seven")], KvQuota::default()).await.unwrap();
    assert!(matches!(add("text", 1).await.unwrap_err(), KvError::NotANumber(key) if key == "text"));
    add("max", i64::MAX).await.unwrap();
    assert!(matches!(add("max", 1).await.unwrap_err(), KvError::NotANumber(_)));
    assert_eq!(add("max", 0).await.unwrap(), i64::MAX);
}

#[tokio::test]
async fn parallel_increments_add_up() {
    let home = home();
    let storage = open(home.path());
    let mut tasks = JoinSet::new();
    for by in 1..=200 {
        let storage = storage.clone();
        tasks.spawn(async move {
            let mine = bucket("acme", "notes", "a");
            storage.increment(&mine, "n".to_owned(), by, KvQuota::default()).await.unwrap()
        });
    }
    let mut sums = tasks.join_all().await;
    sums.sort_unstable();
    assert_eq!(sums.last(), Some(&(200 * 201 / 2)));
    sums.dedup();
    assert_eq!(sums.len(), 200, "no sum was handed out twice");
}

#[tokio::test]
async fn of_parallel_swaps_from_the_same_value_one_wins() {
    let home = home();
    let storage = open(home.path());
    let mine = bucket("acme", "notes", "a");
    let mut expected: Option<Bytes> = None;
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let (storage, expected) = (storage.clone(), expected.clone());
            tasks.spawn(async move {
                let (mine, new) = (bucket("acme", "notes", "a"), Bytes::from(format!("{round}/{number}")));
                let swapped = storage.swap(&mine, "k".to_owned(), expected, new.clone(), KvQuota::default()).await;
                (new, swapped.unwrap())
            });
        }
        let results = tasks.join_all().await;
        let winners: Vec<_> = results.iter().filter(|(_, swapped)| *swapped == Swapped::Done).collect();
        assert_eq!(winners.len(), 1);
        let winner = winners[0].0.clone();
        for (_, swapped) in &results {
            assert!(matches!(swapped, Swapped::Done) || *swapped == Swapped::Found(Some(winner.clone())));
        }
        expected = Some(winner);
    }
    assert_eq!(storage.get(&mine, vec!["k".to_owned()]).await.unwrap(), [expected]);
}

#[tokio::test]
async fn parallel_writers_cannot_pass_the_quota_together() {
    let home = home();
    let storage = open(home.path());
    let mut tasks = JoinSet::new();
    for number in 0..60 {
        let storage = storage.clone();
        tasks.spawn(async move {
            let mine = bucket("acme", "notes", if number % 2 == 0 { "a" } else { "b" });
            let (key, quota) = (format!("k{number:02}"), quota(100, 25));
            match number % 3 {
                0 => storage.increment(&mine, key, 1, quota).await.is_ok(),
                1 => storage.change(&mine, vec![set(&key, "12345678")], quota).await.is_ok(),
                _ => storage.swap(&mine, key, None, Bytes::from_static(b"12345678"), quota).await.is_ok(),
            }
        });
    }
    let kept = tasks.join_all().await.into_iter().filter(|is_kept| *is_kept).count() as u64;
    let used = storage.used(&tenant("acme"), &"notes".parse().unwrap()).await.unwrap();
    assert_eq!((kept, used), (9, KvUse { bytes: 99, keys: 9 }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_counted_is_what_is_there(
        groups in vec(vec((0_u8..6, 0_usize..40, any::<bool>()), 1..6), 1..12)
    ) {
        let home = home();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let storage = open(home.path());
            let mine = bucket("acme", "notes", "a");
            for group in groups {
                let changes = group.into_iter().map(|(key, size, is_set)| {
                    let key = "ä".repeat(usize::from(key));
                    if is_set { set(&key, &"x".repeat(size)) } else { KvChange::Delete(key) }
                });
                // Some of these are refused: what they began must be taken back, counts too.
                let _ = storage.change(&mine, changes.collect(), quota(90, 4)).await;
            }
            let used = storage.used(&mine.tenant, &mine.skill).await.unwrap();
            let there: (i64, i64) = Connection::open(database(home.path())).unwrap().query_row(
                "SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0), count(*) FROM kv",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            ).unwrap();
            assert_eq!((used.bytes.cast_signed(), used.keys.cast_signed()), there);
            assert!(used.bytes <= 90 && used.keys <= 4);
            storage.close().await.unwrap();
        });
    }
}
