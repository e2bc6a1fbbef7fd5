//! `openclaw skills test DIR…`: builds skills and runs their `cases/*.json`.
//!
//! Invariant: a case runs as a call in a gateway does (same engine, same limits, same checks, same grants), in a home of
//! its own that is gone afterwards, and in a world of its own that no network belongs to.

mod case_world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::ports::Guests;
use openclaw_domain::{
    Caller, Credential, Door, IngressCall, Refusal, Role, SkillName, SkillRef, SystemClock, TenantId, ToolCall,
    ToolName, TraceId,
};
use openclaw_package::cases::{Case, EgressCase, IngressCase, ToolCase, read_cases};
use openclaw_package::{BuildOptions, Built};
use openclaw_wasm::Registry;
use serde_json::json;

use case_world::CaseWorld;

use super::{Context, skills_build};
use crate::config::{Environment, ListenOverrides, Source};
use crate::console::{self, Format};
use crate::exit::{Failed, chain};
use crate::wiring;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders, each with a `skill.toml` and cases
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
}

/// A case that was run.
struct Outcome {
    skill: SkillName,
    case: String,
    /// What differs from what was expected; nothing if it passed.
    differences: Vec<String>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failed> {
    let built = skills_build::build(arguments.dirs, BuildOptions::default()).await?;
    let home = tempfile::tempdir().map_err(|error| Failed::because(format!("no folder to test in: {error}")))?;
    let outcomes = run_all(home.path(), &built).await?;
    report(context.format, &outcomes)
}

async fn run_all(home: &Path, built: &[Built]) -> Result<Vec<Outcome>, Failed> {
    let source = Source::find(Some(home.to_owned()), None, ListenOverrides::default(), Environment::default())?;
    let clock = Arc::new(SystemClock);
    let storage = wiring::storage(home, clock.clone(), None)?;
    let config = source.load()?;
    let (world, registry) = CaseWorld::open(&storage, &config, clock).await?;
    let mut outcomes = Vec::new();
    for one in built {
        let cases = read_cases(&one.source).map_err(|error| Failed::because(chain(&error)))?;
        if cases.is_empty() {
            return Err(Failed::refused(format!("`{}` has no cases", one.source.display()))
                .hint("write one: cases/first.json, with `arguments` (or `request`, or `event`) and `expect`"));
        }
        let component = tokio::fs::read(&one.path)
            .await
            .map_err(|error| Failed::because(format!("{} cannot be read: {error}", one.path.display())))?;
        wiring::install(&registry, &TenantId::default(), Bytes::from(component), None, false).await?;
        for (file, case) in cases {
            let differences = match &case {
                Case::Tool(case) => run_tool(&registry, &world, &one.name, case).await,
                Case::Ingress(case) => run_ingress(&registry, &one.name, case).await,
                Case::Egress(case) => run_egress(&registry, &one.name, case).await,
            };
            let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let case = case.name().map_or_else(stem, str::to_owned);
            outcomes.push(Outcome { skill: one.name.clone(), case, differences });
        }
    }
    registry.close().await;
    storage.close().await?;
    Ok(outcomes)
}

async fn run_tool(registry: &Registry, world: &CaseWorld, skill: &SkillName, case: &ToolCase) -> Vec<String> {
    let tool = match case.tool.as_deref().map(str::parse::<ToolName>).transpose() {
        Ok(tool) => tool,
        Err(error) => return vec![error.to_string()],
    };
    let installed = registry.installed(&TenantId::default());
    let Some(installed) = installed.iter().find(|installed| installed.name == *skill) else {
        return vec![format!("`{skill}` is not installed")];
    };
    if let Err(error) = world.begin(installed, case).await {
        return vec![format!("the case's buckets could not be filled: {error}")];
    }
    let credential = Credential { tenant: TenantId::default(), role: Role::Operator, name: "cli".into() };
    let observed: Result<_, Refusal> = registry
        .call_tool(ToolCall {
            caller: Caller { credential, door: Door::Cli, trace: TraceId::new() },
            target: SkillRef { skill: skill.clone(), tool },
            arguments: serde_json::Value::Object(case.arguments.clone()).to_string().into(),
            deadline: None,
            progress: openclaw_domain::ProgressSink::default(),
            session: None,
            resumed: None,
        })
        .await;
    let mut differences = case.judge(observed.as_ref().map(|reply| &reply.output));
    match world.end(installed, case).await {
        Ok(more) => differences.extend(more),
        Err(error) => differences.push(format!("the case's buckets could not be read: {error}")),
    }
    differences
}

async fn run_ingress(registry: &Registry, skill: &SkillName, case: &IngressCase) -> Vec<String> {
    let observed = registry
        .transform_ingress(IngressCall {
            tenant: TenantId::default(),
            transform: skill.clone(),
            request: case.request(),
            trace: TraceId::new(),
        })
        .await;
    case.judge(observed.as_ref().map(|reply| &reply.outcome))
}

async fn run_egress(registry: &Registry, skill: &SkillName, case: &EgressCase) -> Vec<String> {
    let observed = registry.transform_egress(case.call(skill.clone())).await;
    case.judge(observed.as_ref().map(|reply| &reply.outcome))
}

fn report(format: Format, outcomes: &[Outcome]) -> Result<(), Failed> {
    let failed = outcomes.iter().filter(|outcome| !outcome.differences.is_empty()).count();
    match format {
        Format::Json => {
            let list: Vec<_> = outcomes
                .iter()
                .map(|outcome| {
                    json!({
                        "skill": outcome.skill.as_str(), "case": outcome.case,
                        "passed": outcome.differences.is_empty(), "differences": outcome.differences,
                    })
                })
                .collect();
            console::json(&list);
        }
        Format::Text => {
            for Outcome { skill, case, differences } in outcomes {
                let verdict = if differences.is_empty() { "ok  " } else { "FAIL" };
                console::data(console::printable(&format!("{verdict}  {skill}: {case}")));
                for difference in differences {
                    console::data(console::printable(&format!("        {difference}")));
                }
            }
            console::talk(format!("{} of {} cases pass", outcomes.len() - failed, outcomes.len()));
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failed::because(format!("{failed} of {} cases fail", outcomes.len()))),
    }
}
