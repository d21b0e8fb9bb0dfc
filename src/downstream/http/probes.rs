//! What asks whether this front end is there and ready: orchestrators, balancers, scripts.
//!
//! Such probes come under whatever name or address they know, some under none (HTTP/1.0), so the
//! guard does not stand before these paths. Whom it would refuse learns one bit and no name: a web
//! page that bends a name to this machine must not find out what runs here. Everybody else learns
//! what the tool `conflux__status` tells, and no more.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use crate::downstream::http::Shared;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::router::readiness;

/// Whether it lives: whether the loop that serves everything comes to answer.
pub(super) const HEALTH: &str = "/healthz";
/// Whether everything that is required can be used.
pub(super) const READINESS: &str = "/readyz";

/// Returns whether a path is asked by probes, which are answered even if there is no place.
pub(super) fn is_one(path: &str) -> bool {
    matches!(path, HEALTH | READINESS)
}

/// Says that it lives.
pub(super) async fn health(request: Request) -> Response {
    answer(&request, StatusCode::OK, &json!({ "alive": true }))
}

/// Says whether everything that is required can be used; with `?verbose`, how everything is.
pub(super) async fn readiness(State(front): State<Arc<Shared>>, request: Request) -> Response {
    let unready = front.service.router.unready();
    let is_ready = unready.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let is_trusted = front.guard.admit(request.uri(), request.headers()).is_ok();
    let is_verbose = request.uri().query().is_some_and(|query| query == "verbose");
    let report = match (is_trusted, is_verbose) {
        (false, _) => json!({ "ready": is_ready }),
        (true, true) => front.service.router.status(),
        (true, false) => readiness::report(&unready),
    };
    answer(&request, status, &report)
}

fn answer(request: &Request, status: StatusCode, report: &Value) -> Response {
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return Refusal::not_allowed("GET, HEAD", "probes only ask").into_response();
    }
    let mut response = status::message(status, format!("{report}\n").into_bytes().into());
    let stale = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, stale);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}
