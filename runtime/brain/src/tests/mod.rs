//! Turns against fakes at the ports, providers against a scripted server on loopback, `local` against records.

mod fakes;
mod local;
mod providers;
mod server;
mod turns;
