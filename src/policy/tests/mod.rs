//! Tests of what is decided, of what rules mean, and of what in them means nothing.

mod checks;
mod decisions;
mod doubts;
mod properties;

use std::fs;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::config;
use crate::config::hints::Hints;
use crate::config::sample;
use crate::policy::Arguments;
use crate::policy::Decision;
use crate::policy::Outcome;
use crate::policy::Policy;
use crate::policy::Target;
use crate::policy::Tool;
use crate::policy::Who;
use crate::wire::Raw;

/// The policy of a configuration with these rules in YAML, and this file of Cedar.
#[track_caller]
fn configured(rules: &str, cedar: &str) -> config::policy::Policy {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("more.cedar"), cedar).unwrap();
    let cedar = if cedar.is_empty() { "" } else { "  cedar: more.cedar\n" };
    let rules = rules.replace('\n', "\n    ");
    let text = format!(
        "upstreams:\n  files: {{ command: toy }}\n  docs: {{ command: toy }}\n\
         profiles: {{ ci: {{}} }}\npolicy:\n  rules:\n    {rules}\n{cedar}"
    );
    sample::load(home.path(), &text).policy
}

#[track_caller]
fn policy(rules: &str) -> Policy {
    Policy::new(&configured(rules, "")).unwrap()
}

#[track_caller]
fn cedar(policies: &str) -> Policy {
    Policy::new(&configured("[]", policies)).unwrap()
}

/// A tool `<upstream>__<local>` that takes these arguments.
fn tool(name: &str, schema: &Value) -> Tool {
    let (upstream, local) = name.split_once("__").unwrap();
    Tool {
        upstream: upstream.to_owned(),
        name: name.to_owned(),
        local: local.to_owned(),
        hints: Hints::of(|_| None),
        schema: Some(Raw::of(schema)),
        ..Tool::default()
    }
}

fn write_file() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "mode": { "type": ["string", "null"] },
            "size": { "type": "integer" },
            "ratio": { "type": "number" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "options": {
                "type": "object",
                "properties": { "force": { "type": "boolean" } },
                "required": ["force"],
            },
        },
        "required": ["path"],
    });
    tool("files__write_file", &schema)
}

const NOBODY: Who<'_> = Who { principal: "process", groups: &[], client: "", profile: None };

fn call<'p>(policy: &'p Policy, tool: &Tool, arguments: &str) -> Decision<'p> {
    let arguments = Raw::parse(arguments.to_owned()).unwrap();
    policy.decide(&NOBODY, &Target::Tool(tool), Arguments::Given(&arguments))
}

fn listed(policy: &Policy, tool: &Tool) -> Outcome {
    policy.decide(&NOBODY, &Target::Tool(tool), Arguments::Unknown).outcome
}
