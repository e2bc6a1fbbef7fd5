//! Grant files: what is written is read back, what cannot be trusted denies, and no name leads out of the folder.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use openclaw_domain::ports::Grants;
use openclaw_domain::{Digest, Grant, GrantLimits, Powers, SkillName, TenantId, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::{home, tenant};
use crate::{GrantFiles, from_text, to_text};

pub(super) fn grant(owner: &str, skill: &str) -> Grant {
    Grant {
        tenant: tenant(owner),
        skill: skill.parse().unwrap(),
        component: Digest::from_bytes([7; 32]),
        imports: vec!["openclaw:gateway/log@0.1.0".to_owned(), "wasi:http/outgoing-handler@0.2.0".to_owned()],
        powers: Powers {
            http: BTreeSet::from([
                "GET https://api.github.com/repos/**".parse().unwrap(),
                "GET,POST http://127.0.0.1:9999/**".parse().unwrap(),
            ]),
            private: BTreeSet::from(["http://127.0.0.1:9999".parse().unwrap()]),
            kv: BTreeSet::from(["state".to_owned()]),
            secrets: BTreeSet::from([
                "github-token for https://api.github.com".parse().unwrap(),
                "signing for hmac".parse().unwrap(),
            ]),
            config: BTreeSet::from(["*".to_owned()]),
            events: BTreeSet::from(["changed".to_owned()]),
        },
        limits: GrantLimits {
            memory: Some(64 << 20),
            deadline: Some(Duration::from_secs(5)),
            calls_per_minute: Some(60),
            ..GrantLimits::default()
        },
        expires: Some(Timestamp::from_millis(1_790_000_000_000)),
        granted_at: Timestamp::from_millis(1_780_920_000_000),
    }
}

fn found(grants: &GrantFiles, owner: &str, skill: &str) -> Option<Grant> {
    grants.grant(&tenant(owner), &skill.parse().unwrap()).map(|grant| (*grant).clone())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_grant_is_text_that_an_operator_reads() {
    let text = to_text(&grant("acme", "deploy-check"));
    assert_eq!(
        text,
        r##"# What the skill `deploy-check` of the tenant `acme` may do. Whatever is not here is denied.
# Written by `openclaw skills grant deploy-check --tenant acme` and `openclaw skills revoke deploy-check --tenant acme`.
# It is in force for these bytes of the component only. A running gateway reads it anew when one of those
# commands, or a reload, tells it to.

tenant = "acme"
skill = "deploy-check"
component = "sha256:0707070707070707070707070707070707070707070707070707070707070707"
granted_at = "2026-06-08T12:00:00.000Z"
expires = "2026-09-21T14:13:20.000Z"

imports = [
    "openclaw:gateway/log@0.1.0",
    "wasi:http/outgoing-handler@0.2.0",
]

http = [
    "GET https://api.github.com/repos/**",
    "GET,POST http://127.0.0.1:9999/**",
]

private = [
    "http://127.0.0.1:9999",
]

kv = [
    "state",
]

secrets = [
    "github-token for https://api.github.com",
    "signing for hmac",
]

config = [
    "*",
]

events = [
    "changed",
]

[limits]
memory = 67108864
deadline_ms = 5000
calls_per_minute = 60
"##
    );
}

#[test]
fn a_text_that_is_no_grant_says_which_key_and_why() {
    let good = to_text(&grant("acme", "say"));
    for (from, to, said) in [
        ("memory =", "memroy =", "unknown field `memroy`"),
        ("kv = [", "kw = [", "unknown field `kw`"),
        ("skill = \"say\"\n", "", "missing field `skill`"),
        ("\"say\"", "\"../say\"", "`skill`: `../say` is not a skill name"),
        ("\"GET https", "\"GETS // https", "`http`: "),
        ("2026-09-21T", "2026-19-21T", "`expires`: "),
        ("= 60", "= -1", "calls_per_minute"),
        ("sha256:07", "sha256:7", "`component`: "),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let error = from_text(&bad).unwrap_err().to_string();
        assert!(error.contains(said), "{from}: {error}");
    }
}

#[tokio::test]
async fn a_grant_is_in_force_from_the_moment_it_is_on_disk_and_goes_with_its_file() {
    let home = home();
    let grants = GrantFiles::open(home.path());
    assert!(found(&grants, "acme", "say").is_none());
    grants.put(grant("acme", "say")).await.unwrap();
    grants.put(grant("rival", "say")).await.unwrap();
    let folder = home.path().join("grants");
    for (path, expected) in [(&folder, 0o700), (&folder.join("acme"), 0o700), (&folder.join("acme/say.toml"), 0o600)] {
        assert_eq!(mode(path), expected, "{}", path.display());
    }
    let mut wider = grant("acme", "say");
    wider.powers.kv.insert("more".to_owned());
    grants.put(wider.clone()).await.unwrap();
    for grants in [&grants, &grants.clone(), &GrantFiles::open(home.path())] {
        assert_eq!(found(grants, "acme", "say"), Some(wider.clone()));
        assert_eq!(grants.all().iter().map(|grant| grant.tenant.as_str()).collect::<Vec<_>>(), ["acme", "rival"]);
        assert!(grants.problems().is_empty());
    }

    let (acme, say): (TenantId, SkillName) = (tenant("acme"), "say".parse().unwrap());
    assert!(grants.remove(&acme, &say).await.unwrap());
    assert!(!grants.remove(&acme, &say).await.unwrap());
    assert!(found(&grants, "acme", "say").is_none() && found(&grants, "rival", "say").is_some());
    assert!(!grants.path(&acme, &say).exists());
}

#[tokio::test]
async fn a_file_that_was_edited_counts_from_the_reload_on() {
    let home = home();
    let grants = GrantFiles::open(home.path());
    grants.put(grant("acme", "say")).await.unwrap();
    let path = grants.path(&tenant("acme"), &"say".parse().unwrap());
    let text = fs::read_to_string(&path).unwrap().replace("\"state\"", "\"other\"");
    fs::write(&path, text).unwrap();
    assert!(found(&grants, "acme", "say").unwrap().powers.kv.contains("state"));
    grants.reload();
    assert!(found(&grants, "acme", "say").unwrap().powers.kv.contains("other"));
}

#[tokio::test]
async fn what_cannot_be_trusted_denies_by_name_and_hurts_no_other() {
    let home = home();
    let grants = GrantFiles::open(home.path());
    for skill in ["good", "broken", "linked", "open", "elsewhere", "pipe"] {
        grants.put(grant("acme", skill)).await.unwrap();
    }
    grants.put(grant("rival", "say")).await.unwrap();
    grants.put(grant("linked", "say")).await.unwrap();
    let folder = home.path().join("grants");
    let of = |name: &str| folder.join("acme").join(name);
    fs::write(of("broken.toml"), "tenant = ").unwrap();
    fs::rename(of("linked.toml"), home.path().join("aside.toml")).unwrap();
    symlink(home.path().join("aside.toml"), of("linked.toml")).unwrap();
    set_mode(&of("open.toml"), 0o620);
    fs::write(of("elsewhere.toml"), to_text(&grant("acme", "good"))).unwrap();
    fs::remove_file(of("pipe.toml")).unwrap();
    fs::create_dir(of("pipe.toml")).unwrap();
    fs::write(of("UPPER.toml"), "").unwrap();
    fs::write(of(".good.toml.1-0.tmp"), "half").unwrap();
    fs::write(of("large.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    set_mode(&folder.join("rival"), 0o770);
    fs::rename(folder.join("linked"), home.path().join("aside")).unwrap();
    symlink(home.path().join("aside"), folder.join("linked")).unwrap();
    fs::write(folder.join("README"), "").unwrap();

    for grants in [GrantFiles::open(home.path()), {
        grants.reload();
        grants
    }] {
        let in_force: Vec<_> = grants.all().iter().map(|grant| format!("{}/{}", grant.tenant, grant.skill)).collect();
        assert_eq!(in_force, ["acme/good"]);
        let problems = grants.problems();
        let said = |name: &str| {
            let named = problems.iter().find(|problem| problem.path == folder.join(name));
            named.unwrap_or_else(|| panic!("{name}: {problems:?}")).to_string()
        };
        for (name, reason) in [
            ("README", "no tenant's folder"),
            ("acme/UPPER.toml", "no skill's grant"),
            ("acme/broken.toml", "it is no grant"),
            ("acme/elsewhere.toml", "it says it is for the skill `good` of the tenant `acme`"),
            ("acme/large.toml", "longer than 1048576 bytes"),
            ("acme/linked.toml", "symbolic link"),
            ("acme/open.toml", "run `chmod 600 "),
            ("acme/pipe.toml", "no regular file"),
            ("linked", "symbolic link"),
            ("rival", "run `chmod 700 "),
        ] {
            let said = said(name);
            assert!(said.contains(reason), "{said}");
        }
        assert_eq!(problems.len(), 10, "{problems:?}");
    }
}

#[tokio::test]
async fn a_folder_of_grants_that_is_a_link_or_open_to_others_denies_everything() {
    let (home, other) = (home(), home());
    let grants = GrantFiles::open(home.path());
    grants.put(grant("acme", "say")).await.unwrap();
    let folder = home.path().join("grants");
    set_mode(&folder, 0o777);
    grants.reload();
    assert!(grants.all().is_empty());
    assert!(grants.problems()[0].reason.contains("chmod 700"));

    set_mode(&folder, 0o700);
    fs::rename(&folder, other.path().join("grants")).unwrap();
    symlink(other.path().join("grants"), &folder).unwrap();
    grants.reload();
    assert!(grants.all().is_empty());
    assert!(grants.put(grant("acme", "say")).await.is_err(), "nothing is granted through a link");
    assert!(grants.all().is_empty());
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let home = home();
    let grants = GrantFiles::open(home.path());
    for hostile in ["..", "../../etc", "a/b", ".", "/etc", "a\0b", "", "%2e%2e", "A", "a.toml", "-a"] {
        assert!(hostile.parse::<TenantId>().is_err() && hostile.parse::<SkillName>().is_err(), "{hostile:?}");
        let text = to_text(&grant("acme", "say")).replacen("\"acme\"", &format!("{hostile:?}"), 1);
        assert!(from_text(&text).is_err(), "{hostile:?}");
    }
    let path = grants.path(&tenant("acme"), &"say".parse().unwrap());
    assert_eq!(path, home.path().join("grants/acme/say.toml"));
}

fn a_name() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
}

fn a_rule() -> impl Strategy<Value = String> {
    ("GET|POST,PUT|\\*", "https?", "(\\*\\.)?[a-z]{1,8}\\.example", 1_u16.., "(/([a-z*]{1,5}|\\*\\*)){1,4}/?")
        .prop_map(|(methods, scheme, host, port, path)| format!("{methods} {scheme}://{host}:{port}{path}"))
        .prop_filter("a rule", |text| text.parse::<openclaw_domain::HttpRule>().is_ok())
}

prop_compose! {
    fn a_grant()(
        names in (a_name(), a_name()),
        component in any::<[u8; 32]>(),
        imports in vec(any::<String>(), 0..4),
        http in btree_set(a_rule(), 0..5),
        hosts in btree_set(("[a-z]{1,8}\\.example", 1_u16..), 0..4),
        texts in (btree_set(any::<String>(), 0..4), btree_set("\\PC{0,9}", 0..4), btree_set("[\\s\\S]{0,9}", 0..4)),
        secrets in btree_set((a_name(), option::of("[a-z]{1,8}\\.example")), 0..4),
        sizes in (option::of(0..usize::MAX >> 1), option::of(0..u64::MAX >> 1), option::of(0..u64::MAX >> 1)),
        more in (option::of(0..u64::MAX >> 1), option::of(0..u64::MAX >> 1), any::<Option<u32>>(), any::<Option<u32>>()),
        moments in (0_i64..253_402_300_799_999, option::of(0_i64..253_402_300_799_999)),
    ) -> Grant {
        let origin = |(host, port): &(String, u16)| format!("https://{host}:{port}").parse().unwrap();
        Grant {
            tenant: names.0.parse().unwrap(),
            skill: names.1.parse().unwrap(),
            component: Digest::from_bytes(component),
            imports,
            powers: Powers {
                http: http.iter().map(|rule| rule.parse().unwrap()).collect(),
                private: hosts.iter().map(origin).collect(),
                kv: texts.0,
                secrets: secrets.iter().map(|(name, host)| match host {
                    Some(host) => format!("{name} for https://{host}").parse().unwrap(),
                    None => format!("{name} for hmac").parse().unwrap(),
                }).collect(),
                config: texts.1,
                events: texts.2,
            },
            limits: GrantLimits {
                memory: sizes.0,
                deadline: sizes.1.map(Duration::from_millis),
                host_calls: sizes.2,
                egress_bytes: more.0,
                kv_bytes: more.1,
                calls_per_minute: more.2,
                concurrent_calls: more.3,
            },
            expires: moments.1.map(Timestamp::from_millis),
            granted_at: Timestamp::from_millis(moments.0),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_one_item_a_line(grant in a_grant()) {
        let text = to_text(&grant);
        prop_assert_eq!(&from_text(&text).unwrap(), &grant, "{}", text);
        let items = text.lines().filter(|line| line.starts_with("    ")).count();
        prop_assert_eq!(items, grant.powers.len() + grant.imports.len());
        prop_assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
