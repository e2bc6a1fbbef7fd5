//! A skill call in a fresh instance: bare wasmtime beside the gateway's own path, one thread and two, system calls.

use anyhow::Result;

use super::Setup;
use crate::quantiles::median;
use crate::raw::Raw;
use crate::report::{Budget, Measure, Row};
use crate::{inside, syscalls};

const CALLS: usize = 200_000;
const ROUNDS: usize = 3;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let calls = setup.count(CALLS);
    let raw = Raw::load(&setup.component)?;
    raw.run(calls / 4, 1)?;
    // Interleaved, so that a machine that slows down for a while slows both alike.
    let (mut raw_one, mut raw_two, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let per_second = |took: std::time::Duration| calls as f64 / took.as_secs_f64();
        raw_one.push(per_second(raw.run(calls, 1)?));
        one.push(per_second(inside::run(&setup.component, calls, 1)?));
        raw_two.push(per_second(raw.run(calls, 2)?));
        two.push(per_second(inside::run(&setup.component, calls, 2)?));
    }
    let (raw_one, raw_two, one, two) = (median(raw_one), median(raw_two), median(one), median(two));
    let path = setup.component.to_string_lossy();
    let counted = setup.count(4_000);
    let raw_syscalls = syscalls::per_call("floor-raw", &["--component", &path], counted)?;
    let syscalls = syscalls::per_call("inside", &["--component", &path], counted)?;
    Ok(vec![
        Row {
            what: "skill call inside the gateway, fresh instance".to_owned(),
            floor: Some((Measure::Micros(1e6 / raw_one), "bare wasmtime, same guest")),
            measured: Measure::Micros(1e6 / one),
            budget: Budget::AtMostTimesFloor(1.5),
            peer: "fresh-call",
        },
        Row {
            what: "two threads against one".to_owned(),
            floor: Some((Measure::Times(raw_two / raw_one), "bare wasmtime")),
            measured: Measure::Times(two / one),
            budget: Budget::AtLeast(Measure::Times(1.6)),
            peer: "",
        },
        Row {
            what: "memory system calls for each call".to_owned(),
            floor: Some((Measure::Each(raw_syscalls), "bare wasmtime")),
            measured: Measure::Each(syscalls),
            // Counted as a difference of two runs: a handful over thousands of calls is the runs' own start and end.
            budget: Budget::AtMost(Measure::Each(0.01)),
            peer: "",
        },
    ])
}
