//! Keys whose feature this build does not have yet: checked for shape and warned about, never ignored silently.
//!
//! Invariant: a file that is right for the whole gateway loads here, and its operator hears what will not happen.

use super::problem::Problems;
use super::read::Object;

/// `channels`.
pub(crate) fn channels(top: &Object<'_>, problems: &mut Problems) {
    const HTTP_API: [&str; 5] = ["hmac_secret", "port", "max_messages_per_hour", "cooldown_seconds", "max_connections"];
    let Some(channels) = top.object("channels", &[], problems) else { return };
    for (name, at, value) in channels.entries() {
        // What other channels are told is for their component to say, so any keys may stand there.
        let known: &[&str] = if name == "http-api" { &HTTP_API } else { &[] };
        let Some(channel) = Object::of(at.clone(), value, known, problems) else { continue };
        if name == "http-api" {
            channel.text("hmac_secret", problems);
            channel.whole("port", 1..=65_535, problems);
            channel.whole("max_messages_per_hour", 0..=1_000_000_000, problems);
            channel.whole("cooldown_seconds", 0..=86_400, problems);
            channel.whole("max_connections", 1..=100_000, problems);
        }
        not_served(at, "this channel is not opened", problems);
    }
}

/// `mcp`.
pub(crate) fn mcp(top: &Object<'_>, problems: &mut Problems) {
    const SERVER: [&str; 7] = ["command", "args", "env", "cwd", "url", "headers", "enabled"];
    let Some(mcp) = top.object("mcp", &["servers"], problems) else { return };
    let Some(servers) = mcp.object("servers", &[], problems) else { return };
    for (_, at, value) in servers.entries() {
        let Some(server) = Object::of(at, value, &SERVER, problems) else { continue };
        server.text("command", problems);
        server.texts("args", problems);
        server.check_texts_by_name("env", problems);
        server.text("cwd", problems);
        server.text("url", problems);
        server.check_texts_by_name("headers", problems);
        server.flag("enabled", problems);
        if server.has("command") == server.has("url") {
            let fix = "write either `command` (with `args`) or `url`";
            problems.error(server.path(), "does not say how to reach the server", fix);
        }
    }
    not_served(mcp.at("servers"), "no MCP server is started or called", problems);
}

/// `heartbeat`: its keys are settled with the feature, so only its kind is checked.
pub(crate) fn heartbeat(top: &Object<'_>, problems: &mut Problems) {
    if let Some(heartbeat) = top.object("heartbeat", &[], problems) {
        not_served(heartbeat.path().to_owned(), "no heartbeat runs", problems);
    }
}

fn not_served(path: String, consequence: &str, problems: &mut Problems) {
    problems.warn(path, "is not served by this build", consequence);
}
