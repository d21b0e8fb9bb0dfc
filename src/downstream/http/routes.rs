//! Which path leads where.

use std::sync::Arc;

use axum::Router as Paths;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::middleware;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;

use crate::downstream::codes;
use crate::downstream::http::Shared;
use crate::downstream::http::body;
use crate::downstream::http::headers;
use crate::downstream::http::modern;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::router::Router;
use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::meta::RequestMeta;

/// What tells where a request belongs and who answers it.
type Front = State<Arc<Shared>>;

/// Returns everything that can be asked for.
pub(super) fn all(front: Arc<Shared>) -> Paths {
    Paths::new()
        .route("/mcp", any(everything))
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(Arc::clone(&front), guard))
        .with_state(front)
}

/// Lets through what comes under a known name and from a trusted web page.
async fn guard(State(front): Front, request: Request, next: Next) -> Result<Response, Refusal> {
    front.guard.admit(request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

async fn everything(State(front): Front, request: Request) -> Result<Response, Refusal> {
    let router = Arc::clone(&front.service.router);
    mcp(&front, router, request).await
}

async fn nowhere(request: Request) -> Refusal {
    let path = request.uri().path().chars().take(200).collect::<String>();
    let problem = format!("there is nothing at `{path}`; everything is at `/mcp`");
    Refusal::new(StatusCode::NOT_FOUND, &problem)
}

/// The one path of Streamable HTTP.
async fn mcp(
    front: &Arc<Shared>,
    router: Arc<Router>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    match head.method {
        Method::POST => post(front, router, &head.headers, body).await,
        _ => Err(Refusal::not_allowed("POST", "only POST leads anywhere here")),
    }
}

async fn post(
    front: &Arc<Shared>,
    router: Arc<Router>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    headers::is_json(headers)?;
    headers::takes_both(headers)?;
    let bytes = body::read(body, front.service.limits.message, front.request_time).await?;
    let message = frame::read(bytes).map_err(|defect| {
        let (id, error) = codes::defect(&defect);
        Refusal::of(StatusCode::BAD_REQUEST, id, error)
    })?;
    match message {
        Message::Request(request) => {
            let meta = RequestMeta::read(request.params.as_ref());
            if modern::is_modern(headers, &request, &meta) {
                return modern::request(front, router, headers, request, &meta).await;
            }
            Err(Refusal::new(StatusCode::BAD_REQUEST, "no session"))
        }
        Message::Notification(_) => Ok(status::bare(StatusCode::ACCEPTED)),
        Message::Response(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "no session")),
    }
}
