//! Log lines, kept by the host with the call they belong to.
//!
//! Writing cannot fail and needs no grant; past the call's log budget lines are dropped and counted.
//! A transform that writes a line imports `log` and is then refused: transforms import nothing.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever debugs the skill.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd, and the call goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes one line with named values. On a target that is not wasm it goes to standard error.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    destination::write(level, message, fields);
}

#[cfg(target_arch = "wasm32")]
mod destination {
    use super::Level;
    use crate::bindings::skill::openclaw::gateway::log;

    pub(super) fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        let fields: Vec<log::Field> =
            fields.iter().map(|&(name, value)| log::Field { name: name.to_owned(), value: value.to_owned() }).collect();
        log::write(level, message, &fields);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod destination {
    use std::io::Write as _;

    use super::Level;

    pub(super) fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let mut line = format!("{level:?}: {message}");
        for (name, value) in fields {
            line.push_str(&format!(" {name}={value}"));
        }
        // A closed standard error must not fail the test that logs.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// Writes a line at level `trace`, formatted as by `format!`.
#[macro_export]
macro_rules! trace {
    ($($words:tt)+) => { $crate::log::write($crate::Level::Trace, &::std::format!($($words)+), &[]) };
}

/// Writes a line at level `debug`, formatted as by `format!`.
#[macro_export]
macro_rules! debug {
    ($($words:tt)+) => { $crate::log::write($crate::Level::Debug, &::std::format!($($words)+), &[]) };
}

/// Writes a line at level `info`, formatted as by `format!`.
#[macro_export]
macro_rules! info {
    ($($words:tt)+) => { $crate::log::write($crate::Level::Info, &::std::format!($($words)+), &[]) };
}

/// Writes a line at level `warn`, formatted as by `format!`.
#[macro_export]
macro_rules! warn {
    ($($words:tt)+) => { $crate::log::write($crate::Level::Warn, &::std::format!($($words)+), &[]) };
}

/// Writes a line at level `error`, formatted as by `format!`.
#[macro_export]
macro_rules! error {
    ($($words:tt)+) => { $crate::log::write($crate::Level::Error, &::std::format!($($words)+), &[]) };
}
