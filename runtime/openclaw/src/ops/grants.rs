//! Grants: given, taken away, shown, and compared with what a skill's author asks for.
//!
//! Invariant: this is the only code that changes a grant, and it answers the admin socket and the command line alone.
//! Each change is in the audit log, and what was taken away ends the calls that held it.

use openclaw_domain::ports::{Guests, Packages, Policy};
use openclaw_domain::{
    Grant, GrantLimits, HeldUpgrade, Installed, Origin, Powers, Refusal, SecretPurpose, SkillName, TenantId, World,
    secret_command, tenant_option,
};
use serde_json::{Value, json};

use super::grant_lines::{Expiry, GrantLine, Wanted, clear_limits, extend_limits, lines_of, refuse_wider};
use super::grant_view::{AskedView, GrantDiffView, GrantState, GrantView, HeldView, state_of};
use super::run::{Ops, value};
use crate::exit::Failed;

impl Ops {
    /// Adds lines to a skill's grant; the first makes it.
    pub(super) async fn grant(
        &self,
        tenant: &TenantId,
        name: &SkillName,
        lines: &[GrantLine],
    ) -> Result<Value, Failed> {
        let _alone = self.changing.lock().await;
        let (now, of) = (self.clock.now(), tenant_option(tenant));
        let wanted = Wanted::read(lines, now)?;
        if wanted.is_empty() {
            return Err(Failed::refused(format!("nothing is said that `{name}` may do")).hint(format!(
                "add `--http 'GET https://…'`, `--kv BUCKET` …; `openclaw skills grants diff {name}{of}` shows what its \
                 author asks for"
            )));
        }
        let installed = self.installed(tenant, name).await?;
        if installed.world != World::Skill {
            return Err(Failed::refused(format!("`{name}` is a component of the world `{}`", installed.world))
                .hint("a transform imports nothing, so there is nothing it could be granted"));
        }
        refuse_wider(&wanted.limits, &self.policy.limits(tenant))?;
        // What is written begins with what the file says now: lines somebody typed into it are neither lost nor skipped.
        self.reload_grants().await;
        if let Some(problem) = self.storage.grants().problem(tenant, name) {
            return Err(self.not_in_force(tenant, name, &problem));
        }
        let mut notes = Vec::new();
        let before = self.grants.grant(tenant, name);
        let mut grant = match before.as_deref() {
            Some(grant)
                if state_of(grant, &installed, now) == GrantState::Expired && wanted.expiry == Expiry::AsBefore =>
            {
                let end = grant.expires.map_or_else(String::new, |end| end.to_string());
                return Err(Failed::refused(format!("the grant of `{name}` ended at {end}"))
                    .hint("say until when it is renewed: `--expires 30d`, or `--expires never`"));
            }
            Some(grant) if is_bound_to(grant, &installed) => grant.clone(),
            other => {
                if let Some(stale) = other {
                    notes.push(format!(
                        "its grant was for another component ({}): those {} lines are gone",
                        stale.component,
                        lines_of(stale).len()
                    ));
                }
                Grant {
                    tenant: tenant.clone(),
                    skill: name.clone(),
                    component: installed.digest,
                    imports: installed.imports.clone(),
                    powers: Powers::default(),
                    limits: GrantLimits::default(),
                    expires: None,
                    granted_at: now,
                }
            }
        };
        grant.powers.extend(wanted.powers);
        extend_limits(&mut grant.limits, &wanted.limits);
        match wanted.expiry {
            Expiry::AsBefore => {}
            Expiry::Never => grant.expires = None,
            Expiry::At(end) => grant.expires = Some(end),
        }
        grant.granted_at = now;
        notes.extend(self.notes(&grant).await?);
        self.grants.put(grant.clone()).await?;
        let detail = json!({"lines": texts(lines), "component": grant.component.to_string()});
        self.audit(tenant, "grant.give", name.as_str(), &detail).await?;
        value(&GrantView { notes, ..GrantView::of(&grant, Some(&installed), now) })
    }

    /// Takes lines away, or the whole grant, and ends the calls that are running on it.
    pub(super) async fn revoke(
        &self,
        tenant: &TenantId,
        name: &SkillName,
        lines: &[GrantLine],
    ) -> Result<Value, Failed> {
        let _alone = self.changing.lock().await;
        let (now, of) = (self.clock.now(), tenant_option(tenant));
        self.reload_grants().await;
        let Some(before) = self.grants.grant(tenant, name) else {
            return self.revoke_what_is_not_in_force(tenant, name, lines).await;
        };
        let mut left = Grant::clone(&before);
        if lines.is_empty() {
            (left.powers, left.limits) = (Powers::default(), GrantLimits::default());
        } else {
            let limits: Vec<_> = lines.iter().filter(|line| line.option == "limit").cloned().collect();
            let powers: Vec<_> = lines.iter().filter(|line| line.option != "limit").cloned().collect();
            if powers.iter().any(|line| line.option == "expires") {
                return Err(Failed::refused("`--expires` cannot be taken away here")
                    .hint(format!("`openclaw skills grant {name}{of} --expires never` lets the grant go on")));
            }
            let less = Wanted::read(&powers, now)?.powers;
            refuse_absent(&less, &left.powers, tenant, name)?;
            left.powers.remove(&less);
            clear_limits(&limits, &mut left.limits)?;
        }
        let is_gone = left.powers.is_empty() && left.limits == GrantLimits::default();
        if is_gone {
            self.grants.remove(tenant, name).await?;
        } else {
            left.granted_at = now;
            self.grants.put(left.clone()).await?;
        }
        let stopped = self.stop_calls(tenant, Some(name), "the grant was revoked");
        let taken = if lines.is_empty() { lines_of(&before) } else { lines.to_vec() };
        let detail = json!({"lines": texts(&taken), "calls_ended": stopped});
        self.audit(tenant, "grant.revoke", name.as_str(), &detail).await?;
        Ok(json!({
            "skill": name.as_str(),
            "tenant": tenant.as_str(),
            "revoked": texts(&taken),
            "left": if is_gone { Vec::new() } else { texts(&lines_of(&left)) },
            "calls_ended": stopped,
        }))
    }

    /// Grants as they stand: one, those of a tenant, or all.
    pub(super) async fn grants(&self, tenant: Option<&TenantId>, name: Option<&SkillName>) -> Result<Value, Failed> {
        let (now, installed) = (self.clock.now(), Packages::list(&self.storage).await?);
        let grants = self.grants.all();
        let found: Vec<_> = grants
            .iter()
            .filter(|grant| tenant.is_none_or(|tenant| grant.tenant == *tenant))
            .filter(|grant| name.is_none_or(|name| grant.skill == *name))
            .map(|grant| {
                let skill = installed.iter().find(|one| one.tenant == grant.tenant && one.name == grant.skill);
                GrantView::of(grant, skill, now)
            })
            .collect();
        if let (Some(name), true) = (name, found.is_empty()) {
            let tenant = tenant.cloned().unwrap_or_default();
            if let Some(problem) = self.storage.grants().problem(&tenant, name) {
                return Err(self.not_in_force(&tenant, name, &problem));
            }
            let of = tenant_option(&tenant);
            return Err(Failed::refused(format!("`{name}` holds no grant"))
                .hint(format!("`openclaw skills grants diff {name}{of}` shows what its author asks for")));
        }
        value(&found)
    }

    /// Each skill's grant beside what its author asks for, and beside what an upgrade that waits would add.
    pub(super) async fn grants_diff(&self, tenant: &TenantId, name: Option<&SkillName>) -> Result<Value, Failed> {
        let now = self.clock.now();
        let held = Packages::held(&self.storage).await?;
        let mut found = Vec::new();
        for skill in self.registry().await?.installed(tenant) {
            if name.is_some_and(|name| skill.name != *name) {
                continue;
            }
            let grant = self.grants.grant(tenant, &skill.name);
            let waits = held.iter().find(|held| held.upgrade.tenant == *tenant && held.upgrade.name == skill.name);
            // Of all skills, those are shown that there is something to say about.
            if name.is_some() || grant.is_some() || waits.is_some() || !skill.requests.is_empty() {
                found.push(GrantDiffView::of(&skill, grant.as_deref(), waits, now));
            }
        }
        match (name, found.is_empty()) {
            (Some(name), true) => Err(Refusal::SkillNotFound(name.to_string()).into()),
            _ => value(&found),
        }
    }

    /// Lets an upgrade that waits take the place of what serves.
    pub(super) async fn approve(&self, tenant: &TenantId, name: &SkillName) -> Result<Value, Failed> {
        let held = self.held(tenant, name).await?;
        let installed = self.registry().await?.approve(tenant, name).await?;
        let detail = json!({
            "digest": installed.digest.to_string(),
            "new_imports": held.new_imports,
            "new_requests": held.new_requests,
        });
        self.audit(tenant, "skill.approve", name.as_str(), &detail).await?;
        value(&self.skill_view(&installed).await?)
    }

    /// Forgets an upgrade that waits.
    pub(super) async fn reject(&self, tenant: &TenantId, name: &SkillName) -> Result<Value, Failed> {
        let held = self.held(tenant, name).await?;
        Packages::release(&self.storage, tenant, name).await?;
        let detail = json!({"digest": held.upgrade.digest.to_string()});
        self.audit(tenant, "skill.reject", name.as_str(), &detail).await?;
        value(&HeldView::of(&held))
    }

    async fn held(&self, tenant: &TenantId, name: &SkillName) -> Result<HeldUpgrade, Failed> {
        let held = Packages::held(&self.storage).await?;
        held.into_iter().find(|held| held.upgrade.tenant == *tenant && held.upgrade.name == *name).ok_or_else(|| {
            Failed::refused(format!("no upgrade of `{name}` of tenant `{tenant}` waits"))
                .hint("`openclaw skills list` shows which do")
        })
    }

    /// The skill with this name.
    pub(super) async fn installed(&self, tenant: &TenantId, name: &SkillName) -> Result<Installed, Failed> {
        let found = self.registry().await?.installed(tenant).into_iter().find(|skill| skill.name == *name);
        found.ok_or_else(|| Refusal::SkillNotFound(name.to_string()).into())
    }

    /// What an operator probably wants to know of a grant that is about to be in force.
    async fn notes(&self, grant: &Grant) -> Result<Vec<String>, Failed> {
        let mut notes = Vec::new();
        let reached = |origin: &Origin| grant.powers.http.iter().any(|rule| rule.allows_origin(origin));
        for origin in grant.powers.private.iter().filter(|origin| !reached(origin)) {
            notes.push(format!("no `--http` rule allows {origin}, so the second key for it opens nothing"));
        }
        for secret in &grant.powers.secrets {
            if let SecretPurpose::SendTo(origin) = &secret.purpose
                && !reached(origin)
            {
                notes.push(format!("no `--http` rule allows {origin}, so `{}` is sent nowhere", secret.name));
            }
            if !matches!(self.secrets.read(&grant.tenant, &secret.name).await, Ok(Some(_))) {
                let command = secret_command(&grant.tenant, &secret.name);
                notes.push(format!("`{}` has no value yet: `{command}`", secret.name));
            }
        }
        Ok(notes)
    }
}

/// Whether a grant counts for what is installed.
pub(super) fn is_bound_to(grant: &Grant, installed: &Installed) -> bool {
    grant.component == installed.digest && grant.imports == installed.imports
}

/// What is to be taken away must be there: a line with a slip of the pen would otherwise seem revoked.
fn refuse_absent(less: &Powers, held: &Powers, tenant: &TenantId, name: &SkillName) -> Result<(), Failed> {
    let held = held.lines();
    match less.lines().into_iter().find(|line| !held.contains(line)) {
        None => Ok(()),
        Some((option, text)) => Err(Failed::refused(format!("the grant of `{name}` has no line `{option} {text}`"))
            .hint(format!("`openclaw skills grants show {name}{}` prints its lines", tenant_option(tenant)))),
    }
}

pub(super) fn texts(lines: &[GrantLine]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// An author's request and whether the grant has it.
pub(super) fn asked(skill: &Installed, granted: &Powers) -> Vec<AskedView> {
    let granted = granted.lines();
    skill
        .requests
        .iter()
        .flat_map(|request| {
            let granted = &granted;
            request.wants.lines().into_iter().map(move |line| AskedView {
                granted: granted.contains(&line),
                line: format!("{} {}", line.0, line.1),
                reason: request.reason.clone(),
            })
        })
        .collect()
}
