//! What can be read off a policy in Cedar: the arguments it looks at, and the names in it.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// Returns the arguments of tools that a policy looks at, with what lies inside them after dots.
pub(super) fn arguments(policy: &Policy) -> Vec<String> {
    let Ok(document) = policy.to_json() else { return Vec::new() };
    let mut found = BTreeSet::new();
    collect(&document, &mut found);
    // Of `a` and `a.b` the longer one says more.
    let is_begun = |name: &String| {
        found
            .iter()
            .any(|other| other.strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('.')))
    };
    found.iter().filter(|name| !is_begun(name)).cloned().collect()
}

fn collect(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            for key in [".", "has"] {
                let way = members.get(key).and_then(way);
                found.extend(way.filter(|way| !way.is_empty()).map(|way| way.join(".")));
            }
            members.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The way from `context.arguments` to an attribute, if it begins there.
fn way(access: &Value) -> Option<Vec<String>> {
    let attribute = access.get("attr")?.as_str()?.to_owned();
    let left = access.get("left")?;
    if left.get("Var").is_some_and(|variable| variable == "context") {
        return (attribute == "arguments").then(Vec::new);
    }
    let mut way = way(left.get(".")?)?;
    way.push(attribute);
    Some(way)
}
