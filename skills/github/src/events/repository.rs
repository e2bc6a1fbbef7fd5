//! Repositories and what belongs to them: stars, forks, releases, labels, members, alerts.

use crate::event::Event;
use crate::text::Sentence;

/// A repository itself changed.
pub(super) fn repository(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let text = match event.name("action").as_str() {
        "publicized" => format!("{actor} made repository {place} public"),
        "privatized" => format!("{actor} made repository {place} private"),
        "renamed" => {
            format!("{actor} renamed repository {} to {place}", event.name("changes.repository.name.from"))
        }
        "transferred" => {
            let from = event.first_name(&["changes.owner.from.user.login", "changes.owner.from.organization.login"]);
            format!("{actor} transferred repository {place} from {from}")
        }
        _ => format!("{actor} {} repository {place}", event.action()),
    };
    Sentence::new(text).link(event.link("repository.html_url"))
}

/// Somebody starred a repository, or took the star back.
pub(super) fn star(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let stars = event.name("repository.stargazers_count");
    Sentence::new(match event.name("action").as_str() {
        "deleted" => format!("{actor} took back their star of {place} (stars now: {stars})"),
        _ => format!("{actor} starred {place} (stars now: {stars})"),
    })
}

/// Somebody watches a repository.
pub(super) fn watch(event: &Event<'_>) -> Sentence {
    Sentence::new(format!("{} began to watch {}", event.actor(), event.place()))
}

/// Somebody forked a repository.
pub(super) fn fork(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    Sentence::new(format!("{actor} forked {place} to {}", event.name("forkee.full_name")))
        .link(event.link("forkee.html_url"))
}

/// A release changed.
pub(super) fn release(event: &Event<'_>) -> Sentence {
    let (actor, place, tag) = (event.actor(), event.place(), event.name("release.tag_name"));
    let title = match event.name("release.name") {
        name if name.is_empty() || name == tag => String::new(),
        _ => format!(" {}", event.title("release.name")),
    };
    let release = format!("{tag}{title} of {place}");
    Sentence::new(match event.name("action").as_str() {
        "released" => format!("{actor} released {release}"),
        "prereleased" => format!("{actor} published pre-release {release}"),
        _ => format!("{actor} {} release {release}", event.action()),
    })
    .link(event.link("release.html_url"))
}

/// Somebody gained, lost or changed access to a repository.
pub(super) fn member(event: &Event<'_>) -> Sentence {
    let (actor, place, member) = (event.actor(), event.place(), event.name("member.login"));
    Sentence::new(match event.name("action").as_str() {
        "added" => format!("{actor} added {member} to {place}"),
        "removed" => format!("{actor} removed {member} from {place}"),
        _ => format!("{actor} changed what {member} may do in {place}"),
    })
}

/// A label changed.
pub(super) fn label(event: &Event<'_>) -> Sentence {
    let (actor, place, label) = (event.actor(), event.place(), event.name("label.name"));
    let was = event.name("changes.name.from");
    let was = if was.is_empty() { was } else { format!(" (it was {was})") };
    Sentence::new(format!("{actor} {} label {label} in {place}{was}", event.action()))
}

/// A milestone changed.
pub(super) fn milestone(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let milestone = event.numbered("milestone", "milestone");
    Sentence::new(format!("{actor} {} {milestone} in {place}", event.action())).link(event.link("milestone.html_url"))
}

/// Pages of a wiki changed.
pub(super) fn gollum(event: &Event<'_>) -> Sentence {
    let pages = || event.at("pages").into_iter().flat_map(|pages| pages.elements());
    let Some(first) = pages().next() else {
        return Sentence::new(format!("{} changed the wiki of {}", event.actor(), event.place()));
    };
    let more = match pages().count() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let page = crate::text::quote(first.get("title"), crate::text::MAX_TITLE);
    let (actor, action, place) = (event.actor(), crate::text::name(first.get("action")), event.place());
    Sentence::new(format!("{actor} {action} wiki page {page}{more} in {place}"))
        .link(crate::text::link(first.get("html_url")))
}

/// A package was published or changed.
pub(super) fn package(event: &Event<'_>) -> Sentence {
    let path = if event.has("registry_package") { "registry_package" } else { "package" };
    let name = event.name(&format!("{path}.name"));
    let version = event.name(&format!("{path}.package_version.version"));
    let version = if version.is_empty() { version } else { format!(" {version}") };
    Sentence::new(format!("{} {} package {name}{version} in {}", event.actor(), event.action(), event.place()))
        .link(event.link(&format!("{path}.html_url")))
}

/// A scanner found, or no longer finds, something.
pub(super) fn alert(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let noun = match event.kind() {
        "code_scanning_alert" => "code scanning alert",
        "secret_scanning_alert" => "secret scanning alert",
        "dependabot_alert" => "Dependabot alert",
        _ => "vulnerability alert",
    };
    let number = event.name("alert.number");
    let number = if number.is_empty() { number } else { format!(" #{number}") };
    let title = ["alert.rule.description", "alert.security_advisory.summary", "alert.secret_type"]
        .iter()
        .map(|path| event.title(path))
        .find(|title| !title.is_empty());
    let about = title.unwrap_or_else(|| {
        format!("{} in {}", event.name("alert.external_identifier"), event.name("alert.affected_package_name"))
    });
    // The older alerts say `create` where every other event says `created`.
    let action = match event.name("action").as_str() {
        "create" => "created".to_owned(),
        "dismiss" => "dismissed".to_owned(),
        "resolve" => "resolved".to_owned(),
        "closed_by_user" => "closed".to_owned(),
        "reopened_by_user" => "reopened".to_owned(),
        "appeared_in_branch" => format!("found in {}", event.branch("ref")),
        _ => event.action(),
    };
    Sentence::new(format!("{noun}{number} {about} in {place} was {action} by {actor}"))
        .link(event.link("alert.html_url"))
}

/// An advisory was published or changed; it belongs to no repository.
pub(super) fn security_advisory(event: &Event<'_>) -> Sentence {
    let (id, severity) = (event.name("security_advisory.ghsa_id"), event.name("security_advisory.severity"));
    let title = event.title("security_advisory.summary");
    let action = match event.name("action").as_str() {
        "withdrawn" => "withdrew".to_owned(),
        _ => event.action(),
    };
    Sentence::new(format!("{} {action} security advisory {id} ({severity}): {title}", event.actor()))
}
