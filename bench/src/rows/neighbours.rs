//! What an innocent caller notices of a guest that uses up what it can get: its p99 beside the idle gateway's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Setup;
use crate::gateway::{Gateway, Home};
use crate::load::{Amount, Invoke, Socket, websocket};
use crate::report::{Budget, Measure, Row};

/// What the neighbour does, and the tool that does it.
const NEIGHBOURS: [(&str, &str); 4] =
    [("spins", "spin"), ("allocates", "allocate"), ("recurses", "recurse"), ("floods its log", "flood")];
const REQUESTS: usize = 20_000;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let home = Home::new(&setup.binary)?;
    let component = setup.component_bytes()?;
    home.install("bench", &component)?;
    let gateway = home.start()?;
    innocent(&gateway, setup)?;
    let mut rows = Vec::new();
    for (does, tool) in NEIGHBOURS {
        // The idle value is measured anew before each, since the machine's own noise moves it.
        let idle = innocent(&gateway, setup)?;
        let beside = beside_a_neighbour(&gateway, tool, || innocent(&gateway, setup))?;
        rows.push(Row {
            what: format!("innocent p99 while one guest {does}"),
            floor: Some((Measure::Micros(idle), "idle")),
            measured: Measure::Micros(beside),
            budget: Budget::AtMostTimesFloor(2.0),
            peer: if tool == "spin" { "OpenClaw: all stall 2.8 s" } else { "–" },
        });
    }
    gateway.stop()?;
    Ok(rows)
}

/// p99 in microseconds of one caller who calls `echo` and waits for each reply.
fn innocent(gateway: &Gateway, setup: &Setup) -> Result<f64> {
    let invoke = Invoke {
        address: gateway.address.clone(),
        skill: crate::ECHO.to_owned(),
        arguments: crate::ECHO_ARGUMENTS.to_owned(),
        must_succeed: true,
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
fn beside_a_neighbour(gateway: &Gateway, tool: &str, measure: impl FnOnce() -> Result<f64>) -> Result<f64> {
    let invoke = Invoke {
        address: gateway.address.clone(),
        skill: format!("bench/{tool}"),
        arguments: "{}".to_owned(),
        must_succeed: false,
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| -> Result<usize> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut socket = Socket::open(invoke.clone()).await?;
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) {
                    // A guest that spins holds its call until the deadline; the measurement does not wait for it.
                    match tokio::time::timeout(Duration::from_millis(100), socket.call(calls)).await {
                        Ok(Ok(())) => calls += 1,
                        Ok(Err(error)) => return Err(error),
                        Err(_) => while_it_runs(&over).await,
                    }
                }
                Ok(calls)
            })
        });
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        neighbour.join().map_err(|_| anyhow!("the neighbour panicked"))??;
        measured
    })
}

async fn while_it_runs(over: &AtomicBool) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while !over.load(Ordering::Relaxed) {
        tick.tick().await;
    }
}
