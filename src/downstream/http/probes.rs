//! What asks whether this front end is there and ready: orchestrators, balancers, scripts.
//!
//! Such probes come under whatever name or address they know, some under none (HTTP/1.0), so the
//! guard does not stand before these paths. Whom it would refuse learns one bit and no name: a web
//! page that bends a name to this machine must not find out what runs here. Everybody else learns
//! what the tool `conflux__status` tells, and no more.

use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use serde_json::Value;
use serde_json::json;

use crate::downstream::http::response::Response;
use crate::downstream::http::status;
use crate::downstream::http::status::Refusal;
use crate::router::Router;
use crate::router::readiness;

/// Whether it lives: whether the loop that serves everything comes to answer.
const HEALTH: &str = "/healthz";
/// Whether everything that is required can be used.
const READINESS: &str = "/readyz";

/// Returns whether a path is asked by probes, which are answered even if there is no place.
pub(super) fn is_one(path: &str) -> bool {
    matches!(path, HEALTH | READINESS)
}

/// Answers a probe; nothing if it is none. Whom it comes from is told more if it `is_trusted`.
pub(super) fn respond(
    router: &Router,
    head: &Parts,
    is_trusted: impl FnOnce() -> bool,
) -> Option<Response> {
    match head.uri.path() {
        HEALTH => Some(answer(&head.method, StatusCode::OK, &json!({ "alive": true }))),
        READINESS => Some(readiness(router, head, is_trusted())),
        _ => None,
    }
}

/// Says whether everything that is required can be used; with `?verbose`, how everything is.
fn readiness(router: &Router, head: &Parts, is_trusted: bool) -> Response {
    let unready = router.unready();
    let is_ready = unready.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let is_verbose = head.uri.query().is_some_and(|query| query == "verbose");
    let report = match (is_trusted, is_verbose) {
        (false, _) => json!({ "ready": is_ready }),
        (true, true) => router.status(),
        (true, false) => readiness::report(&unready),
    };
    answer(&head.method, status, &report)
}

/// Answers whoever only asks with a document that is true now.
pub(super) fn answer(method: &Method, status: StatusCode, report: &Value) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Refusal::not_allowed("GET, HEAD", "probes only ask").into();
    }
    let report = format!("{report}\n").into_bytes().into();
    let stale = HeaderValue::from_static("no-store");
    status::message(status, report).with(header::CACHE_CONTROL, stale)
}
