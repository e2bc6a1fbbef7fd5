//! The outbox against real SQLite: owed with its event, taken once, settled by its holder only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openclaw_domain::ports::{Inbox, Journal, Outbox, Route};
use openclaw_domain::{
    Attempt, BodySlot, DeliveryBody, DeliveryQuery, DeliveryState, EndpointHealth, EndpointKey, EndpointName, NewEvent,
    Settlement, Timestamp,
};

use crate::tests::{entry, event, home, open, tenant};

/// Owes every event whose data is not `{}` to the endpoints of this list.
struct To(&'static [&'static str]);

impl Route for To {
    fn owed_to(&self, event: &NewEvent) -> Vec<EndpointName> {
        if event.data == "{}" { Vec::new() } else { self.0.iter().map(|name| name.parse().unwrap()).collect() }
    }
}

fn key(owner: &str, name: &str) -> EndpointKey {
    EndpointKey { tenant: tenant(owner), name: name.parse().unwrap() }
}

const AT: Timestamp = Timestamp::from_millis(1_780_920_000_000);

fn after(seconds: u64) -> Timestamp {
    AT.plus(Duration::from_secs(seconds))
}

fn attempt(status: Option<u16>) -> Attempt {
    Attempt {
        at: after(1),
        duration: Duration::from_millis(5),
        status,
        error: status.is_none().then(|| "reset".to_owned()),
        excerpt: "busy".to_owned(),
    }
}

#[tokio::test]
async fn a_delivery_is_owed_with_its_event_whichever_way_the_event_came() {
    let home = home();
    let storage = open(home.path());
    storage.set_route(Arc::new(To(&["one", "two"])));
    storage.record(event("acme", r#"{"n":1}"#));
    storage.accept(entry("acme", "/p", Some("k"), r#"{"n":2}"#)).await.unwrap();
    storage.accept(entry("acme", "/p", Some("k"), r#"{"n":2}"#)).await.unwrap();
    storage.record(event("acme", "{}"));
    storage.flush().await.unwrap();
    let backlog = storage.backlog().await.unwrap();
    let counts: Vec<_> = backlog.iter().map(|backlog| (backlog.endpoint.to_string(), backlog.open)).collect();
    assert_eq!(counts, [("acme/one".to_owned(), 2), ("acme/two".to_owned(), 2)]);
    let leased = storage.lease(&key("acme", "one"), 10, AT, after(60)).await.unwrap();
    let data: Vec<_> = leased.leases.iter().map(|lease| lease.event.fact.data.as_str()).collect();
    assert_eq!(data, [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(leased.next_at, Some(after(60)));
    assert!(storage.lease(&key("globex", "one"), 10, AT, after(60)).await.unwrap().leases.is_empty());
}

#[tokio::test]
async fn a_lease_is_taken_once_until_it_ends_and_only_its_holder_settles() {
    let home = home();
    let storage = open(home.path());
    storage.set_route(Arc::new(To(&["one"])));
    storage.record(event("acme", r#"{"n":1}"#));
    let one = key("acme", "one");
    let first = storage.lease(&one, 10, AT, after(60)).await.unwrap().leases.remove(0);
    assert!(storage.lease(&one, 10, after(59), after(120)).await.unwrap().leases.is_empty());
    let second = storage.lease(&one, 10, after(60), after(120)).await.unwrap().leases.remove(0);
    assert_eq!((first.id, first.attempts), (second.id, 0));
    let body = DeliveryBody {
        content_type: "application/json".to_owned(),
        headers: vec![("x-a".to_owned(), "1".to_owned())],
        body: Bytes::from_static(b"{}"),
        transform: "template@sha256:07".to_owned(),
        slots: vec![
            BodySlot { pointer: vec!["a".to_owned(), "0".to_owned()], head: "${A}".to_owned(), tail: None },
            BodySlot { pointer: vec!["b".to_owned()], head: "${B} ".to_owned(), tail: Some("\"".to_owned()) },
        ],
    };
    assert!(!storage.fix(&first, body.clone()).await.unwrap());
    assert!(storage.fix(&second, body.clone()).await.unwrap());
    let done = |state| Settlement::Done { state, at: after(61), reason: None, attempt: Some(attempt(Some(200))) };
    assert!(!Outbox::settle(&storage, &first, done(DeliveryState::Delivered)).await.unwrap());
    let again = Settlement::Again {
        next_at: after(90),
        attempt: Some(attempt(None)),
        reason: "the connection was reset".to_owned(),
    };
    assert!(Outbox::settle(&storage, &second, again).await.unwrap());
    assert!(storage.lease(&one, 10, after(89), after(300)).await.unwrap().leases.is_empty());
    let third = storage.lease(&one, 10, after(90), after(300)).await.unwrap().leases.remove(0);
    assert_eq!((third.attempts, third.first_attempt_at), (1, Some(after(1))));
    assert_eq!(third.body, Some(body));
    assert!(Outbox::settle(&storage, &third, done(DeliveryState::Delivered)).await.unwrap());
    assert!(!Outbox::settle(&storage, &third, done(DeliveryState::Dead)).await.unwrap());
    let detail = storage.delivery(third.id).await.unwrap().unwrap();
    assert_eq!(detail.body, third.body);
    assert_eq!((detail.record.state, detail.record.attempts), (DeliveryState::Delivered, 2));
    assert_eq!((detail.record.last_status, detail.record.last_error), (Some(200), None));
    assert_eq!(detail.attempts, [attempt(None), attempt(Some(200))]);
    assert!(storage.backlog().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_oldest_delivery_holds_up_those_behind_it() {
    let home = home();
    let storage = open(home.path());
    storage.set_route(Arc::new(To(&["one"])));
    storage.record(event("acme", r#"{"n":1}"#));
    storage.record(event("acme", r#"{"n":2}"#));
    let one = key("acme", "one");
    let head = storage.lease_oldest(&one, AT, after(60)).await.unwrap().leases.remove(0);
    let again = Settlement::Again { next_at: after(30), attempt: None, reason: "busy".to_owned() };
    Outbox::settle(&storage, &head, again).await.unwrap();
    let held = storage.lease_oldest(&one, after(29), after(60)).await.unwrap();
    assert_eq!((held.leases.len(), held.next_at), (0, Some(after(30))));
    let head = storage.lease_oldest(&one, after(30), after(60)).await.unwrap().leases.remove(0);
    assert_eq!(head.event.fact.data, r#"{"n":1}"#);
}

#[tokio::test]
async fn a_start_ends_the_leases_of_the_process_before_it() {
    let home = home();
    let storage = open(home.path());
    storage.set_route(Arc::new(To(&["one"])));
    storage.record(event("acme", r#"{"n":1}"#));
    let one = key("acme", "one");
    let before = storage.lease(&one, 1, AT, after(60)).await.unwrap().leases.remove(0);
    storage.close().await.unwrap();
    let storage = open(home.path());
    assert_eq!(storage.end_leases().await.unwrap(), 1);
    let now = storage.lease(&one, 1, after(1), after(60)).await.unwrap().leases.remove(0);
    assert_eq!(before.id, now.id);
}

#[tokio::test]
async fn what_is_settled_can_be_replayed_under_its_id_and_is_forgotten_when_it_is_old() {
    let home = home();
    let storage = open(home.path());
    storage.set_route(Arc::new(To(&["one"])));
    storage.record(event("acme", r#"{"n":1}"#));
    storage.record(event("acme", r#"{"n":2}"#));
    let one = key("acme", "one");
    let leases = storage.lease(&one, 2, AT, after(60)).await.unwrap().leases;
    let dead = Settlement::Done {
        state: DeliveryState::Dead,
        at: after(61),
        reason: Some("the schedule is used up".to_owned()),
        attempt: Some(attempt(Some(503))),
    };
    Outbox::settle(&storage, &leases[0], dead).await.unwrap();
    let query = DeliveryQuery { state: Some(DeliveryState::Dead), limit: 10, ..DeliveryQuery::default() };
    let found = storage.deliveries(query.clone()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].last_error.as_deref(), Some("the schedule is used up"));
    assert_eq!(storage.replay(vec![leases[0].id, leases[1].id], after(70)).await.unwrap(), 1);
    let again = storage.lease(&one, 2, after(70), after(200)).await.unwrap().leases;
    // The other one's lease has ended too.
    assert_eq!(again.iter().map(|lease| lease.attempts).collect::<Vec<_>>(), [0, 0]);
    let done = Settlement::Done { state: DeliveryState::Delivered, at: after(71), reason: None, attempt: None };
    for lease in &again {
        Outbox::settle(&storage, lease, done.clone()).await.unwrap();
    }
    assert_eq!(storage.forget(after(71), 10).await.unwrap(), 0);
    assert_eq!(storage.forget(after(72), 1).await.unwrap(), 1);
    assert_eq!(storage.forget(after(72), 10).await.unwrap(), 1);
    assert!(storage.delivery(again[0].id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_health_of_an_endpoint_is_kept_until_it_is_well_again() {
    let home = home();
    let storage = open(home.path());
    let one = key("acme", "one");
    let ill = EndpointHealth { failing_since: Some(AT), disabled: Some((after(1), "410".to_owned())) };
    storage.set_health(&one, ill.clone()).await.unwrap();
    assert_eq!(storage.health().await.unwrap(), [(one.clone(), ill)]);
    storage.set_health(&one, EndpointHealth::default()).await.unwrap();
    assert!(storage.health().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_an_attempt_says_of_an_endpoint_never_enables_it() {
    let home = home();
    let storage = open(home.path());
    let one = key("acme", "one");
    storage.set_failing(&one, Some(AT)).await.unwrap();
    assert!(storage.disable(&one, after(1), "410").await.unwrap());
    assert!(!storage.disable(&one, after(2), "again").await.unwrap());
    let gone = Some((after(1), "410".to_owned()));
    for since in [Some(after(3)), None] {
        storage.set_failing(&one, since).await.unwrap();
        let health = EndpointHealth { failing_since: since, disabled: gone.clone() };
        assert_eq!(storage.health().await.unwrap(), [(one.clone(), health)]);
    }
    storage.set_health(&one, EndpointHealth::default()).await.unwrap();
    storage.set_failing(&one, Some(AT)).await.unwrap();
    storage.set_failing(&one, None).await.unwrap();
    assert!(storage.health().await.unwrap().is_empty());
}
