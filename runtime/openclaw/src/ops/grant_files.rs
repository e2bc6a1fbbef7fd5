//! Grant files as an operator edited them: read anew, and said when they are not in force.
//!
//! Invariant: a call goes on only under a grant that is still what it was or more. Whoever takes a line out of a file
//! and reloads has taken it from the calls that run, too; and a file that is not in force is never written over.

use std::collections::BTreeMap;

use openclaw_domain::{Grant, GrantLimits, SkillName, TenantId, tenant_option};
use openclaw_storage::GrantProblem;
use serde_json::{Value, json};

use super::grant_lines::{GrantLine, lines_of};
use super::grants::texts;
use super::run::Ops;
use crate::exit::Failed;

impl Ops {
    /// Puts the grant files in force as they stand now, ends the calls of those that allow less than before, and writes
    /// down what is different.
    pub(super) async fn reload_grants(&self) {
        let before = self.grants.all();
        let files = self.storage.grants().clone();
        if let Err(error) = tokio::task::spawn_blocking(move || files.reload()).await {
            tracing::error!(%error, "the grants are kept as they were");
        }
        let of = |grant: &Grant| (grant.tenant.clone(), grant.skill.clone());
        let mut seen = BTreeMap::new();
        seen.extend(before.iter().map(|grant| (of(grant), Some(grant))));
        let after = self.grants.all();
        for grant in &after {
            seen.entry(of(grant)).or_insert(None);
        }
        for ((tenant, skill), before) in seen {
            let after = after.iter().find(|grant| grant.tenant == tenant && grant.skill == skill);
            if before == after {
                continue;
            }
            let is_less = before.is_some_and(|before| is_narrowed(before, after.map(|grant| &**grant)));
            let calls_ended = if is_less { self.stop_calls(&tenant, Some(&skill), "the grant was changed") } else { 0 };
            let lines = after.map_or_else(Vec::new, |grant| texts(&lines_of(grant)));
            tracing::info!(%tenant, %skill, calls_ended, "a grant's file was changed");
            let detail = json!({"lines": lines, "calls_ended": calls_ended});
            if let Err(error) = self.audit(&tenant, "grant.edit", skill.as_str(), &detail).await {
                tracing::error!(%error, "a changed grant is not in the audit log");
            }
        }
    }

    /// Takes away what lies in a grant's place and is not in force; refuses if nothing does.
    pub(super) async fn revoke_what_is_not_in_force(
        &self,
        tenant: &TenantId,
        name: &SkillName,
        lines: &[GrantLine],
    ) -> Result<Value, Failed> {
        let Some(problem) = self.storage.grants().problem(tenant, name) else {
            return Err(Failed::refused(format!("`{name}` of tenant `{tenant}` holds no grant"))
                .hint("`openclaw skills grants show` lists those there are"));
        };
        if !lines.is_empty() || !self.is_of_its_file(tenant, name, &problem) {
            return Err(self.not_in_force(tenant, name, &problem));
        }
        self.grants.remove(tenant, name).await?;
        let stopped = self.stop_calls(tenant, Some(name), "the grant was revoked");
        let detail = json!({"lines": [], "problem": problem.reason, "calls_ended": stopped});
        self.audit(tenant, "grant.revoke", name.as_str(), &detail).await?;
        Ok(json!({
            "skill": name.as_str(), "tenant": tenant.as_str(), "revoked": [], "left": [], "calls_ended": stopped,
        }))
    }

    /// How a command is refused that would read or write over a grant that is not in force.
    pub(super) fn not_in_force(&self, tenant: &TenantId, name: &SkillName, problem: &GrantProblem) -> Failed {
        let failed = Failed::refused(format!("the grant of `{name}` cannot be used: {problem}"));
        if !self.is_of_its_file(tenant, name, problem) {
            return failed.hint("put it right, then `openclaw config reload`");
        }
        let of = tenant_option(tenant);
        failed.hint(format!(
            "put it right and run `openclaw config reload`; `openclaw skills revoke {name}{of}` removes it"
        ))
    }

    fn is_of_its_file(&self, tenant: &TenantId, name: &SkillName, problem: &GrantProblem) -> bool {
        problem.path == self.storage.grants().path(tenant, name)
    }
}

/// Whether a call that began under `before` might do what `after` does not allow.
fn is_narrowed(before: &Grant, after: Option<&Grant>) -> bool {
    let Some(after) = after else { return true };
    let mut lost = before.powers.clone();
    lost.remove(&after.powers);
    before.component != after.component
        || before.imports != after.imports
        || !lost.is_empty()
        || is_less(before.expires, after.expires)
        || are_narrower(&before.limits, &after.limits)
}

fn are_narrower(before: &GrantLimits, after: &GrantLimits) -> bool {
    let GrantLimits { memory, deadline, host_calls, egress_bytes, kv_bytes, calls_per_minute, concurrent_calls } =
        *before;
    is_less(memory, after.memory)
        || is_less(deadline, after.deadline)
        || is_less(host_calls, after.host_calls)
        || is_less(egress_bytes, after.egress_bytes)
        || is_less(kv_bytes, after.kv_bytes)
        || is_less(calls_per_minute, after.calls_per_minute)
        || is_less(concurrent_calls, after.concurrent_calls)
}

/// Whether a bound is tighter than it was; none is the widest.
fn is_less<T: PartialOrd>(before: Option<T>, after: Option<T>) -> bool {
    match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after < before,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use openclaw_domain::{Digest, Powers, Timestamp};

    use super::*;

    fn grant() -> Grant {
        Grant {
            tenant: TenantId::default(),
            skill: "notes".parse().unwrap(),
            component: Digest::from_bytes([1; 32]),
            imports: vec!["wasi:http/outgoing-handler@0.2.4".to_owned()],
            powers: Powers { kv: BTreeSet::from(["a".to_owned(), "b".to_owned()]), ..Powers::default() },
            limits: GrantLimits { memory: Some(1000), ..GrantLimits::default() },
            expires: Some(Timestamp::from_millis(5000)),
            granted_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn whatever_takes_something_away_ends_calls_and_whatever_only_gives_does_not() {
        let before = grant();
        let changed = |change: fn(&mut Grant)| {
            let mut after = grant();
            change(&mut after);
            is_narrowed(&before, Some(&after))
        };
        assert!(is_narrowed(&before, None));
        for less in [
            (|after| after.powers.kv.retain(|bucket| bucket != "b")) as fn(&mut Grant),
            |after| after.powers.kv = BTreeSet::from(["a".to_owned(), "c".to_owned()]),
            |after| after.component = Digest::from_bytes([2; 32]),
            |after| after.imports.clear(),
            |after| after.expires = Some(Timestamp::from_millis(4999)),
            |after| after.limits.memory = Some(999),
            |after| after.limits.calls_per_minute = Some(u32::MAX),
        ] {
            assert!(changed(less));
        }
        for same_or_more in [
            (|_| {}) as fn(&mut Grant),
            |after| after.powers.kv.extend(["c".to_owned()]),
            |after| after.expires = None,
            |after| after.limits.memory = None,
            |after| after.granted_at = Timestamp::from_millis(9),
        ] {
            assert!(!changed(same_or_more));
        }
    }
}
