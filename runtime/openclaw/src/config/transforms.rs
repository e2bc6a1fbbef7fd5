//! Whether the transforms that webhook endpoints name can be run.
//!
//! What is installed is no part of the configuration and changes without it, so an endpoint whose transform is absent
//! loads and is warned about. Invariant: a request to an endpoint that was not warned about reaches a transform that
//! was installed and enabled when the configuration was read.

use openclaw_domain::{Installed, SkillName, TenantId, World};

use super::problem::Problem;
use super::suggest::nearest;

/// A transform as an endpoint names it.
#[derive(Clone, Debug)]
pub(crate) struct UsedTransform {
    /// The key, such as `webhooks.incoming.endpoints[0].transform`.
    pub(crate) at: String,
    /// Whose endpoint.
    pub(crate) tenant: TenantId,
    /// The transform.
    pub(crate) name: SkillName,
}

/// What matters here of an installed component.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// What it is called.
    pub(crate) name: String,
    /// Its world's name.
    pub(crate) world: String,
    /// Whether it can be called.
    pub(crate) enabled: bool,
}

impl Component {
    fn transforms_ingress(&self) -> bool {
        World::from_name(&self.world).is_some_and(World::transforms_ingress)
    }
}

impl From<&Installed> for Component {
    fn from(installed: &Installed) -> Self {
        Self { name: installed.name.to_string(), world: installed.world.to_string(), enabled: installed.enabled }
    }
}

/// A finding for each endpoint whose transform cannot run, given what each tenant has installed.
pub(crate) fn unusable_transforms(
    used: &[UsedTransform],
    installed: impl Fn(&TenantId) -> Vec<Component>,
) -> Vec<Problem> {
    used.iter().filter_map(|used| problem_of(used, &installed(&used.tenant))).collect()
}

fn problem_of(used: &UsedTransform, installed: &[Component]) -> Option<Problem> {
    let UsedTransform { at, tenant, name } = used;
    let (what, fix) = match installed.iter().find(|component| component.name == name.as_str()) {
        None => {
            let transforms: Vec<&str> = installed
                .iter()
                .filter(|component| component.transforms_ingress())
                .map(|component| component.name.as_str())
                .collect();
            let fix = match nearest(name.as_str(), &transforms) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("run `openclaw skills install FILE`, or name one of: {}", transforms.join(", ")),
            };
            (format!("is not installed for tenant `{tenant}`"), fix)
        }
        Some(component) if !component.transforms_ingress() => (
            format!("is a component of the world `{}`", component.world),
            "name an `ingress-transform` or a `transform`; either can call a skill".to_owned(),
        ),
        Some(component) if !component.enabled => {
            ("is disabled".to_owned(), format!("run `openclaw skills enable {name} --tenant {tenant}`"))
        }
        Some(_) => return None,
    };
    let reason = format!("names `{name}`, which {what}: every request is answered 422");
    Some(Problem { path: at.clone(), reason, fix })
}
