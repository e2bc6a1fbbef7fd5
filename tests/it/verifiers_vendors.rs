//! The libraries of those who send webhooks sign; the gateway takes what they made, once, and refuses it with one bit
//! changed.
//!
//! `make test` installs the libraries and says where Node and Python are; without them this is skipped aloud, and with
//! `CI=true` it fails.

use std::path::PathBuf;
use std::process::Stdio;

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{Answer, request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const KEY: &str = "a-secret-that-both-sides-know";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// RFC 8032, test 1: the seed, and the public key that is configured.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const JSON_BODY: &str = r#"{"id":"evt_1","object":"event","event_id":"Ev1","text":"grüße"}"#;
const FORM_BODY: &str = "token=none&text=a+b%26c&user_name=Steve&trigger_id=1.2";
const FORM: &str = "application/x-www-form-urlencoded";

/// What one library is asked to sign: its scheme, the secret, the endpoint, the body and its type.
type Ask = (&'static str, &'static str, &'static str, &'static str, &'static str);

const NODE: [Ask; 8] = [
    ("github", KEY, "/github", JSON_BODY, "application/json"),
    ("stripe", KEY, "/stripe", JSON_BODY, "application/json"),
    ("shopify", KEY, "/shopify", JSON_BODY, "application/json"),
    ("twilio", KEY, "/twilio", FORM_BODY, FORM),
    ("twilio-json", KEY, "/twilio", JSON_BODY, "application/json"),
    ("discord", SEED, "/discord", JSON_BODY, "application/json"),
    ("standard-webhooks", STANDARD, "/standard", JSON_BODY, "application/json"),
    ("svix", STANDARD, "/gitlab", JSON_BODY, "application/json"),
];
const PYTHON: [Ask; 7] = [
    ("slack", KEY, "/slack", FORM_BODY, FORM),
    ("slack", KEY, "/slack", JSON_BODY, "application/json"),
    ("stripe", KEY, "/stripe", JSON_BODY, "application/json"),
    ("twilio", KEY, "/twilio", FORM_BODY, FORM),
    ("discord", SEED, "/discord", JSON_BODY, "application/json"),
    ("standard-webhooks", STANDARD, "/standard", JSON_BODY, "application/json"),
    ("svix", STANDARD, "/gitlab", JSON_BODY, "application/json"),
];

fn config() -> String {
    let endpoint = |path: &str, secret: &str| json!({ "path": format!("/{path}"), "auth": path, "secret": secret, "message": "{{body.text}}" });
    let mut endpoints: Vec<Value> =
        ["github", "stripe", "shopify", "twilio", "slack"].iter().map(|path| endpoint(path, KEY)).collect();
    endpoints.push(endpoint("discord", PUBLIC));
    endpoints.push(endpoint("gitlab", STANDARD));
    let mut standard = endpoint("standard-webhooks", STANDARD);
    standard["path"] = json!("/standard");
    endpoints.push(standard);
    json!({ "webhooks": { "incoming": { "endpoints": endpoints } } }).to_string()
}

/// The program an environment variable names; `None`, said aloud, when nobody said.
#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was left out")]
fn program(variable: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{variable} is not set: run `make test`");
    println!("SKIPPED verifiers_vendors: {variable} names no program that has the senders' libraries");
    None
}

/// What the libraries make of these requests.
async fn sign(program: &PathBuf, script: &str, asks: &[Ask], address: &str) -> Vec<Value> {
    let asks: Vec<Value> = asks
        .iter()
        .enumerate()
        .map(|(at, (scheme, secret, path, body, _))| {
            let url = format!("http://{address}/webhook{path}");
            json!({ "scheme": scheme, "secret": secret, "body": body, "url": url, "id": format!("msg_{script}_{at}").replace('.', "_") })
        })
        .collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/vendors").join(script);
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&asks).unwrap().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "the libraries could not sign: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn send(gateway: &TestGateway, ask: &Ask, signed: &Value, body: &[u8]) -> Answer {
    let (_, _, path, _, content_type) = ask;
    let mut headers = vec![("content-type", *content_type)];
    headers.extend(
        signed["headers"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())),
    );
    let path = format!("/webhook{path}{}", signed["query"].as_str().unwrap_or_default());
    request(gateway.address(), "POST", &path, &headers, body).await.unwrap()
}

async fn accepts(variable: &str, script: &str, asks: &[Ask]) {
    let Some(program) = program(variable) else { return };
    let gateway = TestGateway::start(&config()).await;
    let signed = sign(&program, script, asks, gateway.address()).await;
    assert_eq!(signed.len(), asks.len());
    for (ask, signed) in asks.iter().zip(&signed) {
        let (scheme, body, library) = (ask.0, ask.3.as_bytes(), &signed["library"]);
        for at in [0, body.len() / 2, body.len() - 1] {
            let mut changed = body.to_vec();
            changed[at] ^= 1;
            assert_eq!(send(&gateway, ask, signed, &changed).await.status, 401, "{scheme} {library} {at}");
        }
        let taken = send(&gateway, ask, signed, body).await;
        assert_eq!((taken.status, &taken.json()["duplicate"]), (200, &json!(false)), "{scheme} {library}: {taken:?}");
        let again = send(&gateway, ask, signed, body).await;
        assert_eq!((again.status, &again.json()["duplicate"]), (200, &json!(true)), "{scheme} {library}: {again:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_senders_libraries_for_node_sign_is_taken_once_and_changed_it_is_refused() {
    accepts("OPENCLAW_VENDOR_NODE", "sign.mjs", &NODE).await;
}

#[tokio::test]
async fn what_the_senders_libraries_for_python_sign_is_taken_once_and_changed_it_is_refused() {
    accepts("OPENCLAW_VENDOR_PYTHON", "sign.py", &PYTHON).await;
}

#[tokio::test]
async fn a_handshake_that_a_library_signed_is_answered_and_changed_it_is_refused() {
    const PING: Ask = ("discord", SEED, "/discord", r#"{"type":1,"id":"1"}"#, "application/json");

    const CHALLENGE: &str = r#"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd","type":"url_verification"}"#;
    let (Some(node), Some(python)) = (program("OPENCLAW_VENDOR_NODE"), program("OPENCLAW_VENDOR_PYTHON")) else {
        return;
    };
    let gateway = TestGateway::start(&config()).await;
    let slack: Ask = ("slack", KEY, "/slack", CHALLENGE, "application/json");
    let mut signed = sign(&node, "sign.mjs", &[PING], gateway.address()).await;
    signed.extend(sign(&python, "sign.py", &[slack], gateway.address()).await);
    for (ask, signed, answer) in
        [(PING, &signed[0], r#"{"type":1}"#), (slack, &signed[1], "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd")]
    {
        let answered = send(&gateway, &ask, signed, ask.3.as_bytes()).await;
        assert_eq!((answered.status, answered.body.as_str()), (200, answer), "{}", ask.0);
        assert_eq!(send(&gateway, &ask, signed, br#"{"type":0}"#).await.status, 401, "{}", ask.0);
    }
    gateway.stop().await;
}
