//! A transform that does what its settings' `behave` says: the outcomes of a good one, and every way to be bad.
//!
//! Invariant: it imports nothing, as every transform; what it can do wrong is compute, grow, trap and return.

use std::hint::black_box;

use openclaw_guest::ingress_transform;
use openclaw_guest::ingress_transform::{Failure, Outcome, Request};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Settings {
    // What an endpoint of the configuration can say to its transform is a `message`.
    #[serde(alias = "message")]
    behave: Behaviour,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    Message,
    LongName,
    Invoke,
    Respond,
    Discard,
    Spin,
    Allocate,
    Trap,
    HugeMessage,
    HugeBody,
    BadStatus,
    Fail,
}

#[derive(Serialize)]
struct Arguments {
    text: &'static str,
}

/// Does what its settings say.
#[ingress_transform]
fn transform(request: &Request) -> Result<Outcome, Failure> {
    let settings: Settings = request.settings()?;
    match settings.behave {
        Behaviour::Message => {
            Ok(Outcome::message_in("room", format!("{} bytes on {}", request.body.len(), request.path)))
        }
        Behaviour::LongName => Ok(Outcome::message_in("r".repeat(300), "hello")),
        Behaviour::Invoke => Outcome::invoke("hostile/echo", &Arguments { text: "from a webhook" }),
        Behaviour::Respond => Ok(Outcome::respond(202, "text/plain", "taken".as_bytes())),
        Behaviour::Discard => Ok(Outcome::discard("nothing to do")),
        Behaviour::Spin => loop {
            black_box(request);
        },
        Behaviour::Allocate => {
            let mut held = Vec::new();
            loop {
                let mut block = Vec::<u8>::new();
                // Polite, as a guest whose result must not depend on the host's limits may not be.
                if block.try_reserve_exact(1 << 20).is_err() {
                    return Ok(Outcome::message("was refused and went on"));
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
        Behaviour::HugeMessage => Ok(Outcome::message("x".repeat(300 << 10))),
        Behaviour::HugeBody => Ok(Outcome::respond(200, "text/plain", vec![b'x'; 2 << 20])),
        Behaviour::BadStatus => Ok(Outcome::respond(99, "text/plain", "".as_bytes())),
        Behaviour::Fail => Err(Failure::unsupported_body("this body has no legs")),
    }
}
