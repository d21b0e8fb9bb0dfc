//! What one subscription of a modern client wants to be told.

use serde::Serialize;

use crate::exchange::mailbox;
use crate::exchange::mailbox::ListKind;
use crate::wire::Raw;

/// How many resources one subscription may name; the rest is not acknowledged.
const RESOURCE_LIMIT: usize = 1024;

/// The `notifications` member of `subscriptions/listen`, and of its acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "is_false")]
    tools_list_changed: bool,
    #[serde(skip_serializing_if = "is_false")]
    prompts_list_changed: bool,
    #[serde(skip_serializing_if = "is_false")]
    resources_list_changed: bool,
    /// The resources whose updates are wanted.
    #[serde(rename = "resourceSubscriptions", skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Resource>,
    /// The tasks whose news are wanted, by the ids the client knows.
    #[serde(rename = "taskIds", skip_serializing_if = "Vec::is_empty")]
    pub(super) tasks: Vec<Resource>,
}

/// A resource (or a task): its address, and the JSON string as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Resource {
    /// The address.
    #[serde(skip)]
    pub(super) address: String,
    /// The JSON string.
    pub(super) raw: Raw,
}

impl Filter {
    /// Reads the filter of a request; fails with what is wrong with it.
    pub(super) fn parse(params: Option<&Raw>) -> Result<Self, String> {
        let wanted = params.and_then(|params| params.member("notifications"));
        let wanted = wanted.ok_or("`notifications` is missing")?;
        let object = wanted.object().map_err(|error| format!("`notifications`: {error}"))?;
        let flag = |key: &str| match object.get(key) {
            None | Some("false" | "null") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(format!("`notifications.{key}` must be true or false")),
        };
        let resources = match object.get("resourceSubscriptions") {
            None | Some("null") => Vec::new(),
            Some(text) => named("resourceSubscriptions", &wanted.part(text))?,
        };
        let tasks = match object.get("taskIds") {
            None | Some("null") => Vec::new(),
            Some(text) => named("taskIds", &wanted.part(text))?,
        };
        Ok(Self {
            tools_list_changed: flag("toolsListChanged")?,
            prompts_list_changed: flag("promptsListChanged")?,
            resources_list_changed: flag("resourcesListChanged")?,
            resources,
            tasks,
        })
    }

    /// Returns the same filter with only these resources and tasks.
    pub(super) fn with(&self, resources: Vec<Resource>, tasks: Vec<Resource>) -> Self {
        Self { resources, tasks, ..*self }
    }

    /// Returns whether news of this task are wanted.
    pub(super) fn names_task(&self, id: &str) -> bool {
        self.tasks.iter().any(|task| task.address == id)
    }

    /// Returns whether changes of this list are wanted.
    pub(super) fn wants_list(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools_list_changed,
            ListKind::Prompts => self.prompts_list_changed,
            ListKind::Resources => self.resources_list_changed,
        }
    }

    /// Returns whether it names this very resource.
    pub(super) fn names(&self, address: &str) -> bool {
        self.resources.iter().any(|resource| resource.address == address)
    }

    /// Returns whether it names this resource or one above it.
    pub(super) fn covers(&self, address: &str) -> bool {
        let is_above = |resource: &Resource| mailbox::below(address, &resource.address).is_some();
        self.names(address) || self.resources.iter().any(is_above)
    }
}

fn named(key: &str, array: &Raw) -> Result<Vec<Resource>, String> {
    let wrong = || format!("`notifications.{key}` must be an array of strings");
    let mut resources: Vec<Resource> = Vec::new();
    for element in array.elements().ok_or_else(wrong)? {
        let address = element.string().ok_or_else(wrong)?;
        let is_new = !resources.iter().any(|resource| resource.address == address);
        if is_new && resources.len() < RESOURCE_LIMIT {
            resources.push(Resource { address, raw: element.detached() });
        }
    }
    Ok(resources)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Filter;
    use crate::wire::Raw;

    #[test]
    fn a_part_of_a_resource_is_covered_and_a_longer_name_is_not() {
        let wanted = json!({ "notifications": { "resourceSubscriptions": ["file:///a", "x:b/"] } });
        let filter = Filter::parse(Some(&Raw::of(&wanted))).unwrap();
        for address in ["file:///a", "file:///a/b", "file:///a?b", "file:///a#b", "x:b/c"] {
            assert!(filter.covers(address), "{address}");
        }
        for address in ["file:///ab", "file:///", "x:b", "x:bc"] {
            assert!(!filter.covers(address), "{address}");
        }
    }
}
