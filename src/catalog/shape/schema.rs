//! The `inputSchema` of a tool, which follows what is configured for its arguments.

use serde_json::Map;
use serde_json::Value;

use crate::catalog::shape::argument::Arguments;
use crate::catalog::shape::change::Change;
use crate::catalog::shape::dependent;
use crate::catalog::shape::follow::Unfollowed;
use crate::catalog::shape::follow::Why;
use crate::catalog::shape::named;
use crate::catalog::shape::step::Step;
use crate::config::argument::Argument;
use crate::config::argument::Filled;
use crate::config::argument::Given;
use crate::config::overrides::Told;
use crate::wire::Raw;
use crate::wire::object;
use crate::wire::object::Object;
use crate::wire::quote;

/// Members of a schema that hold arguments as examples.
const EXAMPLES: [&str; 2] = ["default", "examples"];

/// What came of a schema.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// The schema as it is shown, if it is another one.
    pub(super) schema: Option<Raw>,
    pub(super) arguments: Arguments,
    pub(super) changes: Vec<Change>,
    pub(super) unfollowed: Vec<Unfollowed>,
}

/// Returns whether a tool has an argument of this name.
pub(in crate::catalog) fn has_argument(tool: &Raw, name: &str) -> bool {
    let schema = tool.member("inputSchema");
    let properties = schema.and_then(|schema| schema.member("properties"));
    properties.is_some_and(|properties| properties.member(name).is_some())
}

/// Makes the schema of a tool follow what is configured for its arguments.
pub(super) fn follow(tool: &Raw, told: &[Told<'_>]) -> Followed {
    if told.is_empty() {
        return Followed::default();
    }
    let schema = tool.member("inputSchema").unwrap_or_else(|| object::build([]));
    let read = || Some((schema.object().ok()?, schema.read::<Map<String, Value>>().ok()?));
    let Some((members, values)) = read() else {
        let all = told.iter().map(|told| Unfollowed::new(told.name, Why::Unreadable));
        return Followed { unfollowed: all.collect(), ..Followed::default() };
    };
    let properties = members.get("properties").and_then(|text| Raw::parse(text.to_owned()).ok());
    let properties = properties.unwrap_or_else(|| object::build([]));
    let Ok(properties) = properties.object() else {
        let all = told.iter().map(|told| Unfollowed::new(told.name, Why::Unreadable));
        return Followed { unfollowed: all.collect(), ..Followed::default() };
    };
    let (steps, unfollowed) = steps(told, &properties, &values);
    if steps.is_empty() {
        return Followed { unfollowed, ..Followed::default() };
    }
    let shown = shown_properties(&properties, &steps);
    let names: Vec<String> = shown.iter().map(|(name, _)| name.clone()).collect();
    let all = shown.iter().map(|(name, schema)| (name.as_str(), schema.as_str()));
    let properties = object::build(all);
    let rest = dependent::follow(&values, &steps);
    let mut edit = members.edit().put("properties", &properties);
    let examples: Vec<(&str, Option<String>)> = EXAMPLES
        .into_iter()
        .filter_map(|key| Some((key, examples(key, values.get(key)?, &steps))))
        .collect();
    for (key, json) in rest.into_iter().chain(examples) {
        edit = match json {
            Some(json) => edit.set(key, json),
            None => edit.remove(key),
        };
    }
    let schema = Some(edit.apply());
    let changes = steps.iter().flat_map(changes).collect();
    // What is only described is sent as it comes.
    let rules = steps.iter().filter(|step| !step.is_described_only()).map(Step::rule).collect();
    Followed { schema, arguments: Arguments::new(rules, &names), changes, unfollowed }
}

/// Tells the changes that can be made from those that cannot, and why.
fn steps<'a>(
    told: &[Told<'a>],
    properties: &Object<'_>,
    schema: &Map<String, Value>,
) -> (Vec<Step<'a>>, Vec<Unfollowed>) {
    let (mut steps, mut unfollowed) = (Vec::new(), Vec::new());
    for Told { name, argument, pattern } in told {
        let step = Step { original: name, argument };
        match obstacle(&step, properties, schema) {
            None => steps.push(step),
            // A pattern is about tools that have the argument; what it misses altogether is told.
            Some(Why::Unknown) if pattern.is_some() => {}
            Some(why) => unfollowed.push(Unfollowed::new(name, why)),
        }
    }
    // Each change that is not made can be in the way of another one.
    loop {
        let first = steps.iter().enumerate().find_map(|(index, step)| {
            let why = clash(step, &steps, properties, schema)?;
            Some((index, Unfollowed::new(step.original, why)))
        });
        let Some((index, why)) = first else { break };
        steps.remove(index);
        unfollowed.push(why);
    }
    (steps, unfollowed)
}

/// Why a change cannot be made, whatever becomes of the others.
fn obstacle(step: &Step<'_>, properties: &Object<'_>, schema: &Map<String, Value>) -> Option<Why> {
    let Some(property) = properties.get(step.original) else { return Some(Why::Unknown) };
    let is_schema = property.starts_with('{') || property == "true";
    if !is_schema {
        return Some(Why::Unreadable);
    }
    if step.is_described_only() {
        return None;
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|all| all.iter().any(|name| name == step.original));
    let is_hidden = step.shown().is_none();
    if is_hidden && is_required && !step.is_always_sent() {
        return Some(Why::Required);
    }
    let anchors = ["$anchor", "$dynamicAnchor", "$id"];
    let is_anchor = |key: &&str| property.contains(&format!("\"{key}\""));
    let anchor = anchors.into_iter().find(is_anchor).filter(|_| is_hidden).map(str::to_owned);
    named::keyword(schema, step.original).or(anchor).map(Why::Elsewhere)
}

/// Why a change cannot be made beside the others.
fn clash(
    step: &Step<'_>,
    steps: &[Step<'_>],
    properties: &Object<'_>,
    schema: &Map<String, Value>,
) -> Option<Why> {
    if let Some(shown) = step.shown() {
        let others = || steps.iter().filter(|other| other.original != step.original);
        let is_moved = others().any(|it| it.original == shown && it.shown() != Some(shown));
        let is_there = shown != step.original && properties.get(shown).is_some() && !is_moved;
        let earlier = steps.iter().take_while(|other| other.original != step.original);
        let is_given = earlier.into_iter().any(|other| other.shown() == Some(shown));
        if is_there || is_given {
            return Some(Why::Taken(shown.to_owned()));
        }
    }
    dependent::clash(step, steps, schema).map(|key| Why::Elsewhere(key.to_owned()))
}

/// The properties as they are shown, in their order.
fn shown_properties(properties: &Object<'_>, steps: &[Step<'_>]) -> Vec<(String, String)> {
    let shown = |(name, schema): (&str, &str)| {
        let Some(step) = steps.iter().find(|step| step.original == name) else {
            return Some((name.to_owned(), schema.to_owned()));
        };
        Some((step.shown()?.to_owned(), property(schema, step.argument)))
    };
    properties.iter().filter_map(shown).collect()
}

/// The schema of an argument that is shown.
fn property(schema: &str, argument: &Argument) -> String {
    // `true` allows anything, and so does what says nothing.
    let schema = if schema.starts_with('{') { schema } else { "{}" };
    let Ok(object) = Object::parse_allowing_duplicates(schema) else { return schema.to_owned() };
    let mut edit = object.edit();
    if let Some(description) = &argument.description {
        edit = edit.set("description", quote::quoted(description));
    }
    match &argument.given {
        Given::Default(Filled { json, is_secret: false }) => edit = edit.set("default", json),
        // One that the server gave is not what is sent.
        Given::Default(Filled { is_secret: true, .. }) => edit = edit.remove("default"),
        Given::Value(Filled { json, .. }) => edit = edit.set("const", json).remove("default"),
        Given::Nothing => {}
    }
    edit.apply().get().to_owned()
}

/// What a member with examples of arguments says; nothing if it has to go.
fn examples(key: &str, value: &Value, steps: &[Step<'_>]) -> Option<String> {
    let shown = |arguments: &Value| {
        let Value::Object(members) = arguments else { return arguments.clone() };
        let member = |(name, value): (&String, &Value)| {
            let Some(step) = steps.iter().find(|step| step.original == name) else {
                return Some((name.clone(), value.clone()));
            };
            let is_fixed = matches!(step.argument.given, Given::Value(_));
            Some((step.shown().filter(|_| !is_fixed)?.to_owned(), value.clone()))
        };
        Value::Object(members.iter().filter_map(member).collect())
    };
    let value = match (key, value) {
        ("examples", Value::Array(all)) => Value::Array(all.iter().map(shown).collect()),
        ("default", value) => shown(value),
        _ => return None,
    };
    Some(value.to_string())
}

/// What is different for one argument, for people.
fn changes(step: &Step<'_>) -> Vec<Change> {
    let original = step.original.to_owned();
    let name = step.shown().unwrap_or(step.original).to_owned();
    let mut changes = Vec::new();
    match step.shown() {
        None => changes.push(Change::ArgumentHidden(original)),
        Some(now) if now != step.original => {
            changes.push(Change::ArgumentNamed { was: original, now: name.clone() });
        }
        Some(_) => {}
    }
    match step.argument.given {
        Given::Nothing => {}
        Given::Default(_) => changes.push(Change::ArgumentDefault(name.clone())),
        Given::Value(_) => changes.push(Change::ArgumentFixed(name.clone())),
    }
    if step.shown().is_some() && step.argument.description.is_some() {
        changes.push(Change::ArgumentDescribed(name));
    }
    changes
}
