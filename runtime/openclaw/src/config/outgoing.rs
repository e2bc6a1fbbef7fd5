//! `webhooks.outgoing`: the endpoints that events are posted to.
//!
//! Invariant: the value of a variable that stands in a `transform` or its `settings` never becomes part of what a
//! component is given. Those parts are lifted out before the file is expanded, and only the places where a `${VAR}`
//! stood are filled in, after the component has run.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_domain::{EndpointKey, EndpointName, EventKind, Origin, Secret, SkillName, TenantId};
use openclaw_server::deliveries::{
    DEFAULT_MAX_BLOCK, DeliveryKey, EventPattern, Filter, OutgoingEndpoint, Schedule, SlotError, Transform,
    is_reserved_header, slots,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::expand::{Environment, expand_text};
use super::file::At;
use super::problem::Problems;
use super::read::Object;
use super::suggest::nearest;

const KEYS: [&str; 15] = [
    "event",
    "url",
    "name",
    "headers",
    "filter",
    "transform",
    "settings",
    "secret",
    "allowPrivate",
    "enabled",
    "timeoutMs",
    "concurrency",
    "ratePerMinute",
    "retry",
    "ordered",
];
/// The keys whose strings are filled in after a component has run.
const LIFTED: [&str; 2] = ["transform", "settings"];
/// The bundled component that fills an object in.
const TEMPLATE: &str = "template";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
const DEFAULT_CONCURRENCY: usize = 8;
const MOST_CONCURRENCY: u64 = 256;
const MOST_DELAYS: usize = 50;
const LONGEST_DELAY: u64 = 7 * 86_400;

/// One of `webhooks.outgoing`.
#[derive(Debug, Default)]
pub(crate) struct OutgoingFile {
    at: String,
    events: Vec<At<String>>,
    url: Option<String>,
    name: Option<String>,
    headers: Vec<(String, At<String>)>,
    filter: Option<Value>,
    transform: Option<Value>,
    settings: Option<Value>,
    secrets: Vec<At<String>>,
    allow_private: bool,
    enabled: bool,
    timeout_ms: Option<u64>,
    concurrency: Option<u64>,
    rate_per_minute: Option<u64>,
    delays: Option<Vec<u64>>,
    ordered: Option<Duration>,
}

/// What was lifted out of a file, with the endpoint it belongs to.
pub(crate) struct Lifted {
    tenant: Option<String>,
    index: usize,
    key: &'static str,
    value: Value,
}

/// Takes the parts out of every endpoint that are not to be expanded.
pub(crate) fn lift(file: &mut Value) -> Vec<Lifted> {
    let tenants = file.get("tenants").and_then(Value::as_object);
    let mut owners: Vec<Option<String>> = tenants.into_iter().flat_map(|all| all.keys().cloned().map(Some)).collect();
    owners.push(None);
    let mut lifted = Vec::new();
    for tenant in owners {
        for (index, endpoint) in endpoints_of(file, tenant.as_deref()).into_iter().flatten().enumerate() {
            for key in LIFTED {
                if let Some(value) = endpoint.get_mut(key).filter(|value| !value.is_null()) {
                    // Its place is kept, so that the reader finds the key.
                    lifted.push(Lifted { tenant: tenant.clone(), index, key, value: value.take() });
                }
            }
        }
    }
    lifted
}

/// Puts them back where they were.
pub(crate) fn put_back(file: &mut Value, lifted: Vec<Lifted>) {
    for Lifted { tenant, index, key, value } in lifted {
        let endpoint = endpoints_of(file, tenant.as_deref()).and_then(|endpoints| endpoints.get_mut(index));
        if let Some(place) = endpoint.and_then(|endpoint| endpoint.get_mut(key)) {
            *place = value;
        }
    }
}

fn endpoints_of<'f>(file: &'f mut Value, tenant: Option<&str>) -> Option<&'f mut Vec<Value>> {
    let owner = match tenant {
        Some(tenant) => file.get_mut("tenants")?.get_mut(tenant)?,
        None => file,
    };
    owner.get_mut("webhooks")?.get_mut("outgoing")?.as_array_mut()
}

impl OutgoingFile {
    /// Reads the list of one tenant.
    pub(crate) fn read_all(webhooks: &Object<'_>, problems: &mut Problems) -> Vec<Self> {
        let list = webhooks.list("outgoing", problems);
        list.into_iter().filter_map(|(at, value)| Self::read(at, value, problems)).collect()
    }

    fn read(at: String, value: &Value, problems: &mut Problems) -> Option<Self> {
        let endpoint = Object::of(at.clone(), value, &KEYS, problems)?;
        let kinds = EventKind::ALL.map(EventKind::as_str);
        endpoint.require("event", &format!("name one of: {}", kinds.join(", ")), problems);
        endpoint.require("url", "add the address the events are posted to", problems);
        let delays = endpoint
            .object("retry", &["delaysSeconds"], problems)
            .and_then(|retry| retry.has("delaysSeconds").then(|| delays(&retry, problems)));
        Some(Self {
            events: endpoint.text_or_texts("event", problems).unwrap_or_default(),
            url: endpoint.text("url", problems),
            name: endpoint.text("name", problems),
            headers: headers(&endpoint, problems),
            filter: endpoint.value("filter").cloned(),
            transform: endpoint.value("transform").cloned(),
            settings: endpoint.value("settings").cloned(),
            secrets: endpoint.text_or_texts("secret", problems).unwrap_or_default(),
            allow_private: endpoint.flag("allowPrivate", problems).unwrap_or(false),
            enabled: endpoint.flag("enabled", problems).unwrap_or(true),
            timeout_ms: endpoint.whole("timeoutMs", 100..=120_000, problems),
            concurrency: endpoint.whole("concurrency", 1..=MOST_CONCURRENCY, problems),
            rate_per_minute: endpoint.whole("ratePerMinute", 1..=10_000_000, problems),
            delays,
            ordered: ordered(&endpoint, problems),
            at,
        })
    }
}

fn headers(endpoint: &Object<'_>, problems: &mut Problems) -> Vec<(String, At<String>)> {
    let Some(headers) = endpoint.object("headers", &[], problems) else { return Vec::new() };
    let names: Vec<String> = headers.entries().map(|(name, ..)| name.to_owned()).collect();
    let text = |name: String| headers.text(&name, problems).map(|value| (name.clone(), (headers.at(&name), value)));
    names.into_iter().filter_map(text).collect()
}

fn delays(retry: &Object<'_>, problems: &mut Problems) -> Vec<u64> {
    let items = retry.list("delaysSeconds", problems);
    if items.len() > MOST_DELAYS {
        let reason = format!("has {} delays; at most {MOST_DELAYS} are made", items.len());
        problems.error(retry.at("delaysSeconds"), reason, "leave some out");
    }
    let mut delays = Vec::new();
    for (at, item) in items {
        match item.as_u64().filter(|seconds| *seconds <= LONGEST_DELAY) {
            Some(seconds) => delays.push(seconds),
            None => problems.error(at, "is no delay", format!("use whole seconds from 0 to {LONGEST_DELAY}")),
        }
    }
    delays
}

/// `true`, or an object that says for how long.
fn ordered(endpoint: &Object<'_>, problems: &mut Problems) -> Option<Duration> {
    if endpoint.value("ordered").is_some_and(Value::is_object) {
        let ordered = endpoint.object("ordered", &["maxBlockSeconds"], problems)?;
        let seconds = ordered.whole("maxBlockSeconds", 1..=LONGEST_DELAY, problems);
        return Some(seconds.map_or(DEFAULT_MAX_BLOCK, Duration::from_secs));
    }
    endpoint.flag("ordered", problems)?.then_some(DEFAULT_MAX_BLOCK)
}

/// The endpoints of a tenant.
pub(crate) fn endpoints(
    tenant: &TenantId,
    files: &[OutgoingFile],
    variables: &Environment,
    problems: &mut Problems,
) -> Vec<OutgoingEndpoint> {
    let mut found: Vec<OutgoingEndpoint> = Vec::new();
    for file in files {
        let Some(mut endpoint) = endpoint(tenant, file, variables, problems) else { continue };
        let taken = |name: &EndpointName| found.iter().any(|other| other.key.name == *name);
        if taken(&endpoint.key.name) {
            if file.name.is_some() {
                let reason = format!("`{}` is the name of an earlier endpoint", endpoint.key.name);
                problems.error(format!("{}.name", file.at), reason, "give each endpoint a name of its own");
                continue;
            }
            // The same event to the same URL, told apart by filter or transform.
            let numbered = (2..).map(|number| format!("{}-{number}", endpoint.key.name));
            let free = numbered.filter_map(|name| name.parse().ok()).find(|name| !taken(name));
            let Some(name) = free else { continue };
            endpoint.key.name = name;
        }
        found.push(endpoint);
    }
    found
}

fn endpoint(
    tenant: &TenantId,
    file: &OutgoingFile,
    variables: &Environment,
    problems: &mut Problems,
) -> Option<OutgoingEndpoint> {
    let place = file.url.as_deref().and_then(|url| target(url, &file.at, problems));
    let events = events(&file.events, &file.at, problems);
    let filter = filter(file, problems);
    let headers = header_map(&file.headers, problems);
    let transform = transform(file, variables, problems);
    let keys = keys(&file.secrets, problems);
    let (origin, path_and_query) = place?;
    let name = name(file, &origin, problems)?;
    Some(OutgoingEndpoint {
        key: EndpointKey { tenant: tenant.clone(), name },
        at: file.at.clone(),
        events: events?,
        filter: filter?,
        origin,
        path_and_query: Secret::new(path_and_query),
        headers: Secret::new(headers),
        transform: transform?,
        keys,
        allow_private: file.allow_private,
        enabled: file.enabled,
        timeout: file.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis),
        concurrency: file.concurrency.and_then(|number| usize::try_from(number).ok()).unwrap_or(DEFAULT_CONCURRENCY),
        rate_per_minute: file.rate_per_minute.and_then(|number| u32::try_from(number).ok()),
        schedule: file.delays.as_ref().map_or_else(Schedule::default, |delays| {
            Schedule::new(delays.iter().copied().map(Duration::from_secs).collect())
        }),
        ordered: file.ordered,
    })
}

fn target(url: &str, at: &str, problems: &mut Problems) -> Option<(Origin, String)> {
    let at = format!("{at}.url");
    let Ok((origin, rest)) = Origin::split(url) else {
        // The URL is not repeated: its path may be a credential.
        problems.error(at, "is not a web address", "write `https://host/path`");
        return None;
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    match rest.parse::<PathAndQuery>() {
        Ok(_) => Some((origin, rest)),
        Err(_) => {
            problems.error(at, "has a path that no request can carry", "percent-encode spaces and other characters");
            None
        }
    }
}

fn events(given: &[At<String>], at: &str, problems: &mut Problems) -> Option<Vec<EventPattern>> {
    let mut patterns = Vec::new();
    if given.is_empty() {
        problems.error(format!("{at}.event"), "names no event", "write one, several in a list, or `*`");
    }
    for (at, text) in given {
        if let Some(pattern) = EventPattern::read(text) {
            patterns.push(pattern);
            continue;
        }
        let kinds = EventKind::ALL.map(EventKind::as_str);
        let fix = match nearest(text, &kinds) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of: {}, a prefix such as `agent.*`, or `*`", kinds.join(", ")),
        };
        problems.error(at, format!("cannot be `{}`", text.chars().take(40).collect::<String>()), fix);
    }
    (!patterns.is_empty() && patterns.len() == given.len()).then_some(patterns)
}

fn filter(file: &OutgoingFile, problems: &mut Problems) -> Option<Filter> {
    let Some(value) = &file.filter else { return Some(Filter::default()) };
    match Filter::read(value) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let dot = if error.path.is_empty() { "" } else { "." };
            let at = format!("{}.filter{dot}{}", file.at, error.path);
            problems.error(at, error.reason, "see docs/webhooks-egress.md");
            None
        }
    }
}

fn header_map(given: &[(String, At<String>)], problems: &mut Problems) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, (at, value)) in given {
        let Ok(name) = name.parse::<HeaderName>() else {
            problems.error(at, "is not the name of a header", "write letters, digits and `-`");
            continue;
        };
        if is_reserved_header(&name) {
            let reason = "belongs to the connection or to the signature";
            problems.error(at, reason, "remove it: the gateway sets it");
            continue;
        }
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            Err(_) => problems.error(at, "has a value no header can carry", "write printable ASCII on one line"),
        }
    }
    headers
}

fn transform(file: &OutgoingFile, variables: &Environment, problems: &mut Problems) -> Option<Transform> {
    let (name, key, settings) = match (&file.transform, &file.settings) {
        (None, None) => return Some(Transform::Default),
        (Some(object @ Value::Object(_)), None) => (TEMPLATE, "transform", object.clone()),
        (Some(Value::String(name)), settings) => {
            let settings = settings.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            (name.as_str(), "settings", settings)
        }
        (_, Some(_)) => {
            let fix = "name the component that reads them: `\"transform\": \"name\"`";
            problems.error(format!("{}.settings", file.at), "are for a component", fix);
            return None;
        }
        (Some(_), None) => {
            let fix = "write the body to send as an object, or a component's name";
            problems.error(format!("{}.transform", file.at), "is neither an object nor a string", fix);
            return None;
        }
    };
    let at = format!("{}.{key}", file.at);
    let name = match name.parse::<SkillName>() {
        Ok(name) => name,
        Err(error) => {
            let fix = format!("use {}", error.rule);
            problems.error(format!("{}.transform", file.at), "is not a component's name", fix);
            return None;
        }
    };
    if !settings.is_object() {
        problems.error(at, "are no object", "write `{ \"key\": value }`");
        return None;
    }
    // Two closures of the same list of problems, one after the other.
    let mut wrong = Vec::new();
    let slots = slots(
        &settings,
        &mut |pointer, text| expand_text(text, &path(&at, pointer), variables, problems),
        &mut |pointer, error| wrong.push((path(&at, pointer), error)),
    );
    for (at, error) in wrong {
        if error == SlotError::BetweenPlaceholders {
            let reason = "has a `${` between two `{{…}}`, where an event could write in its place";
            problems.error(
                at,
                reason,
                "move it in front of the first or behind the last `{{…}}`, or to a key of its own",
            );
        }
    }
    Some(Transform::Component { name, settings: settings.to_string().into(), slots: Arc::from(slots) })
}

fn path(at: &str, pointer: &[String]) -> String {
    pointer.iter().fold(at.to_owned(), |path, segment| match segment.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) => format!("{path}.{segment}"),
    })
}

fn keys(given: &[At<String>], problems: &mut Problems) -> Vec<DeliveryKey> {
    let mut keys = Vec::new();
    for (at, text) in given {
        match DeliveryKey::read(text) {
            Ok(key) => keys.push(key),
            Err(reason) => problems.error(at, reason, "make one with `echo whsec_$(openssl rand -base64 32)`"),
        }
    }
    keys
}

/// The name an operator gave, or one made of host, events and URL: the same wherever it stands in the list.
fn name(file: &OutgoingFile, origin: &Origin, problems: &mut Problems) -> Option<EndpointName> {
    if let Some(name) = &file.name {
        return match name.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let error: openclaw_domain::IdError = error;
                problems.error(format!("{}.name", file.at), "is no endpoint's name", format!("use {}", error.rule));
                None
            }
        };
    }
    let mut hash = Sha256::new();
    for (_, event) in &file.events {
        hash.update(event);
        hash.update(b"\0");
    }
    hash.update(file.url.as_deref().unwrap_or_default());
    let host: String =
        origin.host.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(40).collect();
    format!("{}-{}", host.trim_matches('-'), hex::encode(&hash.finalize()[..4])).parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(file: Value) -> Result<Vec<OutgoingEndpoint>, Vec<String>> {
        let variables = Environment::from([("KEY", "hush-hush"), ("HOOK", "https://a.test/hook")]);
        let mut file = file;
        let mut problems = Problems::default();
        let lifted = lift(&mut file);
        super::super::expand::expand(&mut file, "", &variables, &mut problems);
        put_back(&mut file, lifted);
        let top = Object::of("", &file, &[], &mut problems).unwrap();
        let webhooks = top.object("webhooks", &[], &mut problems).unwrap();
        let files = OutgoingFile::read_all(&webhooks, &mut problems);
        let found = endpoints(&TenantId::default(), &files, &variables, &mut problems);
        match problems.finish(None) {
            Ok(_) => Ok(found),
            Err(error) => Err(error.problems.iter().map(ToString::to_string).collect()),
        }
    }

    fn one(endpoint: &Value) -> Result<OutgoingEndpoint, Vec<String>> {
        read(json!({ "webhooks": { "outgoing": [endpoint] } })).map(|mut found| found.remove(0))
    }

    #[test]
    fn an_endpoint_of_two_keys_has_a_name_and_the_defaults() {
        let endpoint = one(&json!({ "event": "agent.error", "url": "${HOOK}?x=1#y" })).unwrap();
        assert!(endpoint.key.name.as_str().starts_with("a-test-"), "{}", endpoint.key.name);
        assert_eq!(
            (endpoint.path_and_query.expose().as_str(), endpoint.origin.to_string().as_str()),
            ("/hook?x=1", "https://a.test")
        );
        assert_eq!((endpoint.timeout, endpoint.concurrency, endpoint.schedule.attempts()), (DEFAULT_TIMEOUT, 8, 10));
        assert!(endpoint.enabled && !endpoint.allow_private && endpoint.ordered.is_none() && endpoint.keys.is_empty());
    }

    #[test]
    fn a_name_does_not_depend_on_the_place_in_the_list() {
        let (a, b) =
            (json!({ "event": "*", "url": "https://a.test" }), json!({ "event": "*", "url": "https://b.test" }));
        let names = |list: Value| -> Vec<String> {
            let found = read(json!({ "webhooks": { "outgoing": list } })).unwrap();
            found.iter().map(|endpoint| endpoint.key.name.to_string()).collect()
        };
        let (one, mut other) = (names(json!([a, b])), names(json!([b, a])));
        other.reverse();
        assert_eq!(one, other);
        let twice = names(json!([a, a]));
        assert_eq!(twice[1], format!("{}-2", twice[0]));
    }

    #[test]
    fn a_variable_in_a_transform_stays_as_it_was_written_and_its_value_is_not_printed() {
        let endpoint = one(&json!({
            "event": "agent.*", "url": "https://a.test", "headers": { "Authorization": "Bearer ${KEY}" },
            "transform": { "key": "${KEY}", "text": "{{event.x}} $${KEY}", "list": ["by ${KEY}"] },
        }))
        .unwrap();
        let Transform::Component { name, settings, slots } = &endpoint.transform else { panic!("a component") };
        assert_eq!((name.as_str(), slots.len()), ("template", 3));
        assert!(settings.contains("${KEY}") && !settings.contains("hush"));
        assert_eq!(endpoint.headers.expose()["authorization"], "Bearer hush-hush");
        let printed = format!("{endpoint:?}");
        assert!(!printed.contains("hush"), "{printed}");
    }

    #[test]
    fn everything_an_endpoint_may_say_is_read() {
        let endpoint = one(&json!({
            "event": ["agent.error", "security.*"], "url": "http://127.0.0.1:9999/", "name": "siem",
            "filter": { "severity": ["high"] }, "transform": "slack", "settings": { "channel": "#x" },
            "secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"],
            "allowPrivate": true, "enabled": false, "timeoutMs": 3000, "concurrency": 2, "ratePerMinute": 60,
            "retry": { "delaysSeconds": [1, 2] }, "ordered": { "maxBlockSeconds": 60 },
        }))
        .unwrap();
        assert_eq!((endpoint.key.name.as_str(), endpoint.events.len(), endpoint.keys.len()), ("siem", 2, 2));
        assert!(endpoint.allow_private && !endpoint.enabled);
        assert_eq!((endpoint.schedule.attempts(), endpoint.ordered), (3, Some(Duration::from_secs(60))));
        assert_eq!((endpoint.concurrency, endpoint.rate_per_minute), (2, Some(60)));
    }

    #[test]
    fn what_makes_no_endpoint_is_named_by_its_key() {
        let good = json!({ "event": "agent.error", "url": "https://a.test/hook" });
        for (change, path) in [
            (json!({ "event": "agent.eror" }), "event"),
            (json!({ "event": [] }), "event"),
            (json!({ "url": "ftp://a.test" }), "url"),
            (json!({ "url": "https://user:pass@a.test" }), "url"),
            (json!({ "url": "https://a.test/a b" }), "url"),
            (json!({ "name": "Not A Name" }), "name"),
            (json!({ "headers": { "Host": "b" } }), "headers.Host"),
            (json!({ "headers": { "webhook-id": "b" } }), "headers.webhook-id"),
            (json!({ "headers": { "a b": "c" } }), "headers.a b"),
            (json!({ "headers": { "x-a": "b\r\nc: d" } }), "headers.x-a"),
            (json!({ "filter": { "a": { "$regex": "b" } } }), "filter.a.$regex"),
            (json!({ "filter": "a" }), "filter"),
            (json!({ "transform": 7 }), "transform"),
            (json!({ "transform": "No Name" }), "transform"),
            (json!({ "transform": { "a": "${NOPE}" } }), "transform.a"),
            (json!({ "transform": { "a": ["{{event.x}} ${KEY} {{event.y}}"] } }), "transform.a[0]"),
            (json!({ "settings": {} }), "settings"),
            (json!({ "secret": "not-a-key" }), "secret"),
            (json!({ "retry": { "delaysSeconds": [-1] } }), "retry.delaysSeconds[0]"),
            (json!({ "ordered": "yes" }), "ordered"),
            (json!({ "concurrency": 0 }), "concurrency"),
            (json!({ "banana": 0 }), "banana"),
        ] {
            let mut endpoint = good.clone();
            endpoint.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let problems = one(&endpoint).map(|endpoint| endpoint.at).unwrap_err();
            assert_eq!(problems.len(), 1, "{change}: {problems:?}");
            assert!(problems[0].starts_with(&format!("`webhooks.outgoing[0].{path}`")), "{change}: {problems:?}");
            assert!(!problems[0].contains("pass") && !problems[0].contains("not-a-key"), "{problems:?}");
        }
    }
}
