//! Who wants to hear of changes, in both eras.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::serve::Outcome;
use crate::serve::Toy;
use crate::stream::Stream;
use crate::wire::Params;
use crate::wire::Refusal;
use crate::wire::STREAM;
use crate::wire::notification;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Who wants to hear of changes.
#[derive(Default)]
pub(crate) struct Subscriptions {
    /// URIs subscribed to by the legacy method.
    uris: BTreeSet<String>,
    /// What each open listen request asked for, by the text of its id.
    listens: BTreeMap<String, Listen>,
}

/// One open listen request.
struct Listen {
    filter: Value,
    ended: CancellationToken,
    /// Where it is answered, if not on stdout.
    stream: Option<Arc<Stream>>,
}

impl Listen {
    fn notify(&self, toy: &Toy, method: &str, params: &str) {
        match &self.stream {
            Some(stream) => stream.push(&notification(method, params)),
            None => toy.out.notify_aside(method, params),
        }
    }
}

impl Subscriptions {
    pub(crate) fn subscribe(&mut self, uri: String, wanted: bool) {
        if wanted {
            self.uris.insert(uri);
        } else {
            self.uris.remove(&uri);
        }
    }

    /// Tells the listen requests whose filter accepts it; returns how many there are. `first` are
    /// the members of the JSON besides `_meta`, each with a comma behind it.
    fn tell(&self, toy: &Toy, method: &str, first: &str, wants: impl Fn(&Value) -> bool) -> usize {
        let mut told = 0;
        for (id, listen) in self.listens.iter().filter(|(_, listen)| wants(&listen.filter)) {
            let params = format!(r#"{{{first}"_meta":{{"{SUBSCRIPTION}":{id}}}}}"#);
            listen.notify(toy, method, &params);
            told += 1;
        }
        told
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
        let stream = STREAM.try_with(Arc::clone).ok();
        let listen = Listen { filter, ended: ended.clone(), stream };
        state.subscriptions.listens.insert(id.to_owned(), listen);
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
    for listen in open.values() {
        listen.ended.cancel();
    }
    open.len()
}

/// Tells everybody who wants to know that a list changed.
pub(crate) fn list_changed(toy: &Toy, legacy: bool, kind: &str) {
    if toy.flags.no_list_changed {
        return;
    }
    let method = format!("notifications/{kind}/list_changed");
    if legacy {
        toy.out.notify_aside(&method, "{}");
    }
    let key = format!("{kind}ListChanged");
    let wants = |filter: &Value| filter.get(&key) == Some(&json!(true));
    toy.state().subscriptions.tell(toy, &method, "", wants);
}

/// Tells everybody who wants to know that a resource changed; returns how many were told.
pub(crate) fn touched(toy: &Toy, uri: &str) -> usize {
    const METHOD: &str = "notifications/resources/updated";
    let wants = |filter: &Value| {
        let uris = filter.get("resourceSubscriptions").and_then(Value::as_array);
        uris.is_some_and(|uris| uris.contains(&json!(uri)))
    };
    let quoted = json!(uri);
    let state = toy.state();
    let legacy = state.subscriptions.uris.contains(uri);
    if legacy {
        toy.out.notify_aside(METHOD, &format!(r#"{{"uri":{quoted}}}"#));
    }
    let member = format!(r#""uri":{quoted},"#);
    state.subscriptions.tell(toy, METHOD, &member, wants) + usize::from(legacy)
}

/// Tells everybody who wants to know how a task is; `task` are the members of its JSON.
pub(crate) fn task_changed(toy: &Toy, id: &str, task: &str) {
    let wants = |filter: &Value| {
        let tasks = filter.get("taskIds").and_then(Value::as_array);
        tasks.is_some_and(|tasks| tasks.contains(&json!(id)))
    };
    toy.state().subscriptions.tell(toy, "notifications/tasks", &format!("{task},"), wants);
}
