//! Tools that lean on WASI: each shows what a grant-less guest gets of it, or runs into the limit that stops it.
//!
//! Invariant: built for `wasm32-wasip2`, so what `std` itself imports is part of what is tested.

mod bindings;
mod floods;
mod powers;

openclaw_guest::skill!(
    floods::clock_flood,
    floods::handle_flood,
    floods::print_forever,
    powers::environment,
    powers::exit,
    powers::panic_now,
    powers::print,
    powers::random,
    powers::sleep,
);
