//! The server driven from outside: real sockets, fakes only at the ports.

pub(crate) mod fakes;
