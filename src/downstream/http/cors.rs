//! What browsers ask before they let a web page use this front end, and read what it answers
//! (the Fetch standard, "CORS protocol").
//!
//! Whether a page may come is for the guard alone, which has refused strange ones before this.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use axum::http::Method;
use axum::http::header;
use tower_http::cors::AllowHeaders;
use tower_http::cors::AllowOrigin;
use tower_http::cors::CorsLayer;

use crate::downstream::http::Shared;
use crate::wire::header as names;

/// For how long a browser need not ask again; none keeps an answer for longer than a day.
const MAX_AGE: Duration = Duration::from_hours(1);

/// What a page must read in an answer beside its body and what every page may.
const EXPOSED: [HeaderName; 5] = [
    HeaderName::from_static(names::SESSION_ID),
    HeaderName::from_static(names::PROTOCOL_VERSION),
    header::ALLOW,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Returns what answers the questions of browsers.
///
/// A page that may come may send any header, because those that mirror arguments are named by the
/// tools. Cookies have no meaning here, so none are asked for.
pub(super) fn layer(front: Arc<Shared>) -> CorsLayer {
    let is_trusted = AllowOrigin::predicate(move |origin, _| front.guard.trusts(origin));
    CorsLayer::new()
        .allow_origin(is_trusted)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE)
}
