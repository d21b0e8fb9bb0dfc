//! What a schema for results says of a text.

use crate::wire::Raw;
use crate::wire::object::Object;

/// Words on top of a schema that say nothing of what a text in it may be.
const ON_TOP: [&str; 7] =
    ["$schema", "title", "description", "type", "properties", "required", "additionalProperties"];
/// Words of a text that leave it free.
const FREE: [&str; 5] = ["title", "description", "type", "default", "examples"];

/// Returns whether the property `key` may be any text by this schema, so that a part of a text fits
/// it as well as the whole did.
pub(super) fn is_any_text(schema: &Raw, key: &str) -> bool {
    let Ok(top) = Object::parse(schema.get()) else { return false };
    let mut words = top.iter().map(|(word, _)| word);
    if !words.all(|word| ON_TOP.contains(&word)) {
        return false;
    }
    let properties = top.get("properties").and_then(|text| Object::parse(text).ok());
    let own = properties.and_then(|properties| Object::parse(properties.get(key)?).ok());
    own.is_some_and(|own| own.iter().all(|(word, _)| FREE.contains(&word)))
}
