//! The admin socket: the command line's door to a running gateway, `admin.sock` in the home.
//!
//! HTTP/1.1 with JSON over a Unix socket. Invariant: only the user who runs the gateway can connect, at every moment of
//! the socket's life; whoever can is the operator.

mod client;
mod server;

pub(crate) use client::Client;
pub(crate) use server::serve;

use std::path::{Path, PathBuf};

/// Where the socket of a home is.
pub(crate) fn socket(home: &Path) -> PathBuf {
    home.join("admin.sock")
}

/// The route of every command that fits into JSON.
const COMMAND_ROUTE: &str = "/v1/command";
/// The route of an installation: name and tenant in the query, the component as the body.
const INSTALL_ROUTE: &str = "/v1/install";
/// The longest a socket's path may be on Linux, its closing zero byte included.
const LONGEST_PATH: usize = 108;
