//! Whether the transforms that webhook endpoints name can be run.
//!
//! What is installed is no part of the configuration and changes without it, so an endpoint whose transform is absent
//! loads and is warned about. Invariant: a request or event of an endpoint that was not warned about reaches a transform
//! that was installed, enabled and of the right direction when the configuration was read.

use openclaw_domain::{Installed, SkillName, TenantId, World};
use openclaw_server::deliveries::{OutgoingEndpoint, Transform};

use super::problem::Problem;
use super::suggest::nearest;

/// Which way an endpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `webhooks.incoming`.
    Incoming,
    /// `webhooks.outgoing`.
    Outgoing,
}

/// A transform as an endpoint names it.
#[derive(Clone, Debug)]
pub(crate) struct UsedTransform {
    /// The key, such as `webhooks.incoming.endpoints[0].transform`.
    pub(crate) at: String,
    /// Whose endpoint.
    pub(crate) tenant: TenantId,
    /// The transform.
    pub(crate) name: SkillName,
    /// What it has to do there.
    pub(crate) direction: Direction,
}

impl UsedTransform {
    /// The one an outgoing endpoint names, if it names one. A bundled `template` serves objects.
    pub(crate) fn of_outgoing(endpoint: &OutgoingEndpoint) -> Option<Self> {
        let Transform::Component { name, .. } = &endpoint.transform else { return None };
        Some(Self {
            at: format!("webhooks.outgoing[{}].transform", endpoint.key.name),
            tenant: endpoint.key.tenant.clone(),
            name: name.clone(),
            direction: Direction::Outgoing,
        })
    }
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
    fn transforms(&self, direction: Direction) -> bool {
        World::from_name(&self.world).is_some_and(|world| match direction {
            Direction::Incoming => world.transforms_ingress(),
            Direction::Outgoing => world.transforms_egress(),
        })
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
    let UsedTransform { at, tenant, name, direction } = used;
    let (what, fix) = match installed.iter().find(|component| component.name == name.as_str()) {
        None => {
            let transforms: Vec<&str> = installed
                .iter()
                .filter(|component| component.transforms(*direction))
                .map(|component| component.name.as_str())
                .collect();
            let fix = match nearest(name.as_str(), &transforms) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("run `openclaw skills install FILE`, or name one of: {}", transforms.join(", ")),
            };
            (format!("is not installed for tenant `{tenant}`"), fix)
        }
        Some(component) if !component.transforms(*direction) => (
            format!("is a component of the world `{}`", component.world),
            match direction {
                Direction::Incoming => "name an `ingress-transform` or a `transform`; either can call a skill",
                Direction::Outgoing => "name an `egress-transform` or a `transform`",
            }
            .to_owned(),
        ),
        Some(component) if !component.enabled => {
            ("is disabled".to_owned(), format!("run `openclaw skills enable {name} --tenant {tenant}`"))
        }
        Some(_) => return None,
    };
    let then = match direction {
        Direction::Incoming => "every request is answered 422",
        Direction::Outgoing => "every delivery fails and is kept for replay",
    };
    let reason = format!("names `{name}`, which {what}: {then}");
    Some(Problem { path: at.clone(), reason, fix })
}
