//! An egress transform that does what its settings' `behave` says: the outcomes of a good one, and every way to be bad.
//!
//! Invariant: it imports nothing, as every transform; what it can do wrong is compute, grow, trap and return.

use std::hint::black_box;

use openclaw_guest::egress_transform;
use openclaw_guest::egress_transform::{Event, Failure, Outcome};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    behave: Behaviour,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    Deliver,
    Echo,
    Skip,
    Nan,
    Spin,
    Allocate,
    Trap,
    HugeBody,
    SplitHeader,
    ReservedHeader,
    ManyHeaders,
    BadType,
    Fail,
}

/// Does what its settings say.
#[egress_transform]
fn transform(event: &Event) -> Result<Outcome, Failure> {
    let settings: Settings = event.settings()?;
    let plain = || Outcome::deliver("text/plain", "hello");
    match settings.behave {
        Behaviour::Deliver => Ok(plain().with_header("x-kind", event.kind.as_str())),
        Behaviour::Echo => {
            let Event { id, kind, timestamp, tenant, data, trace_id, endpoint, settings } = event;
            let lines = [id, kind, timestamp, tenant, data, trace_id, endpoint, settings].map(String::as_str);
            Ok(Outcome::deliver("text/plain", lines.join("\n")))
        }
        Behaviour::Skip => Ok(Outcome::skip("nothing to say")),
        Behaviour::Nan => {
            // Which NaN comes of an operation is the machine's choice, unless the host takes the choice away.
            let (dividend, divisor, minus) = (black_box(0.0_f64), black_box(0.0_f64), black_box(-1.0_f32));
            let nan = dividend / divisor;
            let made = [nan.to_bits(), (-nan).to_bits(), u64::from(minus.sqrt().to_bits())];
            Ok(Outcome::deliver("text/plain", format!("{made:x?}")))
        }
        Behaviour::Spin => loop {
            black_box(event);
        },
        Behaviour::Allocate => {
            let mut held = Vec::new();
            loop {
                let mut block = Vec::<u8>::new();
                // Polite, as a guest whose result must not depend on the host's limits may not be.
                if block.try_reserve_exact(1 << 20).is_err() {
                    return Ok(Outcome::skip("was refused and went on"));
                }
                held.push(black_box(block));
            }
        }
        Behaviour::Trap => {
            #[cfg(target_arch = "wasm32")]
            core::arch::wasm32::unreachable();
            #[cfg(not(target_arch = "wasm32"))]
            panic!("only a wasm guest can trap")
        }
        Behaviour::HugeBody => Ok(Outcome::deliver("text/plain", vec![b'x'; 2 << 20])),
        Behaviour::SplitHeader => Ok(plain().with_header("x-a", "1\r\nhost: elsewhere.example")),
        Behaviour::ReservedHeader => Ok(plain().with_header("webhook-signature", "v1,forged")),
        Behaviour::ManyHeaders => Ok((0..33).fold(plain(), |outcome, _| outcome.with_header("x-a", ""))),
        Behaviour::BadType => Ok(Outcome::deliver("text/plain\r\nx-a: 1", "")),
        Behaviour::Fail => Err(Failure::unsupported_event("this event has no legs")),
    }
}
