//! Is a service up after its deployment, and what changed since the last look?
//!
//! Asks the health URL an operator set, compares with what it remembers of the service, and says so. Invariant: the
//! arguments fill places in the operator's URL and can reach no other: a name is one segment, never a path.

mod health;

use std::fmt;

use openclaw_guest::http::{self, Request};
use openclaw_guest::{Failure, Report, config, events, kv, progress, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use health::{Health, State};

/// So much of a health page is read.
const PAGE_BYTES: usize = 16 << 10;

/// What to check.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The service, for example `api-v2`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
    service: String,
    /// Where it runs, for example `production`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
    environment: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Checked {
    /// The service.
    service: String,
    /// Where it runs.
    environment: String,
    /// How it is now.
    state: State,
    /// The status its health URL answered with; absent if nothing answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The version its health page names.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Whether anything is different from the last look.
    changed: bool,
    /// How it was at the last look; absent at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Health>,
}

/// Checks whether a deployed service is healthy, and says what changed since the last check.
#[tool(title = "Check a deployment", open_world)]
pub fn deploy_check(arguments: &Arguments) -> Result<Report<Checked>, Failure> {
    let template: String = config::require("health-url")?;
    let url = filled(&template, arguments);
    progress::report(0.1, &format!("asking how {} in {} is", arguments.service, arguments.environment));
    let health = asked(&url)?;
    progress::report(0.7, "comparing with the last look");
    let bucket = kv::open("default")?;
    let key = format!("{}/{}", arguments.environment, arguments.service);
    let previous: Option<Health> = bucket.get_json(&key)?;
    let checked = compared(arguments, health.clone(), previous);
    if checked.changed {
        // The event first: if it is refused the state stays as it was, and the next look tells again.
        events::emit("state-changed", &checked)?;
        bucket.set_json(&key, &health)?;
    }
    progress::report(1.0, "done");
    Ok(Report { text: checked.to_string(), value: checked })
}

openclaw_guest::skill!(deploy_check);

fn filled(template: &str, arguments: &Arguments) -> String {
    template
        .replace("{service}", &http::encode(&arguments.service))
        .replace("{environment}", &http::encode(&arguments.environment))
}

/// Nothing answering is a finding; not being allowed to ask is not.
fn asked(url: &str) -> Result<Health, Failure> {
    match Request::get(url).header("accept", "application/json").cut_body_at(PAGE_BYTES).send() {
        Ok(response) => Ok(Health::read(response.status, response.body())),
        Err(http::Error::Unavailable(_)) => Ok(Health::unreachable()),
        Err(http::Error::Invalid(why)) => Err(Failure::failed(format!("the setting `health-url` is wrong: {why}"))),
        Err(error) => Err(error.into()),
    }
}

fn compared(arguments: &Arguments, health: Health, previous: Option<Health>) -> Checked {
    Checked {
        service: arguments.service.clone(),
        environment: arguments.environment.clone(),
        changed: previous.as_ref() != Some(&health),
        state: health.state,
        status: health.status,
        version: health.version,
        previous,
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} is {}", self.service, self.environment, self.state)?;
        let details: Vec<String> = [
            self.status.map(|status| format!("HTTP {status}")),
            self.version.as_ref().map(|version| format!("version {version}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        match &self.previous {
            None => f.write_str("; this is the first look"),
            Some(_) if !self.changed => f.write_str("; nothing changed since the last look"),
            Some(previous) if previous.state != self.state => write!(f, "; it was {} at the last look", previous.state),
            Some(Health { version: Some(version), .. }) if self.version.as_ref() != Some(version) => {
                write!(f, "; it was version {version} at the last look")
            }
            Some(Health { status: Some(status), .. }) if self.status != Some(*status) => {
                write!(f, "; it answered HTTP {status} at the last look")
            }
            Some(_) => f.write_str("; its details changed since the last look"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        Arguments { service: "api-v2".to_owned(), environment: "production".to_owned() }
    }

    #[test]
    fn arguments_fill_the_places_of_the_url_and_cannot_leave_them() {
        let url = filled("https://{environment}.example/health/{service}", &arguments());
        assert_eq!(url, "https://production.example/health/api-v2");
        let crafty = Arguments { service: "a/../b?c".to_owned(), environment: "p".to_owned() };
        assert_eq!(filled("https://h.example/{service}", &crafty), "https://h.example/a%2F..%2Fb%3Fc");
    }

    #[test]
    fn what_changed_is_said_in_words() {
        let healthy = Health::read(200, br#"{"status":"ok","version":"1.4.2"}"#);
        let newer = Health::read(200, br#"{"status":"ok","version":"1.5.0"}"#);
        let say = |now: &Health, then: Option<&Health>| compared(&arguments(), now.clone(), then.cloned()).to_string();
        assert_eq!(
            say(&healthy, None),
            "api-v2 in production is healthy (HTTP 200, version 1.4.2); this is the first look"
        );
        assert!(say(&healthy, Some(&healthy)).ends_with("nothing changed since the last look"));
        assert!(say(&newer, Some(&healthy)).ends_with("it was version 1.4.2 at the last look"));
        assert_eq!(
            say(&Health::unreachable(), Some(&healthy)),
            "api-v2 in production is unreachable; it was healthy at the last look"
        );
    }
}
