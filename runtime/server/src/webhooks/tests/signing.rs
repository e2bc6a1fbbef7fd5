//! Signed requests through the door: verified before anything else, taken once, their handshakes answered, and nothing
//! of what proves them passed on.

use futures_util::{FutureExt, StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use openclaw_domain::ports::InboxEntry;
use serde_json::json;
use sha2::Sha256;

use super::*;
use crate::auth::FREE_FAILURES;
use crate::settings::{HmacRecipe, RecipeParts, Scheme, Signing};

const KEY: &str = "a-signing-secret-of-good-length";
const FORM: &str = "application/x-www-form-urlencoded";

fn signed_endpoint(scheme: Scheme, message: &str) -> Endpoint {
    let secrets = vec![Secret::new(KEY.to_owned())];
    let tolerance = std::time::Duration::from_secs(300);
    Endpoint {
        auth: EndpointAuth::Signed(Signing { scheme, secrets, tolerance }),
        ..endpoint("default", "/signed", message)
    }
}

fn door(scheme: Scheme) -> Door {
    Door::with(vec![signed_endpoint(scheme, "got {{body.text}}")])
}

fn mac(parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn seconds(off: i64) -> String {
    (fakes::NOW.as_millis() / 1000 + off).to_string()
}

fn github(body: &str) -> Request<Body> {
    let signature = format!("sha256={}", hex::encode(mac(&[body])));
    with(unsigned("/webhook/signed", body.to_owned()), "x-hub-signature-256", &signature)
}

fn slack_at(off: i64, body: &str) -> Request<Body> {
    let time = seconds(off);
    let signature = format!("v0={}", hex::encode(mac(&["v0:", &time, ":", body])));
    let request = with(unsigned("/webhook/signed", body.to_owned()), "x-slack-signature", &signature);
    with(request, "x-slack-request-timestamp", &time)
}

fn slack(body: &str) -> Request<Body> {
    slack_at(0, body)
}

fn stripe(off: i64, body: &str) -> Request<Body> {
    let time = seconds(off);
    let header = format!("t={time},v1={}", hex::encode(mac(&[&time, ".", body])));
    with(unsigned("/webhook/signed", body.to_owned()), "stripe-signature", &header)
}

fn zoom(body: &str) -> Request<Body> {
    let time = seconds(0);
    let signature = format!("v0={}", hex::encode(mac(&["v0:", &time, ":", body])));
    let request = with(unsigned("/webhook/signed", body.to_owned()), "x-zm-signature", &signature);
    with(request, "x-zm-request-timestamp", &time)
}

fn as_form(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("content-type", FORM.parse().unwrap());
    request
}

fn entries(door: &Door) -> Vec<InboxEntry> {
    door.inbox.entries()
}

#[tokio::test]
async fn a_signed_request_is_taken_and_a_changed_one_is_401_and_leaves_nothing() {
    let door = door(Scheme::Github);
    let body = r#"{"text":"hi"}"#;
    assert_eq!(door.send(github(body)).await.status, 200);
    assert!(entries(&door)[0].events[0].data.contains("got hi"));

    let changed = |request: Request<Body>| {
        let (head, _) = request.into_parts();
        Request::from_parts(head, Body::from(r#"{"text":"ho"}"#))
    };
    let wrong = door.send(changed(github(body))).await;
    assert_eq!(wrong.error(), error(401, "WEBHOOK_INVALID"));
    assert!(wrong.json()["error"]["hint"].as_str().unwrap().contains("`github`"), "{}", wrong.json());
    let missing = door.send(unsigned("/webhook/signed", body)).await;
    assert_eq!(missing.error(), error(401, "WEBHOOK_INVALID"));
    let secret_instead = with(unsigned("/webhook/signed", body), "x-webhook-secret", KEY);
    assert_eq!(door.send(secret_instead).await.error(), error(401, "WEBHOOK_INVALID"));
    let signature = github(body).headers()["x-hub-signature-256"].to_str().unwrap().to_owned();
    let twice = with(github(body), "x-hub-signature-256", &signature);
    assert_eq!(door.send(twice).await.error(), error(400, "INVALID_REQUEST"));
    assert_eq!((door.guests.transforms().len(), entries(&door).len()), (1, 1));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_verified_before_anybody_reads_it() {
    let door = door(Scheme::Github);
    let broken = "{\"text\": \u{feff}";
    assert_eq!(door.send(github(broken)).await.error(), error(422, "TRANSFORM_FAILED"), "verified, then read");
    assert_eq!(door.send(unsigned("/webhook/signed", broken)).await.error(), error(401, "WEBHOOK_INVALID"));
}

#[tokio::test]
async fn a_provider_that_tries_wrong_signatures_hears_401_every_time_and_is_not_locked_out() {
    let door = door(Scheme::Github);
    for _ in 0..3 * FREE_FAILURES {
        let wrong =
            with(unsigned("/webhook/signed", "{}"), "x-hub-signature-256", &format!("sha256={}", "0".repeat(64)));
        assert_eq!(door.send(wrong).await.error(), error(401, "WEBHOOK_INVALID"));
    }
    assert_eq!(door.send(github(r#"{"text":"hi"}"#)).await.status, 200);
}

#[tokio::test]
async fn a_signed_request_from_too_long_ago_or_too_far_ahead_is_401() {
    let door = door(Scheme::Slack);
    let body = r#"{"text":"hi","event_id":"Ev1"}"#;
    for off in [-301, 301] {
        let answer = door.send(slack_at(off, body)).await;
        assert_eq!(answer.error(), error(401, "WEBHOOK_INVALID"));
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("300 s"), "{}", answer.json());
    }
    assert_eq!(door.send(slack_at(-299, body)).await.status, 200);
}

#[tokio::test]
async fn slack_s_challenge_is_answered_only_if_it_is_signed() {
    let door = door(Scheme::Slack);
    let body = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let answer = door.send(slack(body)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/plain")));
    assert_eq!(answer.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
    assert_eq!(door.send(unsigned("/webhook/signed", body)).await.error(), error(401, "WEBHOOK_INVALID"));
    assert_eq!(door.send(slack_at(400, body)).await.error(), error(401, "WEBHOOK_INVALID"));
    door.assert_untouched();
}

#[tokio::test]
async fn slack_s_check_of_the_certificate_is_answered_with_nothing_and_nothing_follows() {
    let signed = door(Scheme::Slack);
    let answer = signed.send(as_form(unsigned("/webhook/signed", "token=x&ssl_check=1"))).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    let other = as_form(unsigned("/webhook/signed", "token=x&text=ssl_check%3D1"));
    assert_eq!(signed.send(other).await.error(), error(401, "WEBHOOK_INVALID"));
    let long = as_form(unsigned("/webhook/signed", format!("ssl_check=1&x={}", "x".repeat(5000))));
    assert_eq!(signed.send(long).await.error(), error(413, "PAYLOAD_TOO_LARGE"), "an unsigned body is a small one");
    signed.assert_untouched();
    let tokens = vec![Secret::new("XXXXXXXXXXXXXXXXXX".to_owned())];
    let token =
        Door::with(vec![Endpoint { auth: EndpointAuth::SlackToken(tokens), ..endpoint("default", "/signed", "m") }]);
    assert_eq!(token.send(as_form(unsigned("/webhook/signed", "ssl_check=1&token=x"))).await.status, 200);
    token.assert_untouched();
}

#[tokio::test]
async fn slack_s_token_reaches_neither_the_transform_nor_the_inbox() {
    let door = door(Scheme::Slack);
    let events = r#"{"token":"s3cr3t-token","text":"hi","event_id":"Ev1"}"#;
    assert_eq!(door.send(slack(events)).await.status, 200);
    assert_eq!(door.send(as_form(slack("token=s3cr3t-token&text=hi&trigger_id=1"))).await.status, 200);
    let payload = "payload=%7B%22token%22%3A%22s3cr3t-token%22%2C%22text%22%3A%22hi%22%7D";
    assert_eq!(door.send(as_form(slack(payload))).await.status, 200);
    let seen = format!("{:?} {:?}", entries(&door), door.guests.transforms());
    assert!(!seen.contains("s3cr3t-token"), "{seen}");
    assert_eq!(entries(&door)[0].body, r#"{"token":"","text":"hi","event_id":"Ev1"}"#);
    assert_eq!(entries(&door)[1].body, "text=hi&trigger_id=1");
}

#[tokio::test]
async fn github_s_ping_is_recorded_and_goes_no_further() {
    let door = door(Scheme::Github);
    let ping = |body: &str| with(with(github(body), "x-github-event", "ping"), "x-github-delivery", "guid-1");
    let body = r#"{"zen":"Keep it logically awesome.","hook_id":42,"text":"hi"}"#;
    let answer = door.send(ping(body)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["outcome"]), (200, &json!("discard")));
    let entry = entries(&door).remove(0);
    assert_eq!((entry.verdict.outcome.as_str(), entry.verdict.transform.as_str()), ("discard", "gateway"));
    assert_eq!((entry.verdict.detail.as_str(), entry.events.len()), (r#"{"reason":"github's ping"}"#, 0));
    assert!(door.guests.transforms().is_empty());
    // The header is not signed, so it alone makes no ping of a push.
    assert_eq!(door.send(with(github(r#"{"text":"hi"}"#), "x-github-event", "ping")).await.status, 200);
    assert_eq!(door.guests.transforms().len(), 1);
}

#[tokio::test]
async fn zoom_s_validation_is_signed_with_the_secret_and_a_token_that_could_be_a_request_is_not() {
    let door = door(Scheme::Zoom);
    let ask = |token: &str| {
        json!({ "event": "endpoint.url_validation", "event_ts": 1, "text": "x", "payload": { "plainToken": token } })
            .to_string()
    };
    let answer = door.send(zoom(&ask("qgg8vlvZRS6UYooatFL8Aw"))).await;
    let encrypted = hex::encode(mac(&["qgg8vlvZRS6UYooatFL8Aw"]));
    assert_eq!(answer.json(), json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted }));
    door.assert_untouched();
    assert_eq!(door.send(unsigned("/webhook/signed", ask("abc"))).await.error(), error(401, "WEBHOOK_INVALID"));
    let oracle = door.send(zoom(&ask("v0:1614265330:{}"))).await;
    assert!(!String::from_utf8_lossy(&oracle.body).contains("encryptedToken"), "{:?}", oracle.body);
}

/// Discord's own test key: RFC 8032, test 1.
fn discord(body: &str) -> Request<Body> {
    use ed25519_dalek::Signer as _;
    let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap());
    let time = seconds(0);
    let signature = hex::encode(key.sign(format!("{time}{body}").as_bytes()).to_bytes());
    let request = with(unsigned("/webhook/signed", body.to_owned()), "x-signature-ed25519", &signature);
    with(request, "x-signature-timestamp", &time)
}

#[tokio::test]
async fn discord_s_pings_are_answered_each_in_its_own_way_and_only_if_they_are_signed() {
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let auth = EndpointAuth::Signed(Signing {
        scheme: Scheme::Discord,
        secrets: vec![Secret::new(key.to_owned())],
        tolerance: std::time::Duration::from_secs(300),
    });
    let door = Door::with(vec![Endpoint { auth, ..endpoint("default", "/signed", "got {{body.text}}") }]);
    let interactions = door.send(discord(r#"{"type":1,"id":"1"}"#)).await;
    assert_eq!((interactions.status.as_u16(), interactions.json()), (200, json!({ "type": 1 })));
    let events = door.send(discord(r#"{"type":0}"#)).await;
    assert_eq!((events.status.as_u16(), events.body.len(), events.header("content-type")), (204, 0, None));
    let unsigned_ping = door.send(unsigned("/webhook/signed", r#"{"type":1}"#)).await;
    assert_eq!(unsigned_ping.error(), error(401, "WEBHOOK_INVALID"));
    let wrong = with(unsigned("/webhook/signed", r#"{"type":1}"#), "x-signature-ed25519", &"00".repeat(64));
    let wrong = with(wrong, "x-signature-timestamp", &seconds(0));
    assert_eq!(door.send(wrong).await.error(), error(401, "WEBHOOK_INVALID"));
    door.assert_untouched();
    assert_eq!(door.send(discord(r#"{"type":1,"event":{"type":"X"},"text":"hi"}"#)).await.status, 200);
    assert_eq!(door.guests.transforms().len(), 1, "an event of Discord's is no ping");
}

#[tokio::test]
async fn meta_s_subscription_is_answered_with_its_challenge_and_another_token_with_403() {
    let verify_tokens = vec![Secret::new("verify-me".to_owned())];
    let door = door(Scheme::Meta { verify_tokens });
    let get = |path: &str| {
        let mut request = unsigned(path, "");
        *request.method_mut() = Method::GET;
        request
    };
    let right = "/webhook/signed?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=1158201444";
    let answer = door.send(get(right)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/plain")));
    assert_eq!((answer.body.as_ref(), answer.header("x-content-type-options")), (&b"1158201444"[..], Some("nosniff")));
    for wrong in [
        right.replace("verify-me", "verify-m"),
        right.replace("subscribe", "unsubscribe"),
        right.replace("1158201444", "%3Cscript%3E%20"),
        format!("{right}&hub.verify_token=verify-me"),
        "/webhook/signed".to_owned(),
    ] {
        assert_eq!(door.send(get(&wrong)).await.error(), error(403, "WEBHOOK_INVALID"), "{wrong}");
    }
    for _ in 0..FREE_FAILURES {
        door.send(get("/webhook/signed?hub.verify_token=guess")).await;
    }
    assert_eq!(door.send(get(right)).await.error(), error(429, "RATE_LIMITED"), "guesses are few");
    assert_eq!(door.send(github(r#"{"text":"hi"}"#)).await.status, 200, "its events are signed as GitHub's are");
    assert_eq!(entries(&door).len(), 1);
}

#[tokio::test]
async fn a_get_is_taken_by_no_other_endpoint() {
    for scheme in [Scheme::Github, Scheme::Slack, Scheme::StandardWebhooks] {
        let door = door(scheme);
        let mut request = unsigned("/webhook/signed?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1", "");
        *request.method_mut() = Method::GET;
        assert_eq!(door.send(request).await.status, 405);
    }
}

#[tokio::test]
async fn a_delivery_is_taken_once_by_the_id_its_provider_repeats() {
    let again = |answer: &Answered| answer.json()["duplicate"].clone();
    let one = r#"{"text":"hi","id":"evt_1","event_id":"Ev1","event":{"id":"01"}}"#;
    let two = r#"{"text":"ho","id":"evt_2","event_id":"Ev2","event":{"id":"02"}}"#;

    // GitHub repeats a header.
    let github_door = door(Scheme::Github);
    let named = |body, id| with(github(body), "x-github-delivery", id);
    let first = github_door.send(named(one, "a")).await;
    let repeated = github_door.send(named(one, "a")).await;
    assert_eq!((again(&first), again(&repeated)), (json!(false), json!(true)));
    assert_eq!(first.json()["id"], repeated.json()["id"]);
    assert_eq!(again(&github_door.send(named(one, "b")).await), json!(false));
    assert_eq!(entries(&github_door)[0].key.as_deref(), Some("github a"));
    let other_key = with(github(one), "idempotency-key", "a");
    assert_eq!(again(&github_door.send(other_key).await), json!(false), "a key of another kind is another");

    // Slack and Stripe repeat a field, signed anew at a later time.
    let slack_door = door(Scheme::Slack);
    let retry = |off, body| with(slack_at(off, body), "x-slack-retry-num", "1");
    assert_eq!(again(&slack_door.send(slack_at(0, one)).await), json!(false));
    assert_eq!(again(&slack_door.send(retry(60, one)).await), json!(true));
    assert_eq!(again(&slack_door.send(slack_at(0, two)).await), json!(false));
    let stripe_door = door(Scheme::Stripe);
    assert_eq!(again(&stripe_door.send(stripe(0, one)).await), json!(false));
    assert_eq!(again(&stripe_door.send(stripe(10, one)).await), json!(true));
    assert_eq!(again(&stripe_door.send(stripe(10, two)).await), json!(false));
    assert_eq!(entries(&stripe_door)[0].key.as_deref(), Some("stripe evt_1"));

    // Zoom has no id; the same body is the same event.
    let zoom_door = door(Scheme::Zoom);
    assert_eq!(again(&zoom_door.send(zoom(one)).await), json!(false));
    assert_eq!(again(&zoom_door.send(zoom(one)).await), json!(true));
    for door in [github_door, slack_door, stripe_door, zoom_door] {
        assert_eq!(door.guests.transforms().len(), entries(&door).len(), "what was there runs nothing");
    }
}

#[tokio::test]
async fn a_captured_request_is_not_made_new_by_a_header_that_is_not_signed() {
    let door = door(Scheme::Slack);
    let slash = "command=%2Fdeploy&text=hi&trigger_id=1.2.3";
    assert_eq!(door.send(as_form(slack(slash))).await.json()["duplicate"], json!(false));
    for (name, value) in [("idempotency-key", "new"), ("x-github-delivery", "new"), ("webhook-id", "new")] {
        let again = door.send(with(as_form(slack(slash)), name, value)).await;
        assert_eq!(again.json()["duplicate"], json!(true), "{name}");
    }
    assert_eq!(door.send(as_form(slack_at(1, slash))).await.json()["duplicate"], json!(false), "another second");
}

#[tokio::test]
async fn a_recipe_takes_its_delivery_s_id_from_the_header_it_names_and_hides_its_signature() {
    let parts = RecipeParts {
        header: "X-Proof-Of-Origin",
        signed: vec!["body"],
        id_header: Some("X-Event"),
        ..RecipeParts::default()
    };
    let door = door(Scheme::Hmac(HmacRecipe::new(&parts).unwrap()));
    let body = r#"{"text":"hi"}"#;
    let signature = hex::encode(mac(&[body]));
    let send = |id: &str| {
        let request = with(unsigned("/webhook/signed", body), "x-proof-of-origin", &signature);
        door.send(with(request, "x-event", id))
    };
    assert_eq!(send("1").await.json()["duplicate"], json!(false));
    assert_eq!(send("1").await.json()["duplicate"], json!(true));
    assert_eq!(send("2").await.json()["duplicate"], json!(false));
    let seen = format!("{:?} {:?}", entries(&door), door.guests.transforms());
    assert!(seen.contains("x-event") && !seen.contains(&signature) && !seen.contains("x-proof-of-origin"), "{seen}");
}

#[tokio::test]
async fn beside_a_signed_time_a_recipe_s_id_counts_only_if_it_is_signed() {
    let time = seconds(0);
    let body = r#"{"text":"hi"}"#;
    for (signed, is_signed) in
        [(vec!["timestamp", ".", "body"], false), (vec!["timestamp", ".", "header:x-event", ".", "body"], true)]
    {
        let parts = RecipeParts {
            header: "X-Proof",
            signed,
            timestamp_header: Some("X-Time"),
            id_header: Some("X-Event"),
            ..RecipeParts::default()
        };
        let door = door(Scheme::Hmac(HmacRecipe::new(&parts).unwrap()));
        let send = |id: &str| {
            let proof = if is_signed { mac(&[&time, ".", id, ".", body]) } else { mac(&[&time, ".", body]) };
            let request = with(unsigned("/webhook/signed", body), "x-proof", &hex::encode(proof));
            door.send(with(with(request, "x-time", &time), "x-event", id))
        };
        assert_eq!(send("1").await.json()["duplicate"], json!(false));
        assert_eq!(send("1").await.json()["duplicate"], json!(true));
        assert_eq!(send("2").await.json()["duplicate"], json!(!is_signed), "a captured request, and another id");
    }
}

#[tokio::test]
async fn slack_s_unsigned_check_spends_nothing_of_the_endpoint_s_limit() {
    let limited = Endpoint { requests_per_minute: 1, ..signed_endpoint(Scheme::Slack, "got {{body.text}}") };
    let door = Door::with(vec![limited]);
    for _ in 0..3 {
        assert_eq!(door.send(as_form(unsigned("/webhook/signed", "ssl_check=1&token=x"))).await.status, 200);
    }
    assert_eq!(door.send(slack(r#"{"text":"hi"}"#)).await.status, 200);
    assert_eq!(door.send(slack(r#"{"text":"ho"}"#)).await.error(), error(429, "RATE_LIMITED"));
}

#[tokio::test]
async fn a_stranger_that_never_ends_its_bodies_leaves_room_for_who_signs() {
    let door = door(Scheme::Github);
    let endless = || {
        let sent = stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 1 << 20])]).chain(stream::pending());
        let mut request = unsigned("/webhook/signed", Body::from_stream(sent));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
        with(request, "x-hub-signature-256", "sha256=00")
    };
    let mut strangers: Vec<_> = (0..64).map(|_| Box::pin(door.send(endless()))).collect();
    let refused = strangers.iter_mut().filter_map(|stranger| stranger.now_or_never());
    let refused: Vec<_> = refused.map(|answer| answer.error()).collect();
    assert_eq!(refused, vec![error(503, "QUEUE_FULL"); 48]);
    assert_eq!(door.send(github(r#"{"text":"hi"}"#)).await.status, 200);
}

#[tokio::test]
async fn a_signature_reaches_neither_the_transform_nor_the_inbox() {
    let door = door(Scheme::Stripe);
    let request = stripe(0, r#"{"text":"hi"}"#);
    let signature = request.headers()["stripe-signature"].to_str().unwrap().to_owned();
    assert_eq!(door.send(request).await.status, 200);
    let seen = format!("{:?} {:?}", entries(&door), door.guests.transforms());
    assert!(!seen.contains(&signature) && !seen.contains("stripe-signature") && !seen.contains(KEY), "{seen}");
}

#[tokio::test]
async fn gitlab_s_token_is_a_secret_in_another_header() {
    let auth = EndpointAuth::GitlabToken(vec![Secret::new("old-token-old".to_owned()), Secret::new(KEY.to_owned())]);
    let door = Door::with(vec![Endpoint { auth, ..endpoint("default", "/signed", "got {{body.text}}") }]);
    let show = |header, token: &str| with(unsigned("/webhook/signed", r#"{"text":"hi"}"#), header, token);
    let keyed = with(show("x-gitlab-token", KEY), "idempotency-key", "uuid");
    assert_eq!(door.send(keyed).await.status, 200);
    assert_eq!(door.send(show("x-gitlab-token", "old-token-old")).await.status, 200);
    assert_eq!(door.send(show("x-gitlab-token", "wrong")).await.error(), error(401, "WEBHOOK_INVALID"));
    assert_eq!(door.send(show("x-webhook-secret", KEY)).await.error(), error(401, "WEBHOOK_INVALID"));
    let seen = format!("{:?} {:?}", entries(&door), door.guests.transforms());
    assert!(!seen.contains(KEY) && !seen.contains("old-token"), "{seen}");
}

#[tokio::test]
async fn a_message_with_gaps_is_sent_discarded_or_refused_as_the_endpoint_says() {
    let of = |on_partial| Door::with(vec![Endpoint { on_partial, ..deploy_alert() }]);
    let partial = || post("/webhook/deploy-alert", r#"{"service":"api"}"#);

    let sends = of(OnPartial::Send);
    assert_eq!(sends.send(partial()).await.status, 200);
    assert_eq!(entries(&sends)[0].events.len(), 1);

    let discards = of(OnPartial::Discard);
    assert_eq!(discards.send(partial()).await.json()["outcome"], json!("discard"));
    let entry = entries(&discards).remove(0);
    assert_eq!((entry.verdict.outcome.as_str(), entry.events.len()), ("discard", 0));
    assert!(entry.verdict.detail.contains("2 placeholders found no value"), "{}", entry.verdict.detail);

    let refuses = of(OnPartial::Refuse);
    let answer = refuses.send(with(partial(), "idempotency-key", "k")).await;
    assert_eq!(answer.error(), error(422, "TRANSFORM_FAILED"));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("2 placeholders"), "{}", answer.json());
    assert_eq!((entries(&refuses)[0].verdict.outcome.as_str(), entries(&refuses)[0].events.len()), ("failed", 0));
    assert_eq!(refuses.send(with(partial(), "idempotency-key", "k")).await.status, 422, "kept, and answered alike");
    for door in [of(OnPartial::Discard), of(OnPartial::Refuse)] {
        assert_eq!(door.send(deploy()).await.status, 200);
        assert_eq!(entries(&door)[0].events.len(), 1, "a whole message is said");
    }
}

#[tokio::test]
async fn a_body_cannot_say_where_it_comes_from() {
    let door = Door::of_the_guide();
    let body = r#"{"channel":"telegram","sender":"owner","sender_name":"the owner","source":"gmail","service":"x"}"#;
    assert_eq!(door.send(post("/webhook/deploy-alert", body)).await.status, 200);
    let data: Value = serde_json::from_str(&entries(&door)[0].events[0].data).unwrap();
    assert_eq!((&data["channel"], &data["sender"]), (&json!("webhook"), &json!("/deploy-alert")));
    assert_eq!(data["sender_name"], json!("/deploy-alert"));
}

#[tokio::test]
async fn only_who_signed_spends_the_endpoint_s_limit() {
    let limited = Endpoint { requests_per_minute: 1, ..signed_endpoint(Scheme::Github, "got {{body.text}}") };
    let door = Door::with(vec![limited]);
    for _ in 0..3 {
        assert_eq!(door.send(unsigned("/webhook/signed", "{}")).await.status, 401);
    }
    assert_eq!(door.send(github(r#"{"text":"hi"}"#)).await.status, 200);
    let over = door.send(github(r#"{"text":"hi"}"#)).await;
    assert_eq!(over.error(), error(429, "RATE_LIMITED"));
    assert!(over.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}
