//! WASI as it is, for what `std` does not offer: pollables and randomness.

#[cfg(target_arch = "wasm32")]
wit_bindgen::generate!({
    inline: "
        package test:wasi;
        world powers {
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:random/random@0.2.12;
        }
    ",
    path: "../../../wit",
    world: "test:wasi/powers",
    generate_all,
});

#[cfg(target_arch = "wasm32")]
pub(crate) use wasi::{clocks::monotonic_clock::subscribe_duration, random::random::get_random_u64};

/// There are no pollables on the machine the tests are written on.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct Pollable;

/// See [`Pollable`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn subscribe_duration(_nanoseconds: u64) -> Pollable {
    Pollable
}

/// Nor is there WASI's randomness.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn get_random_u64() -> u64 {
    0
}
