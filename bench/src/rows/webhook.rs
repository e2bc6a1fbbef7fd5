//! A webhook verified, turned into a message by a sandboxed transform, and on disk before its 200, beside a durable
//! POST and nothing else.

use std::time::Duration;

use anyhow::Result;

use super::Setup;
use crate::gateway::{Floor, Home, SECRET};
use crate::load::{Amount, Post, post};
use crate::quantiles::median;
use crate::report::{Budget, Measure, Row};

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 100_000;
const BODY: &str = r#"{"service": "api-v2", "status": "success", "commit": "abc123"}"#;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let floor = Floor::start("floor-post")?;
    let home = Home::new(&setup.binary)?;
    let gateway = home.start()?;
    let (mut floor_rate, mut rate, mut floor_p99, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (address, rates, tails) in
            [(&floor.address, &mut floor_rate, &mut floor_p99), (&gateway.address, &mut rate, &mut p99)]
        {
            let load = post(
                &Post::with_secret(address, "/webhook/deploy-alert", SECRET, BODY),
                Amount {
                    connections: CONNECTIONS,
                    requests: setup.count(REQUESTS),
                    warm_up: setup.count(1_000) / CONNECTIONS,
                    limit: Duration::from_secs(20),
                },
            )?;
            rates.push(load.per_second);
            tails.push(load.latencies.p99().as_secs_f64() * 1e3);
        }
    }
    gateway.stop()?;
    Ok(vec![
        Row {
            what: "`POST /webhook/…` verified, transformed, durable, c=16".to_owned(),
            floor: Some((Measure::PerSecond(median(floor_rate)), "durable POST")),
            measured: Measure::PerSecond(median(rate)),
            budget: Budget::AtLeastTimesFloor(0.5),
            peer: "webhook",
        },
        Row {
            what: "`POST /webhook/…`, c=16, p99".to_owned(),
            floor: Some((Measure::Millis(median(floor_p99)), "durable POST")),
            measured: Measure::Millis(median(p99)),
            budget: Budget::Orientation,
            peer: "webhook-p99",
        },
    ])
}
