//! Events posted to endpoints: how many a second, what 100,000 that wait take, and what nine endpoints notice of a dead
//! tenth.
//!
//! The receiver is this program, on loopback; its floor is plain posts to the same receiver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Setup;
use crate::gateway::{Home, SECRET};
use crate::load::{Amount, Post, post};
use crate::quantiles::Quantiles;
use crate::report::{Budget, Measure, Row};

/// Deliveries that wait at one time.
const QUEUED: usize = 100_000;
/// Events that ten endpoints are each sent, one after the other.
const EVENTS: usize = 2_000;
const ENDPOINTS: usize = 10;
const CONCURRENCY: usize = 32;
/// A receiver that hears nothing for so long is waiting in vain.
const SILENCE: Duration = Duration::from_secs(60);
const BODY: &str = r#"{"service": "api-v2", "status": "success", "commit": "abc123"}"#;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let mut rows = queued(setup)?;
    rows.push(dead_tenth(setup)?);
    Ok(rows)
}

/// A receiver that answers 200 to everything and tells when each came.
struct Sink {
    port: u16,
    arrivals: Receiver<Instant>,
}

impl Sink {
    fn at(listener: TcpListener) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let (tell, arrivals) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                // A connection that breaks ends its thread; the gateway makes the delivery again.
                std::thread::spawn(move || drop(answer(stream, &tell)));
            }
        });
        Ok(Self { port, arrivals })
    }

    fn start() -> Result<Self> {
        Self::at(TcpListener::bind(("127.0.0.1", 0))?)
    }

    fn next(&self) -> Result<Instant> {
        self.arrivals.recv_timeout(SILENCE).context("the receiver has heard nothing for a minute")
    }
}

fn answer(stream: TcpStream, tell: &Sender<Instant>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        tell.send(Instant::now())?;
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
    }
}

fn endpoint(name: &str, port: u16) -> Value {
    json!({
        "event": "channel.message.received", "name": name, "url": format!("http://127.0.0.1:{port}/"),
        "allowPrivate": true, "concurrency": CONCURRENCY, "retry": { "delaysSeconds": [1, 1, 1, 1, 1, 1, 1, 1] },
    })
}

fn accepted(address: &str, path: &str, requests: usize) -> Result<f64> {
    let what = Post::with_secret(address, path, SECRET, BODY);
    let amount = Amount { connections: CONCURRENCY, requests, warm_up: 0, limit: Duration::from_secs(120) };
    Ok(post(&what, amount)?.per_second)
}

/// Memory while they wait for an endpoint that is not there, then how quickly they go once it is.
fn queued(setup: &Setup) -> Result<Vec<Row>> {
    // As many for each of the connections that bring them.
    let count = setup.count(QUEUED) / CONCURRENCY * CONCURRENCY;
    let nobody = Home::new(&setup.binary)?;
    let gateway = nobody.start()?;
    accepted(&gateway.address, "/webhook/deploy-alert", count)?;
    let resident_alone = gateway.resident()?;
    gateway.stop()?;

    // A port nobody listens on, until this program does.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let home = Home::new(&setup.binary)?;
    home.set_outgoing(&json!([endpoint("later", port)]))?;
    let gateway = home.start()?;
    accepted(&gateway.address, "/webhook/deploy-alert", count)?;
    let resident = gateway.resident()?;
    gateway.stop()?;

    let sink = Sink::at(TcpListener::bind(("127.0.0.1", port))?)?;
    let gateway = home.start()?;
    let first = sink.next()?;
    let mut last = first;
    // The last few wait for their second attempt, since the endpoint was not there at the first.
    let counted = count * 9 / 10;
    for _ in 1..counted {
        last = sink.next()?;
    }
    gateway.stop()?;
    let rate = counted as f64 / last.duration_since(first).as_secs_f64();
    let floor = accepted(&format!("127.0.0.1:{}", sink.port), "/", count)?;
    let mebibytes = |bytes: u64| Measure::Mebibytes(bytes as f64 / f64::from(1 << 20));
    Ok(vec![
        Row {
            what: format!("deliveries to a loopback receiver, leased, fixed, signed, settled, c={CONCURRENCY}"),
            floor: Some((Measure::PerSecond(floor), "plain POST to the same receiver")),
            measured: Measure::PerSecond(rate),
            budget: Budget::AtLeastTimesFloor(0.1),
            peer: "",
        },
        Row {
            what: format!("resident memory with {count} deliveries queued"),
            floor: Some((mebibytes(resident_alone), "the same events, owed to nobody")),
            measured: mebibytes(resident),
            budget: Budget::AtMostTimesFloor(1.5),
            peer: "",
        },
    ])
}

/// From the event's request to its arrival at nine endpoints, with the tenth well and with the tenth dead.
fn dead_tenth(setup: &Setup) -> Result<Row> {
    let sink = Sink::start()?;
    // Connects and never answers: its backlog is never accepted from.
    let dead = TcpListener::bind(("127.0.0.1", 0))?;
    let dead_port = dead.local_addr()?.port();
    let mut tails = Vec::new();
    for tenth in [sink.port, dead_port] {
        let home = Home::new(&setup.binary)?;
        let mut endpoints: Vec<Value> =
            (1..ENDPOINTS).map(|number| endpoint(&format!("well-{number}"), sink.port)).collect();
        endpoints.push(endpoint("tenth", tenth));
        home.set_outgoing(&Value::Array(endpoints))?;
        let gateway = home.start()?;
        let arrivals = if tenth == sink.port { ENDPOINTS } else { ENDPOINTS - 1 };
        let mut latencies = Vec::new();
        for _ in 0..setup.count(EVENTS) {
            let began = Instant::now();
            happen(&gateway.address)?;
            for _ in 0..arrivals {
                let latency = sink.next()?.saturating_duration_since(began);
                latencies.push(u64::try_from(latency.as_nanos())?);
            }
        }
        gateway.stop()?;
        tails.push(Measure::Millis(Quantiles::new(latencies).p99().as_secs_f64() * 1e3));
    }
    let [well, beside] = tails[..] else { bail!("two runs") };
    Ok(Row {
        what: "nine endpoints' p99 from event to arrival, beside a tenth that never answers".to_owned(),
        floor: Some((well, "the tenth answers")),
        measured: beside,
        budget: Budget::AtMostTimesFloor(2.0),
        peer: "",
    })
}

/// One event: a webhook with a connection of its own.
fn happen(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /webhook/deploy-alert HTTP/1.1\r\nhost: {address}\r\nx-webhook-secret: {SECRET}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("an event was not accepted: {answer}");
    }
    Ok(())
}
