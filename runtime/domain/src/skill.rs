//! What a skill is: a component with tools, known by its digest and called by its name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::{Capability, Digest, IdError, Powers, SkillName, TenantId, Timestamp, ToolName};

/// The contract a component was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// Tools to call by name.
    Skill,
    /// Turns incoming webhooks into outcomes.
    IngressTransform,
    /// Turns events into what an endpoint is sent.
    EgressTransform,
    /// Both: a component that knows one peer, in both directions.
    Transform,
}

impl World {
    /// Every world, those that ask for more first: a component that says nothing is of the first whose interfaces it
    /// exports.
    pub const ALL: [Self; 4] = [Self::Skill, Self::Transform, Self::IngressTransform, Self::EgressTransform];

    /// Its name in WIT and in `skill.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::IngressTransform => "ingress-transform",
            Self::EgressTransform => "egress-transform",
            Self::Transform => "transform",
        }
    }

    /// Whether a component of it decides about incoming webhooks.
    pub const fn transforms_ingress(self) -> bool {
        matches!(self, Self::IngressTransform | Self::Transform)
    }

    /// Whether a component of it makes what endpoints are sent.
    pub const fn transforms_egress(self) -> bool {
        matches!(self, Self::EgressTransform | Self::Transform)
    }

    /// The world with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|world| world.as_str() == name)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which powers a skill's instances are linked with: decides, with the digest, which prepared instance serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantShape(pub BTreeSet<Capability>);

/// A power a skill's author asks for in `skill.toml`. Nothing is granted by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityRequest {
    /// Which.
    pub capability: Capability,
    /// Why, for the operator who decides.
    pub reason: String,
    /// The least that makes the skill useful, as far as its author can know it.
    pub wants: Powers,
}

/// A newer component that waits for an operator: it imports or asks for more than the one that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUpgrade {
    /// The component that waits.
    pub upgrade: Installed,
    /// Imports that are new.
    pub new_imports: Vec<String>,
    /// Requests that are new, one line each.
    pub new_requests: Vec<String>,
}

/// One tool as a skill declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSpec {
    /// What it is called by.
    pub name: ToolName,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments, as JSON text.
    pub input_schema: String,
    /// JSON Schema of its structured result, as JSON text.
    pub output_schema: Option<String>,
    /// The author's word on its behaviour.
    pub hints: ToolHints,
}

/// The author's word on a tool's behaviour; never a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolHints {
    /// It changes nothing outside itself.
    pub read_only: bool,
    /// It may delete or overwrite something.
    pub destructive: bool,
    /// Calling it twice has no further effect.
    pub idempotent: bool,
    /// It reaches systems outside the gateway.
    pub open_world: bool,
}

/// A component installed for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is called.
    pub name: SkillName,
    /// Which bytes it runs.
    pub digest: Digest,
    /// The author's version, from `skill.toml`.
    pub version: String,
    /// One sentence, from `skill.toml`.
    pub description: String,
    /// The contract it was built for.
    pub world: World,
    /// What it imports, each as `namespace:package/interface@version`, sorted.
    pub imports: Vec<String>,
    /// What its author asks for, with a reason each.
    pub requests: Vec<CapabilityRequest>,
    /// Its settings unless the operator says otherwise: a JSON object as text.
    pub settings: String,
    /// Its tools; empty for a transform.
    pub tools: Vec<ToolSpec>,
    /// Whether it can be called.
    pub enabled: bool,
    /// Whether it came with the gateway.
    pub bundled: bool,
    /// Size of the component file in bytes.
    pub size: u64,
    /// When it was installed.
    pub installed_at: Timestamp,
}

/// What a client names: `name`, or `name/tool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillRef {
    /// The skill.
    pub skill: SkillName,
    /// The tool; without one, the skill's only tool.
    pub tool: Option<ToolName>,
}

impl FromStr for SkillRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((skill, tool)) => Ok(Self { skill: skill.parse()?, tool: Some(tool.parse()?) }),
            None => Ok(Self { skill: text.parse()?, tool: None }),
        }
    }
}
