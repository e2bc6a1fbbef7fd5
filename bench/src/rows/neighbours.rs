//! What an innocent caller notices of a guest that uses up what it can get: its p99 beside the idle gateway's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Setup;
use crate::gateway::{Gateway, Home};
use crate::load::{Amount, Invoke, RESPONSE, Socket, websocket};
use crate::report::{Budget, Measure, Row};

/// What the neighbour does, the tool that does it, and the code its calls must end in: one that did not get to be
/// hostile proves nothing.
const NEIGHBOURS: [(&str, &str, &str); 4] = [
    ("spins", "spin", "SKILL_TIMEOUT"),
    ("allocates", "allocate", "SKILL_MEMORY"),
    ("recurses", "recurse", "SKILL_TRAPPED"),
    ("floods its log", "flood", "SKILL_TRAPPED"),
];
const REQUESTS: usize = 20_000;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let home = Home::new(&setup.binary)?;
    let component = setup.component_bytes()?;
    home.install("bench", &component)?;
    let mut rows = Vec::new();
    for (does, tool, ends) in NEIGHBOURS {
        // A gateway and an idle value of its own for each: nothing is left over of the neighbour before, and the
        // machine's own noise moves both values.
        let gateway = home.start()?;
        innocent(&gateway, setup)?;
        let idle = innocent(&gateway, setup)?;
        let beside = beside_a_neighbour(&gateway, tool, ends, || innocent(&gateway, setup))?;
        rows.push(Row {
            what: format!("innocent p99 while one guest {does}"),
            floor: Some((Measure::Micros(idle), "idle")),
            measured: Measure::Micros(beside),
            budget: Budget::AtMostTimesFloor(2.0),
            peer: if tool == "spin" { "OpenClaw: all stall 2.8 s" } else { "–" },
        });
        gateway.stop()?;
    }
    Ok(rows)
}

/// p99 in microseconds of one caller who calls `echo` and waits for each reply.
fn innocent(gateway: &Gateway, setup: &Setup) -> Result<f64> {
    let invoke = Invoke {
        address: gateway.address.clone(),
        skill: crate::ECHO.to_owned(),
        arguments: crate::ECHO_ARGUMENTS.to_owned(),
        expects: RESPONSE,
    };
    let amount = Amount {
        connections: 1,
        requests: setup.count(REQUESTS),
        warm_up: setup.count(500),
        limit: Duration::from_secs(20),
    };
    Ok(websocket(&invoke, amount)?.latencies.p99().as_secs_f64() * 1e6)
}

/// Measures while another connection calls a hostile tool again as soon as it is refused.
fn beside_a_neighbour(
    gateway: &Gateway,
    tool: &str,
    ends: &'static str,
    measure: impl FnOnce() -> Result<f64>,
) -> Result<f64> {
    let invoke = Invoke {
        address: gateway.address.clone(),
        skill: format!("bench/{tool}"),
        arguments: "{}".to_owned(),
        expects: ends,
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut socket = Socket::open(invoke.clone()).await?;
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) {
                    tokio::select! {
                        called = socket.call(calls) => {
                            called?;
                            calls += 1;
                        }
                        // A guest that spins holds its call until the deadline; the measurement does not wait for it.
                        () = until(&over) => {}
                    }
                }
                Ok(())
            })
        });
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        neighbour.join().map_err(|_| anyhow!("the neighbour panicked"))??;
        measured
    })
}

async fn until(over: &AtomicBool) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while !over.load(Ordering::Relaxed) {
        tick.tick().await;
    }
}
