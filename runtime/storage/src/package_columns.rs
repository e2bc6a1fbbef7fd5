//! The JSON columns of what is installed: tools, and what an author asks for.
//!
//! Invariant: the shapes are only ever extended, with defaults: old rows are read for ever.

use openclaw_domain::{
    Capability, CapabilityRequest, HttpRule, HttpRuleError, IdError, Origin, OriginError, Powers, SecretUse, ToolHints,
    ToolName, ToolSpec,
};
use serde::{Deserialize, Serialize};

/// A tool as it stands in the `tools` column.
#[derive(Serialize, Deserialize)]
pub(crate) struct ToolColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    description: String,
    input_schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_schema: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    destructive: bool,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    open_world: bool,
}

impl From<&ToolSpec> for ToolColumn {
    fn from(tool: &ToolSpec) -> Self {
        let ToolHints { read_only, destructive, idempotent, open_world } = tool.hints;
        Self {
            name: tool.name.to_string(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            input_schema: tool.input_schema.clone(),
            output_schema: tool.output_schema.clone(),
            read_only,
            destructive,
            idempotent,
            open_world,
        }
    }
}

impl TryFrom<ToolColumn> for ToolSpec {
    type Error = IdError;

    fn try_from(column: ToolColumn) -> Result<Self, Self::Error> {
        let ToolColumn { read_only, destructive, idempotent, open_world, .. } = column;
        Ok(Self {
            name: column.name.parse::<ToolName>()?,
            title: column.title,
            description: column.description,
            input_schema: column.input_schema,
            output_schema: column.output_schema,
            hints: ToolHints { read_only, destructive, idempotent, open_world },
        })
    }
}

/// A request for a power as it stands in the `requests` column.
#[derive(Serialize, Deserialize)]
pub(crate) struct RequestColumn {
    capability: String,
    reason: String,
    /// Each power as option and value of `openclaw skills grant`.
    #[serde(default)]
    wants: Vec<(String, String)>,
}

impl From<&CapabilityRequest> for RequestColumn {
    fn from(request: &CapabilityRequest) -> Self {
        Self {
            capability: request.capability.as_str().to_owned(),
            reason: request.reason.clone(),
            wants: request.wants.lines().into_iter().map(|(option, value)| (option.to_owned(), value)).collect(),
        }
    }
}

impl TryFrom<RequestColumn> for CapabilityRequest {
    type Error = PowerError;

    fn try_from(column: RequestColumn) -> Result<Self, Self::Error> {
        let capability =
            Capability::from_name(&column.capability).ok_or(PowerError::Unknown { name: column.capability })?;
        let mut wants = Powers::default();
        for (option, value) in column.wants {
            add_power(&mut wants, &option, value)?;
        }
        Ok(Self { capability, reason: column.reason, wants })
    }
}

/// Why a line is no power.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PowerError {
    /// It is of a kind this build does not know.
    #[error("`{name}` is no capability this build knows")]
    Unknown {
        /// What it says it is.
        name: String,
    },
    /// It is no rule.
    #[error(transparent)]
    Rule(#[from] HttpRuleError),
    /// It is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// It is no use of a secret.
    #[error(transparent)]
    Secret(#[from] IdError),
}

/// Adds one line of [`Powers::lines`] to powers.
fn add_power(powers: &mut Powers, option: &str, value: String) -> Result<(), PowerError> {
    match option {
        "http" => powers.http.insert(value.parse::<HttpRule>()?),
        "private" => powers.private.insert(value.parse::<Origin>()?),
        "kv" => powers.kv.insert(value),
        "secret" => powers.secrets.insert(value.parse::<SecretUse>()?),
        "config" => powers.config.insert(value),
        "event" => powers.events.insert(value),
        other => return Err(PowerError::Unknown { name: other.to_owned() }),
    };
    Ok(())
}
