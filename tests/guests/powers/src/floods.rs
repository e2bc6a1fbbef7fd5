//! Tools that take as much of each capability as they get.

use openclaw_guest::{Failure, tool};

/// Emits events for ever.
#[tool]
pub(crate) fn events() -> Result<String, Failure> {
    for number in 0.. {
        let data = std::collections::BTreeMap::from([("number", number)]);
        openclaw_guest::events::emit("changed", &data).map_err(|error| format!("after {number}: {error}"))?;
    }
    Ok("never".to_owned())
}

/// Reports progress a thousand times.
#[tool]
pub(crate) fn progress() -> String {
    let long = "x".repeat(5000);
    (0..1000).for_each(|_| openclaw_guest::progress::report(0.1, &long));
    "said".to_owned()
}

/// Keeps values until there is no room.
#[tool]
pub(crate) fn fill() -> Result<String, Failure> {
    for number in 0.. {
        keep(number).map_err(|error| format!("after {number}: {error}"))?;
    }
    Ok("never".to_owned())
}

/// Opens a bucket again and again and closes none.
#[tool]
pub(crate) fn opens() -> Result<String, Failure> {
    open_for_ever();
    Ok("never".to_owned())
}

/// Makes headers without end.
#[tool]
pub(crate) fn headers() -> Result<String, Failure> {
    Ok(make_headers())
}

/// Computes for ever.
#[tool]
pub(crate) fn spin() -> String {
    loop {
        std::hint::black_box(0);
    }
}

fn keep(number: i64) -> Result<(), String> {
    let bucket =
        crate::bindings::wasi::keyvalue0_2_0_draft2::store::open("notes").map_err(|error| format!("{error:?}"))?;
    bucket.set(&format!("key {number}"), &vec![7; 10_000]).map_err(|error| format!("{error:?}"))
}

fn open_for_ever() {
    let mut held = Vec::new();
    loop {
        held.push(crate::bindings::wasi::keyvalue0_2_0_draft2::store::open("notes"));
    }
}

fn make_headers() -> String {
    let fields = crate::bindings::wasi::http::types::Fields::new();
    for number in 0..100_000 {
        if let Err(error) = fields.append("x-more", &vec![b'x'; 1000]) {
            return format!("after {number}: {error:?}");
        }
    }
    "never".to_owned()
}
