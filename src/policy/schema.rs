//! What policies can be written with, as Cedar's schema, made of what upstreams offer.

use cedar_policy::Schema;
use cedar_policy::SchemaFragment;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::config::hints::Hint;
use crate::policy::Tool;
use crate::policy::entity;
use crate::policy::vocabulary::Vocabulary;

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cedar does not take it.
    #[error("the schema of what the upstreams offer cannot be made")]
    Refused(#[source] Box<cedar_policy::SchemaError>),
    /// Cedar cannot write it.
    #[error("the schema of what the upstreams offer cannot be written")]
    Unwritable(#[source] Box<cedar_policy::ToCedarSchemaError>),
}

/// Writes the schema, as people and editors read it.
///
/// # Errors
///
/// If Cedar does not take what the upstreams offer.
pub fn written(vocabulary: &Vocabulary) -> Result<String, Error> {
    let fragment = SchemaFragment::from_json_value(document(vocabulary));
    let fragment = fragment.map_err(|error| Error::Refused(Box::new(error)))?;
    let written = fragment.to_cedarschema();
    let written = written.map_err(|error| Error::Unwritable(Box::new(error)))?;
    // Nothing here has a name of Cedar's own, so that these need not say whose they are.
    Ok(written.replace(": __cedar::", ": ").replace("<__cedar::", "<"))
}

/// Makes the schema that policies are checked against.
pub(super) fn schema(vocabulary: &Vocabulary) -> Result<Schema, Error> {
    Schema::from_json_value(document(vocabulary)).map_err(|error| Error::Refused(Box::new(error)))
}

fn document(vocabulary: &Vocabulary) -> Value {
    let mut actions = Map::new();
    actions.insert(entity::TOOLS.to_owned(), json!({}));
    for tool in &vocabulary.tools {
        actions.insert(tool.name.clone(), action_of(tool));
    }
    let plain = |thing: &str| json!({ "appliesTo": applies_to(thing, &context()) });
    actions.insert(entity::PROMPTS.to_owned(), plain("Prompt"));
    actions.insert(entity::RESOURCES.to_owned(), plain("Resource"));
    json!({ "": { "entityTypes": types(), "actions": actions } })
}

fn types() -> Value {
    let text = || json!({ "type": "String" });
    let record = |attributes: Value| json!({ "type": "Record", "attributes": attributes });
    let mut tool = json!({ "name": text(), "local": text() });
    for hint in Hint::ALL {
        if let Some(tool) = tool.as_object_mut() {
            tool.insert(entity::attribute(hint).to_owned(), json!({ "type": "Boolean" }));
        }
    }
    json!({
        "Group": {},
        "Principal": { "memberOfTypes": ["Group"], "shape": record(json!({ "name": text() })) },
        "Upstream": {},
        "Tool": { "memberOfTypes": ["Upstream"], "shape": record(tool) },
        "Prompt": {
            "memberOfTypes": ["Upstream"],
            "shape": record(json!({ "name": text(), "local": text() })),
        },
        "Resource": { "memberOfTypes": ["Upstream"], "shape": record(json!({ "uri": text() })) },
    })
}

fn action_of(tool: &Tool) -> Value {
    let mut context = context();
    if let Some(context) = context.as_object_mut() {
        context.insert("arguments".to_owned(), tool.parameters().document());
    }
    json!({
        "memberOf": [{ "id": entity::TOOLS }],
        "appliesTo": applies_to("Tool", &context),
    })
}

fn context() -> Value {
    json!({
        "client": { "type": "String" },
        "profile": { "type": "String", "required": false },
    })
}

fn applies_to(thing: &str, context: &Value) -> Value {
    json!({
        "principalTypes": ["Principal"],
        "resourceTypes": [thing],
        "context": { "type": "Record", "attributes": context },
    })
}
