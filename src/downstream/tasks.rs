//! Which tasks a client is told that Conflux has, and what it must declare to be given any.

use serde_json::json;

use crate::downstream::codes;
use crate::exchange::task;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Request;
use crate::wire::method;

/// Adds to the result of `initialize` what 2025-11-25 says of tasks: everything Conflux can relay.
pub(super) fn initialized(result: Raw, revision: Revision) -> Raw {
    if revision != Revision::V2025_11_25 {
        return result;
    }
    let tasks = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    with_capability(result, "tasks", &tasks)
}

/// Returns the error for a modern request about tasks whose client does not know the extension
/// (SEP-2663, "Protocol Errors").
pub(super) fn refusal(request: &Request, capabilities: &Raw) -> Option<Raw> {
    let member = |key| request.params.as_ref().and_then(|params| params.member(key));
    let is_about_tasks = match &*request.method {
        method::TASKS_GET | method::TASKS_UPDATE | method::TASKS_CANCEL => true,
        method::LISTEN => member("notifications").is_some_and(|it| it.member("taskIds").is_some()),
        _ => false,
    };
    if !is_about_tasks {
        return None;
    }
    let extensions = capabilities.member("extensions");
    let is_declared = extensions.is_some_and(|all| all.member(task::EXTENSION).is_some());
    (!is_declared).then(codes::missing_tasks)
}

fn with_capability(result: Raw, key: &str, value: &serde_json::Value) -> Raw {
    let Some(capabilities) = result.member("capabilities") else { return result };
    let (Ok(whole), Ok(object)) = (result.object(), capabilities.object()) else { return result };
    let capabilities = object.edit().set(key, value.to_string()).apply();
    whole.edit().set("capabilities", capabilities.get()).apply()
}
