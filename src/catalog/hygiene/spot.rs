//! Repairs that need to see no more than one place of a schema.

use crate::catalog::hygiene::Mended;
use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::Repair;
use crate::catalog::hygiene::member_of;
use crate::catalog::hygiene::schema;
use crate::catalog::hygiene::with_member;
use crate::catalog::hygiene::without_member;
use crate::wire::Raw;
use crate::wire::object;
use crate::wire::object::Object;

/// The schemas of a tool.
const SCHEMAS: [&str; 2] = ["inputSchema", "outputSchema"];
/// What may not stand on top.
const COMBINATIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
/// What goes with them, because there may be one condition only.
const CONDITION: [&str; 3] = ["if", "then", "else"];
/// How long the name of an argument may be, in bytes.
const LONGEST_NAME: usize = 64;

/// Writes the boolean schemas of properties as objects: `{}` and `{"not":{}}` are the same.
pub(super) fn booleans(tool: &Raw) -> Mended {
    let mut tool = tool.clone();
    let mut count = 0;
    for key in SCHEMAS {
        let Some(schema) = member_of(&tool, key) else { continue };
        let changed =
            schema::everywhere(&schema, &mut |part| Ok(without_booleans(part, &mut count)))?;
        if let Some(changed) = changed {
            tool = with_member(&tool, key, &changed);
        }
    }
    Ok((count > 0).then_some((tool, Repair::Booleans(count))))
}

fn without_booleans(part: &Raw, count: &mut usize) -> Option<Raw> {
    let properties = member_of(part, "properties")?;
    let mut changes = Vec::new();
    for (_, value) in schema::members(&properties) {
        let instead = match value.get() {
            "true" => "{}",
            "false" => r#"{"not":{}}"#,
            _ => continue,
        };
        changes.push((value, Raw::parse(instead).ok()?));
    }
    *count += changes.len();
    let changes: Vec<_> = changes.iter().map(|(old, new)| (old.get(), new.clone())).collect();
    (!changes.is_empty()).then(|| part.with_parts(changes))
}

/// Refuses a property of the name `constructor` on top; a schema for results can be left out.
pub(super) fn constructor(tool: &Raw) -> Mended {
    let has = |key| {
        let properties = member_of(tool, key).and_then(|it| member_of(&it, "properties"));
        properties.is_some_and(|properties| schema::has(&properties, "constructor"))
    };
    if has("inputSchema") {
        return Err(Reason::Name("constructor".to_owned()));
    }
    Ok(has("outputSchema").then(|| (without_member(tool, "outputSchema"), Repair::Output)))
}

/// Refuses arguments whose names are too long or have other characters than `[a-zA-Z0-9_.-]`.
pub(super) fn names(tool: &Raw) -> Mended {
    let properties = member_of(tool, "inputSchema").and_then(|it| member_of(&it, "properties"));
    let members = properties.map(|it| schema::members(&it)).unwrap_or_default();
    match members.into_iter().find(|(name, _)| !is_name(name)) {
        Some((name, _)) => Err(Reason::Name(name)),
        None => Ok(None),
    }
}

fn is_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_known)
}

/// Moves combinations from the top into a condition that always holds.
pub(super) fn combination(input: &Raw) -> Mended {
    if !COMBINATIONS.iter().any(|word| schema::has(input, word)) {
        return Ok(None);
    }
    if schema::is_old(input)
        && !schema::string(input, "$schema").is_some_and(|it| it.contains("07"))
    {
        return Err(Reason::NoCondition);
    }
    let words: Vec<_> = COMBINATIONS.into_iter().chain(CONDITION).collect();
    let moves = |reference: &String| {
        let first = reference.strip_prefix("#/").and_then(|rest| rest.split('/').next());
        first.is_some_and(|first| words.contains(&first))
    };
    if let Some(reference) = schema::references(input)?.into_iter().find(moves) {
        return Err(Reason::PointsInside(reference));
    }
    let Ok(object) = Object::parse_allowing_duplicates(input.get()) else { return Ok(None) };
    let moved: Vec<_> =
        words.iter().filter_map(|word| object.get(word).map(|text| (*word, text))).collect();
    let inner = object::build(moved);
    let mut edit = object.edit();
    for word in &words {
        edit = edit.remove(word);
    }
    let moved = edit.set("if", "{}").put("then", &inner).apply();
    Ok(Some((moved, Repair::Combination)))
}

/// Says of arrays that may have anything in them that this is so.
pub(super) fn items(input: &Raw) -> Mended {
    let mut count = 0;
    let changed = schema::everywhere(input, &mut |part| Ok(with_items(part, &mut count)))?;
    let Some(changed) = changed else { return Ok(None) };
    if schema::first_of(input, &["unevaluatedItems"])?.is_some() {
        return Err(Reason::Unevaluated);
    }
    Ok(Some((changed, Repair::Items(count))))
}

fn with_items(part: &Raw, count: &mut usize) -> Option<Raw> {
    let kind = member_of(part, "type")?;
    let is_array = |kind: &Raw| kind.string().is_some_and(|kind| kind == "array");
    let names_array =
        is_array(&kind) || kind.elements().is_some_and(|all| all.iter().any(is_array));
    if !names_array || schema::has(part, "items") {
        return None;
    }
    *count += 1;
    Some(with_member(part, "items", &Raw::parse("{}").ok()?))
}
