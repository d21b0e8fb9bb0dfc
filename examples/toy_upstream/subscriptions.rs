//! Who wants to hear of changes, in both eras.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::serve::Outcome;
use crate::serve::Toy;
use crate::wire::Params;
use crate::wire::Refusal;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Who wants to hear of changes.
#[derive(Default)]
pub(crate) struct Subscriptions {
    /// URIs subscribed to by the legacy method.
    uris: BTreeSet<String>,
    /// What each open listen request asked for, by the text of its id.
    listens: BTreeMap<String, (Value, CancellationToken)>,
}

impl Subscriptions {
    pub(crate) fn subscribe(&mut self, uri: String, wanted: bool) {
        if wanted {
            self.uris.insert(uri);
        } else {
            self.uris.remove(&uri);
        }
    }

    /// Returns the ids of the listen requests whose filter accepts `wants`.
    fn listening(&self, wants: impl Fn(&Value) -> bool) -> Vec<String> {
        let accepted = self.listens.iter().filter(|(_, (filter, _))| wants(filter));
        accepted.map(|(id, _)| id.clone()).collect()
    }
}

/// Serves one listen request until the client takes it back or the server ends it.
pub(crate) async fn listen(
    toy: &Toy,
    id: &str,
    params: &Params,
    token: &CancellationToken,
) -> Outcome {
    let Some(filter) = params.parts.notifications.clone() else {
        return Outcome::Refused(Refusal::new(-32602, "`notifications` is missing"));
    };
    let ended = CancellationToken::new();
    let acknowledged = format!(r#"{{"_meta":{{"{SUBSCRIPTION}":{id}}},"notifications":{filter}}}"#);
    {
        // The acknowledgement is first on the wire: nothing is sent before the entry is there.
        let mut state = toy.state();
        toy.out.notify("notifications/subscriptions/acknowledged", &acknowledged);
        state.subscriptions.listens.insert(id.to_owned(), (filter, ended.clone()));
    }
    let by_server = tokio::select! {
        () = token.cancelled() => false,
        () = ended.cancelled() => true,
    };
    toy.state().subscriptions.listens.remove(id);
    if !by_server {
        return Outcome::Silent;
    }
    toy.out.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#));
    let meta = format!(r#""_meta":{{"{SUBSCRIPTION}":{id}}}"#);
    Outcome::Verbatim(format!(r#"{{"resultType":"complete",{meta}}}"#))
}

/// Ends every open listen request from this side.
pub(crate) fn end_listens(toy: &Toy) -> usize {
    let state = toy.state();
    let open = &state.subscriptions.listens;
    for (_, ended) in open.values() {
        ended.cancel();
    }
    open.len()
}

/// Tells everybody who wants to know that a list changed.
pub(crate) fn list_changed(toy: &Toy, legacy: bool, kind: &str) {
    let method = format!("notifications/{kind}/list_changed");
    if legacy {
        toy.out.notify(&method, "{}");
    }
    let key = format!("{kind}ListChanged");
    let ids = toy.state().subscriptions.listening(|filter| filter.get(&key) == Some(&json!(true)));
    for id in ids {
        toy.out.notify(&method, &format!(r#"{{"_meta":{{"{SUBSCRIPTION}":{id}}}}}"#));
    }
}

/// Tells everybody who wants to know that a resource changed; returns how many were told.
pub(crate) fn touched(toy: &Toy, uri: &str) -> usize {
    let wants = |filter: &Value| {
        let uris = filter.get("resourceSubscriptions").and_then(Value::as_array);
        uris.is_some_and(|uris| uris.contains(&json!(uri)))
    };
    let (legacy, ids) = {
        let state = toy.state();
        (state.subscriptions.uris.contains(uri), state.subscriptions.listening(wants))
    };
    let quoted = json!(uri);
    if legacy {
        toy.out.notify("notifications/resources/updated", &format!(r#"{{"uri":{quoted}}}"#));
    }
    for id in &ids {
        let params = format!(r#"{{"uri":{quoted},"_meta":{{"{SUBSCRIPTION}":{id}}}}}"#);
        toy.out.notify("notifications/resources/updated", &params);
    }
    ids.len() + usize::from(legacy)
}

/// Tells everybody who wants to know how a task is; `task` are the members of its JSON.
pub(crate) fn task_changed(toy: &Toy, id: &str, task: &str) {
    let wants = |filter: &Value| {
        let tasks = filter.get("taskIds").and_then(Value::as_array);
        tasks.is_some_and(|tasks| tasks.contains(&json!(id)))
    };
    for listen in toy.state().subscriptions.listening(wants) {
        let meta = format!(r#""_meta":{{"{SUBSCRIPTION}":{listen}}}"#);
        toy.out.notify("notifications/tasks", &format!("{{{task},{meta}}}"));
    }
}
