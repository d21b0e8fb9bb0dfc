//! What the server offers and says, read from the two files beside this one.

use rmcp::model::InputRequests;
use rmcp::model::Prompt;
use rmcp::model::Resource;
use rmcp::model::ResourceTemplate;
use rmcp::model::Tool;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the lists contain.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Catalog {
    pub(crate) tools: Vec<Tool>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) resource_templates: Vec<ResourceTemplate>,
    /// Listed while it is added.
    pub(crate) added_tool: Tool,
    /// Listed while it is added.
    pub(crate) added_prompt: Prompt,
}

/// What does not depend on the request: whole results, and questions by who asks them.
#[derive(Deserialize)]
pub(crate) struct Answers {
    tools: Value,
    prompts: Value,
    resources: Value,
    questions: Value,
}

/// Reads both files.
pub(crate) fn read() -> Result<(Catalog, Answers), serde_json::Error> {
    let catalog = serde_json::from_str(include_str!("catalog.json"))?;
    let answers = serde_json::from_str(include_str!("answers.json"))?;
    Ok((catalog, answers))
}

impl Answers {
    pub(crate) fn tool<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        find(&self.tools, name)
    }

    pub(crate) fn prompt<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        find(&self.prompts, name)
    }

    pub(crate) fn resource<T: DeserializeOwned>(&self, uri: &str) -> Option<T> {
        find(&self.resources, uri)
    }

    /// Returns what `name` asks, with `words` as its message or prompt where it brings its own.
    pub(crate) fn questions(&self, name: &str, words: Option<&str>) -> Option<InputRequests> {
        let mut questions = self.questions.get(name)?.clone();
        for question in questions.as_object_mut()?.values_mut() {
            let Some(words) = words else { break };
            let places = ["/params/message", "/params/messages/0/content/text"];
            let place = places.into_iter().find(|place| question.pointer(place).is_some());
            if let Some(text) = place.and_then(|place| question.pointer_mut(place)) {
                *text = words.into();
            }
        }
        serde_json::from_value(questions).ok()
    }
}

/// Makes a whole result; for a legacy client, the SDK takes `resultType` away again.
pub(crate) fn result<T: DeserializeOwned>(mut members: Value) -> Result<T, serde_json::Error> {
    if let Some(members) = members.as_object_mut() {
        members.insert("resultType".to_owned(), "complete".into());
    }
    serde_json::from_value(members)
}

fn find<T: DeserializeOwned>(answers: &Value, name: &str) -> Option<T> {
    result(answers.get(name)?.clone()).ok()
}
