//! Organizations, teams, app installations and everything too rare for a file of its own.

use webhook_body::{Kind, Value};

use crate::event::Event;
use crate::text::{Sentence, name};

/// An organization changed.
pub(super) fn organization(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.name("organization.login"));
    let member = event.first_name(&["membership.user.login", "user.login", "invitation.login", "invitation.email"]);
    Sentence::new(match event.name("action").as_str() {
        "member_added" => format!("{actor} added {member} to organization {place}"),
        "member_removed" => format!("{actor} removed {member} from organization {place}"),
        "member_invited" => format!("{actor} invited {member} to organization {place}"),
        _ => format!("{actor} {} organization {place}", event.action()),
    })
}

/// Somebody joined or left a team.
pub(super) fn membership(event: &Event<'_>) -> Sentence {
    let (actor, member, place) = (event.actor(), event.name("member.login"), event.place());
    let team = event.first_name(&["team.name", "team.slug"]);
    let direction = if event.name("action") == "removed" { "from" } else { "to" };
    Sentence::new(format!("{actor} {} {member} {direction} team {team} of {place}", event.action()))
}

/// A team changed.
pub(super) fn team(event: &Event<'_>) -> Sentence {
    let (actor, team, place) = (event.actor(), event.name("team.name"), event.place());
    Sentence::new(match event.name("action").as_str() {
        // `team_add` has no action.
        "added_to_repository" | "" => format!("{actor} gave team {team} access to {place}"),
        "removed_from_repository" => format!("{actor} took from team {team} the access to {place}"),
        _ => format!("{actor} {} team {team} in {place}", event.action()),
    })
    .link(event.link("team.html_url"))
}

/// Somebody was blocked or unblocked.
pub(super) fn org_block(event: &Event<'_>) -> Sentence {
    let (actor, blocked, place) = (event.actor(), event.name("blocked_user.login"), event.place());
    Sentence::new(format!("{actor} {} {blocked} in organization {place}", event.action()))
}

/// An app was installed, removed or changed.
pub(super) fn installation(event: &Event<'_>) -> Sentence {
    let (actor, account) = (event.actor(), event.name("installation.account.login"));
    let app = event.first_name(&["installation.app_slug", "installation.app_id"]);
    let action = match event.name("action").as_str() {
        "created" => "installed".to_owned(),
        "deleted" => "uninstalled".to_owned(),
        "suspend" => "suspended".to_owned(),
        "unsuspend" => "resumed".to_owned(),
        "new_permissions_accepted" => "accepted new permissions of".to_owned(),
        _ => event.action(),
    };
    Sentence::new(format!("{actor} {action} app {app} for {account}")).link(event.link("installation.html_url"))
}

/// An app gained or lost repositories.
pub(super) fn installation_repositories(event: &Event<'_>) -> Sentence {
    let (actor, account) = (event.actor(), event.name("installation.account.login"));
    let app = event.first_name(&["installation.app_slug", "installation.app_id"]);
    let removed = event.name("action") == "removed";
    let path = if removed { "repositories_removed" } else { "repositories_added" };
    let repositories = || event.at(path).into_iter().flat_map(|list| list.elements());
    let first = repositories().next().map(|repository| name(repository.get("full_name"))).unwrap_or_default();
    let more = match repositories().count() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let direction = if removed { "from" } else { "to" };
    Sentence::new(format!("{actor} {} {first}{more} {direction} app {app} of {account}", event.action()))
}

/// A plan of a marketplace app was bought or changed.
pub(super) fn marketplace_purchase(event: &Event<'_>) -> Sentence {
    let (actor, plan) = (event.actor(), event.name("marketplace_purchase.plan.name"));
    let account = event.name("marketplace_purchase.account.login");
    Sentence::new(format!("{actor}: marketplace plan {plan} of {account} was {}", event.action()))
}

/// A sponsorship began, changed or ended.
pub(super) fn sponsorship(event: &Event<'_>) -> Sentence {
    let sponsor = event.first_name(&["sponsorship.sponsor.login", "sender.login"]);
    let (sponsored, tier) = (event.name("sponsorship.sponsorable.login"), event.name("sponsorship.tier.name"));
    Sentence::new(format!("sponsorship of {sponsored} by {sponsor} ({tier}): {}", event.action()))
}

/// An item of a project changed.
pub(super) fn project_item(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let content = event.name("projects_v2_item.content_type");
    let id = event.name("projects_v2_item.id");
    Sentence::new(format!("{actor} {} project item {id} ({content}) in {place}", event.action()))
}

/// Everything without a sentence of its own: who did what to which object, where.
pub(super) fn other(event: &Event<'_>) -> Sentence {
    let (actor, place, action) = (event.actor(), event.place(), event.action());
    let noun = event.kind().replace('_', " ");
    let object = event
        .members()
        .filter(|(name, value)| value.kind() == Kind::Object && !CIRCUMSTANCES.contains(name))
        .find_map(|(_, value)| label(value))
        .map_or_else(String::new, |label| format!(" {label}"));
    Sentence::new(match action.as_str() {
        "" => format!("{actor} caused {noun}{object} on {place}"),
        // Several words are rarely a verb: `anonymous access enabled`.
        several if several.contains(' ') => format!("{actor} caused {noun} ({several}){object} on {place}"),
        verb => format!("{actor} {verb} {noun}{object} on {place}"),
    })
}

/// Members that say where and by whom, never what.
const CIRCUMSTANCES: [&str; 7] =
    ["repository", "sender", "organization", "installation", "enterprise", "changes", "client_payload"];

/// What an object is best called by.
fn label(object: Value<'_>) -> Option<String> {
    const BY: [&str; 9] = ["title", "name", "full_name", "summary", "note", "login", "tag_name", "number", "id"];
    BY.iter().map(|key| name(object.get(key))).find(|label| !label.is_empty())
}
