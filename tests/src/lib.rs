//! The harness: registries and gateways as tests need them, and guests that no toolchain would make.
//!
//! Invariant: nothing here waits for time to pass; whoever waits, waits for something to happen.
