//! What powers cost: looking at a grant, one read of a key, one request over loopback.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use openclaw_package::Target;
use rusqlite::Connection;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::Setup;
use crate::component;
use crate::inside;
use crate::powered::Powered;
use crate::quantiles::median;
use crate::report::{Budget, Measure, Row};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/powers");
const ROUNDS: usize = 3;
const CALLS: usize = 50_000;
const REQUESTS: usize = 5_000;
const KEY: &str = r#"{"key":"a"}"#;

pub(super) fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let guest = component::build(GUEST, Target::default(), scratch.path())?;
    let server = Server::start()?;
    let powered = Powered::open(&guest, &format!("http://{}", server.address).parse()?)?;
    let database = one_row(&scratch.path().join("floor.db"))?;
    let fetch = format!(r#"{{"url":"http://{}/"}}"#, server.address);
    powered.call("keep", KEY, 1)?;
    let (calls, requests) = (setup.count(CALLS), setup.count(REQUESTS));
    let (mut pure, mut granted, mut floor_read, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut floor_request, mut request) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let pure_calls = inside::run(&setup.component, calls, 1)?;
        pure.push(pure_calls.as_secs_f64() * 1e6 / calls as f64);
        let echo = micros(powered.call("echo", crate::ECHO_ARGUMENTS, calls)?);
        granted.push(echo);
        floor_read.push(micros(point_reads(&database, calls)?));
        read.push(micros(powered.call("read", KEY, calls)?));
        floor_request.push(micros(server.requests(requests)?));
        request.push(micros(powered.call("fetch", &fetch, requests)?));
    }
    powered.close()?;
    let row = |what: &str, floor: f64, named: &'static str, measured: f64, budget: Budget| Row {
        what: what.to_owned(),
        floor: Some((Measure::Micros(floor), named)),
        measured: Measure::Micros(measured),
        budget,
        peer: "",
    };
    let echo = median(granted);
    Ok(vec![
        row("the same call with a grant to look at", median(pure), "no powers", echo, Budget::AtMostTimesFloor(1.5)),
        row(
            "a call that reads one key",
            echo + median(floor_read),
            "the granted call and a SQLite point read",
            median(read),
            Budget::Orientation,
        ),
        row(
            "a call that sends one HTTP request over loopback",
            echo + median(floor_request),
            "the granted call and a bare hyper request, each with a connection of its own",
            median(request),
            Budget::Orientation,
        ),
    ])
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A table like the buckets', with one key.
fn one_row(path: &std::path::Path) -> Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE kv (a TEXT, b TEXT, c TEXT, key TEXT, value BLOB, \
         PRIMARY KEY (a, b, c, key)) WITHOUT ROWID; INSERT INTO kv VALUES ('a', 'b', 'c', 'a', x'00');",
    )?;
    Ok(database)
}

fn point_reads(database: &Connection, reads: usize) -> Result<Duration> {
    let mut read = database.prepare("SELECT value FROM kv WHERE a = ?1 AND b = ?2 AND c = ?3 AND key = ?4")?;
    let began = Instant::now();
    for _ in 0..reads {
        let value: Vec<u8> = read.query_row(["a", "b", "c", "a"], |row| row.get(0))?;
        if value.is_empty() {
            bail!("the row is gone");
        }
    }
    Ok(began.elapsed() / u32::try_from(reads)?)
}

/// A server that says `ok`, on a thread of its own, and the barest client for it.
struct Server {
    address: SocketAddr,
    client: Runtime,
    _serves: Runtime,
}

impl Server {
    fn start() -> Result<Self> {
        let serves = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = serves.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        serves.spawn(async move { axum::serve(listener, Router::new().route("/", get(async || "ok"))).await });
        Ok(Self { address, client: Builder::new_current_thread().enable_all().build()?, _serves: serves })
    }

    fn requests(&self, requests: usize) -> Result<Duration> {
        self.client.block_on(async {
            let began = Instant::now();
            for _ in 0..requests {
                let stream = TcpStream::connect(self.address).await?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                let host = self.address.to_string();
                let request = Request::get("/").header("host", host).body(Empty::<Bytes>::new())?;
                let asked = async { anyhow::Ok(sender.send_request(request).await?.into_body().collect().await?) };
                tokio::select! {
                    answer = asked => drop(answer?),
                    ended = connection => bail!("the connection ended: {ended:?}"),
                }
            }
            Ok(began.elapsed() / u32::try_from(requests)?)
        })
    }
}
