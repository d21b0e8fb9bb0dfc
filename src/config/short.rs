//! What may be written in short, where the schema says so by `x-short`: for a list one thing that
//! could stand in it, for a map the value of one of its keys, which is named there.

use serde_json::Value as Schema;
use serde_json::json;

use crate::config::tree::Entry;
use crate::config::tree::Node;
use crate::config::tree::Value;

/// The keyword. It says `items` for lists, and a key for maps.
const KEYWORD: &str = "x-short";

/// Returns the schema of what may stand for something of this schema.
pub(super) fn of(schema: &Schema) -> Option<&Schema> {
    let key = schema.get(KEYWORD).and_then(Schema::as_str)?;
    if is_list(schema) { schema.get(key) } else { schema.get("properties")?.get(key) }
}

/// Returns the schema of what a value is meant to be that stands for a list.
pub(super) fn one<'a>(schema: &'a Schema, value: &Value) -> Option<&'a Schema> {
    match value {
        Value::List(_) | Value::Null => None,
        _ if is_list(schema) => of(schema),
        _ => None,
    }
}

/// Returns the map that a value stands for, if it stands for one. `resolve` follows references.
pub(super) fn written_out<'a>(
    node: Node,
    schema: &'a Schema,
    resolve: impl Fn(&'a Schema) -> &'a Schema,
) -> Node {
    let key = schema.get(KEYWORD).and_then(Schema::as_str).filter(|_| !is_list(schema));
    let (Some(key), Some(value)) = (key, of(schema).map(resolve)) else { return node };
    let is_meant = match node.value {
        Value::Text(_) => true,
        Value::List(_) => is_list(value),
        _ => false,
    };
    if !is_meant {
        return node;
    }
    let place = node.place.clone();
    let entry = Entry { key: key.to_owned(), place: place.clone(), node };
    Node { place, value: Value::Map(vec![entry]) }
}

/// Says the same in words that everybody knows who reads schemas.
pub(super) fn publish(schema: &mut Schema) {
    match schema {
        Schema::Array(items) => items.iter_mut().for_each(publish),
        Schema::Object(object) => object.values_mut().for_each(publish),
        _ => return,
    }
    if let Some(short) = of(schema).cloned() {
        *schema = json!({ "anyOf": [short, schema.take()] });
    }
}

fn is_list(schema: &Schema) -> bool {
    schema.get("type").is_some_and(|kind| kind == "array")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::publish;

    #[test]
    fn others_are_told_of_both_ways_to_write_something() {
        let list = json!({ "type": "array", "items": { "type": "string" }, "x-short": "items" });
        let mut schema = json!({ "$defs": {
            "Map": { "type": "object", "properties": { "all": list }, "x-short": "all" },
            "Plain": { "type": "object", "properties": { "all": { "type": "string" } } },
        } });
        let plain = schema["$defs"]["Plain"].clone();
        publish(&mut schema);
        let list = json!({ "anyOf": [{ "type": "string" }, list] });
        let map = json!({ "type": "object", "properties": { "all": list }, "x-short": "all" });
        assert_eq!(schema["$defs"]["Map"], json!({ "anyOf": [list, map] }));
        assert_eq!(schema["$defs"]["Plain"], plain);
    }
}
