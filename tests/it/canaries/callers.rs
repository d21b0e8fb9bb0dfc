//! Those who call, in every way that somebody may: as they should, and as they should not.

use futures_util::future::join;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::support::aviary::Aviary;
use crate::support::aviary::MARKER;
use crate::support::aviary::TOOL;
use crate::support::aviary::ruled;
use crate::support::http::Post;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::http::initialize;

pub(super) fn bearing<'a>(post: Post<'a>, token: &str) -> Post<'a> {
    post.header("Authorization", &format!("Bearer {token}"))
}

/// What of an answer is Conflux's own: all of it, unless an upstream gave the result or the error.
fn own_words(reply: &Reply) -> String {
    let last = reply.body.rsplit("data: ").next().unwrap_or_default();
    let message: Value = serde_json::from_str(last.trim()).unwrap_or_default();
    let is_relayed = message["error"]["data"]["given"].is_string()
        || (message["result"].is_object()
            && message["result"]["_meta"]["dev.conflux/error"].is_null());
    let body = if is_relayed { "" } else { &reply.body };
    format!("{} {:?} {body}\n", reply.status, reply.headers())
}

/// Has everybody called who is there, in both eras; returns what Conflux itself said, and what was
/// relayed.
pub(super) async fn call_all(aviary: &Aviary, server: &Server, token: &str) -> (String, String) {
    let (mut own, mut relayed) = (String::new(), String::new());
    let opened = server.post(initialize("2025-11-25", json!({})));
    let opened = bearing(opened, token).reply().await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let request = |id: u64, method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        bearing(server.post(request).header("Mcp-Session-Id", &session), token)
    };
    let level = request(1, "logging/setLevel", json!({ "level": "debug" })).reply().await;
    own.push_str(&own_words(&level));
    // One that fails is waited for, so nobody waits for another.
    let calls = aviary.upstreams.iter().zip(2..).map(|(name, id)| {
        let tool = format!("{name}__{TOOL}");
        let modern = bearing(server.call(&tool, json!({ "more": 1 })), token);
        let legacy = request(id, "tools/call", json!({ "name": tool, "arguments": {} }));
        join(modern.reply(), legacy.reply())
    });
    for reply in join_all(calls).await.iter().flat_map(|(one, two)| [one, two]) {
        own.push_str(&own_words(reply));
        relayed.push_str(&reply.body);
    }
    let status = bearing(server.call("conflux__status", json!({})), token).reply().await;
    (own + &status.body, relayed)
}

/// Comes with tokens that are no good, and in other wrong ways; returns what Conflux said.
pub(super) async fn come_wrongly(aviary: &mut Aviary, server: &Server, token: &str) -> String {
    let list = || server.modern("tools/list", json!({}));
    let forged = format!("{}{}", &token[..13], aviary.written("forged token"));
    let secret = aviary.written("bearer");
    let basic = aviary.written("basic");
    let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.{}", aviary.written("jwt"));
    let query = aviary.written("query token");
    let cookie = aviary.written("cookie");
    let key = aviary.written("api key");
    let fragment = aviary.written("wrong scheme");
    let posts = [
        bearing(list(), &forged),
        bearing(list(), &secret),
        bearing(list(), &jwt),
        list().header("Authorization", &format!("Basic {basic}")),
        list().header("Authorization", &format!("Digest response={fragment}")),
        list().to(&format!("/mcp?access_token={query}")),
        bearing(list(), token).to(&format!("/mcp?access_token={query}")),
        list().header("Cookie", &format!("session={cookie}")).header("X-Api-Key", &key),
        bearing(list(), &secret).to("/servers/nobody/mcp"),
        bearing(server.request(Method::GET, "/sse"), &secret),
        bearing(list(), token).header("Host", "watched.example"),
    ];
    let mut said = String::new();
    for post in posts {
        let reply = post.reply().await;
        assert!((400..500).contains(&reply.status), "{reply:?}");
        said.push_str(&own_words(&reply));
    }
    said
}

/// Calls with secrets in arguments that only their names, or their looks, tell of.
pub(super) async fn call_with_secrets(aviary: &mut Aviary, server: &Server, token: &str) -> String {
    let arguments = json!({
        "password": aviary.written("argument password"),
        "deep": { "api_key": { "value": aviary.written("argument key") } },
        "text": format!("see ghp_{}", aviary.written("argument token")),
        "url": format!("https://user:{}@host/", aviary.written("argument url")),
    });
    let mut said = String::new();
    for tool in [format!("{MARKER}_near_failing__{TOOL}"), format!("{MARKER}_no_such__tool")] {
        let reply = bearing(server.call(&tool, arguments.clone()), token).reply().await;
        said.push_str(&own_words(&reply));
    }
    said
}

/// Makes calls that rules refuse, for what is in arguments or is not.
pub(super) async fn call_against_rules(
    aviary: &mut Aviary,
    server: &Server,
    token: &str,
) -> String {
    let secret = aviary.ruled_secret();
    let mut said = String::new();
    for arguments in [
        json!({ "word": "no", "password": aviary.written("refused password") }),
        json!({ "word": secret, "other": secret }),
        json!({ "word": secret, "third": secret }),
    ] {
        let reply = bearing(server.call(&ruled(), arguments), token).reply().await;
        let refused = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(refused.contains("is not permitted with these arguments"), "{refused}");
        said.push_str(&own_words(&reply));
    }
    // With nothing but that, it may be called.
    let reply = bearing(server.call(&ruled(), json!({ "word": secret })), token).reply().await;
    assert_eq!(reply.json()["result"]["isError"], true, "{reply:?}");
    said
}
