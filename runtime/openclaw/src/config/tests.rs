//! The configuration seen from outside: every block of the guide, every refusal, and reload.

use std::net::SocketAddr;
use std::path::Path;

use openclaw_domain::Role;
use openclaw_server::settings::EndpointAuth;
use serde_json::{Value, json};

use super::*;

const GUIDE: [(&str, &str); 16] = [
    ("incoming-endpoints", include_str!("../../fixtures/guide/incoming-endpoints.json")),
    ("incoming-secret", include_str!("../../fixtures/guide/incoming-secret.json")),
    ("incoming-slack", include_str!("../../fixtures/guide/incoming-slack.json")),
    ("incoming-home", include_str!("../../fixtures/guide/incoming-home.json")),
    ("outgoing-events", include_str!("../../fixtures/guide/outgoing-events.json")),
    ("outgoing-filter", include_str!("../../fixtures/guide/outgoing-filter.json")),
    ("outgoing-slack", include_str!("../../fixtures/guide/outgoing-slack.json")),
    ("outgoing-n8n", include_str!("../../fixtures/guide/outgoing-n8n.json")),
    ("outgoing-pagerduty", include_str!("../../fixtures/guide/outgoing-pagerduty.json")),
    ("outgoing-datadog", include_str!("../../fixtures/guide/outgoing-datadog.json")),
    ("mcp-servers", include_str!("../../fixtures/guide/mcp-servers.json")),
    ("gateway-auth", include_str!("../../fixtures/guide/gateway-auth.json")),
    ("gateway-proxy", include_str!("../../fixtures/guide/gateway-proxy.json")),
    ("channel-limits", include_str!("../../fixtures/guide/channel-limits.json")),
    ("gateway-limits", include_str!("../../fixtures/guide/gateway-limits.json")),
    ("log-level", include_str!("../../fixtures/guide/log-level.json")),
];

fn variables() -> Environment {
    Environment::from([
        ("OPENCLAW_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
        ("WEBHOOK_SECRET", "a-webhook-secret-of-good-length"),
        ("APP_API_KEY", "app"),
        ("PAGERDUTY_ROUTING_KEY", "pd"),
        ("DATADOG_API_KEY", "dd"),
    ])
}

fn source(home: &Path, variables: Environment) -> Source {
    Source::find(Some(home.to_owned()), None, ListenOverrides::default(), variables).unwrap()
}

fn load_with(text: &str, variables: Environment) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("openclaw.json"), text).unwrap();
    source(home.path(), variables).load()
}

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, variables())
}

/// What is wrong with a file, a line each.
fn problems(text: &str) -> Vec<String> {
    problems_with(text, variables())
}

fn problems_with(text: &str, variables: Environment) -> Vec<String> {
    match load_with(text, variables) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

/// What a file that loads is warned about, a line each.
fn warnings(text: &str) -> Vec<String> {
    load(text).unwrap().warnings.iter().map(ToString::to_string).collect()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(inner) => merge(inner, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

#[test]
fn every_block_of_the_guide_loads_alone() {
    for (name, text) in GUIDE {
        assert_eq!(problems(text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_block_of_the_guide_loads_with_all_the_others() {
    let mut whole = json!({});
    for (_, text) in GUIDE {
        merge(&mut whole, serde_json::from_str(text).unwrap());
    }
    let config = load(&whole.to_string()).unwrap();
    assert!(config.server.auth_required);
    assert_eq!(config.server.max_connections, 10);
    assert_eq!(config.server.listen, SocketAddr::from(([127, 0, 0, 1], 18789)));
    assert_eq!(config.server.ingress.len(), 6);
    assert_eq!(config.server.trusted_proxies, ["127.0.0.1/32".parse().unwrap()]);
    let warned: Vec<_> = config.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(warned, ["channels.http-api", "mcp.servers"]);
}

#[test]
fn without_a_file_the_gateway_listens_on_loopback_and_asks_for_no_token() {
    let home = tempfile::tempdir().unwrap();
    let config = source(home.path(), Environment::default()).load().unwrap();
    assert_eq!(config.server.listen, SocketAddr::from(([127, 0, 0, 1], 18789)));
    assert!(!config.server.auth_required);
    assert!(config.server.ingress.is_empty() && config.server.tokens.is_empty() && config.warnings.is_empty());
    assert_eq!((config.log_level, config.server.max_connections), ("info", 64));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let home = tempfile::tempdir().unwrap();
    let named = Some(home.path().join("other.json"));
    let found = Source::find(Some(home.path().to_owned()), named, ListenOverrides::default(), variables()).unwrap();
    assert!(found.load().unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn all_mistakes_of_a_file_are_named_at_once() {
    let text = r#"{
        gateway: { prot: 1, port: 99999, auth: { mode: "tokn" }, trustedProxies: ["10.0.0.0/33"] },
        webhooks: { incomming: {}, outgoing: [{ event: "agent.eror", url: "ftp://x" }] },
        banana: 1,
        log_level: "verbose",
    }"#;
    let found = problems(text);
    assert!(found[0].starts_with("`banana` is not a known key: known here: $schema, gateway, "), "{found:?}");
    assert_eq!(
        found[1..],
        [
            "`log_level` cannot be `verbose`: use one of: off, error, warn, info, debug, trace",
            "`gateway.prot` is not a known key: did you mean `port`?",
            "`gateway.port` cannot be 99999: use a whole number from 0 to 65535",
            "`gateway.auth.mode` cannot be `tokn`: did you mean `token`?",
            "`webhooks.incomming` is not a known key: did you mean `incoming`?",
            "`webhooks.outgoing[0].url` is not a web address: write `https://host/path`",
            "`webhooks.outgoing[0].event` cannot be `agent.eror`: did you mean `agent.error`?",
            "`gateway.trustedProxies[0]` is no address or network: write `127.0.0.1` or `10.0.0.0/8`",
        ]
    );
}

#[test]
fn what_guests_are_given_is_checked_like_the_rest() {
    let text = r#"{
        limits: { deadlineMs: 5000, memory: 1, callsPerMinute: 0 },
        skills: { limits: { deadlineMs: 6000 }, entries: { "Not A Name": {}, notes: { setings: {} } } },
        secrets: { a: "the value itself", b: { env: "A B" }, c: { file: "key" }, d: {}, "E e": { env: "E" } },
        egress: { nameservers: ["dns.example"], caFile: "ca.pem", proxy: { url: "https://p.example", credentials: "x" } },
        tenants: { acme: { limits: { kvBytes: -1 }, secrets: { a: { vault: "x" } } } },
    }"#;
    let found = problems(text);
    for told in [
        "`limits.memory` is not a known key: known here: memoryBytes, deadlineMs",
        "`limits.callsPerMinute` cannot be 0",
        "`limits.deadlineMs` is 5000, and `skills.limits.deadlineMs` is 6000: keep one of the two",
        "`skills.entries.Not A Name` is not named as a skill can be",
        "`skills.entries.notes.setings` is not a known key: did you mean `settings`?",
        "`secrets.a` is a string, and a value does not belong into this file",
        "`secrets.b.env` is no name of a variable",
        "`secrets.c.file` is no absolute path",
        "`secrets.d` does not say where one value is",
        "`secrets.E e` is not named as a secret can be",
        "`egress.nameservers[0]` is no address",
        "`egress.caFile` is no absolute path",
        "`egress.proxy.url` is not `http`",
        "`egress.proxy.credentials` is not a user and a password",
        "`tenants.acme.limits.kvBytes` cannot be -1",
        "`tenants.acme.secrets.a.vault` is not a known key",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(told)), "{told}: {found:#?}");
    }
    assert!(!found.join(" ").contains("the value itself"));
}

#[test]
fn a_wrong_kind_of_value_is_named_without_quoting_it() {
    assert_eq!(
        problems(r#"{ gateway: { auth: { token: 12345678 }, trustedProxies: "s3cret" }, webhooks: [] }"#),
        [
            "`gateway.auth.token` is 12345678: write a string here, or remove the key",
            "`gateway.trustedProxies` is a string: write a list here, or remove the key",
            "`webhooks` is a list: write an object here, or remove the key",
        ]
    );
}

#[test]
fn a_syntax_error_names_the_file_and_the_place() {
    let found = load("{ gateway: { port: } }").unwrap_err();
    assert!(found.file.as_ref().is_some_and(|file| file.ends_with("openclaw.json")));
    assert!(found.to_string().contains("is not JSON5"), "{found}");
}

#[test]
fn a_mode_implies_enabled_and_a_missing_token_is_read_from_the_environment() {
    let config = load(r#"{ gateway: { auth: { mode: "token" } } }"#).unwrap();
    assert!(config.server.auth_required);
    let token = &config.server.tokens[0];
    assert_eq!(token.token.expose(), "0123456789abcdef0123456789abcdef");
    assert_eq!((&*token.credential.name, token.credential.role), ("gateway.auth.token", Role::Operator));
}

#[test]
fn a_token_that_stands_nowhere_is_refused_with_the_line_to_add() {
    assert_eq!(
        problems_with(r#"{ gateway: { auth: { enabled: true } } }"#, Environment::default()),
        ["`gateway.auth.token` is missing, and OPENCLAW_AUTH_TOKEN is not set: \
          add `\"token\": \"${OPENCLAW_AUTH_TOKEN}\"` to `gateway.auth` and \
          `export OPENCLAW_AUTH_TOKEN=$(openssl rand -hex 32)`"]
    );
    assert_eq!(problems(r#"{ gateway: { auth: { token: "" } } }"#).len(), 1);
}

#[test]
fn an_open_bind_without_authentication_is_refused() {
    for gateway in [r#"host: "0.0.0.0""#, r#"bind: "lan""#, r#"host: "::""#, r#"bind: "lan", auth: {enabled: false}"#] {
        let found = problems(&format!("{{ gateway: {{ {gateway} }} }}"));
        assert!(found.len() == 1 && found[0].contains("no authentication is configured"), "{gateway}: {found:?}");
    }
    let config = load(r#"{ gateway: { bind: "lan", auth: { mode: "token" } } }"#).unwrap();
    assert_eq!(config.server.listen, SocketAddr::from(([0, 0, 0, 0], 18789)));
}

#[test]
fn host_and_bind_are_settled_in_one_place() {
    for (gateway, listen) in [
        ("", "127.0.0.1:18789"),
        (r#"host: "localhost", port: 0"#, "127.0.0.1:0"),
        (r#"bind: "loopback", host: "127.0.0.1""#, "127.0.0.1:18789"),
        (r#"host: "::1", port: "80""#, "[::1]:80"),
        (r#"bind: "127.0.0.2""#, "127.0.0.2:18789"),
    ] {
        let config = load(&format!("{{ gateway: {{ {gateway} }} }}")).unwrap();
        assert_eq!(config.server.listen, listen.parse().unwrap(), "{gateway}");
    }
    assert_eq!(
        problems(r#"{ gateway: { host: "127.0.0.2", bind: "loopback" } }"#),
        ["`gateway.bind` means 127.0.0.1, and `gateway.host` means 127.0.0.2: keep one of the two"]
    );
    assert_eq!(problems(r#"{ gateway: { host: "example.com" } }"#).len(), 1);
}

#[test]
fn both_spellings_of_max_connections_are_read_and_may_not_disagree() {
    for (keys, number) in
        [("max_connections: 7", 7), ("maxConnections: 8", 8), ("max_connections: 9, maxConnections: 9", 9)]
    {
        assert_eq!(load(&format!("{{ gateway: {{ {keys} }} }}")).unwrap().server.max_connections, number);
    }
    assert_eq!(
        problems("{ gateway: { max_connections: 1, maxConnections: 2 } }"),
        ["`gateway.maxConnections` is 2, and `gateway.max_connections` is 1: keep one of the two"]
    );
    assert_eq!(problems("{ gateway: { max_connections: 0 } }").len(), 1);
}

#[test]
fn short_tokens_and_secrets_are_warned_about_and_the_shortest_secrets_refused() {
    assert_eq!(
        warnings(r#"{ gateway: { auth: { token: "short" } } }"#),
        ["`gateway.auth.token` is shorter than 16 characters and can be guessed: \
          use at least 32 random bytes: `openssl rand -hex 32`"]
    );
    let endpoint = r#"endpoints: [{ path: "/a", message: "m" }]"#;
    let incoming = |secret| format!(r#"{{ webhooks: {{ incoming: {{ secret: {secret}, {endpoint} }} }} }}"#);
    assert_eq!(problems(&incoming(r#""1234567""#)).len(), 1);
    assert!(problems(&incoming(r#"["a-webhook-secret-of-good-length", "1234567"]"#))[0].contains("secret[1]"));
    assert!(warnings(&incoming(r#""12345678""#)).iter().any(|warning| warning.contains("shorter than 24 bytes")));
}

#[test]
fn an_endpoint_without_any_secret_loads_and_is_named() {
    let text = r#"{ webhooks: { incoming: { endpoints: [{ path: "/a", message: "m" }] } } }"#;
    let config = load_with(text, Environment::default()).unwrap();
    assert!(matches!(&config.server.ingress[0].auth, EndpointAuth::SharedSecret(secrets) if secrets.is_empty()));
    assert!(
        config.warnings[0]
            .to_string()
            .starts_with("`webhooks.incoming.endpoints[0]` (`/a`) has no secret: every request to it is answered 401")
    );
}

#[test]
fn an_endpoint_is_read_with_everything_it_may_say() {
    let text = r#"{ webhooks: { incoming: { secret: "${WEBHOOK_SECRET}", endpoints: [
        { path: "/plain", message: "got {{body.x}}" },
        { path: "/gh", transform: "github", secret: ["first-secret-first-secret", "second-secret-second-secret"],
          limits: { maxBytes: 2048, requestsPerMinute: 3 } },
        { path: "/slack", auth: "slack-token", message: "m", transform: "mine" },
    ] } } }"#;
    let config = load(text).unwrap();
    let [plain, github, slack] = &config.server.ingress[..] else { panic!("three endpoints") };
    assert_eq!((plain.transform.as_str(), &*plain.settings), ("template", r#"{"message":"got {{body.x}}"}"#));
    assert_eq!((plain.max_bytes, plain.requests_per_minute), (1 << 20, 6_000));
    assert_eq!((github.transform.as_str(), &*github.settings), ("github", "{}"));
    assert_eq!((github.max_bytes, github.requests_per_minute), (2048, 3));
    assert!(matches!(&github.auth, EndpointAuth::SharedSecret(secrets) if secrets.len() == 2));
    assert_eq!((slack.transform.as_str(), &*slack.settings), ("mine", r#"{"message":"m"}"#));
    assert!(matches!(&slack.auth, EndpointAuth::SlackToken(secrets) if secrets.len() == 1));
}

#[test]
fn an_endpoint_that_cannot_be_served_is_refused() {
    for endpoint in [
        r#"{ message: "m" }"#,
        r#"{ path: "/a" }"#,
        r#"{ path: "a", message: "m" }"#,
        r#"{ path: "/", message: "m" }"#,
        r#"{ path: "/t/x", message: "m" }"#,
        r#"{ path: "/a//b", message: "m" }"#,
        r#"{ path: "/a?b", message: "m" }"#,
        r#"{ path: "/../a", message: "m" }"#,
        r#"{ path: "/a", transform: "Not A Name" }"#,
        r#"{ path: "/a", transform: "template" }"#,
        r#"{ path: "/a", message: "m", auth: "hmac" }"#,
        r#"{ path: "/a", message: "m" }, { path: "/a", message: "n" }"#,
    ] {
        let text =
            format!(r#"{{ webhooks: {{ incoming: {{ secret: "${{WEBHOOK_SECRET}}", endpoints: [{endpoint}] }} }} }}"#);
        assert_eq!(problems(&text).len(), 1, "{endpoint}");
    }
}

#[test]
fn disabled_webhooks_are_checked_and_not_served() {
    let text = r#"{ webhooks: { incoming: { enabled: false, secret: "${WEBHOOK_SECRET}",
        endpoints: [{ path: "/a", message: "m" }] } } }"#;
    assert!(load(text).unwrap().server.ingress.is_empty());
    assert!(warnings(text).iter().any(|warning| warning.contains("none of the 1 endpoints is served")));
}

#[test]
fn tenants_bring_their_own_token_and_endpoints() {
    let text = r#"{ tenants: {
        acme: { auth: { token: "acme-token-acme-token" }, webhooks: { incoming: {
            secret: "acme-secret-acme-secret-acme", endpoints: [{ path: "/a", message: "m" }] } } },
        globex: { auth: { token: "globex-token-globex-token" } },
    } }"#;
    let config = load_with(text, Environment::default()).unwrap();
    assert!(config.server.auth_required);
    let names: Vec<_> = config.server.tokens.iter().map(|token| &*token.credential.name).collect();
    assert_eq!(names, ["tenants.acme.auth.token", "tenants.globex.auth.token"]);
    assert_eq!(config.server.ingress[0].tenant.as_str(), "acme");
    let tenants: Vec<_> = config.tenants.iter().map(|tenant| tenant.as_str()).collect();
    assert_eq!(tenants, ["default", "acme", "globex"]);
}

#[test]
fn tenants_that_could_be_confused_are_refused() {
    for text in [
        r#"{ tenants: { default: {} } }"#,
        r#"{ tenants: { "Big Corp": {} } }"#,
        r#"{ tenants: { a: { auth: { token: "the-same-token-twice" } }, b: { auth: { token: "the-same-token-twice" } } } }"#,
        r#"{ gateway: { auth: { enabled: false } }, tenants: { a: { auth: { token: "a-token-of-16-chars" } } } }"#,
        r#"{ tenants: { a: { gateway: {} } } }"#,
    ] {
        assert_eq!(problems_with(text, Environment::default()).len(), 1, "{text}");
    }
}

#[test]
fn hosts_origins_and_proxies_are_checked() {
    let text = r#"{ gateway: { allowedHosts: ["Agent.Example.com"],
        allowedOrigins: ["https://Agent.example.com", "http://localhost:3000", "null"],
        trustedProxies: ["10.0.0.0/8", "::1"] } }"#;
    let server = load(text).unwrap().server;
    assert_eq!(server.allowed_hosts, ["agent.example.com"]);
    assert_eq!(server.allowed_origins, ["https://agent.example.com", "http://localhost:3000", "null"]);
    assert_eq!(server.trusted_proxies.len(), 2);
    for gateway in [
        r#"allowedHosts: ["http://x"]"#,
        r#"allowedHosts: ["*.x"]"#,
        r#"allowedOrigins: ["*"]"#,
        r#"allowedOrigins: ["https://x/y"]"#,
        r#"allowedOrigins: ["x.example.com"]"#,
        r#"trustedProxies: ["0.0.0.0/0"]"#,
    ] {
        assert_eq!(problems(&format!("{{ gateway: {{ {gateway} }} }}")).len(), 1, "{gateway}");
    }
}

#[test]
fn limits_of_a_call_are_read() {
    let config = load("{ skills: { limits: { deadlineMs: 50, memoryBytes: 16777216 }, maxInstances: 4 } }").unwrap();
    assert_eq!((config.limits.deadline.as_millis(), config.limits.memory), (50, 16 << 20));
    assert_eq!((config.limits.handles, config.max_instances), (256, Some(4)));
}

#[test]
fn the_log_level_stands_at_the_top_or_in_the_gateway() {
    assert_eq!(load(r#"{ log_level: "warn" }"#).unwrap().log_level, "warn");
    assert_eq!(load(r#"{ gateway: { log_level: "debug" } }"#).unwrap().log_level, "debug");
    assert_eq!(problems(r#"{ log_level: "warn", gateway: { log_level: "debug" } }"#).len(), 1);
}

#[test]
fn a_reload_replaces_the_configuration_whole_and_keeps_what_needs_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(home.path().join("openclaw.json"), text).unwrap();
    write("{ gateway: { port: 1000, max_connections: 5 } }");
    let reloader = Reloader::start(source(home.path(), variables())).unwrap();
    write("{ gateway: { port: 2000, max_connections: 6 } }");
    let Reloaded::Replaced { config, needs_restart } = reloader.reload() else { panic!("the file is good") };
    assert_eq!((config.server.listen.port(), config.server.max_connections), (1000, 6));
    assert_eq!(needs_restart, ["gateway.host, bind or port"]);
    assert_eq!(reloader.running().server.max_connections, 6);
}

#[test]
fn a_reload_of_a_bad_file_keeps_the_old_configuration_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(home.path().join("openclaw.json"), text).unwrap();
    write("{ gateway: { max_connections: 5 } }");
    let reloader = Reloader::start(source(home.path(), variables())).unwrap();
    for bad in ["{ gateway: { max_connections: 6, prot: 1 } }", "{", ""] {
        write(bad);
        let Reloaded::Kept(error) = reloader.reload() else { panic!("{bad:?} is bad") };
        assert_eq!(error.problems.len(), 1);
        assert_eq!(reloader.running().server.max_connections, 5);
    }
}

#[test]
fn a_reload_never_leaves_a_gateway_that_others_reach_without_authentication() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("openclaw.json");
    let open = r#"{ gateway: { bind: "lan", auth: { token: "a-token-of-good-length" } } }"#;
    std::fs::write(&file, open).unwrap();
    let reloader = Reloader::start(source(home.path(), Environment::default())).unwrap();
    // Each is fine for a gateway that starts; this one stays on all interfaces until it is restarted.
    for text in ["{}", r#"{ gateway: { bind: "loopback" } }"#, r#"{ gateway: { auth: { mode: "none" } } }"#] {
        std::fs::write(&file, text).unwrap();
        let Reloaded::Kept(error) = reloader.reload() else { panic!("{text} opens the gateway") };
        assert_eq!((error.problems.len(), error.problems[0].path.as_str()), (1, "gateway.bind"), "{error}");
        assert!(reloader.running().server.auth_required);
        assert_eq!(reloader.running().server.tokens.len(), 1);
    }
    let closing = r#"{ gateway: { bind: "loopback", auth: { token: "another-token-of-good-length" } } }"#;
    std::fs::write(&file, closing).unwrap();
    let Reloaded::Replaced { config, needs_restart } = reloader.reload() else { panic!("it asks for a token") };
    assert_eq!((config.server.listen.ip().is_loopback(), needs_restart.len()), (false, 1));
}

#[test]
fn a_file_that_vanished_from_under_a_running_gateway_does_not_mean_the_defaults() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("openclaw.json");
    let reloader = Reloader::start(source(home.path(), variables())).unwrap();
    assert!(matches!(reloader.reload(), Reloaded::Replaced { .. }), "there never was a file");
    std::fs::write(&file, r#"{ gateway: { auth: { mode: "token" }, max_connections: 5 } }"#).unwrap();
    assert!(matches!(reloader.reload(), Reloaded::Replaced { .. }));
    std::fs::rename(&file, home.path().join("openclaw.json.bak")).unwrap();
    let Reloaded::Kept(error) = reloader.reload() else { panic!("the defaults ask for no token") };
    assert!(error.to_string().contains("the file is gone: put it back"), "{error}");
    assert_eq!((reloader.running().server.auth_required, reloader.running().server.max_connections), (true, 5));
    std::fs::rename(home.path().join("openclaw.json.bak"), &file).unwrap();
    assert!(matches!(reloader.reload(), Reloaded::Replaced { .. }));
}

/// Whether a gateway that has read its configuration notices, after something was done to the folder.
async fn notices(prepare: impl FnOnce(&Path), edit: impl FnOnce(&Path)) {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path());
    let reloader = std::sync::Arc::new(Reloader::start(source(home.path(), variables())).unwrap());
    edit(home.path());
    reloader.changed().await;
    let Reloaded::Replaced { config, .. } = reloader.reload() else { panic!("the file is good") };
    assert_eq!(config.server.max_connections, 6);
}

const FIVE: &str = "{ gateway: { max_connections: 5 } }";
const SIX: &str = "{ gateway: { max_connections: 6 } }";

#[tokio::test(start_paused = true)]
async fn a_file_written_in_place_renamed_over_or_made_anew_is_noticed() {
    let write =
        |name: &'static str, text: &'static str| move |home: &Path| std::fs::write(home.join(name), text).unwrap();
    // The same length and, on most machines, within one tick of the file system's clock.
    notices(write("openclaw.json", FIVE), write("openclaw.json", SIX)).await;
    notices(|_| {}, write("openclaw.json", SIX)).await;
    notices(write("openclaw.json", FIVE), |home| {
        std::fs::write(home.join("young"), SIX).unwrap();
        std::fs::rename(home.join("young"), home.join("openclaw.json")).unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mounted_folder_that_kubernetes_swaps_is_noticed() {
    use std::os::unix::fs::symlink;

    let version = |home: &Path, name: &str, text: &str| {
        std::fs::create_dir(home.join(name)).unwrap();
        std::fs::write(home.join(name).join("openclaw.json"), text).unwrap();
    };
    let mount = |home: &Path| {
        version(home, "..2026_01", FIVE);
        symlink("..2026_01", home.join("..data")).unwrap();
        symlink("..data/openclaw.json", home.join("openclaw.json")).unwrap();
    };
    notices(mount, |home| {
        version(home, "..2026_02", SIX);
        symlink("..2026_02", home.join("..data_tmp")).unwrap();
        std::fs::rename(home.join("..data_tmp"), home.join("..data")).unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_not_a_change_and_neither_is_what_else_lies_in_the_folder() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("openclaw.json"), FIVE).unwrap();
    let reloader = std::sync::Arc::new(Reloader::start(source(home.path(), variables())).unwrap());
    std::fs::write(home.path().join("openclaw.json"), SIX).unwrap();
    reloader.reload();
    std::fs::write(home.path().join("openclaw.db-wal"), "busy").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, reloader.changed()).await.is_err());
}

#[test]
fn a_limit_beyond_what_the_pool_gives_is_refused() {
    assert_eq!(
        problems("{ skills: { limits: { memoryBytes: 1073741825, tableElements: 20001 } } }"),
        [
            "`skills.limits.memoryBytes` cannot be 1073741825: use a whole number from 65536 to 1073741824",
            "`skills.limits.tableElements` cannot be 20001: use a whole number from 1 to 20000",
        ]
    );
    assert!(problems("{ skills: { limits: { memoryBytes: 1073741824, tableElements: 20000 } } }").is_empty());
}

#[test]
fn a_transform_that_cannot_run_is_named_by_its_key() {
    let text = r#"{ webhooks: { incoming: { secret: "${WEBHOOK_SECRET}", endpoints: [
        { path: "/message", message: "m" },
        { path: "/absent", transform: "gitub" },
        { path: "/strange", transform: "no-such-transform" },
        { path: "/skill", transform: "release-notes" },
        { path: "/off", transform: "mine" },
        { path: "/good", transform: "github" },
    ] } } }"#;
    let component = |name: &str, world: &str, enabled| Component { name: name.into(), world: world.into(), enabled };
    let installed = [
        component("github", "ingress-transform", true),
        component("template", "transform", true),
        component("release-notes", "skill", true),
        component("mine", "ingress-transform", false),
    ];
    let found = unusable_transforms(&load(text).unwrap().transforms, |_| installed.to_vec());
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let at = |index: usize| format!("`webhooks.incoming.endpoints[{index}].transform` names");
    let end = "every request is answered 422";
    assert_eq!(
        found,
        [
            format!("{} `gitub`, which is not installed for tenant `default`: {end}: did you mean `github`?", at(1)),
            format!(
                "{} `no-such-transform`, which is not installed for tenant `default`: {end}: \
                 run `openclaw skills install FILE`, or name one of: github, template, mine",
                at(2)
            ),
            format!(
                "{} `release-notes`, which is a component of the world `skill`: {end}: \
                 name an `ingress-transform` or a `transform`; either can call a skill",
                at(3)
            ),
            format!("{} `mine`, which is disabled: {end}: run `openclaw skills enable mine --tenant default`", at(4)),
        ]
    );
    let none = unusable_transforms(&load(text).unwrap().transforms, |_| Vec::new());
    assert_eq!(none[0].path, "webhooks.incoming.endpoints[0].message");
}

#[test]
fn an_outgoing_endpoint_s_transform_must_serve_that_direction() {
    let text = r#"{ webhooks: { outgoing: [
        { name: "plain", event: "*", url: "https://a.example/" },
        { name: "object", event: "*", url: "https://a.example/", transform: { a: "b" } },
        { name: "both", event: "*", url: "https://a.example/", transform: "slack" },
        { name: "wrong", event: "*", url: "https://a.example/", transform: "github" },
        { name: "absent", event: "*", url: "https://a.example/", transform: "slak" },
    ] } }"#;
    let component = |name: &str, world: &str| Component { name: name.into(), world: world.into(), enabled: true };
    let installed =
        [component("github", "ingress-transform"), component("slack", "transform"), component("template", "transform")];
    let found = unusable_transforms(&load(text).unwrap().transforms, |_| installed.to_vec());
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let end = "every delivery fails and is kept for replay";
    assert_eq!(
        found,
        [
            format!(
                "`webhooks.outgoing[wrong].transform` names `github`, which is a component of the world \
                 `ingress-transform`: {end}: name an `egress-transform` or a `transform`"
            ),
            format!(
                "`webhooks.outgoing[absent].transform` names `slak`, which is not installed for tenant `default`: \
                 {end}: did you mean `slack`?"
            ),
        ]
    );
}

#[test]
fn no_secret_of_a_configuration_can_be_printed() {
    let config = load(
        r#"{ gateway: { auth: { token: "hush-hush-hush-hush" } }, webhooks: { incoming: {
            secret: "psst-psst-psst-psst-psst", endpoints: [{ path: "/a", message: "m" }] } } }"#,
    )
    .unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hush") && !printed.contains("psst"), "{printed}");
}

/// A file with one endpoint, whose `auth` and `secret` are these.
fn of_sender(auth: &str, secret: &str) -> String {
    format!(
        r#"{{ webhooks: {{ incoming: {{ endpoints: [{{ path: "/a", message: "m", auth: {auth}, secret: {secret} }}] }} }} }}"#
    )
}

#[test]
fn every_scheme_is_a_word_or_an_object_and_may_have_several_secrets() {
    let secrets = r#"["a-secret-of-good-length-one", "a-secret-of-good-length-two"]"#;
    for scheme in ["github", "slack", "stripe", "shopify", "pagerduty", "twilio", "zoom"] {
        for auth in [format!("\"{scheme}\""), format!(r#"{{ scheme: "{scheme}" }}"#)] {
            let config = load(&of_sender(&auth, secrets)).unwrap();
            let EndpointAuth::Signed(signing) = &config.server.ingress[0].auth else { panic!("{auth}") };
            assert_eq!((signing.scheme.as_str(), signing.secrets.len()), (scheme, 2));
            assert_eq!(signing.tolerance.as_secs(), 300);
        }
    }
    let standard = r#"["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="]"#;
    for scheme in ["gitlab", "standard-webhooks"] {
        assert!(load(&of_sender(&format!("\"{scheme}\""), standard)).is_ok(), "{scheme}");
    }
    let key = r#""d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a""#;
    assert!(load(&of_sender("\"discord\"", key)).is_ok());
    let token = load(&of_sender("\"gitlab-token\"", secrets)).unwrap();
    assert!(matches!(&token.server.ingress[0].auth, EndpointAuth::GitlabToken(tokens) if tokens.len() == 2));
    let meta = of_sender(r#"{ scheme: "meta", verifyToken: "a-token-of-good-length-indeed" }"#, secrets);
    assert!(load(&meta).is_ok());
    assert!(warnings(&of_sender("\"meta\"", secrets)).iter().any(|warning| warning.contains("verifyToken")));
    let recipe = r#"{ scheme: "hmac", header: "X-Signature", prefix: "sha256=", encoding: "hex", algorithm: "sha256",
        signed: ["timestamp", ".", "body"], timestampHeader: "X-Timestamp", tolerance: 60, idHeader: "X-Id" }"#;
    let config = load(&of_sender(recipe, secrets)).unwrap();
    let EndpointAuth::Signed(signing) = &config.server.ingress[0].auth else { panic!("a recipe") };
    assert_eq!((signing.scheme.as_str(), signing.tolerance.as_secs()), ("hmac", 60));
}

#[test]
fn a_way_of_signing_that_makes_no_sense_is_refused_once_with_its_key() {
    let good = r#""a-secret-of-good-length-one""#;
    for (auth, secret, key) in [
        ("\"githup\"", good, "auth"),
        ("\"hmac\"", good, "auth"),
        ("7", good, "auth"),
        (r#"{ tolerance: 5 }"#, good, "auth.scheme"),
        (r#"{ scheme: "github", tolerance: 5 }"#, good, "auth.tolerance"),
        (r#"{ scheme: "slack", tolerance: 0 }"#, good, "auth.tolerance"),
        (r#"{ scheme: "slack", verifyToken: "x" }"#, good, "auth.verifyToken"),
        (r#"{ scheme: "twilio", publicUrl: "gateway.example/x" }"#, good, "auth.publicUrl"),
        (r#"{ scheme: "hmac", signed: ["body"] }"#, good, "auth.header"),
        (r#"{ scheme: "hmac", header: "X-Sig" }"#, good, "auth.signed"),
        (r#"{ scheme: "hmac", header: "X-Sig", signed: ["timestamp", "body"] }"#, good, "auth.signed"),
        (r#"{ scheme: "hmac", header: "X-Sig", signed: ["body"], encoding: "hax" }"#, good, "auth.encoding"),
        (r#"{ scheme: "hmac", header: "not a header", signed: ["body"] }"#, good, "auth.header"),
        ("\"discord\"", good, "secret"),
        ("\"standard-webhooks\"", good, "secret"),
        ("\"gitlab\"", r#""whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw""#, "secret"),
    ] {
        let found = problems(&of_sender(auth, secret));
        assert_eq!(found.len(), 1, "{auth}: {found:?}");
        assert!(found[0].starts_with(&format!("`webhooks.incoming.endpoints[0].{key}` ")), "{auth}: {found:?}");
    }
}

#[test]
fn an_endpoint_s_settings_and_message_reach_its_transform_together() {
    let text = |endpoint: &str| {
        format!(
            r#"{{ webhooks: {{ incoming: {{ secret: "${{WEBHOOK_SECRET}}", endpoints: [{{ path: "/a", {endpoint} }}] }} }} }}"#
        )
    };
    let of = |endpoint: &str| {
        let settings = load(&text(endpoint)).unwrap().server.ingress[0].settings.to_string();
        serde_json::from_str::<Value>(&settings).unwrap()
    };
    assert_eq!(of(r#"message: "m""#), serde_json::json!({ "message": "m" }));
    assert_eq!(of(r#"transform: "slack""#), serde_json::json!({}));
    assert_eq!(
        of(r#"transform: "slack", settings: { skill: "a/b", usage: "u" }, message: "m""#),
        serde_json::json!({ "skill": "a/b", "usage": "u", "message": "m" })
    );
    for wrong in [r#"message: "m", settings: {}"#, r#"transform: "slack", settings: "x""#] {
        let found = problems(&text(wrong));
        assert!(found.len() == 1 && found[0].starts_with("`webhooks.incoming.endpoints[0].settings`"), "{found:?}");
    }
}

#[test]
fn a_message_with_gaps_is_sent_unless_the_endpoint_says_otherwise() {
    use openclaw_server::settings::OnPartial;
    let of = |key: &str| {
        let text = format!(
            r#"{{ webhooks: {{ incoming: {{ secret: "${{WEBHOOK_SECRET}}", endpoints: [{{ path: "/a", message: "m"{key} }}] }} }} }}"#
        );
        load(&text).unwrap().server.ingress[0].on_partial
    };
    assert_eq!(of(""), OnPartial::Send);
    assert_eq!(of(r#", onPartial: "send""#), OnPartial::Send);
    assert_eq!(of(r#", onPartial: "discard""#), OnPartial::Discard);
    assert_eq!(of(r#", onPartial: "refuse""#), OnPartial::Refuse);
}

#[test]
fn models_are_read_with_their_usual_places_and_their_keys_by_name() {
    let config = load(
        r#"{
            models: {
                default: "fast",
                aliases: { fast: "anthropic/claude-haiku-4-5" },
                providers: {
                    anthropic: { apiKeySecret: "anthropic-key" },
                    ollama: { baseUrl: "http://127.0.0.1:11434/v1/", allowPrivate: true, models: ["a", { id: "b" }] },
                },
            },
            agent: { maxToolCalls: 3, maxTokensPerDay: 1000, prompt: "be brief" },
        }"#,
    )
    .unwrap();
    let [anthropic, ollama] = config.models.providers.as_slice() else { panic!("{:?}", config.models) };
    assert_eq!(
        (anthropic.api.as_str(), anthropic.origin.to_string().as_str()),
        ("anthropic-messages", "https://api.anthropic.com")
    );
    assert_eq!(anthropic.key.as_ref().map(ToString::to_string).as_deref(), Some("anthropic-key"));
    assert_eq!((ollama.api.as_str(), ollama.path.as_str(), ollama.allow_private), ("openai-completions", "/v1", true));
    assert_eq!(ollama.models, ["a", "b"]);
    assert_eq!((config.agent.tool_calls, config.agent.tenant_tokens_per_day), (3, Some(1000)));
    let usual = load("{}").unwrap();
    assert!(usual.models.providers.is_empty() && usual.agent.tool_calls == 8);
}

#[test]
fn a_key_in_the_file_and_a_plain_address_are_refused_by_name() {
    let found = problems(
        r#"{
            models: {
                default: 1,
                providers: {
                    a: { apiKey: "sk-secret", baseUrl: "http://models.example" },
                    b: { apiKeySecret: "sk-SECRET", models: [1] },
                    "c/d": { api: "anthropic" },
                    e: { baseUrl: "nowhere" },
                },
            },
            agent: { maxToolCalls: -1, promt: "" },
        }"#,
    );
    for expected in [
        "`models.default` is 1",
        "`models.providers.a.baseUrl` is plain `http`",
        "`models.providers.a.apiKey` is a key",
        "`models.providers.b.apiKeySecret` is not named as a secret can be",
        "`models.providers.b.models[0]` names no model",
        "`models.providers.c/d` is no name of a provider",
        "`models.providers.c/d.api` cannot be `anthropic`",
        "`models.providers.e.baseUrl` is no URL",
        "`agent.maxToolCalls` cannot be -1",
        "`agent.promt` is not a known key",
    ] {
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("sk-")), "{found:#?}");
}
