//! What browsers ask before they let a web page use this front end, and read what it answers
//! (the Fetch standard, "CORS protocol").
//!
//! Whether a page may come is for the guard alone, which has refused strange ones before this.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;

use crate::downstream::http::response::Response;
use crate::downstream::http::status;

/// For how long a browser need not ask again, in seconds; none keeps an answer for longer than a
/// day.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,DELETE");
/// What a page must read in an answer beside its body and what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "mcp-session-id,mcp-protocol-version,allow,retry-after,www-authenticate",
);
/// What an answer depends on beside its address, for whoever keeps answers.
const VARIED: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);

/// Answers the question of a browser whether a page may send a request.
///
/// A page that may come may send any header, because those that mirror arguments are named by the
/// tools. Cookies have no meaning here, so none are asked for.
pub(super) fn preflight(headers: &HeaderMap) -> Response {
    let response = status::bare(StatusCode::OK)
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .with(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    let response = match headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        Some(wanted) => response.with(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()),
        None => response,
    };
    allow(response, headers)
}

/// Lets a page read the answer to its request.
pub(super) fn readable(response: Response, headers: &HeaderMap) -> Response {
    if !headers.contains_key(header::ORIGIN) {
        return response.with(header::VARY, VARIED);
    }
    allow(response.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED), headers)
}

fn allow(response: Response, headers: &HeaderMap) -> Response {
    let response = response.with(header::VARY, VARIED);
    match headers.get(header::ORIGIN) {
        Some(origin) => response.with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        None => response,
    }
}
