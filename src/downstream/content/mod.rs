//! Says in older words what a client of an older revision would fail on; see decision 9.
//!
//! Only what such a client cannot read is touched: kinds of content that came later, structured
//! content and schemas that are no object. Members that it does not know do no harm and stay.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;
use crate::wire::object;
use crate::wire::object::Object;

#[cfg(test)]
mod tests;

/// Fits the content of a result to a legacy `revision`.
pub(super) fn fit(result: Raw, revision: Revision, method: &str) -> Raw {
    match method {
        method::TOOLS_CALL | method::PROMPTS_GET if revision < Revision::V2025_06_18 => {
            known_blocks(result, revision, method)
        }
        _ => result,
    }
}

/// Takes out structured content that is no object, as the modern era allows, and makes sure that
/// the text says the same.
pub(super) fn object_structure(result: Raw) -> Raw {
    let Ok(object) = result.object() else { return result };
    let Some(structured) = object.get("structuredContent") else { return result };
    if structured.starts_with('{') {
        return result;
    }
    let edit = object.edit().remove("structuredContent");
    let content = object.get("content").map(|text| result.part(text));
    let mut blocks = content.and_then(|content| content.elements()).unwrap_or_default();
    if blocks.iter().any(|block| says(block, structured)) {
        return edit.apply();
    }
    blocks.push(text_block(structured));
    edit.set("content", Raw::array(&blocks).get().to_owned()).apply()
}

/// Whether a block is text with the same JSON value.
fn says(block: &Raw, json: &str) -> bool {
    let text = block.member("text").and_then(|text| text.string());
    let is_same = |text: String| {
        let values = (serde_json::from_str::<Value>(&text), serde_json::from_str::<Value>(json));
        matches!(values, (Ok(said), Ok(meant)) if said == meant)
    };
    text.is_some_and(is_same)
}

/// Replaces the blocks of a result that came after `revision`; most results have none.
fn known_blocks(result: Raw, revision: Revision, method: &str) -> Raw {
    let has_any = later(revision).iter().any(|kind| result.get().contains(kind));
    if !has_any {
        return result;
    }
    let Ok(object) = Object::parse(result.get()) else { return result };
    let mut changes = Vec::new();
    let mut replace = |text| {
        if let Some(block) = older_block(text, revision) {
            changes.push((text, block));
        }
    };
    if method == method::TOOLS_CALL {
        object.get("content").into_iter().flat_map(elements).for_each(&mut replace);
    } else {
        let messages = object.get("messages").into_iter().flat_map(elements);
        messages
            .filter_map(|message| Object::parse(message).ok()?.get("content"))
            .for_each(replace);
    }
    if changes.is_empty() { result.clone() } else { result.with_parts(changes) }
}

/// The kinds of content that came after `revision`, as they stand on the wire.
fn later(revision: Revision) -> &'static [&'static str] {
    if revision < Revision::V2025_03_26 {
        &["\"resource_link\"", "\"audio\""]
    } else if revision < Revision::V2025_06_18 {
        &["\"resource_link\""]
    } else {
        &[]
    }
}

/// What stands for a block in an older revision; nothing if the block is known there.
fn older_block(text: &str, revision: Revision) -> Option<Raw> {
    let block = Object::parse(text).ok()?;
    let kind = block.get("type")?;
    if !later(revision).contains(&kind) {
        return None;
    }
    let string = |key| block.get(key).and_then(|text| serde_json::from_str::<String>(text).ok());
    let words = if kind == "\"audio\"" {
        let format = string("mimeType").unwrap_or_else(|| "an unknown format".to_owned());
        format!("[audio in {format}, which this client's revision of MCP cannot carry]")
    } else {
        let name = string("title").or_else(|| string("name")).unwrap_or_default();
        let uri = string("uri").unwrap_or_default();
        let more = string("description").map(|it| format!(" ({it})")).unwrap_or_default();
        format!("{name}: {uri}{more}")
    };
    let plain = text_block(&words);
    let Some(annotations) = block.get("annotations") else { return Some(plain) };
    Some(plain.object().ok()?.edit().set("annotations", annotations).apply())
}

fn text_block(text: &str) -> Raw {
    object::build([("type", "\"text\""), ("text", Raw::of(text).get())])
}

/// Leaves out the schemas of results that are no object, on which strict clients lose the list.
pub(super) fn object_schemas(result: Raw) -> Raw {
    #[derive(Deserialize)]
    struct Tools<'a> {
        #[serde(borrow)]
        tools: Vec<&'a RawValue>,
    }
    if !result.get().contains("\"outputSchema\"") {
        return result;
    }
    let Ok(Tools { tools }) = result.read::<Tools<'_>>() else { return result };
    let mut changes = Vec::new();
    for tool in tools.into_iter().map(RawValue::get) {
        let Ok(object) = Object::parse(tool) else { continue };
        let Some(schema) = object.get("outputSchema") else { continue };
        let root = Object::parse(schema).ok().and_then(|schema| schema.get("type"));
        if root != Some("\"object\"") {
            changes.push((tool, object.edit().remove("outputSchema").apply()));
        }
    }
    if changes.is_empty() { result.clone() } else { result.with_parts(changes) }
}

fn elements(array: &str) -> Vec<&str> {
    let values: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
    values.into_iter().map(RawValue::get).collect()
}
