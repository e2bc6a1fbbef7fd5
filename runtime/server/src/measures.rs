//! What is counted, as handles made once: looking a metric up by name costs more than counting.
//!
//! The recorder must be installed before a server is made, or all of this counts into nothing.

use metrics::{Counter, Gauge, counter, gauge};
use openclaw_domain::Code;

use crate::ws::COMMANDS;

/// Handles of everything the server counts.
pub(crate) struct Measures {
    /// Open authenticated sessions.
    pub(crate) sessions: Gauge,
    /// Sockets that have not authenticated, or were turned away and are being told so.
    pub(crate) lobby: Gauge,
    /// Sessions ever opened.
    pub(crate) sessions_opened: Counter,
    /// Wrong credentials.
    pub(crate) failed_authentications: Counter,
    /// Requests turned away for their `Host` or `Origin`.
    pub(crate) foreign_requests: Counter,
    /// Connections closed because their address held too many.
    pub(crate) refused_connections: Counter,
    /// Events dropped because a session read too slowly.
    pub(crate) missed_events: Counter,
    /// Microseconds spent in skill calls, waiting included.
    pub(crate) skill_microseconds: Counter,
    commands: [Counter; COMMANDS.len()],
    refusals: [Counter; Code::ALL.len()],
}

impl Measures {
    /// Registers everything.
    pub(crate) fn new() -> Self {
        Self {
            sessions: gauge!("openclaw_sessions"),
            lobby: gauge!("openclaw_lobby_sockets"),
            sessions_opened: counter!("openclaw_sessions_opened_total"),
            failed_authentications: counter!("openclaw_failed_authentications_total"),
            foreign_requests: counter!("openclaw_foreign_requests_total"),
            refused_connections: counter!("openclaw_refused_connections_total"),
            missed_events: counter!("openclaw_missed_events_total"),
            skill_microseconds: counter!("openclaw_skill_invoke_microseconds_total"),
            commands: COMMANDS.map(|command| counter!("openclaw_commands_total", "command" => command)),
            refusals: Code::ALL.map(|code| counter!("openclaw_refusals_total", "code" => code.as_str())),
        }
    }

    /// Counts a command by its place in [`COMMANDS`].
    pub(crate) fn command(&self, index: usize) {
        if let Some(counter) = self.commands.get(index) {
            counter.increment(1);
        }
    }

    /// Counts a refusal.
    pub(crate) fn refusal(&self, code: Code) {
        if let Some(index) = Code::ALL.iter().position(|known| *known == code) {
            self.refusals[index].increment(1);
        }
    }
}
