//! The definition of a tool as it is configured to be.

use crate::catalog::shape::argument::Arguments;
use crate::catalog::shape::change::Change;
use crate::catalog::shape::follow::Unfollowed;
use crate::catalog::shape::schema;
use crate::config::overrides::Different;
use crate::wire::Raw;
use crate::wire::object;
use crate::wire::object::Object;
use crate::wire::quote;

/// What came of the definition of a tool.
#[derive(Debug)]
pub(in crate::catalog) struct Made {
    pub(in crate::catalog) definition: Raw,
    pub(in crate::catalog) changes: Vec<Change>,
    pub(super) arguments: Arguments,
    /// What is configured and could not be followed.
    pub(in crate::catalog) unfollowed: Vec<Unfollowed>,
}

/// Makes the definition of a tool other than it was listed, but for its name.
pub(in crate::catalog) fn make(listed: &Raw, different: &Different<'_>) -> Made {
    let mut changes = Vec::new();
    let followed = schema::follow(listed, &different.arguments);
    let Ok(tool) = listed.object() else {
        // It was read before.
        let (arguments, unfollowed) = (Arguments::default(), Vec::new());
        return Made { definition: listed.clone(), changes, arguments, unfollowed };
    };
    let mut edit = tool.edit();
    if let Some(title) = different.title {
        edit = edit.set("title", quote::quoted(title));
        changes.push(Change::Title);
    }
    if let Some(description) = different.description {
        edit = edit.set("description", quote::quoted(description));
        changes.push(Change::Description);
    }
    if let Some(annotations) = annotations(&tool, different, &mut changes) {
        edit = edit.set("annotations", annotations.get().to_owned());
    }
    if let Some(schema) = &followed.schema {
        edit = edit.put("inputSchema", schema);
    }
    changes.extend(followed.changes);
    let definition = edit.apply();
    Made { definition, changes, arguments: followed.arguments, unfollowed: followed.unfollowed }
}

/// Puts what is configured over what the server says; nothing if that is the same.
fn annotations(
    tool: &Object<'_>,
    different: &Different<'_>,
    changes: &mut Vec<Change>,
) -> Option<Raw> {
    let said = tool.get("annotations").and_then(|said| Raw::parse(said.to_owned()).ok());
    let empty = object::build([]);
    let said = said.filter(|said| said.object().is_ok()).unwrap_or(empty);
    let object = said.object().ok()?;
    // Clients before 2025-06-18 know no other title, and it would not be the same as the new one.
    let instead = different.title.filter(|_| object.get("title").is_some());
    let title = different.annotation_title.or(instead);
    if title.is_none() && different.hints.is_empty() {
        return None;
    }
    let mut edit = object.edit();
    if let Some(title) = title {
        edit = edit.set("title", quote::quoted(title));
        changes.push(Change::AnnotationTitle);
    }
    for (hint, says) in &different.hints {
        edit = edit.set(hint.key(), says.to_string());
        changes.push(Change::Hint(*hint, *says));
    }
    Some(edit.apply())
}
