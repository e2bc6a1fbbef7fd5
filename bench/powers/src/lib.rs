//! The guest that powers are measured with. Invariant: `echo` is the echo of `bench/guest`, so that what differs between
//! the two is that this component imports powers, and a grant is looked at.

use openclaw_guest::{Failure, Json, http, kv, skill, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A small typed message: parsed and written again by serde on each call.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Message {
    /// Any text.
    pub text: String,
    /// Any number.
    pub number: i64,
    /// Any list of words.
    pub words: Vec<String>,
}

/// Which key.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Which {
    /// The key.
    pub key: String,
}

/// Where to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Where {
    /// The URL.
    pub url: String,
}

/// Gives back what it was given.
#[tool(read_only, idempotent)]
pub fn echo(message: Message) -> Json<Message> {
    Json(message)
}

/// Keeps a key.
#[tool]
pub fn keep(Which { key }: Which) -> Result<String, Failure> {
    kv::open("default")?.set(&key, b"kept")?;
    Ok("kept".to_owned())
}

/// Reads a key.
#[tool(read_only)]
pub fn read(Which { key }: Which) -> Result<String, Failure> {
    let value = kv::open("default")?.get(&key)?.ok_or_else(|| Failure::not_found("no such key"))?;
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// Asks a server.
#[tool(read_only)]
pub fn fetch(to: Where) -> Result<String, Failure> {
    Ok(http::get(to.url)?.text().into_owned())
}

skill!(echo, keep, read, fetch);
