//! Capability `config`: a skill's own settings, and of those what is granted.

use openclaw_domain::TenantId;
use openclaw_tests::{TestRegistry, told, with_manifest};
use serde_json::json;

use crate::capability_http::powers;
use crate::guests::POWERS;

const MANIFEST: &str = r#"
name = "powers"
version = "0.1.0"
description = "Uses every capability"
world = "skill"
[settings]
colour = "red"
limits = { most = 3 }
"#;

#[tokio::test]
async fn the_operators_settings_stand_over_the_authors_and_only_granted_ones_are_read() {
    let registry = TestRegistry::serving(&[]).await;
    registry.take(with_manifest(&std::fs::read(POWERS).unwrap(), MANIFEST)).await.unwrap();
    registry.grant("powers", powers(&["config colour", "config shape"])).await;
    let colour = || registry.call("powers/config", json!({ "name": "colour" }));
    assert_eq!(told(colour().await), "it went well: red");
    registry.policy.set(&TenantId::default(), "powers", "colour", "blue");
    assert_eq!(told(colour().await), "it went well: blue");
    let shape = registry.call("powers/config", json!({ "name": "shape" })).await;
    assert_eq!(told(shape), "it went well: nothing");
    assert_eq!(told(registry.call("powers/config-all", json!({})).await), "it went well: colour=blue");

    let refused = registry.refused_with("powers/config", json!({ "name": "limits" })).await;
    assert!(refused.ends_with("hint: openclaw skills grant powers --config 'limits'"), "{refused}");
    registry.grant("powers", powers(&["config *"])).await;
    let all = told(registry.call("powers/config-all", json!({})).await);
    assert_eq!(all, "it went well: colour=blue limits={\"most\":3}");
}
