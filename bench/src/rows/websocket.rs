//! `skill_invoke` over WebSocket beside a JSON echo of the same crates.

use std::time::Duration;

use anyhow::Result;

use super::Setup;
use crate::gateway::{Floor, Home};
use crate::load::{Amount, Invoke, Load, RESPONSE, websocket};
use crate::quantiles::median;
use crate::report::{Budget, Measure, Row};

const ROUNDS: usize = 3;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let floor = Floor::start("floor-echo")?;
    let home = Home::new(&setup.binary)?;
    home.install("bench", &setup.component_bytes()?)?;
    let gateway = home.start()?;
    let (mut floor_p50, mut p50, mut floor_many, mut many) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (address, medians, throughputs) in
            [(&floor.address, &mut floor_p50, &mut floor_many), (&gateway.address, &mut p50, &mut many)]
        {
            medians.push(micros(ask(address, setup, 1, 20_000)?.latencies.p50()));
            throughputs.push(ask(address, setup, 16, 200_000)?.per_second);
        }
    }
    gateway.stop()?;
    Ok(vec![
        Row {
            what: "`skill_invoke` over WebSocket, 1 connection, p50".to_owned(),
            floor: Some((Measure::Micros(median(floor_p50)), "JSON echo")),
            measured: Measure::Micros(median(p50)),
            budget: Budget::AtMostTimesFloor(1.5),
            peer: "websocket-p50",
        },
        Row {
            what: "`skill_invoke` over WebSocket, 16 connections".to_owned(),
            floor: Some((Measure::PerSecond(median(floor_many)), "JSON echo")),
            measured: Measure::PerSecond(median(many)),
            budget: Budget::AtLeastTimesFloor(0.35),
            peer: "websocket-16",
        },
    ])
}

fn ask(address: &str, setup: &Setup, connections: usize, requests: usize) -> Result<Load> {
    let invoke = Invoke {
        address: address.to_owned(),
        skill: crate::ECHO.to_owned(),
        arguments: crate::ECHO_ARGUMENTS.to_owned(),
        expects: &[RESPONSE],
        token: None,
    };
    let requests = setup.count(requests);
    let amount =
        Amount { connections, requests, warm_up: setup.count(1_000) / connections, limit: Duration::from_secs(20) };
    websocket(&invoke, amount)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
