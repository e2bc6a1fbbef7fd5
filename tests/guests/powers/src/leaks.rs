//! A tool that tells everybody what a server answered: what it reads is then looked for wherever a guest is heard.

use std::collections::BTreeMap;

use openclaw_guest::{Failure, tool};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bindings::wasi::keyvalue0_2_0_draft2::store;
use crate::requests::{Request, fetch};

/// A request, and how the call ends once it is answered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leak {
    /// The request.
    request: Request,
    /// `return`, `fail` or `panic`.
    end: String,
}

/// Logs, reports, emits and keeps what a server answered, and then returns it, fails with it or panics with it.
#[tool]
pub(crate) fn leak(wanted: &Leak) -> Result<String, Failure> {
    let read = fetch(&wanted.request)?;
    openclaw_guest::trace!("it read {read}");
    openclaw_guest::info!("it read {read}");
    openclaw_guest::progress::report(0.5, &read);
    openclaw_guest::events::emit("read", &BTreeMap::from([("text", &read)])).map_err(|error| error.to_string())?;
    let bucket = store::open("notes").map_err(|error| format!("{error:?}"))?;
    bucket.set("read", read.as_bytes()).map_err(|error| format!("{error:?}"))?;
    match wanted.end.as_str() {
        "return" => Ok(read),
        "fail" => Err(Failure::from(read)),
        _ => panic!("it read {read}"),
    }
}
