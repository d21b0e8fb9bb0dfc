//! Who comes over HTTP: tokens that were made here, in every era, and what is bound to whom.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::http::Post;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::output::run;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

fn gateway() -> Gateway {
    let mut gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    gateway.set("auth", json!({}));
    gateway
}

/// Makes a token, as a person does.
async fn token(gateway: &Gateway, args: &[&str]) -> String {
    let created = run(gateway, &[&["token", "create"], args].concat()).await;
    assert!(created.status.success(), "{created:?}");
    String::from_utf8(created.stdout).unwrap().trim().to_owned()
}

fn bearing<'a>(post: Post<'a>, token: &str) -> Post<'a> {
    post.header("Authorization", &format!("Bearer {token}"))
}

fn challenge(reply: &Reply) -> &str {
    reply.header("www-authenticate").unwrap_or_default()
}

#[tokio::test]
async fn nobody_comes_without_a_token_in_any_era() {
    let gateway = gateway();
    let token = token(&gateway, &["ci"]).await;
    let server = Server::start(&gateway).await;
    let events =
        |path: &str| server.request(Method::GET, path).header("Accept", "text/event-stream");
    let ways = || {
        [
            ("modern", server.modern("tools/list", json!({}))),
            ("legacy", server.post(initialize("2025-11-25", json!({})))),
            ("sse", events("/sse")),
            ("a part", server.modern("tools/list", json!({})).to("/servers/toy/mcp")),
            ("no part", server.modern("tools/list", json!({})).to("/servers/none/mcp")),
            ("nowhere", events("/nowhere")),
            ("end", server.request(Method::DELETE, "/mcp").header("Mcp-Session-Id", "x")),
            ("message", server.post(json!({})).to("/messages?sessionId=x")),
        ]
    };
    for (way, post) in ways() {
        let reply = post.reply().await;
        assert_eq!(reply.status, 401, "{way}: {reply:?}");
        assert_eq!(challenge(&reply), "Bearer realm=\"conflux\"", "{way}");
        assert!(!reply.body.contains("toy"), "{way}: {reply:?}");
    }
    for (way, post) in ways() {
        let response = bearing(post, &token).send().await;
        let expected = match way {
            "modern" | "legacy" | "sse" | "a part" => 200,
            "no part" | "nowhere" | "end" | "message" => 404,
            other => panic!("{other}"),
        };
        assert_eq!(response.status(), expected, "{way}: {response:?}");
    }
    let health = server.request(Method::GET, "/healthz").reply().await;
    assert_eq!(health.status, 200, "probes need none");
    let ready = server.request(Method::GET, "/readyz?verbose").reply().await;
    assert!(!ready.body.contains("toy"), "and learn nothing: {ready:?}");
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_and_why_is_logged() {
    let gateway = gateway();
    let good = token(&gateway, &["ci"]).await;
    let server = Server::start_logging(&gateway, "info").await;
    let list = || server.modern("tools/list", json!({}));
    let forged = format!("{}x", good.strip_suffix(|_: char| true).unwrap());
    let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.";
    let strange = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.c2ln";
    for token in ["cfx_x", &forged, "abc", unsigned, strange] {
        let reply = bearing(list(), token).reply().await;
        assert_eq!(reply.status, 401, "{token}: {reply:?}");
        assert!(challenge(&reply).contains("error=\"invalid_token\""), "{reply:?}");
    }
    let malformed = [
        list().header("Authorization", &good),
        bearing(list(), &good).also("Authorization", &format!("Bearer {good}")),
        bearing(list(), &good).to("/mcp?access_token=x"),
        list().to(&format!("/mcp?access_token={good}")),
    ];
    for post in malformed {
        let reply = post.reply().await;
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(challenge(&reply).contains("error=\"invalid_request\""), "{reply:?}");
    }
    let basic = list().header("Authorization", "Basic YTpi").reply().await;
    assert_eq!((basic.status, challenge(&basic)), (401, "Bearer realm=\"conflux\""));
    let (_, stderr) = server.stop().await;
    assert!(stderr.contains("its secret is another one"), "{stderr}");
    assert!(stderr.contains("no provider of the configuration is"), "{stderr}");
    let secret = good.get(13..).unwrap();
    assert!(!stderr.contains(secret), "no token is logged: {stderr}");
}

#[tokio::test]
async fn a_token_ends_and_whoever_listens_with_it_does() {
    let gateway = gateway();
    let token = token(&gateway, &["ci"]).await;
    let server = Server::start(&gateway).await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listening = bearing(server.modern("subscriptions/listen", params), &token);
    let mut listening = listening.events().await;
    let revoked = run(&gateway, &["token", "revoke", "ci"]).await;
    assert!(revoked.status.success(), "{revoked:?}");
    timeout(LIMIT, listening.rest()).await.expect("it is told nothing more");
    let list = || bearing(server.modern("tools/list", json!({})), &token);
    let refused = list().reply().await;
    assert_eq!(refused.status, 401, "{refused:?}");
}

#[tokio::test]
async fn whoever_listens_is_told_no_more_after_a_reload_either() {
    let mut gateway = gateway();
    let token = token(&gateway, &["ci"]).await;
    let server = Server::start_logging(&gateway, "info").await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listening = bearing(server.modern("subscriptions/listen", params), &token);
    let mut listening = listening.events().await;
    gateway.set("auth", json!({ "scopes": { "required": ["mcp"] } }));
    gateway.save_at_once();
    server.hang_up();
    let reloaded = async {
        while !server.stderr().contains("reloaded") {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, reloaded).await.expect("it reads what it says now");
    let list = || bearing(server.modern("tools/list", json!({})), &token);
    assert_eq!(list().reply().await.status, 200, "the token is as good as before");
    let revoked = run(&gateway, &["token", "revoke", "ci"]).await;
    assert!(revoked.status.success(), "{revoked:?}");
    timeout(LIMIT, listening.rest()).await.expect("it is told nothing more");
}

#[tokio::test]
async fn whoever_listens_without_a_token_hears_no_more_once_one_is_needed() {
    let mut gateway = gateway();
    gateway.set("auth", Value::Null);
    let server = Server::start(&gateway).await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let mut listening = server.modern("subscriptions/listen", params).events().await;
    let events = server.request(Method::GET, "/sse").header("Accept", "text/event-stream");
    let mut channel = events.events().await;
    gateway.set("auth", json!({}));
    gateway.save_at_once();
    server.hang_up();
    timeout(LIMIT, listening.rest()).await.expect("it is told nothing more");
    timeout(LIMIT, channel.rest()).await.expect("nor over HTTP+SSE");
    let refused = server.modern("tools/list", json!({})).reply().await;
    assert_eq!(refused.status, 401, "{refused:?}");
}

#[tokio::test]
async fn tokens_are_needed_where_no_authority_can_be_had_to_ask_providers_with() {
    let mut gateway = gateway();
    let good = token(&gateway, &["ci"]).await;
    let provider = json!({ "corp": { "issuer": "https://127.0.0.1:9" } });
    let governed = json!({ "resource": "https://mcp.example.com", "providers": provider });
    let without_authorities = |gateway: &Gateway| {
        let mut command = gateway.command();
        command.env("SSL_CERT_FILE", "/nowhere").env("SSL_CERT_DIR", "/nowhere");
        command
    };
    for (before, after) in [(Value::Null, governed.clone()), (json!({}), governed)] {
        let is_open = before.is_null();
        gateway.set("auth", before);
        let server = Server::start_by(without_authorities(&gateway)).await;
        let list = || server.modern("tools/list", json!({}));
        assert_eq!(list().reply().await.status, if is_open { 200 } else { 401 });
        gateway.set("auth", after);
        gateway.save_at_once();
        server.hang_up();
        let told = async {
            while !server.stderr().contains("tokens of providers are put off") {
                sleep(POLL).await;
            }
        };
        timeout(LIMIT, told).await.expect("it says what it cannot do");
        let closed = async { while list().reply().await.status != 401 {} };
        timeout(LIMIT, closed).await.expect("nobody comes without a token");
        assert_eq!(bearing(list(), &good).reply().await.status, 200, "one made here is good");
    }
}

#[tokio::test]
async fn a_token_that_was_made_meanwhile_counts() {
    let gateway = gateway();
    let server = Server::start(&gateway).await;
    let said = async {
        while !server.stderr().contains("nobody can come") {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, said).await.expect("it says that there is no token");
    let token = token(&gateway, &["ci"]).await;
    let taken = async {
        while bearing(server.modern("tools/list", json!({})), &token).reply().await.status != 200 {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, taken).await.expect("it is taken");
}

#[tokio::test]
async fn tokens_that_are_made_at_the_same_time_are_all_good() {
    let gateway = gateway();
    let names: Vec<_> = (0..8).map(|number| format!("ci-{number}")).collect();
    let all = names.iter().map(async |name| token(&gateway, &[name]).await);
    // Eight processes, of which each may find that there is neither a directory nor a key.
    let tokens = futures_util::future::join_all(all).await;
    let server = Server::start(&gateway).await;
    for (token, name) in tokens.iter().zip(&names) {
        let reply = bearing(server.modern("tools/list", json!({})), token).reply().await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn a_session_is_good_for_whoever_opened_it() {
    let gateway = gateway();
    let (alice, bob) = (token(&gateway, &["alice"]).await, token(&gateway, &["bob"]).await);
    let server = Server::start(&gateway).await;
    let opened = bearing(server.post(initialize("2025-11-25", json!({}))), &alice).reply().await;
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let in_it = |method: &str| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": {} });
        server.post(request).header("Mcp-Session-Id", &id)
    };
    let stream = || {
        let stream = server.request(Method::GET, "/mcp").header("Mcp-Session-Id", &id);
        stream.header("Accept", "text/event-stream")
    };
    let end = || server.request(Method::DELETE, "/mcp").header("Mcp-Session-Id", &id);
    for post in [in_it("tools/list"), stream(), end()] {
        let strange = bearing(post, &bob).reply().await;
        assert_eq!(strange.status, 404, "{strange:?}");
        let unknown = bearing(in_it("tools/list"), &bob).header("Mcp-Session-Id", "none");
        assert_eq!(unknown.reply().await.body, strange.body, "it is like one that there is not");
    }
    let own = bearing(in_it("tools/list"), &alice).reply().await;
    assert_eq!(own.status, 200, "{own:?}");
}

#[tokio::test]
async fn a_stream_of_2024_11_05_takes_messages_of_whoever_opened_it() {
    let gateway = gateway();
    let (alice, bob) = (token(&gateway, &["alice"]).await, token(&gateway, &["bob"]).await);
    let server = Server::start(&gateway).await;
    let open = server.request(Method::GET, "/sse").header("Accept", "text/event-stream");
    let mut stream = bearing(open, &alice).events().await;
    let address = stream.next().await.unwrap().data;
    let post = || server.post(initialize("2024-11-05", json!({}))).to(&address);
    assert_eq!(bearing(post(), &bob).reply().await.status, 404);
    assert_eq!(post().reply().await.status, 401);
    assert_eq!(bearing(post(), &alice).reply().await.status, 202);
    assert_eq!(stream.next().await.unwrap().json()["result"]["protocolVersion"], "2024-11-05");
}

#[tokio::test]
async fn what_is_asked_of_one_is_answered_by_nobody_else() {
    let gateway = gateway();
    let (alice, bob) = (token(&gateway, &["alice"]).await, token(&gateway, &["bob"]).await);
    let server = Server::start(&gateway).await;
    let declared = json!({ "elicitation": { "form": {} } });
    let call = |more: Value| {
        let mut params = json!({ "name": "toy__ask", "arguments": { "kind": "elicit" } });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        server.modern_with("tools/call", params, declared.clone())
    };
    let asked = bearing(call(json!({})), &alice).reply().await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (key, _) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
    let answer = json!({ key: { "action": "accept", "content": { "name": "x" } } });
    let back = json!({ "requestState": asked["requestState"], "inputResponses": answer });
    let strange = bearing(call(back.clone()), &bob).reply().await;
    assert!(strange.json()["error"]["message"].as_str().unwrap().contains("another client"));
    let own = bearing(call(back), &alice).reply().await.result();
    assert_ne!(own["resultType"], "input_required", "{own}");
}

#[tokio::test]
async fn a_token_has_bounds() {
    let mut gateway = gateway().profile("ci", json!({ "tools": { "allow": ["toy__*"] } }));
    gateway = gateway.profile("other", json!({}));
    let bound = token(&gateway, &["bound", "--for", "ci", "--tool", "*__echo"]).await;
    let server = Server::start(&gateway).await;
    let call = |tool: &str| bearing(server.call(tool, json!({})), &bound);
    let echoed = call("toy__echo").reply().await;
    assert_eq!(echoed.result()["isError"], Value::Null, "{echoed:?}");
    let refused = call("toy__progress").reply().await.json()["error"].clone();
    let unknown = call("toy__none").reply().await.json()["error"].clone();
    assert_eq!(refused["code"], unknown["code"]);
    let named = refused["message"].as_str().unwrap().replace("toy__progress", "toy__none");
    assert_eq!(named, unknown["message"].as_str().unwrap(), "it is like one that there is not");
    for (path, expected) in [
        ("/mcp", 200),
        ("/profiles/ci/mcp", 200),
        ("/profiles/other/mcp", 404),
        ("/profiles/none/mcp", 404),
        ("/servers/toy/mcp", 404),
    ] {
        let reply = call("toy__echo").to(path).reply().await;
        assert_eq!(reply.status, expected, "{path}: {reply:?}");
        assert!(!reply.body.contains("`other`") || path.contains("other"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_token_goes_no_further() {
    let (http, sse) = (Remote::http(&[]).await, Remote::sse(&[]).await);
    let mut gateway = gateway();
    gateway.add("web", http.entry("/mcp"));
    gateway.add("old", sse.entry("/sse"));
    let token = token(&gateway, &["ci"]).await;
    let server = Server::start(&gateway).await;
    let tools = ["toy__received", "toy__process", "web__web", "web__received", "old__web"];
    for tool in tools {
        let told = bearing(server.call(tool, json!({})), &token).reply().await;
        assert_eq!(told.status, 200, "{tool}: {told:?}");
        assert!(told.result()["isError"] != json!(true), "{tool}: {told:?}");
        let secret = token.get(13..).unwrap();
        assert!(!told.body.contains(secret), "{tool}: {told:?}");
        assert!(!told.body.to_lowercase().contains("\"authorization\""), "{tool}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_said_of_tokens() {
    let gateway = gateway();
    let first = run(&gateway, &["token", "list"]).await;
    assert!(String::from_utf8_lossy(&first.stderr).contains("there is no token"), "{first:?}");
    token(&gateway, &["ci", "--group", "bots", "--tool", "git__*"]).await;
    let again = run(&gateway, &["token", "create", "ci"]).await;
    assert_eq!(again.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&again.stderr), @r"
    error: there is a token `ci` already

    hint: revoke it first with `conflux token revoke`
    ");
    for (args, code, says) in [
        (&["create", "a b"][..], 2, "`a b` is no name for a token"),
        (&["create", "x", "--expires", "soon"], 2, "`soon` is no time to be good for"),
        (&["create", "x", "--for", "none"], 5, "there is no profile `none`"),
        (&["create", "x", "--tool", "["], 2, "error parsing glob"),
        (&["revoke", "none"], 5, "there is no token `none`"),
    ] {
        let output = run(&gateway, &[&["token"], args].concat()).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(says) && stderr.contains("hint: "), "{args:?}: {stderr}");
    }
    let list = run(&gateway, &["token", "list", "--json"]).await;
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["principal"], "token:ci");
    assert_eq!((&list[0]["groups"], &list[0]["good"]), (&json!(["bots"]), &json!(true)));
    assert_eq!(list.as_array().unwrap().len(), 1, "what failed made none: {list}");
}

#[tokio::test]
async fn the_command_of_exec_gets_a_token_of_its_own() {
    let gateway = gateway();
    let script = r#"
        body='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}'
        ask() { curl --silent --output /dev/null --write-out '%{http_code}\n' "$@" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' --data "$body" "$CONFLUX_URL"; }
        ask; ask -H "Authorization: Bearer $CONFLUX_TOKEN"
        echo "$CONFLUX_MCP_CONFIG" | grep --count "Bearer $CONFLUX_TOKEN"
    "#;
    let output = run(&gateway, &["exec", "--", "sh", "-c", script]).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "401\n200\n1\n", "{output:?}");
}
