//! HTTP+SSE: one stream for everything, and an address to post to.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::body::Incoming as Body;

use crate::http::Reply;
use crate::http::Web;
use crate::http::events;
use crate::http::reply;
use crate::serve;
use crate::stream::Flow;
use crate::wire::Incoming;
use crate::wire::STREAM;

pub(crate) async fn answer(web: &Arc<Web>, request: Request<Body>) -> Reply {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/sse") => open(web, ""),
        (&Method::GET, "/sse-elsewhere") => open(web, "http://127.0.0.1:9"),
        (&Method::POST, "/messages") => post(web, request).await,
        _ => reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "Method Not Allowed"),
    }
}

fn open(web: &Arc<Web>, origin: &str) -> Reply {
    let (id, session) = web.open();
    let (body, flow) = Flow::new();
    let endpoint = format!("event: endpoint\ndata: {origin}/messages?session={id}\n\n");
    let web = Arc::clone(web);
    web.tasks.clone().spawn(async move {
        drop(body.send(Bytes::from(endpoint)).await);
        session.aside.pump(0, false, &body).await;
        web.shared().sessions.remove(&id);
    });
    events(flow)
}

async fn post(web: &Arc<Web>, request: Request<Body>) -> Reply {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.headers().clone();
    let id = query.strip_prefix("session=").unwrap_or_default();
    let Some(session) = web.shared().sessions.get(id).cloned() else {
        return reply(StatusCode::NOT_FOUND, "text/plain", "Could not find session");
    };
    let Ok(body) = request.into_body().collect().await else {
        return reply(StatusCode::BAD_REQUEST, "text/plain", "no body");
    };
    let Ok(message) = serde_json::from_slice::<Incoming>(&body.to_bytes()) else {
        return reply(StatusCode::BAD_REQUEST, "text/plain", "no JSON-RPC message");
    };
    web.count(message.method.as_deref().unwrap_or_default());
    if let Some(answering) = serve::receive(&session.toy, message) {
        // Everything goes onto the one stream; this one only carries the headers.
        let stream = web.stream(&headers);
        let aside = Arc::clone(&session.aside);
        web.tasks.spawn(async move {
            STREAM.scope(stream.carrying(aside), answering).await;
        });
    }
    reply(StatusCode::ACCEPTED, "text/plain", "Accepted")
}
