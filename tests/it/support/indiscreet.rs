//! Servers that say everything they were given wherever they can say something: as it is, in
//! Base64, and broken over lines.

use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header::CONTENT_ENCODING;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::LOCATION;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long a line is where something is broken over lines.
const WIDTH: usize = 20;

/// What a server over HTTP does, which is the first step of its path.
pub(crate) const FAR: [&str; 12] = [
    "unauthorized",
    "forbidden",
    "missing",
    "broken",
    "moved",
    "refusing",
    "unlisted",
    "failing",
    "garbled",
    "page",
    "stream",
    "talking",
];

/// What a server over stdio does, which is its first argument.
pub(crate) const NEAR: [&str; 7] =
    ["ending", "refusing", "unlisted", "failing", "garbled", "dying", "talking"];

/// Servers over HTTP, and a proxy that lets nobody through; they end when this is dropped.
pub(crate) struct Indiscreet {
    pub(crate) address: String,
    heard: Arc<Heard>,
    _serving: JoinSet<()>,
}

/// Whatever clients of theirs have said.
#[derive(Default)]
struct Heard {
    told: Mutex<String>,
    /// What a collector of traces was sent.
    spans: Mutex<Vec<u8>>,
}

impl Indiscreet {
    pub(crate) async fn start() -> Self {
        let heard = Arc::<Heard>::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&heard));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, heard, _serving: serving }
    }

    pub(crate) fn told(&self) -> String {
        self.heard.told.lock().unwrap().clone()
    }

    /// The bodies that the collector of traces got, one after the other. Texts stand in them as
    /// they are: nothing is compressed, and Protobuf only puts their length before them.
    pub(crate) fn spans(&self) -> Vec<u8> {
        self.heard.spans.lock().unwrap().clone()
    }
}

async fn answer(
    State(heard): State<Arc<Heard>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A request to a proxy names the whole address.
    let is_proxied = uri.authority().is_some();
    let mut said = percent_decode_str(&uri.to_string()).decode_utf8_lossy().into_owned();
    for name in ["authorization", "x-api-key", "cookie", "proxy-authorization"] {
        if let Some(value) = headers.get(name) {
            said = format!("{}\n{said}", value.to_str().unwrap());
        }
    }
    heard.told.lock().unwrap().extend([uri.to_string().as_str(), "\n", &said, "\n"]);
    let said = repeated(&said);
    let mode = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |status: StatusCode| (status, said.clone()).into_response();
    match mode.as_str() {
        _ if is_proxied => text(StatusCode::PROXY_AUTHENTICATION_REQUIRED),
        "collector" => {
            assert_eq!(headers.get(CONTENT_ENCODING), None);
            collected(&heard, &body, said)
        }
        "unauthorized" => {
            let challenge = format!("Bearer realm=\"{}\"", header(&said));
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], said).into_response()
        }
        "forbidden" => text(StatusCode::FORBIDDEN),
        "missing" => text(StatusCode::NOT_FOUND),
        "broken" => text(StatusCode::INTERNAL_SERVER_ERROR),
        "moved" => {
            let to = format!("http://127.0.0.1:1{uri}&again=1");
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)], said).into_response()
        }
        "garbled" => {
            let json = [(CONTENT_TYPE, "application/json")];
            (json, format!("{{\"jsonrpc\": {said}")).into_response()
        }
        "page" => ([(CONTENT_TYPE, "text/html")], format!("<p>{said}</p>")).into_response(),
        "stream" => {
            let data = said.replace('\n', "\ndata: ");
            let events = [(CONTENT_TYPE, "text/event-stream")];
            (events, format!("event: message\ndata: {data}\n\n")).into_response()
        }
        _ if request["id"].is_null() => StatusCode::ACCEPTED.into_response(),
        _ => match spoken(&mode, &request, &said) {
            Some(outcome) => {
                let mut message = outcome;
                message["jsonrpc"] = json!("2.0");
                message["id"] = request["id"].clone();
                ([(CONTENT_TYPE, "application/json")], message.to_string()).into_response()
            }
            None => text(StatusCode::BAD_GATEWAY),
        },
    }
}

/// What a collector answers: at first nothing good, and then that it did not take everything.
fn collected(heard: &Heard, spans: &[u8], said: String) -> Response {
    let mut all = heard.spans.lock().unwrap();
    let is_first = all.is_empty();
    all.extend_from_slice(spans);
    if is_first {
        return (StatusCode::BAD_REQUEST, said).into_response();
    }
    let partial_success = Some(PartialSuccess { rejected_spans: 1, error_message: said });
    let body = Exported { partial_success }.encode_to_vec();
    ([(CONTENT_TYPE, "application/x-protobuf")], body).into_response()
}

/// What a collector says (OTLP, `ExportTraceServiceResponse`).
#[derive(Clone, PartialEq, prost::Message)]
struct Exported {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// What a server that speaks the protocol answers; nothing if it fails in a call.
fn spoken(mode: &str, request: &Value, said: &str) -> Option<Value> {
    let error = |code: i64| json!({ "error": { "code": code, "message": said, "data": { "given": said } } });
    Some(match request["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({ "error": { "code": -32601, "message": "no" } }),
        "initialize" if mode == "refusing" => error(-32603),
        "initialize" => json!({ "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {}, "logging": {} },
            "serverInfo": { "name": "indiscreet", "version": "1" },
        } }),
        "tools/list" if mode == "unlisted" => error(-32603),
        "tools/list" => json!({ "result": { "tools": [
            { "name": "tell", "inputSchema": { "type": "object", "properties": {
                "word": { "type": "string" },
                "other": { "type": "string" },
                "third": { "type": "string" },
            } } },
        ] } }),
        "tools/call" if mode == "failing" => return None,
        "tools/call" => {
            let content = json!([{ "type": "text", "text": said }]);
            json!({ "result": { "content": content, "isError": true } })
        }
        _ => json!({ "result": {} }),
    })
}

/// As it is, in Base64, and both of them broken over lines.
fn repeated(said: &str) -> String {
    let encoded = STANDARD.encode(said);
    let broken = |text: &str| {
        let letters: Vec<char> = text.chars().collect();
        let lines: Vec<String> = letters.chunks(WIDTH).map(|line| line.iter().collect()).collect();
        lines.join("\n")
    };
    format!("{said}\n{encoded}\n{}\n{}", broken(said), broken(&encoded))
}

fn header(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c) && !"\"\\".contains(*c)).collect()
}

/// What a server over stdio is: a script that notes what it was given in `$LEDGER`, and tells it
/// to whoever listens. `$1` says what it does, `$GIVEN` names its variables.
pub(crate) const SCRIPT: &str = r#"
mode=$1
shift
given=$(for name in $GIVEN; do printenv "$name"; done; printf '%s\n' "$@")
printf '%s\n' "$given" >> "$LEDGER"
said=$(printf '%s\n' "$given"; printf '%s' "$given" | base64 -w 0; echo
  printf '%s\n' "$given" | fold -w 20; printf '%s' "$given" | base64 -w 20)
quoted=$(printf '%s' "$said" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' |
  awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }')
printf '%s\n' "$said" >&2
[ "$mode" = ending ] && exit 3
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in *'"tools/call"'*) printf '%s\n' "$line" >> "$LEDGER" ;; esac
  error='"error":{"code":-32603,"message":"'$quoted'","data":{"given":"'$quoted'"}}'
  case $mode:$line in
    *'"server/discover"'*) body='"error":{"code":-32601,"message":"no"}' ;;
    refusing:*'"initialize"'*) body=$error ;;
    *'"initialize"'*) body='"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    unlisted:*'"tools/list"'*) body=$error ;;
    *'"tools/list"'*) body='"result":{"tools":[{"name":"tell","inputSchema":{"type":"object","properties":{"key":{}}}}]}' ;;
    dying:*'"tools/call"'*) printf '%s\n' "$said" >&2; exit 4 ;;
    garbled:*'"tools/call"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":"%s"\n' "$id" "$said"
      printf '{"jsonrpc":"2.0","id":%s,"result":17,"given":"%s"}\n' "$id" "$quoted"
      continue ;;
    talking:*'"tools/call"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"%s"}}\n' "$quoted"
      body='"result":{"content":[{"type":"text","text":"'$quoted'"}],"isError":true}' ;;
    *'"tools/call"'*) body=$error ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$body"
done
"#;
