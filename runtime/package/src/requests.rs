//! `[[capabilities]]` of a `skill.toml`: what a skill asks for, with a reason and the least it wants of each.
//!
//! Invariant: nothing is granted by asking. A request is shown to the operator as its author wrote it, so a value that
//! could not be granted as it stands is an error here, with the key that holds it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use openclaw_domain::{Capability, CapabilityRequest, Powers};
use serde::Deserialize;

use crate::manifest::{MAX_DESCRIPTION_BYTES, ManifestError, check_line, wrong};

/// Most values in one list: an operator reads them.
const MAX_VALUES: usize = 64;
/// Most bytes of one value.
const MAX_VALUE_BYTES: usize = 512;

/// A request as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFile {
    name: String,
    reason: String,
    #[serde(default)]
    http: Vec<String>,
    #[serde(default)]
    private: Vec<String>,
    #[serde(default)]
    kv: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    config: Vec<String>,
    #[serde(default)]
    events: Vec<String>,
}

/// All requests of a file, in its order.
pub(crate) fn read_requests(files: Vec<RequestFile>) -> Result<Vec<CapabilityRequest>, ManifestError> {
    let mut requests: Vec<CapabilityRequest> = Vec::with_capacity(files.len());
    for (position, file) in files.into_iter().enumerate() {
        let key = format!("capabilities[{position}]");
        let request = file.read(&key)?;
        if requests.iter().any(|earlier| earlier.capability == request.capability) {
            let reason = format!("is `{}` a second time: ask once", request.capability);
            return Err(wrong(&format!("{key}.name"), reason));
        }
        requests.push(request);
    }
    Ok(requests)
}

impl RequestFile {
    fn read(self, key: &str) -> Result<CapabilityRequest, ManifestError> {
        let Self { name, reason, http, private, kv, secrets, config, events } = self;
        let capability = Capability::from_name(&name).ok_or_else(|| {
            let known = Capability::ALL.map(|capability| format!("`{capability}`")).join(", ");
            wrong(&format!("{key}.name"), format!("is `{}`: use one of {known}", name.escape_debug()))
        })?;
        check_line(&format!("{key}.reason"), &reason, MAX_DESCRIPTION_BYTES)?;
        let lists = [
            ("http", Capability::Http, &http),
            ("private", Capability::Http, &private),
            ("kv", Capability::Kv, &kv),
            ("secrets", Capability::Secrets, &secrets),
            ("config", Capability::Config, &config),
            ("events", Capability::Events, &events),
        ];
        for (list, of, values) in lists {
            if of != capability && !values.is_empty() {
                let reason = format!("belongs to the request named `{of}`, and this one is named `{capability}`");
                return Err(wrong(&format!("{key}.{list}"), reason));
            }
        }
        let wants = Powers {
            http: parsed(&format!("{key}.http"), &http)?,
            private: parsed(&format!("{key}.private"), &private)?,
            kv: names(&format!("{key}.kv"), &kv)?,
            secrets: parsed(&format!("{key}.secrets"), &secrets)?,
            config: names(&format!("{key}.config"), &config)?,
            events: names(&format!("{key}.events"), &events)?,
        };
        Ok(CapabilityRequest { capability, reason, wants })
    }
}

/// Values that have a form of their own.
fn parsed<T>(key: &str, values: &[String]) -> Result<BTreeSet<T>, ManifestError>
where
    T: FromStr + Ord,
    T::Err: Display,
{
    check(key, values)?;
    let read = |(at, value): (usize, &String)| {
        value.parse().map_err(|error: T::Err| wrong(&format!("{key}[{at}]"), format!("is wrong: {error}")))
    };
    values.iter().enumerate().map(read).collect()
}

/// Values that are names.
fn names(key: &str, values: &[String]) -> Result<BTreeSet<String>, ManifestError> {
    check(key, values)?;
    Ok(values.iter().cloned().collect())
}

fn check(key: &str, values: &[String]) -> Result<(), ManifestError> {
    if values.len() > MAX_VALUES {
        return Err(wrong(key, format!("has {} values: use at most {MAX_VALUES}", values.len())));
    }
    for (at, value) in values.iter().enumerate() {
        check_line(&format!("{key}[{at}]"), value, MAX_VALUE_BYTES)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Manifest;

    const HEAD: &str = "name = \"a\"\nversion = \"0.1.0\"\ndescription = \"Does a.\"\nworld = \"skill\"\n";

    fn request(lines: &str) -> Result<openclaw_domain::CapabilityRequest, String> {
        let text = format!("{HEAD}[[capabilities]]\n{lines}\n");
        Manifest::parse(&text).map(|manifest| manifest.requests().remove(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_says_what_it_wants_at_least() {
        let http = r#"
            name = "http"
            reason = "asks the health URL"
            http = ["GET https://api.example.com/health/**"]
            private = ["http://127.0.0.1:9000"]
        "#;
        let request = request(http).unwrap();
        assert_eq!(request.capability, openclaw_domain::Capability::Http);
        assert_eq!(
            request.wants.lines(),
            [
                ("http", "GET https://api.example.com/health/**".to_owned()),
                ("private", "http://127.0.0.1:9000".to_owned()),
            ]
        );
    }

    #[test]
    fn every_capability_has_its_list_and_may_leave_it_out() {
        for (name, list) in [
            ("kv", r#"kv = ["default"]"#),
            ("secrets", r#"secrets = ["token for https://api.example.com", "key for hmac"]"#),
            ("config", r#"config = ["health-url"]"#),
            ("events", r#"events = ["state-changed"]"#),
        ] {
            let head = format!("name = \"{name}\"\nreason = \"x\"\n");
            assert!(!request(&format!("{head}{list}")).unwrap().wants.is_empty(), "{name}");
            assert!(request(&head).unwrap().wants.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_could_not_be_granted_names_its_key() {
        let http = "name = \"http\"\nreason = \"x\"\n";
        for (lines, key) in [
            (format!("{http}http = [\"GET https://a.example/x\", \"https://a.example\"]"), "`capabilities[0].http[1]`"),
            (format!("{http}private = [\"a.example\"]"), "`capabilities[0].private[0]`"),
            (format!("{http}kv = [\"default\"]"), "`capabilities[0].kv`"),
            (format!("{http}files = [\"/\"]"), "unknown field `files`"),
            ("name = \"htpp\"\nreason = \"x\"".to_owned(), "`capabilities[0].name`"),
            ("name = \"kv\"\nreason = \"\"".to_owned(), "`capabilities[0].reason`"),
            ("name = \"kv\"\nreason = \"x\"\nkv = [\"a\\nb\"]".to_owned(), "`capabilities[0].kv[0]`"),
            ("name = \"secrets\"\nreason = \"x\"\nsecrets = [\"token\"]".to_owned(), "`capabilities[0].secrets[0]`"),
            (format!("{http}[[capabilities]]\n{http}"), "`capabilities[1].name`"),
        ] {
            let error = request(&lines).unwrap_err();
            assert!(error.contains(key), "{key}: {error}");
        }
    }
}
