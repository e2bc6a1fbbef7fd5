//! What operators do is written down: who, when, what, to whom.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::guests::SLEEPER;

/// What stands in a home's audit log, a line each, in order.
fn audited(home: &TempDir) -> Vec<String> {
    let database = Connection::open(home.path().join("openclaw.db")).unwrap();
    let mut query = database.prepare("SELECT actor, tenant, action, subject FROM audit ORDER BY number").unwrap();
    let rows = query.query_map([], |row| {
        let column = |index| row.get::<_, String>(index);
        Ok(format!("{} {} {} {}", column(0)?, column(1)?, column(2)?, column(3)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn every_act_of_an_operator_is_in_the_audit_log_once() {
    let home = TempDir::new().unwrap();
    let backup = home.path().join("backup");
    let acts: [&[&str]; 6] = [
        &["skills", "install", SLEEPER, "--tenant", "acme"],
        &["skills", "disable", "sleeper", "--tenant", "acme"],
        &["skills", "enable", "sleeper", "--tenant", "acme"],
        &["skills", "remove", "sleeper", "--tenant", "acme"],
        &["token", "create", "ci", "--role", "read"],
        &["token", "revoke", "ci"],
    ];
    for act in acts {
        cli(home.path(), act).await.unwrap();
    }
    cli(home.path(), &["backup", backup.to_str().unwrap()]).await.unwrap();
    // What only looks, and what is refused, leaves nothing.
    cli(home.path(), &["skills", "list"]).await.unwrap();
    cli(home.path(), &["token", "revoke", "ci"]).await.unwrap_err();
    let mut expected: Vec<String> = [
        "cli acme skill.install sleeper",
        "cli acme skill.disable sleeper",
        "cli acme skill.enable sleeper",
        "cli acme skill.remove sleeper",
        "cli default token.create ci",
        "cli default token.revoke ci",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.push(format!("cli default backup {}", backup.display()));
    assert_eq!(audited(&home), expected);

    let gateway = TestGateway::start_in(home, "{}").await;
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    cli(gateway.home(), &["token", "create", "other"]).await.unwrap();
    let file = gateway.home().join("openclaw.json");
    let home = gateway.stop().await;
    expected.push(format!("cli default config.reload {}", file.display()));
    expected.push("cli default token.create other".to_owned());
    assert_eq!(audited(&home), expected);
}
