//! What a schema requires: always, or if some argument is there.

use serde_json::Map;
use serde_json::Value;

use crate::catalog::shape::step::Step;

/// Keywords that say what is required, or holds, if an argument is there.
const DEPENDENT: [&str; 3] = ["dependentRequired", "dependentSchemas", "dependencies"];

/// Returns the keyword that keeps a change from being made, if one does.
pub(super) fn clash(
    step: &Step<'_>,
    steps: &[Step<'_>],
    schema: &Map<String, Value>,
) -> Option<&'static str> {
    let is_absent = |name: &str| {
        let step = steps.iter().find(|step| step.original == name);
        step.is_some_and(|step| step.shown().is_none() && !step.is_always_sent())
    };
    DEPENDENT.into_iter().find(|keyword| {
        let Some(Value::Object(members)) = schema.get(*keyword) else { return false };
        members.iter().any(|(name, wanted)| match wanted {
            Value::Array(names) => {
                let wants = names.iter().any(|name| name == step.original);
                // What is never sent cannot be what something else needs.
                wants && is_absent(step.original) && !is_absent(name)
            }
            // Once it is always there, this would have to hold always.
            Value::Object(wanted) if wanted.is_empty() => false,
            Value::Bool(true) => false,
            _ => name == step.original && step.is_always_sent(),
        })
    })
}

/// Returns the members of a schema that are different, and what they are; nothing for one that
/// goes.
pub(super) fn follow(
    schema: &Map<String, Value>,
    steps: &[Step<'_>],
) -> Vec<(&'static str, Option<String>)> {
    let find = |name: &str| steps.iter().find(|step| step.original == name);
    let is_always_sent = |name: &str| find(name).is_some_and(Step::is_always_sent);
    // How one is shown that callers have to send; nothing for one that is sent anyway.
    let shown = |name: &Value| {
        let name = name.as_str()?;
        match find(name) {
            None => Some(name.to_owned()),
            Some(step) if step.is_always_sent() => None,
            Some(step) => step.shown().map(str::to_owned),
        }
    };
    let listed = |names: &Value| -> Vec<String> {
        names.as_array().into_iter().flatten().filter_map(shown).collect()
    };
    let mut required = schema.get("required").map(listed).unwrap_or_default();
    let mut members = Vec::new();
    for keyword in DEPENDENT {
        let Some(Value::Object(before)) = schema.get(keyword) else { continue };
        let mut after = Map::new();
        for (name, wanted) in before {
            let step = find(name);
            if is_always_sent(name) {
                for name in listed(wanted) {
                    if !required.contains(&name) {
                        required.push(name);
                    }
                }
            }
            let Some(name) = step.map_or(Some(name.as_str()), Step::shown) else { continue };
            let wanted = if wanted.is_array() { listed(wanted).into() } else { wanted.clone() };
            after.insert(name.to_owned(), wanted);
        }
        let is_any = !after.is_empty();
        members.push((keyword, is_any.then(|| Value::Object(after).to_string())));
    }
    // Draft 4 does not allow an empty one.
    let is_any = !required.is_empty();
    members.push(("required", is_any.then(|| Value::from(required).to_string())));
    members
}
