//! What follows from an accepted request when its transform calls a skill.

use std::pin::pin;

use futures_util::poll;
use openclaw_domain::{EventKind, Role};
use serde_json::json;
use tokio::sync::Semaphore;

use super::super::invocation::{PLACES, TRIES};
use super::*;

fn that_invokes(skill: &'static str) -> Door {
    let arguments = r#"{"commits":[]}"#.to_owned();
    Door::that_decides(move || Ok(IngressOutcome::Invoke { skill: skill.to_owned(), arguments: arguments.clone() }))
}

impl Door {
    /// Waits for everything that outlives its request.
    async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn a_called_skill_runs_for_the_endpoints_tenant_and_its_result_is_an_event() {
    let door = that_invokes("release-notes/draft");
    let answer = door.send(deploy()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["duplicate"].clone()), (200, json!(false)));
    door.drain().await;

    let call = door.guests.calls().remove(0);
    assert_eq!((call.target.skill.as_str(), call.target.tool.unwrap().as_str()), ("release-notes", "draft"));
    assert_eq!((&*call.arguments, call.caller.tenant().as_str()), (r#"{"commits":[]}"#, "default"));
    assert_eq!((call.caller.door, call.caller.credential.role), (openclaw_domain::Door::Webhook, Role::Invoke));

    let event = door.journal.events().remove(0);
    assert_eq!((event.kind, event.session, event.trace), (EventKind::TaskCompleted, None, call.caller.trace));
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let entry = door.inbox.entries().remove(0);
    let id = entry.id.to_string();
    assert_eq!(
        data,
        json!({ "task_name": "release-notes/draft", "result": "done", "duration_ms": 5, "request_id": id })
    );
    assert_eq!(door.inbox.settled(), [entry.id], "it owes nothing any more");
    assert_eq!((entry.verdict.outcome.as_str(), entry.events.len()), ("invoke", 0));
}

#[tokio::test]
async fn a_called_skill_that_fails_is_an_error_event() {
    let door = that_invokes("trapping");
    assert_eq!(door.send(deploy()).await.status, 200);
    door.drain().await;
    let event = door.journal.events().remove(0);
    assert_eq!(event.kind, EventKind::Error);
    let data: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data["message"], json!("`trapping` trapped: unreachable"));
    let id = door.inbox.entries()[0].id;
    let context = json!({ "webhook": "/deploy-alert", "skill": "trapping", "code": "SKILL_TRAPPED", "request_id": id.to_string() });
    assert_eq!(data["context"], context);
    assert_eq!(door.inbox.settled(), [id], "a failure is an end too");
}

#[tokio::test]
async fn a_call_that_a_crash_cut_off_runs_at_the_next_start_and_then_never_again() {
    let door = that_invokes("release-notes/draft");
    door.guests.may_finish.forget_permits(Semaphore::MAX_PERMITS);
    assert_eq!(door.send(deploy()).await.status, 200);
    let entry = door.inbox.entries().remove(0);
    assert_eq!(door.inbox.settled(), []);

    let door = door.restarted();
    assert_eq!(door.webhooks.resume().await.unwrap(), 1);
    door.drain().await;
    let call = door.guests.calls().remove(0);
    assert_eq!((call.target.skill.as_str(), call.target.tool.unwrap().as_str()), ("release-notes", "draft"));
    assert_eq!((&*call.arguments, call.caller.trace), (r#"{"commits":[]}"#, entry.trace));
    assert_eq!((call.caller.tenant(), &*call.caller.credential.name), (&entry.tenant, "webhook /deploy-alert"));
    let event = door.journal.events().remove(0);
    assert_eq!((event.kind, event.trace), (EventKind::TaskCompleted, entry.trace));
    assert!(event.data.contains(&entry.id.to_string()), "{}", event.data);
    assert_eq!(door.inbox.settled(), [entry.id]);

    let door = door.restarted();
    assert_eq!(door.webhooks.resume().await.unwrap(), 0);
    door.drain().await;
    assert_eq!(door.guests.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_no_room_is_made_again_and_reported_once() {
    for (skill, tries, kind) in
        [("busy-at-first", 3, EventKind::TaskCompleted), ("busy", TRIES as usize, EventKind::Error)]
    {
        let door = that_invokes(skill);
        assert_eq!(door.send(deploy()).await.status, 200);
        while door.inbox.settled().is_empty() {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let events = door.journal.events();
        assert_eq!((door.guests.calls().len(), events.len(), events[0].kind), (tries, 1, kind), "{skill}");
    }
}

#[tokio::test]
async fn a_call_that_finds_no_room_while_the_gateway_drains_stays_owed() {
    let door = that_invokes("busy");
    door.tasks.close();
    assert_eq!(door.send(deploy()).await.status, 200);
    door.tasks.wait().await;
    assert_eq!((door.guests.calls().len(), door.journal.events().len()), (1, 0));
    assert_eq!(door.inbox.settled(), []);
}

#[tokio::test]
async fn a_call_that_the_end_of_the_gateway_cancels_stays_owed() {
    let door = that_invokes("cancelled");
    assert_eq!(door.send(deploy()).await.status, 200);
    door.drain().await;
    assert_eq!((door.guests.calls().len(), door.journal.events().len()), (1, 0));
    assert_eq!(door.inbox.settled(), []);
}

#[tokio::test]
async fn a_skill_is_called_only_after_the_commit_and_even_if_the_sender_hangs_up() {
    let door = that_invokes("release-notes");
    door.inbox.hold();
    {
        let mut answer = pin!(door.send(deploy()));
        assert!(poll!(&mut answer).is_pending());
        // The sender goes away here.
    }
    tokio::task::yield_now().await;
    assert_eq!((door.inbox.entries().len(), door.guests.calls().len()), (1, 0));
    door.inbox.may_accept.add_permits(1);
    door.drain().await;
    assert_eq!(door.guests.calls().len(), 1);
}

#[tokio::test]
async fn a_duplicate_calls_nothing() {
    let door = that_invokes("release-notes");
    for _ in 0..2 {
        assert_eq!(door.send(with(deploy(), "idempotency-key", "k")).await.status, 200);
    }
    door.drain().await;
    assert_eq!(door.guests.calls().len(), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_before_anything_is_written() {
    let door = that_invokes("release-notes");
    door.guests.may_finish.forget_permits(Semaphore::MAX_PERMITS);
    for _ in 0..PLACES {
        assert_eq!(door.send(deploy()).await.status, 200);
    }
    let full = door.send(deploy()).await;
    assert_eq!((full.error(), full.header("retry-after")), (error(503, "QUEUE_FULL"), Some("1")));
    assert_eq!(door.inbox.entries().len(), PLACES);
    door.guests.may_finish.add_permits(PLACES);
    door.drain().await;
    assert_eq!(door.guests.calls().len(), PLACES);
}

#[tokio::test]
async fn one_tenants_calls_leave_places_and_turns_to_the_others() {
    let door = Door::deciding(vec![deploy_alert(), endpoint("acme", "/build", "")], |_| {
        Ok(IngressOutcome::Invoke { skill: "release-notes".to_owned(), arguments: "{}".to_owned() })
    });
    door.guests.may_finish.forget_permits(Semaphore::MAX_PERMITS);
    let acme = || post("/webhook/t/acme/build", DEPLOY_BODY);
    for _ in 0..PLACES / 4 * 3 {
        assert_eq!(door.send(acme()).await.status, 200);
    }
    assert_eq!(door.send(acme()).await.error(), error(503, "QUEUE_FULL"));
    assert_eq!(door.send(deploy()).await.status, 200);
    let running =
        |tenant: &str| door.guests.calls().iter().filter(|call| call.caller.tenant().as_str() == tenant).count();
    while running("default") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running("acme"), 12);
    door.guests.may_finish.add_permits(PLACES);
    door.drain().await;
    assert_eq!(running("acme"), PLACES / 4 * 3);
    assert_eq!(door.send(acme()).await.status, 200, "places are given back");
}
