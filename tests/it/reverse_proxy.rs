//! Behind a reverse proxy that ends TLS, as docs/reverse-proxy.md has it: clients are told the
//! address outside, streams come as they are said, and nothing that anybody can write into a
//! header is believed.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::Uri;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::gateway::Gateway;
use crate::support::http::Events;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::programs::toy;
use crate::support::tls;

/// The name outside.
const NAME: &str = "mcp.example.com";
/// Says whatever it can about where it comes from.
const LIES: [(&str, &str); 7] = [
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Real-IP", "192.0.2.66"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Port", "666"),
    ("Forwarded", "for=192.0.2.66;host=evil.example;proto=http"),
    ("X-Forwarded-User", "root"),
];

/// A proxy that ends TLS; it ends when this is dropped.
struct Proxy {
    /// Where clients come, under the name outside.
    client: reqwest::Client,
    origin: String,
    _front: tls::Front,
    _serving: JoinSet<()>,
}

/// Where a proxy passes requests on to, and whether it says under which name they came.
#[derive(Clone)]
struct Backend {
    origin: String,
    keeps_host: bool,
    client: reqwest::Client,
}

impl Proxy {
    async fn start(server: &Server, keeps_host: bool) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let backend = Backend { origin: server.origin.clone(), keeps_host, client };
        let routes = Router::new().fallback(pass_on).with_state(backend);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let key = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let front = tls::front(&key, &address).await;
        let trusted = reqwest::Certificate::from_der(key.cert.der()).unwrap();
        let outside = SocketAddr::from(([127, 0, 0, 1], front.port));
        let client = reqwest::Client::builder().no_proxy().add_root_certificate(trusted);
        let client = client.resolve(NAME, outside).build().unwrap();
        let origin = format!("https://{NAME}:{}", front.port);
        Self { client, origin, _front: front, _serving: serving }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.origin))
    }

    fn post(&self, path: &str, message: &Value) -> reqwest::RequestBuilder {
        let post = self.client.post(format!("{}{path}", self.origin)).body(message.to_string());
        let post = post.header("Content-Type", "application/json");
        post.header("Accept", "application/json, text/event-stream")
    }

    async fn document(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }
}

/// What nginx does with the `location` of the page: another connection, `Host` as it came, and
/// whatever the answer is as it comes.
async fn pass_on(
    State(backend): State<Backend>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let url = format!("{}{}", backend.origin, uri.path_and_query().unwrap());
    headers.remove("connection");
    headers.remove("content-length");
    if backend.keeps_host {
        // Over HTTP/2 it is in the address.
        let name = uri.host().unwrap_or(NAME).to_owned();
        headers.insert("host", name.parse().unwrap());
    } else {
        headers.insert("host", "conflux".parse().unwrap());
    }
    let request = backend.client.request(method, url).headers(headers).body(body);
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    response.body(Body::from_stream(answer.bytes_stream())).unwrap()
}

fn gateway() -> Gateway {
    let mut gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    gateway.set("http", json!({ "hosts": [NAME] }));
    gateway.set(
        "auth",
        json!({
            "resource": format!("https://{NAME}"),
            "providers": { "corp": { "issuer": "https://login.example.com/realms/main" } },
        }),
    );
    gateway.set("audit", json!({ "checkpoint": { "records": 1 } }));
    gateway
}

async fn token(gateway: &Gateway) -> String {
    let output = gateway.conflux(&["token", "create", "ci"]).output().await.unwrap();
    format!("Bearer {}", String::from_utf8(output.stdout).unwrap().trim())
}

fn lying(mut request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    for (name, value) in LIES {
        request = request.header(name, value);
    }
    request
}

#[tokio::test]
async fn clients_are_told_the_address_outside() {
    let gateway = gateway();
    let server = Server::start(&gateway).await;
    let proxy = Proxy::start(&server, true).await;
    for path in ["/mcp", "/servers/toy/mcp"] {
        let asked = lying(proxy.post(path, &initialize("2025-11-25", json!({}))));
        let refused = asked.send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let place = format!("/.well-known/oauth-protected-resource{path}");
        let named = format!("resource_metadata=\"https://{NAME}{place}\"");
        assert!(challenge.contains(&named), "{challenge}");
        assert!(!refused.text().await.unwrap().contains("127.0.0.1"));
        let document = proxy.document(&place).await;
        assert_eq!(document["resource"], format!("https://{NAME}{path}"));
        assert!(!document.to_string().contains("127.0.0.1"), "{document}");
    }
    let document = proxy.document("/.well-known/oauth-protected-resource").await;
    assert_eq!(document["resource"], format!("https://{NAME}"));
    assert_eq!(proxy.document("/healthz").await, json!({ "alive": true }));
}

#[tokio::test]
async fn what_a_stream_says_comes_through_at_once() {
    let gateway = gateway();
    let token = token(&gateway).await;
    let server = Server::start(&gateway).await;
    let proxy = Proxy::start(&server, true).await;
    let bearing = |request: reqwest::RequestBuilder| request.header("Authorization", &token);
    let opened = bearing(proxy.post("/mcp", &initialize("2025-11-25", json!({}))));
    let opened = opened.send().await.unwrap();
    assert_eq!(opened.status(), 200);
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let in_it = |message: Value| {
        let post = bearing(proxy.post("/mcp", &message)).header("Mcp-Session-Id", &session);
        post.header("MCP-Protocol-Version", "2025-11-25")
    };
    // It is answered by nobody until it is cancelled, so what comes before that came at once.
    let params = json!({ "name": "toy__progress", "arguments": { "steps": 2, "gap": 3_600_000 },
        "_meta": { "progressToken": "p" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let response = in_it(call).send().await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
    let mut events = Events::of(response);
    assert_eq!(events.message().await["params"]["progressToken"], "p");
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 1 } });
    assert_eq!(in_it(cancel).send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn what_anybody_can_say_of_themselves_is_not_believed() {
    let gateway = gateway();
    let token = token(&gateway).await;
    let server = Server::start_logging(&gateway, "info").await;
    let proxy = Proxy::start(&server, true).await;
    let hello = initialize("2025-11-25", json!({}));
    let unknown = lying(proxy.post("/mcp", &hello)).send().await.unwrap();
    assert_eq!(unknown.status(), 401, "a name in a header is nobody's token");
    let known = lying(proxy.post("/mcp", &hello)).header("Authorization", &token);
    assert_eq!(known.send().await.unwrap().status(), 200);
    let strange = Proxy::start(&server, false).await;
    let refused = strange.post("/mcp", &hello).header("Authorization", &token);
    let refused = refused.header("X-Forwarded-Host", NAME).send().await.unwrap();
    assert_eq!(refused.status(), 403, "the name is that of `Host`");
    assert!(refused.text().await.unwrap().contains("add `conflux` to `http.hosts`"));
    let (_, log) = server.stop().await;
    assert!(log.contains("refused") && !log.contains("192.0.2.66"), "{log}");
    let search = ["audit", "search", "--json", "--limit", "100"];
    let records = gateway.conflux(&search).output().await.unwrap();
    let records = String::from_utf8(records.stdout).unwrap();
    assert!(records.contains("\"peer\":\"127.0.0.1:") && !records.contains("192.0.2"), "{records}");
    assert!(!records.contains("root") && !records.contains("evil"), "{records}");
}
