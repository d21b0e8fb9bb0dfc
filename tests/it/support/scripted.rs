//! A modern server over HTTP that answers calls with the statuses it is given.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::post;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::wire_client::MODERN;

/// The server; it ends when this is dropped.
pub(crate) struct Scripted {
    url: String,
    script: Arc<Script>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Script {
    /// The statuses of the next calls, perhaps with `Retry-After`; after them they are answered.
    next: Mutex<VecDeque<(u16, Option<&'static str>)>>,
    calls: Mutex<u64>,
}

impl Scripted {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let script = Arc::<Script>::default();
        let routes = Router::new().route("/mcp", post(answer)).with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, script, _serving: serving }
    }

    /// The entry of an `upstreams.yaml` for it.
    pub(crate) fn entry(&self) -> Value {
        json!({"url": self.url})
    }

    /// Says how the next calls are answered: with statuses, perhaps with `Retry-After`.
    pub(crate) fn say(&self, statuses: &[(u16, Option<&'static str>)]) {
        self.script.next.lock().unwrap().extend(statuses);
    }

    /// Answers calls from now on, whatever was said.
    pub(crate) fn recover(&self) {
        self.script.next.lock().unwrap().clear();
    }

    /// Returns how many calls came.
    pub(crate) fn calls(&self) -> u64 {
        *self.script.calls.lock().unwrap()
    }
}

async fn answer(State(script): State<Arc<Script>>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    let schema = json!({"type": "object"});
    let result = match request["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "scripted", "version": "1"}},
        }),
        "tools/list" => json!({"tools": [
            {"name": "write", "inputSchema": schema},
            {"name": "read", "inputSchema": schema, "annotations": {"readOnlyHint": true}},
            {"name": "put", "inputSchema": schema, "annotations": {"idempotentHint": true}},
        ]}),
        "tools/call" => {
            *script.calls.lock().unwrap() += 1;
            let next = script.next.lock().unwrap().pop_front();
            if let Some((status, later)) = next {
                let status = StatusCode::from_u16(status).unwrap();
                let later = later.map(|later| [(RETRY_AFTER, later)]);
                return match later {
                    Some(headers) => (status, headers, "not now").into_response(),
                    None => (status, "out of luck").into_response(),
                };
            }
            json!({"content": [{"type": "text", "text": "done"}]})
        }
        other => {
            let error = json!({"code": -32601, "message": format!("no `{other}` here")});
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
            return json_of(answer);
        }
    };
    let mut result = result;
    for (key, value) in
        [("resultType", json!("complete")), ("ttlMs", json!(0)), ("cacheScope", json!("private"))]
    {
        result[key] = value;
    }
    json_of(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
}

fn json_of(answer: Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}
