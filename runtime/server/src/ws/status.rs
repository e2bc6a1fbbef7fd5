//! The `status` reply: what a dashboard shows.

use openclaw_domain::EventKind;
use openclaw_protocol::{LimitsInfo, ProtocolInfo, SkillInfo, StatusReply};

use super::command::SERVED;
use super::in_flight::Request;
use super::session::Session;
use super::{MAX_IN_FLIGHT, MESSAGE_BYTES};
use crate::mailbox::EVENT_QUEUE;

/// What a session may be sent unasked; only what this gateway can send.
const EVENTS: [&str; 9] = [
    EventKind::TaskCompleted.as_str(),
    EventKind::Error.as_str(),
    EventKind::MessageReceived.as_str(),
    EventKind::SecurityAlert.as_str(),
    "tool_call",
    "progress",
    "tool_result",
    "delta",
    "gap",
];

impl Session<'_> {
    /// Answers `status`.
    pub(super) fn reply_status(&mut self, request: &Request, last_seq: i64) {
        let state = self.state;
        let settings = state.settings.load();
        let credential = self.access.credential.clone();
        let installed = state.guests.installed(&credential.tenant);
        let skills = installed.iter().map(|skill| SkillInfo {
            name: skill.name.as_str(),
            version: &skill.version,
            description: &skill.description,
            world: skill.world.as_str(),
            enabled: skill.enabled,
            tools: skill.tools.len(),
        });
        let payload = StatusReply {
            status: if state.is_draining() { "draining" } else { "running" },
            version: &state.version,
            uptime_seconds: state.clock.now().since(state.started_at).as_secs(),
            started_at: state.started_at.to_string(),
            tenant: credential.tenant.as_str(),
            role: credential.role.as_str(),
            credential: &credential.name,
            session: self.subscriber.id,
            sessions: state.bus.sessions_of(&credential.tenant),
            skills: skills.collect(),
            last_seq,
            limits: LimitsInfo {
                max_connections: settings.max_connections,
                commands_per_minute: settings.commands_per_minute,
                in_flight: MAX_IN_FLIGHT,
                frame_bytes: MESSAGE_BYTES,
                event_queue: EVENT_QUEUE,
            },
            protocol: ProtocolInfo { dialect: "guide", commands: SERVED, events: EVENTS.to_vec() },
        };
        self.reply(request, "status", &payload);
    }
}
