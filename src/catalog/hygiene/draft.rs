//! Schemas in the words of JSON Schema 2020-12.

use crate::catalog::hygiene::Mended;
use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::Repair;
use crate::catalog::hygiene::member_of;
use crate::catalog::hygiene::schema;
use crate::catalog::hygiene::without_member;
use crate::wire::Raw;
use crate::wire::object::Object;

/// What older drafts mean differently, beside what is rewritten here.
const DIFFERENT: [&str; 3] = ["dependencies", "$recursiveRef", "$recursiveAnchor"];
/// The types there are.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];

/// Says in newer words what only older drafts have, and refuses what no draft has.
pub(super) fn modern(input: &Raw) -> Mended {
    let mut count = 0;
    let changed = schema::everywhere(input, &mut |part| {
        let changed = rewritten(part);
        count += usize::from(changed.is_some());
        Ok(changed)
    })?;
    let now = changed.as_ref().unwrap_or(input);
    let mut odd = None;
    schema::each(now, &mut |part| odd = odd.take().or_else(|| wrong(part)))?;
    if let Some(word) = odd {
        return Err(Reason::Invalid(word));
    }
    let Some(changed) = changed else { return Ok(None) };
    let moves = |reference: &String| {
        reference.contains("/items/") || reference.contains("/additionalItems")
    };
    if let Some(reference) = schema::references(input)?.into_iter().find(moves) {
        return Err(Reason::PointsInside(reference));
    }
    if !schema::is_old(&changed) {
        return Ok(Some((changed, Repair::Draft(count))));
    }
    if let Some(word) = dependent(&changed)? {
        return Err(Reason::Draft(word));
    }
    Ok(Some((without_member(&changed, "$schema"), Repair::Draft(count))))
}

/// Returns a word in a schema whose meaning depends on the draft.
pub(super) fn dependent(schema: &Raw) -> Result<Option<String>, Reason> {
    let mut found = schema::first_of(schema, &DIFFERENT)?.map(str::to_owned);
    schema::each(schema, &mut |part| {
        let is_list = member_of(part, "items").is_some_and(|it| it.get().starts_with('['));
        let has_beside = schema::has(part, "$ref") && schema::members(part).len() > 1;
        if is_list {
            found.get_or_insert_with(|| "items".to_owned());
        }
        if has_beside {
            found.get_or_insert_with(|| "$ref".to_owned());
        }
    })?;
    Ok(found)
}

/// One schema in newer words, without what is in it.
fn rewritten(part: &Raw) -> Option<Raw> {
    let object = Object::parse_allowing_duplicates(part.get()).ok()?;
    let mut edit = object.edit();
    let mut is_changed = false;
    for (word, text) in object.iter() {
        // A word that has no value was not meant to be there; some languages write an empty map
        // as an empty array.
        let is_empty = match shape(word) {
            Some(Shape::Map) => text == "null" || is_empty_array(text),
            Some(_) => text == "null",
            None => false,
        };
        if is_empty {
            edit = edit.remove(word);
            is_changed = true;
        }
    }
    if let Some(list) = object.get("items").filter(|text| text.starts_with('[')) {
        edit = match object.get("additionalItems") {
            Some(rest) => edit.set("items", rest.to_owned()).remove("additionalItems"),
            None => edit.remove("items"),
        };
        if !is_empty_array(list) {
            edit = edit.set("prefixItems", list.to_owned());
        }
        is_changed = true;
    }
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let Some(is_exclusive) = object.get(exclusive).and_then(boolean) else { continue };
        edit = match object.get(limit).filter(|_| is_exclusive) {
            Some(number) => edit.set(exclusive, number.to_owned()).remove(limit),
            None => edit.remove(exclusive),
        };
        is_changed = true;
    }
    is_changed.then(|| edit.apply())
}

fn is_empty_array(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}

fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// What kind of value a word has.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Number,
    Count,
    Flag,
    List,
    Names,
    Type,
    Schema,
    Schemas,
    Map,
}

/// The kind of value that a word of the specification has; nothing for words it does not know and
/// those that may have any.
fn shape(word: &str) -> Option<Shape> {
    if word == "dependencies" {
        return None;
    }
    if word != "items" && schema::is_many(word) {
        return Some(Shape::Schemas);
    }
    if schema::is_one(word) {
        return Some(Shape::Schema);
    }
    if schema::is_named(word) {
        return Some(Shape::Map);
    }
    Some(match word {
        "title" | "description" | "format" | "pattern" | "$ref" | "$schema" | "$id"
        | "$comment" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "contentEncoding"
        | "contentMediaType" => Shape::Text,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            Shape::Number
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => Shape::Count,
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => Shape::Flag,
        "enum" | "examples" => Shape::List,
        "required" => Shape::Names,
        "type" => Shape::Type,
        _ => return None,
    })
}

/// Returns a word of one schema whose value nobody can read.
fn wrong(part: &Raw) -> Option<String> {
    let members = schema::members(part);
    let wrong = members
        .into_iter()
        .find(|(word, value)| shape(word).is_some_and(|shape| !fits(shape, value)));
    wrong.map(|(word, _)| word)
}

fn fits(shape: Shape, value: &Raw) -> bool {
    let text = value.get();
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match shape {
        Shape::Text => text.starts_with('"'),
        Shape::Number => is_number,
        Shape::Count => is_number && !text.starts_with('-'),
        Shape::Flag => boolean(text).is_some(),
        Shape::List => text.starts_with('['),
        Shape::Names => value.read::<Vec<String>>().is_ok(),
        Shape::Type => {
            let is_type = |name: &String| TYPES.contains(&name.as_str());
            value.string().is_some_and(|name| is_type(&name))
                || value
                    .read()
                    .is_ok_and(|names: Vec<String>| !names.is_empty() && names.iter().all(is_type))
        }
        Shape::Schema => schema::is_schema(value),
        Shape::Schemas => {
            let all = value.elements();
            all.is_some_and(|all| !all.is_empty() && all.iter().all(schema::is_schema))
        }
        Shape::Map => {
            text.starts_with('{')
                && schema::members(value).iter().all(|(_, it)| schema::is_schema(it))
        }
    }
}
