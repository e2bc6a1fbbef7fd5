//! Signed webhooks from the socket to the disk: what passes each verifier, which handshakes the host answers, and that
//! a delivery stays taken when the gateway is started again.
//!
//! The one vector GitHub publishes is a key, a text and their HMAC, so it stands for every scheme that signs the body
//! alone; schemes that sign a time are tried with their senders' libraries in `verifiers_vendors`.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{Answer, request};
use serde_json::json;

const BODY: &[u8] = b"Hello, World!";
const HEX: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const BASE64: &str = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";

const ENDPOINTS: &str = r#"{
    webhooks: { incoming: { secret: ["a-secret-from-before-it-changed", "It's a Secret to Everybody"], endpoints: [
        { path: "/github", auth: "github", message: "{{body}}" },
        { path: "/meta", auth: { scheme: "meta", verifyToken: "a-token-of-the-tests-own-to-subscribe" }, message: "{{body}}" },
        { path: "/shopify", auth: "shopify", message: "{{body}}" },
        { path: "/pagerduty", auth: "pagerduty", message: "{{body}}" },
        { path: "/recipe", message: "{{body}}", auth: { scheme: "hmac", header: "X-Proof", prefix: "mac:",
          encoding: "base64", algorithm: "sha256", signed: ["body"], idHeader: "X-Event" } },
        { path: "/slack", auth: "slack", message: "{{body.text}}" },
        { path: "/gitlab", auth: "gitlab-token", secret: "a-token-of-gitlab-for-the-tests", message: "{{body.text}}" },
        { path: "/whole", auth: "gitlab-token", secret: "a-token-of-gitlab-for-the-tests",
          message: "{{body.text}} {{body.more}}", onPartial: "discard" },
        { path: "/strict", auth: "gitlab-token", secret: "a-token-of-gitlab-for-the-tests",
          message: "{{body.text}} {{body.more}}", onPartial: "refuse" },
    ] } },
}"#;

async fn send(gateway: &TestGateway, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut all = vec![("content-type", "text/plain")];
    all.extend_from_slice(headers);
    request(gateway.address(), "POST", &format!("/webhook{path}"), &all, body).await.unwrap()
}

/// The endpoints that take the published vector, each with the header that carries it.
fn proofs() -> [(&'static str, &'static str, String); 5] {
    [
        ("/github", "x-hub-signature-256", format!("sha256={HEX}")),
        ("/meta", "x-hub-signature-256", format!("sha256={HEX}")),
        ("/shopify", "x-shopify-hmac-sha256", BASE64.to_owned()),
        ("/pagerduty", "x-pagerduty-signature", format!("v1={},v1={HEX}", "0".repeat(64))),
        ("/recipe", "x-proof", format!("mac:{BASE64}")),
    ]
}

#[tokio::test]
async fn a_signed_body_is_a_message_and_a_changed_one_nothing() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    for (path, header, proof) in proofs() {
        let proof = proof.as_str();
        for (headers, body) in [
            (&[(header, proof)][..], &b"Hello, World?"[..]),
            (&[(header, &proof.replace("3e17", "3e18").replace("EPhc", "EPic"))], BODY),
            (&[], BODY),
            (&[("x-webhook-secret", "It's a Secret to Everybody")], BODY),
        ] {
            let answer = send(&gateway, path, headers, body).await;
            let code = answer.json()["error"]["code"].clone();
            assert_eq!((answer.status, code), (401, json!("WEBHOOK_INVALID")), "{path} {headers:?}");
        }
        assert_eq!(send(&gateway, path, &[(header, proof), (header, proof)], BODY).await.status, 400, "{path}");
        assert_eq!(send(&gateway, path, &[(header, proof)], BODY).await.status, 200, "{path}");
        let seen = session.first_of("channel.message.received").await.unwrap();
        assert_eq!((&seen["payload"]["sender"], &seen["payload"]["text"]), (&json!(path), &json!("Hello, World!")));
    }
    let said = gateway.said();
    assert!(!said.contains(HEX) && !said.contains(BASE64), "{said}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_delivery_stays_taken_when_the_gateway_is_started_again() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let github = [("x-hub-signature-256", &*format!("sha256={HEX}")), ("x-github-delivery", "guid-1")];
    let recipe = [("x-proof", &*format!("mac:{BASE64}")), ("x-event", "guid-1")];
    let first = send(&gateway, "/github", &github, BODY).await.json();
    assert_eq!(first["duplicate"], json!(false));
    assert_eq!(send(&gateway, "/recipe", &recipe, BODY).await.json()["duplicate"], json!(false));
    let gateway = TestGateway::start_in(gateway.kill9().await, ENDPOINTS).await;
    let again = send(&gateway, "/github", &github, BODY).await.json();
    assert_eq!((&again["duplicate"], &again["id"]), (&json!(true), &first["id"]));
    assert_eq!(send(&gateway, "/recipe", &recipe, BODY).await.json()["duplicate"], json!(true));
    // A key of the sender's own choice is never a provider's id.
    let chosen = [github[0], ("idempotency-key", "guid-1")];
    assert_eq!(send(&gateway, "/github", &chosen, BODY).await.json()["duplicate"], json!(false));
    gateway.stop().await;
}

#[tokio::test]
async fn meta_subscribes_with_a_get_and_slack_checks_the_certificate_unsigned() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let subscribe =
        |token: &str| format!("/webhook/meta?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
    let answer = gateway.get(&subscribe("a-token-of-the-tests-own-to-subscribe")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
    assert_eq!(gateway.get(&subscribe("another-token-of-the-same-length-or-so")).await.status, 403);
    assert_eq!(gateway.get("/webhook/github?hub.mode=subscribe&hub.challenge=1").await.status, 405);

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let slack = |body: &'static [u8]| request(gateway.address(), "POST", "/webhook/slack", &form, body);
    let checked = slack(b"ssl_check=1&token=x").await.unwrap();
    assert_eq!((checked.status, checked.body.as_str()), (200, ""));
    assert_eq!(slack(b"text=hi&token=x").await.unwrap().status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn what_happens_to_a_message_with_gaps_is_the_endpoint_s_choice() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let token = [("x-gitlab-token", "a-token-of-gitlab-for-the-tests")];
    let (whole, partial) = (json!({ "text": "hi", "more": "ho" }), json!({ "text": "hi" }));
    let discarded = gateway.post("/webhook/whole", &token, &partial).await;
    assert_eq!((discarded.status, &discarded.json()["outcome"]), (200, &json!("discard")));
    let refused = gateway.post("/webhook/strict", &token, &partial).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (422, &json!("TRANSFORM_FAILED")));
    for path in ["/webhook/whole", "/webhook/strict"] {
        let answer = gateway.post(path, &token, &whole).await;
        assert_eq!((answer.status, &answer.json()["outcome"]), (200, &json!(null)), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_form_that_carries_json_in_payload_is_that_json() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("x-gitlab-token", "a-token-of-gitlab-for-the-tests")];
    let body = b"payload=%7B%22text%22%3A%22from+a+form%22%7D";
    assert_eq!(request(gateway.address(), "POST", "/webhook/gitlab", &headers, body).await.unwrap().status, 200);
    let seen = session.first_of("channel.message.received").await.unwrap();
    assert_eq!(seen["payload"]["text"], json!("from a form"));
    gateway.stop().await;
}
