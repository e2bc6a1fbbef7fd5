//! What is answered, as JSON: the shapes that `--json` prints and scripts rely on. They are only ever extended.

use openclaw_domain::ports::{NamedToken, TraceEntry};
use openclaw_domain::{Content, DocumentBody, Installed, Timestamp, ToolOutput, ToolReply, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grant_view::{GrantState, HeldView};

/// An installed skill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SkillView {
    /// What it is called.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) tenant: String,
    /// The author's version.
    pub(crate) version: String,
    /// One sentence.
    pub(crate) description: String,
    /// `skill` or `ingress-transform`.
    pub(crate) world: String,
    /// Whether it can be called.
    pub(crate) enabled: bool,
    /// Whether it came with the gateway.
    pub(crate) bundled: bool,
    /// `sha256:` and 64 hex digits.
    pub(crate) digest: String,
    /// Bytes of the component file.
    pub(crate) size: u64,
    /// What it imports.
    pub(crate) imports: Vec<String>,
    /// Bytes of memory an instance begins with; only told of one skill, since it is read from the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) initial_memory: Option<u64>,
    /// Its tools.
    pub(crate) tools: Vec<ToolView>,
    /// RFC 3339.
    pub(crate) installed_at: String,
    /// How it stands with its grant; absent if it needs none and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<GrantState>,
    /// The upgrade that waits for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<HeldView>,
}

/// A tool of a skill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ToolView {
    /// What it is called.
    pub(crate) name: String,
    /// What it does.
    pub(crate) description: String,
    /// JSON Schema of its arguments.
    pub(crate) input_schema: Value,
    /// JSON Schema of its structured result.
    pub(crate) output_schema: Option<Value>,
}

impl From<&Installed> for SkillView {
    fn from(installed: &Installed) -> Self {
        Self {
            name: installed.name.to_string(),
            tenant: installed.tenant.to_string(),
            version: installed.version.clone(),
            description: installed.description.clone(),
            world: installed.world.to_string(),
            enabled: installed.enabled,
            bundled: installed.bundled,
            digest: installed.digest.to_string(),
            size: installed.size,
            imports: installed.imports.clone(),
            initial_memory: None,
            tools: installed.tools.iter().map(ToolView::from).collect(),
            installed_at: installed.installed_at.to_string(),
            grant: None,
            held: None,
        }
    }
}

impl From<&ToolSpec> for ToolView {
    fn from(tool: &ToolSpec) -> Self {
        Self {
            name: tool.name.to_string(),
            description: tool.description.clone(),
            input_schema: value_of(&tool.input_schema),
            output_schema: tool.output_schema.as_deref().map(value_of),
        }
    }
}

/// A finished call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallView {
    /// The skill that ran.
    pub(crate) skill: String,
    /// The tool that ran.
    pub(crate) tool: String,
    /// All its text.
    pub(crate) text: String,
    /// The structured result, if there is one.
    pub(crate) result: Option<Value>,
    /// Every piece of the result, in order.
    pub(crate) content: Vec<Value>,
    /// What the tool asks before it can go on, if it does.
    pub(crate) input_required: Option<Value>,
    /// Wall-clock milliseconds.
    pub(crate) duration_ms: f64,
    /// The trace it belongs to.
    pub(crate) trace_id: String,
}

impl CallView {
    /// What is told of a reply.
    pub(crate) fn of(reply: &ToolReply, trace_id: String) -> Self {
        let mut view = Self {
            skill: reply.skill.to_string(),
            tool: reply.tool.to_string(),
            text: String::new(),
            result: None,
            content: Vec::new(),
            input_required: None,
            duration_ms: (reply.duration.as_secs_f64() * 1e6).round() / 1e3,
            trace_id,
        };
        match &reply.output {
            ToolOutput::Complete(result) => {
                view.text = result.to_text();
                view.result = result.structured.as_deref().map(value_of);
                view.content = result.content.iter().map(content).collect();
            }
            ToolOutput::InputRequired(needed) => {
                let questions = needed.requests.iter().map(|request| {
                    json!({"id": request.id, "message": request.message, "schema": value_of(&request.schema)})
                });
                view.input_required = Some(questions.collect());
            }
        }
        view
    }
}

fn content(piece: &Content) -> Value {
    match piece {
        Content::Text(text) => json!({"type": "text", "text": text}),
        Content::Image(media) => json!({"type": "image", "mime_type": media.mime_type, "bytes": media.data.len()}),
        Content::Audio(media) => json!({"type": "audio", "mime_type": media.mime_type, "bytes": media.data.len()}),
        Content::Document(document) => {
            let text = match &document.body {
                DocumentBody::Text(text) => Some(text),
                DocumentBody::Blob(_) | DocumentBody::Link => None,
            };
            json!({"type": "resource", "uri": document.uri, "mime_type": document.mime_type, "text": text})
        }
    }
}

/// JSON text as a value; what is no JSON stays text, since it comes from a guest.
fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A token that was just made. The only time its text is seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewTokenView {
    /// What operators call it.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) tenant: String,
    /// What it allows.
    pub(crate) role: String,
    /// The token.
    pub(crate) token: String,
    /// RFC 3339, if it ends.
    pub(crate) expires_at: Option<String>,
    /// Whether the configuration asks clients for a token at all.
    pub(crate) auth_required: bool,
}

/// A token that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenView {
    /// What operators call it.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) tenant: String,
    /// What it allows.
    pub(crate) role: String,
    /// `active`, `expired` or `revoked`.
    pub(crate) state: String,
    /// RFC 3339.
    pub(crate) created_at: String,
    /// RFC 3339, if it ends.
    pub(crate) expires_at: Option<String>,
}

impl TokenView {
    /// What is told of a token at a moment.
    pub(crate) fn of(named: &NamedToken, now: Timestamp) -> Self {
        let token = &named.token;
        let state = match (named.revoked_at, token.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            (None, _) => "active",
        };
        Self {
            name: token.name.clone(),
            tenant: token.tenant.to_string(),
            role: token.role.as_str().to_owned(),
            state: state.to_owned(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|end| end.to_string()),
        }
    }
}

/// A tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TenantView {
    /// Its name.
    pub(crate) name: String,
    /// Whether the configuration file names it.
    pub(crate) configured: bool,
    /// When an operator added it, RFC 3339.
    pub(crate) added_at: Option<String>,
    /// Named tokens that work.
    pub(crate) tokens: usize,
    /// Skills that were installed for it.
    pub(crate) skills: usize,
    /// Grants its skills hold.
    pub(crate) grants: usize,
    /// Whether it is paused.
    pub(crate) paused: bool,
}

/// A configuration that was put in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReloadView {
    /// The file it comes from.
    pub(crate) file: String,
    /// Keys whose new value waits for a restart.
    pub(crate) needs_restart: Vec<String>,
    /// What the operator should know, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// A finished backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BackupView {
    /// Where it is.
    pub(crate) folder: String,
    /// Component files in it.
    pub(crate) components: u64,
    /// Bytes in all.
    pub(crate) bytes: u64,
}

/// One line of a trace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TraceView {
    /// RFC 3339.
    pub(crate) at: String,
    /// `webhook` or `event`.
    pub(crate) source: String,
    /// What happened.
    pub(crate) what: String,
    /// Particulars.
    pub(crate) detail: Value,
}

impl From<&TraceEntry> for TraceView {
    fn from(entry: &TraceEntry) -> Self {
        Self {
            at: entry.at.to_string(),
            source: entry.source.clone(),
            what: entry.what.clone(),
            detail: value_of(&entry.detail),
        }
    }
}
