//! What an innocent caller notices of a hostile neighbour: its p99 beside the idle gateway's.
//!
//! Invariant: a row stands for a neighbour that ran into its own limit at least once while the innocent were measured;
//! one that did not get to be hostile would prove nothing, and ends the measurement with an error.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use super::Setup;
use crate::admin::Admin;
use crate::component::variant;
use crate::gateway::{Gateway, Home};
use crate::hostile::{self, Hostile, How};
use crate::load::{Amount, Invoke, RESPONSE, Socket, websocket};
use crate::quantiles::Quantiles;
use crate::report::{Budget, Measure, Row, say};

const REQUESTS: usize = 20_000;
/// Connections of the tenant that bursts.
const BURST: usize = 16;
/// Its token.
const TOKEN: &str = "the-token-of-the-tenant-that-bursts";
/// So long the innocent go on being measured for a neighbour to end once; a compile ends after 60 s at the latest.
const PATIENCE: Duration = Duration::from_secs(120);

/// A row for each of the hostile set, and one for a neighbour that does nothing wrong.
pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let home = Home::new(&setup.binary)?;
    home.install("bench", &setup.component_bytes()?)?;
    let scratch = tempfile::tempdir()?;
    for (name, component) in hostile::components(scratch.path())? {
        home.install(name, &component)?;
    }
    let mut rows = vec![burst(setup)?];
    let neighbours = [hostile::HONEST].into_iter().chain(hostile::CALLERS).chain(hostile::installers(setup.fraction)?);
    for neighbour in neighbours {
        rows.push(beside(&home, &neighbour, setup)?);
    }
    Ok(rows)
}

/// Another tenant calls from sixteen connections as fast as it is answered.
fn burst(setup: &Setup) -> Result<Row> {
    let home = Home::new(&setup.binary)?;
    home.configure(|config| config["tenants"] = json!({ "other": { "auth": { "token": TOKEN } } }))?;
    let component = setup.component_bytes()?;
    home.install("bench", &component)?;
    home.install_for("other", "bench", &component)?;
    let gateway = home.start()?;
    innocent(&gateway, setup)?;
    let idle = innocent(&gateway, setup)?;
    let over = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        let bursting = scope.spawn(|| call_until(&gateway, &over));
        let measured = innocent(&gateway, setup);
        over.store(true, Ordering::Relaxed);
        bursting.join().map_err(|_| anyhow!("the burst's thread panicked"))??;
        measured
    })?;
    gateway.stop()?;
    Ok(Row {
        what: "innocent p99 while another tenant bursts from 16 connections".to_owned(),
        floor: Some((Measure::Micros(idle.p99().as_secs_f64() * 1e6), "idle")),
        measured: Measure::Micros(beside.p99().as_secs_f64() * 1e6),
        budget: Budget::AtMostTimesFloor(2.0),
        peer: "",
    })
}

fn call_until(gateway: &Gateway, over: &AtomicBool) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut sockets = tokio::task::JoinSet::new();
        for _ in 0..BURST {
            let invoke = Invoke {
                address: gateway.address.clone(),
                skill: crate::ECHO.to_owned(),
                arguments: crate::ECHO_ARGUMENTS.to_owned(),
                expects: &[RESPONSE],
                token: Some(TOKEN),
            };
            sockets.spawn(async move {
                let mut socket = Socket::open(invoke).await?;
                for at in 0.. {
                    socket.call(at).await?;
                }
                anyhow::Ok(())
            });
        }
        tokio::select! {
            // None ends by itself but for an error.
            Some(ended) = sockets.join_next() => ended?,
            () = until(over) => Ok(()),
        }
    })
}

/// The one row that peers are measured beside.
pub(super) fn spinning(setup: &Setup) -> Result<Vec<Row>> {
    let home = Home::new(&setup.binary)?;
    home.install("bench", &setup.component_bytes()?)?;
    Ok(vec![beside(&home, &hostile::SPINS, setup)?])
}

fn beside(home: &Home, neighbour: &Hostile, setup: &Setup) -> Result<Row> {
    // A gateway and an idle value of its own for each: nothing is left over of the neighbour before, and the
    // machine's own noise moves both values.
    let gateway = home.start()?;
    innocent(&gateway, setup)?;
    let idle = innocent(&gateway, setup)?;
    let (beside, ended) = while_it_attacks(&gateway, &home.admin(), neighbour, setup)
        .with_context(|| format!("the neighbour that {}", neighbour.does))?;
    gateway.stop()?;
    let is_honest = neighbour.ends == [RESPONSE];
    let ends = match neighbour.ends {
        [end] if !is_honest => format!(" ({end})"),
        _ => String::new(),
    };
    let micros = |quantiles: &Quantiles| Measure::Micros(quantiles.p99().as_secs_f64() * 1e6);
    let row = Row {
        what: format!("innocent p99 while a neighbour {}{ends}", neighbour.does),
        floor: Some((micros(&idle), "idle")),
        measured: micros(&beside),
        budget: if is_honest { Budget::Orientation } else { Budget::AtMostTimesFloor(2.0) },
        peer: if neighbour.does == hostile::SPINS.does { "stuck" } else { "" },
    };
    // Said at once: the whole set takes minutes.
    say(&format!("      {} ended {ended} times: {} (idle {})", neighbour.does, row.measured, micros(&idle)));
    Ok(row)
}

/// One caller who calls `echo` and waits for each reply.
fn innocent(gateway: &Gateway, setup: &Setup) -> Result<Quantiles> {
    let invoke = Invoke {
        address: gateway.address.clone(),
        skill: crate::ECHO.to_owned(),
        arguments: crate::ECHO_ARGUMENTS.to_owned(),
        expects: &[RESPONSE],
        token: None,
    };
    let amount = Amount {
        connections: 1,
        requests: setup.count(REQUESTS),
        warm_up: setup.count(500),
        limit: Duration::from_secs(20),
    };
    Ok(websocket(&invoke, amount)?.latencies)
}

/// Measures until the neighbour has ended at least once: the innocent's latencies, and how often it ended.
fn while_it_attacks(
    gateway: &Gateway,
    admin: &Admin,
    neighbour: &Hostile,
    setup: &Setup,
) -> Result<(Quantiles, usize)> {
    let (over, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| attack(gateway, admin, neighbour, &over, &ended));
        let measured = (|| {
            let (began, mut runs) = (Instant::now(), Vec::new());
            while ended.load(Ordering::Relaxed) == 0 || runs.is_empty() {
                if attacker.is_finished() {
                    break;
                }
                if began.elapsed() > PATIENCE {
                    bail!("it did not end once within {PATIENCE:?}");
                }
                runs.push(innocent(gateway, setup)?);
            }
            Ok(Quantiles::together(runs))
        })();
        let ended = ended.load(Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        // What went wrong with the attack explains what went wrong with the measurement.
        attacker.join().map_err(|_| anyhow!("its thread panicked"))??;
        Ok((measured?, ended))
    })
}

/// Attacks again as soon as it is answered, until it is over.
fn attack(gateway: &Gateway, admin: &Admin, neighbour: &Hostile, over: &AtomicBool, ended: &AtomicUsize) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::select! {
            attacked = repeat(gateway, admin, neighbour, ended) => attacked,
            // A guest that spins holds its call until the deadline; nobody waits for the last one.
            () = until(over) => Ok(()),
        }
    })
}

async fn repeat(gateway: &Gateway, admin: &Admin, neighbour: &Hostile, ended: &AtomicUsize) -> Result<()> {
    let (file, varies) = match &neighbour.how {
        How::Calls(skill, arguments) => {
            let mut socket = Socket::open(Invoke {
                address: gateway.address.clone(),
                skill: (*skill).to_owned(),
                arguments: (*arguments).to_owned(),
                expects: neighbour.ends,
                token: None,
            })
            .await?;
            loop {
                socket.call(ended.load(Ordering::Relaxed)).await?;
                ended.fetch_add(1, Ordering::Relaxed);
            }
        }
        How::Installs(file) => (file, false),
        How::InstallsVariants(file) => (file, true),
    };
    for attempt in 0.. {
        let file = if varies { variant(file, attempt).into() } else { file.clone() };
        let said = admin.install(file).await?;
        if !neighbour.ends.iter().any(|end| said.contains(end)) {
            bail!("answered {said}");
        }
        ended.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn until(over: &AtomicBool) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while !over.load(Ordering::Relaxed) {
        tick.tick().await;
    }
}
