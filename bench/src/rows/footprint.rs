//! How quickly the gateway is there, and what it takes while nothing happens.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Result, bail};

use super::{Setup, mebibytes};
use crate::component::variant;
use crate::gateway::Home;
use crate::quantiles::median;
use crate::report::{Budget, Measure, Row};

const SKILLS: u32 = 20;
/// Installed on top of those, to see what one more costs.
const MORE_SKILLS: u32 = 40;
const STARTS: usize = 5;
const COMMANDS: usize = 11;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let component = setup.component_bytes()?;
    let home = Home::new(&setup.binary)?;
    for number in 0..SKILLS {
        home.install(&format!("skill-{number}"), &variant(&component, number))?;
    }
    let (mut ready, mut resident, mut status, mut version) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let gateway = home.start()?;
        ready.push(gateway.ready_after.as_secs_f64() * 1e3);
        resident.push(gateway.resident()? as f64);
        gateway.stop()?;
    }
    let gateway = home.start()?;
    for _ in 0..COMMANDS {
        version.push(milliseconds(&home, &["--version"])?);
        status.push(milliseconds(&home, &["status"])?);
    }
    gateway.stop()?;

    for number in SKILLS..SKILLS + MORE_SKILLS {
        home.install(&format!("skill-{number}"), &variant(&component, number))?;
    }
    let mut resident_more = Vec::new();
    for _ in 0..STARTS {
        let gateway = home.start()?;
        resident_more.push(gateway.resident()? as f64);
        gateway.stop()?;
    }
    let (resident, version) = (median(resident), median(version));
    let one_more = (median(resident_more) - resident) / f64::from(MORE_SKILLS) / 1024.0;
    Ok(vec![
        Row {
            what: "start to ready, 20 skills, warm cache".to_owned(),
            floor: Some((Measure::Millis(version), "`openclaw --version`")),
            measured: Measure::Millis(median(ready)),
            budget: Budget::AtMost(Measure::Millis(100.0)),
            peer: "ready",
        },
        Row {
            what: "idle resident memory, 20 skills".to_owned(),
            floor: None,
            measured: Measure::Mebibytes(resident / f64::from(1 << 20)),
            budget: Budget::AtMost(Measure::Mebibytes(40.0)),
            peer: "resident",
        },
        Row {
            what: "one more idle installed skill".to_owned(),
            floor: None,
            measured: Measure::Kibibytes(one_more),
            budget: Budget::AtMost(Measure::Kibibytes(64.0)),
            peer: "",
        },
        Row {
            what: "`openclaw status`".to_owned(),
            floor: Some((Measure::Millis(version), "`openclaw --version`")),
            measured: Measure::Millis(median(status)),
            budget: Budget::AtMost(Measure::Millis(100.0)),
            peer: "status",
        },
        Row {
            what: "release binary".to_owned(),
            floor: None,
            measured: Measure::Mebibytes(mebibytes(&setup.binary)?),
            budget: Budget::AtMost(Measure::Mebibytes(40.0)),
            peer: "size",
        },
    ])
}

fn milliseconds(home: &Home, arguments: &[&str]) -> Result<f64> {
    let began = Instant::now();
    let status = home.command(arguments).stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("`openclaw {}` ended with {status}", arguments.join(" "));
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
