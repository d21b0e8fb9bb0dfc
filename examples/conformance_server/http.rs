//! Streamable HTTP, by the SDK; and a stream that ends before its answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use futures_util::StreamExt as _;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::Value;

use crate::server::Server;

/// Where messages are posted.
pub(crate) const PATH: &str = "/mcp";

/// The largest message that is looked into, in bytes; the SDK's own limit.
const LARGEST: usize = 4 << 20;

/// Serves at `PATH`.
pub(crate) fn router(server: Server) -> Router {
    let origins = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
    let config = StreamableHttpServerConfig::default().with_allowed_origins(origins);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.again()), sessions, config);
    Router::new().route_service(PATH, service).layer(middleware::from_fn(break_off))
}

/// Ends the stream of a call of `test_reconnection` after its first event, which says how to come
/// back for the answer. Only sessions keep answers for who comes back.
async fn break_off(request: Request, next: Next) -> Response {
    let in_session = request.headers().contains_key("mcp-session-id");
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let tool = message.pointer("/params/name").and_then(Value::as_str);
    let breaks = in_session && tool == Some("test_reconnection");
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !breaks {
        return response;
    }
    let (parts, body) = response.into_parts();
    let first = body.into_data_stream().next().await;
    Response::from_parts(parts, first.and_then(Result::ok).map_or_else(Body::empty, Body::from))
}
