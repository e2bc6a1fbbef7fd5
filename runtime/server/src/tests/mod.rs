//! The server driven from outside: real sockets on 127.0.0.1, fakes only at the ports.

pub(crate) mod fakes;

mod chatting;
mod closing;
mod commands;
mod harness;
mod logging;
mod opening;
mod sharing;
