//! Accepted, durable webhooks a second by the way their senders sign, beside a durable POST that reads no signature.
//!
//! The load generator signs each request anew, with an id of its own, for the floor as for the gateway: what signing
//! costs is in both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Setup;
use crate::gateway::{Floor, Home};
use crate::load::{Amount, Made, Post, post};
use crate::report::{Budget, Measure, Row};

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 60_000;
const KEY: &[u8] = b"a-signing-key-of-32-bytes-or-so!";

/// How a sender signs: its word in the configuration, its secret there, and what it sends.
struct Scheme {
    name: &'static str,
    secret: String,
    sign: fn(u64, u64) -> Made,
}

fn schemes() -> [Scheme; 5] {
    let text = || String::from_utf8_lossy(KEY).into_owned();
    [
        Scheme { name: "github", secret: text(), sign: github },
        Scheme { name: "slack", secret: text(), sign: slack },
        Scheme { name: "stripe", secret: text(), sign: stripe },
        Scheme { name: "standard-webhooks", secret: format!("whsec_{}", STANDARD.encode(KEY)), sign: standard },
        Scheme { name: "discord", secret: hex::encode(signing_key().verifying_key().as_bytes()), sign: discord },
    ]
}

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let floor = Floor::start("floor-post")?;
    let home = Home::new(&setup.binary)?;
    home.configure(|config| {
        let endpoints = schemes().map(|scheme| {
            json!({
                "path": format!("/{}", scheme.name), "auth": scheme.name, "secret": scheme.secret,
                "message": "{{body.service}} is now {{body.status}}",
                "limits": { "requestsPerMinute": 10_000_000 },
            })
        });
        config["webhooks"]["incoming"]["endpoints"] = Value::from(endpoints.to_vec());
    })?;
    let gateway = home.start()?;
    let mut rows = Vec::new();
    for scheme in schemes() {
        let per_second = |address: &str, path: &str| {
            let next = AtomicU64::new(0);
            let make = move || (scheme.sign)(next.fetch_add(1, Ordering::Relaxed), now());
            let what = Post { address: address.to_owned(), path: path.to_owned(), make: Arc::new(make) };
            let amount = Amount {
                connections: CONNECTIONS,
                requests: setup.count(REQUESTS),
                warm_up: setup.count(1_000) / CONNECTIONS,
                limit: Duration::from_secs(20),
            };
            anyhow::Ok(post(&what, amount)?.per_second)
        };
        let bare = per_second(&floor.address, "/webhook/deploy-alert")?;
        let verified = per_second(&gateway.address, &format!("/webhook/{}", scheme.name))?;
        rows.push(Row {
            what: format!("`{}` webhooks verified, transformed, durable, c=16", scheme.name),
            floor: Some((Measure::PerSecond(bare), "durable POST of the same requests")),
            measured: Measure::PerSecond(verified),
            budget: Budget::Orientation,
            peer: "",
        });
    }
    gateway.stop()?;
    Ok(rows)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn body(number: u64) -> String {
    // Under each name that some scheme reads its id from.
    format!(r#"{{"service":"api-v2","status":"success","id":"evt_{number}","event_id":"Ev{number}","type":2}}"#)
}

fn mac(parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn github(number: u64, _: u64) -> Made {
    let body = body(number);
    let signature = format!("sha256={}", hex::encode(mac(&[&body])));
    let headers = vec![
        ("x-hub-signature-256", signature),
        ("x-github-event", "deployment".to_owned()),
        ("x-github-delivery", format!("delivery-{number}")),
    ];
    Made { headers, body: body.into() }
}

fn slack(number: u64, now: u64) -> Made {
    let (body, time) = (body(number), now.to_string());
    let signature = format!("v0={}", hex::encode(mac(&["v0:", &time, ":", &body])));
    Made { headers: vec![("x-slack-signature", signature), ("x-slack-request-timestamp", time)], body: body.into() }
}

fn stripe(number: u64, now: u64) -> Made {
    let (body, time) = (body(number), now.to_string());
    let signature = hex::encode(mac(&[&time, ".", &body]));
    Made { headers: vec![("stripe-signature", format!("t={time},v1={signature}"))], body: body.into() }
}

fn standard(number: u64, now: u64) -> Made {
    let (body, id, time) = (body(number), format!("msg_{number}"), now.to_string());
    let signature = format!("v1,{}", STANDARD.encode(mac(&[&id, ".", &time, ".", &body])));
    let headers = vec![("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
    Made { headers, body: body.into() }
}

fn discord(number: u64, now: u64) -> Made {
    let (body, time) = (body(number), now.to_string());
    let signature = hex::encode(signing_key().sign(format!("{time}{body}").as_bytes()).to_bytes());
    Made { headers: vec![("x-signature-ed25519", signature), ("x-signature-timestamp", time)], body: body.into() }
}
