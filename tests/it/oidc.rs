//! Tokens of a real identity provider: who logs in, what is refused, and what its keys and its
//! absence do. `docs/authorization.md` says which requirement each test is about.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
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
use crate::support::identity::Identity;
use crate::support::identity::Login;
use crate::support::programs::toy;
use crate::support::sdk::Mode;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// The address under which clients come, through a proxy that is not there.
const BASE: &str = "https://mcp.example.com";
/// All that is at one path.
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A gateway that takes tokens of these providers.
fn gateway(providers: &[(&str, &Identity)]) -> Gateway {
    let entries = providers.iter().map(|(name, it)| ((*name).to_owned(), it.entry()));
    let providers: Value = entries.collect::<serde_json::Map<_, _>>().into();
    let scopes = json!({
        "required": ["mcp"],
        "tools": { "toy__progress": ["repo.write"] },
        "implied": { "repo": ["repo.write"] },
    });
    let mut gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    gateway.set("auth", json!({ "resource": BASE, "providers": providers, "scopes": scopes }));
    gateway.profile("all", json!({}))
}

fn list(server: &Server) -> Post<'_> {
    server.modern("tools/list", json!({}))
}

fn bearing<'a>(post: Post<'a>, token: &str) -> Post<'a> {
    post.header("Authorization", &format!("Bearer {token}"))
}

async fn status(server: &Server, token: &str) -> u16 {
    bearing(list(server), token).reply().await.status
}

fn challenge(reply: &Reply) -> &str {
    reply.header("www-authenticate").unwrap_or_default()
}

/// Starts a gateway that clients reach under the address it listens on, which is not known before.
async fn reached(mut gateway: Gateway, identity: &Identity) -> (Gateway, Server) {
    let known = json!({ "issuer": identity.issuer, "groups": { "claim": "groups" } });
    gateway.set("auth", json!({}));
    let server = Server::start(&gateway).await;
    let scopes = json!({ "required": ["mcp"], "tools": { "toy__progress": ["repo.write"] } });
    let providers = json!({ "corp": known });
    let resource = &server.origin;
    let auth = json!({ "resource": resource, "providers": providers, "scopes": scopes });
    gateway.set("auth", auth);
    gateway.save_at_once();
    server.hang_up();
    // Once it is good, the provider's keys are known as well: nobody else waits for them.
    let token = identity.signed(json!({ "aud": format!("{resource}/mcp"), "scope": "mcp" })).await;
    let renewed = async {
        while status(&server, &token).await != 200 {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, renewed).await.expect("it reads what it says now");
    (gateway, server)
}

/// A client finds the provider by itself, has itself registered, logs in, lists and calls.
async fn check_login(login: Login) {
    let identity = Identity::start().await;
    let (_gateway, server) = reached(gateway(&[]), &identity).await;
    let url = format!("{}/mcp", server.origin);
    for mode in [Mode::Modern, Mode::Legacy] {
        let report = login.report(mode, json!({ "calls": ["toy__echo"] }), &url).await;
        assert!(report["tools"].as_array().unwrap().contains(&json!("toy__echo")), "{report}");
        assert_ne!(report["called"][0]["isError"], true, "{report}");
        assert_eq!(report["asked"], json!([{ "scope": "mcp", "resource": url }]), "{mode:?}");
        assert_eq!(report["registered"], 1, "{report}");
    }
}

/// A tool that needs more makes a client ask for more, in the same session.
async fn check_step_up(login: Login) {
    let identity = Identity::start().await;
    let (_gateway, server) = reached(gateway(&[]), &identity).await;
    let url = format!("{}/mcp", server.origin);
    let wish = json!({ "calls": ["toy__echo", "toy__progress"], "client": "known" });
    for mode in [Mode::Modern, Mode::Legacy] {
        let report = login.report(mode, wish.clone(), &url).await;
        let asked: Vec<&Value> =
            report["asked"].as_array().unwrap().iter().map(|asked| &asked["scope"]).collect();
        assert_eq!(asked, ["mcp", "mcp repo.write"], "{mode:?}: {report}");
        assert_eq!(report["called"][1]["structuredContent"], json!({ "steps": 3 }), "{report}");
        assert_ne!(report["same"], false, "{mode:?}: it is the same session");
    }
}

#[tokio::test]
async fn a_client_in_typescript_logs_in() {
    check_login(Login::TypeScript).await;
}

#[tokio::test]
async fn a_client_in_python_logs_in() {
    check_login(Login::Python).await;
}

#[tokio::test]
async fn a_client_in_typescript_steps_up() {
    check_step_up(Login::TypeScript).await;
}

#[tokio::test]
async fn a_client_in_python_steps_up() {
    check_step_up(Login::Python).await;
}

#[tokio::test]
async fn metadata_is_at_every_place_and_says_what_it_is_about() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    for path in ["", "/mcp", "/servers/toy/mcp", "/profiles/all/mcp", "/sse"] {
        let place = format!("/.well-known/oauth-protected-resource{path}");
        let get = |method| server.request(method, &place);
        let reply = get(Method::GET).header("Origin", "http://localhost:6274").reply().await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        assert_eq!(
            reply.json(),
            json!({
                "resource": format!("{BASE}{path}"),
                "resource_name": "Conflux",
                "authorization_servers": [identity.issuer],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["mcp"],
            })
        );
        let readable = reply.header("access-control-allow-origin");
        assert_eq!(readable, Some("http://localhost:6274"), "a page may read it: {reply:?}");
        let head = get(Method::HEAD).reply().await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let post = get(Method::POST).reply().await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    }
    let other = server.request(Method::GET, "/.well-known/oauth-protected-resources").reply().await;
    assert_eq!(other.status, 401, "that is another place: {other:?}");
}

#[tokio::test]
async fn a_challenge_says_where_tokens_come_from_and_which_scopes_they_need() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    for path in ["/mcp", "/servers/toy/mcp", "/profiles/all/mcp", "/nowhere"] {
        let missing = list(&server).to(path).reply().await;
        let place = format!("{BASE}/.well-known/oauth-protected-resource{path}");
        let expected = format!("Bearer resource_metadata=\"{place}\", scope=\"mcp\"");
        assert_eq!((missing.status, challenge(&missing)), (401, expected.as_str()));
        let basic = list(&server).to(path).header("Authorization", "Basic YTpi").reply().await;
        assert_eq!((basic.status, challenge(&basic)), (401, expected.as_str()), "no such scheme");
        let invalid = bearing(list(&server).to(path), "x").reply().await;
        let expected = format!(
            "Bearer resource_metadata=\"{place}\", error=\"invalid_token\", \
             error_description=\"the token is not good here, or no longer\", scope=\"mcp\""
        );
        assert_eq!((invalid.status, challenge(&invalid)), (401, expected.as_str()));
        let malformed = list(&server).to(path).header("Authorization", "Bearer").reply().await;
        assert_eq!(malformed.status, 400);
        let begins = format!("Bearer resource_metadata=\"{place}\", error=\"invalid_request\"");
        assert!(challenge(&malformed).starts_with(&begins), "{malformed:?}");
    }
}

#[tokio::test]
async fn all_scopes_that_a_call_needs_are_named_at_once() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    let (none, some) = (identity.token(RESOURCE, "").await, identity.token(RESOURCE, "mcp").await);
    let refused = |reply: &Reply, scopes: &str| {
        assert_eq!(reply.status, 403, "{reply:?}");
        let begins = format!(
            "Bearer resource_metadata=\"{BASE}/.well-known/oauth-protected-resource/mcp\", \
             error=\"insufficient_scope\", error_description="
        );
        assert!(challenge(reply).starts_with(&begins), "{reply:?}");
        assert!(challenge(reply).ends_with(&format!(", scope=\"{scopes}\"")), "{reply:?}");
    };
    refused(&bearing(list(&server), &none).reply().await, "mcp");
    let call = |token: &str| bearing(server.call("toy__progress", json!({})), token);
    refused(&call(&some).reply().await, "mcp repo.write");
    assert_eq!(status(&server, &some).await, 200, "other things can be done with it");
    let opened = server.post(initialize("2025-11-25", json!({})));
    let session = bearing(opened, &some).reply().await;
    let id = session.header("mcp-session-id").unwrap().to_owned();
    let params = json!({ "name": "toy__progress", "arguments": {} });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let within = |token: &str| bearing(server.post(&request), token).header("Mcp-Session-Id", &id);
    refused(&within(&some).reply().await, "mcp repo.write");
    let more = identity.token(RESOURCE, "mcp+repo.write").await;
    assert_eq!(within(&more).reply().await.status, 200, "the session goes on with a better one");
}

#[tokio::test]
async fn a_broader_scope_is_enough() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    let call = |token: &str| bearing(server.call("toy__progress", json!({})), token);
    let broad = identity.token(RESOURCE, "mcp+repo").await;
    assert_eq!(call(&broad).reply().await.status, 200);
    let listed = identity.signed(json!({ "aud": RESOURCE, "scp": ["mcp", "repo.write"] })).await;
    assert_eq!(call(&listed).reply().await.status, 200, "some providers write a list");
    let alone = identity.token(RESOURCE, "repo").await;
    assert_eq!(call(&alone).reply().await.status, 403, "it does not stand for all");
}

/// A moment so many seconds from now.
fn from_now(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

#[tokio::test]
async fn tokens_that_are_made_for_here_are_good() {
    let identity = Identity::start().await;
    let mut gateway = gateway(&[]);
    let mut entry = identity.entry();
    entry["audience"] = json!(["api://conflux"]);
    gateway.set("auth", json!({ "resource": BASE, "providers": { "corp": entry } }));
    let server = Server::start(&gateway).await;
    let given = identity.token(RESOURCE, "mcp").await;
    assert_eq!(status(&server, &given).await, 200, "as the provider gives it");
    for claims in [
        json!({ "aud": BASE }),
        json!({ "aud": format!("{BASE}/") }),
        json!({ "aud": "HTTPS://MCP.Example.com/mcp" }),
        json!({ "aud": ["https://other.example.com", RESOURCE] }),
        json!({ "aud": "api://conflux" }),
        json!({ "aud": RESOURCE, "exp": from_now(-10) }),
        json!({ "aud": RESOURCE, "nbf": from_now(10) }),
        json!({ "aud": RESOURCE, "nbf": from_now(-10) }),
    ] {
        let token = identity.signed(claims.clone()).await;
        assert_eq!(status(&server, &token).await, 200, "{claims}");
    }
    for kind in ["at+jwt", "application/at+jwt", "JWT"] {
        let claims = json!({ "aud": RESOURCE });
        let token = identity.forged(json!({ "header": { "typ": kind }, "claims": claims })).await;
        assert_eq!(status(&server, &token).await, 200, "{kind}");
    }
}

#[tokio::test]
async fn a_token_for_one_path_is_good_there_alone() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    let (part, all) = ("/servers/toy/mcp", "/profiles/all/mcp");
    for at in [part, all, "/mcp"] {
        let token = identity.token(&format!("{BASE}{at}"), "mcp").await;
        for path in [part, all, "/mcp"] {
            let reply = bearing(list(&server).to(path), &token).reply().await;
            let expected = if path == at { 200 } else { 401 };
            assert_eq!(reply.status, expected, "made for {at}, used at {path}: {reply:?}");
        }
    }
    let everywhere = identity.token(BASE, "mcp").await;
    for path in [part, all, "/mcp"] {
        let reply = bearing(list(&server).to(path), &everywhere).reply().await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_token_that_opens_a_stream_of_2024_11_05_is_good_for_its_messages() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    let token = identity.token(&format!("{BASE}/sse"), "mcp").await;
    let open = server.request(Method::GET, "/sse").header("Accept", "text/event-stream");
    let mut stream = bearing(open, &token).events().await;
    let address = stream.next().await.unwrap().data;
    let post = |token: &str| bearing(list(&server).to(&address), token);
    assert_eq!(post(&token).reply().await.status, 202);
    let other = identity.token(&format!("{BASE}/mcp"), "mcp").await;
    let refused = post(&other).reply().await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("oauth-protected-resource/sse"), "{challenge}");
}

/// Tokens that are not good, with what the log says.
async fn bad_tokens(identity: &Identity, stranger: &Identity) -> Vec<(&'static str, String)> {
    let claims = |claims: Value| json!({ "claims": claims });
    let with = |how: &str, header: Value| json!({ "with": how, "header": header, "claims": { "aud": RESOURCE, "scope": "mcp" } });
    let issuer = &identity.issuer;
    let bad = [
        ("is made for", claims(json!({ "aud": "https://other.example.com/mcp" }))),
        ("is made for", claims(json!({ "aud": format!("{RESOURCE}/more") }))),
        ("is made for", claims(json!({ "aud": "https://mcp.example.com.evil.example/mcp" }))),
        ("is made for", claims(json!({ "aud": "http://mcp.example.com/mcp" }))),
        ("is made for", claims(json!({ "aud": format!("{BASE}/MCP") }))),
        ("is made for", claims(json!({ "aud": "known", "nonce": "x", "at_hash": "x" }))),
        ("is made for", claims(json!({ "aud": [] }))),
        ("Missing required claim: aud", claims(json!({}))),
        ("ExpiredSignature", claims(json!({ "aud": RESOURCE, "exp": from_now(-60) }))),
        ("Missing required claim: exp", claims(json!({ "aud": RESOURCE, "exp": null }))),
        ("ImmatureSignature", claims(json!({ "aud": RESOURCE, "nbf": from_now(60) }))),
        ("names nobody", claims(json!({ "aud": RESOURCE, "sub": "" }))),
        ("no provider", claims(json!({ "aud": RESOURCE, "iss": format!("{issuer}/") }))),
        ("no provider", claims(json!({ "aud": RESOURCE, "iss": issuer.to_uppercase() }))),
        ("no provider", claims(json!({ "aud": RESOURCE, "iss": "https://evil.example" }))),
        ("nor a JWT", with("none", json!({ "alg": "none" }))),
        ("which is not allowed", with("public-pem", json!({ "alg": "HS256" }))),
        ("which is not allowed", with("public-der", json!({ "alg": "HS256" }))),
        ("which is not allowed", with("own", json!({ "alg": "PS256" }))),
        ("InvalidSignature", with("other", json!({}))),
        ("InvalidSignature", with("none", json!({}))),
        ("key that its provider does not have", with("own", json!({ "kid": "made-up" }))),
        ("no access token", with("own", json!({ "typ": "logout+jwt" }))),
        ("`crit`", with("own", json!({ "crit": ["b64"], "b64": false }))),
    ];
    let mut tokens = Vec::new();
    for (says, token) in bad {
        tokens.push((says, identity.forged(token).await));
    }
    let posing = json!({ "aud": RESOURCE, "iss": issuer, "scope": "mcp" });
    tokens.push(("InvalidSignature", stranger.signed(posing).await));
    tokens.push(("no provider", stranger.token(RESOURCE, "mcp").await));
    tokens
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_and_why_is_logged() {
    let (identity, stranger) = (Identity::start().await, Identity::start().await);
    let mut gateway = gateway(&[]);
    let corp = json!({ "issuer": identity.issuer, "algorithms": ["RS256", "ES256"] });
    gateway.set("auth", json!({ "resource": BASE, "providers": { "corp": corp } }));
    let server = Server::start_logging(&gateway, "info").await;
    let bad = bad_tokens(&identity, &stranger).await;
    for (logged, (says, token)) in bad.into_iter().enumerate() {
        let reply = bearing(list(&server), &token).reply().await;
        assert_eq!(reply.status, 401, "{says}: {token}: {reply:?}");
        assert!(challenge(&reply).contains("error=\"invalid_token\""), "{says}: {reply:?}");
        let last = async {
            loop {
                let said = server.stderr();
                let mut refused = said.lines().filter(|line| line.contains("refused"));
                if let Some(line) = refused.nth(logged) {
                    break line.to_owned();
                }
                sleep(POLL).await;
            }
        };
        let last = timeout(LIMIT, last).await.expect("it is logged");
        assert!(last.contains(says), "{says}: {last}");
        let (_, signed) = token.split_once('.').unwrap();
        assert!(!last.contains(signed), "no token is logged: {last}");
    }
}

#[tokio::test]
async fn providers_do_not_speak_for_one_another() {
    let (one, other) = (Identity::start().await, Identity::start().await);
    let gateway = gateway(&[("one", &one), ("other", &other)]);
    let server = Server::start(&gateway).await;
    let claims = json!({ "aud": RESOURCE, "scope": "mcp" });
    let (first, second) = (one.signed(claims.clone()).await, other.signed(claims).await);
    let opened = bearing(server.post(initialize("2025-11-25", json!({}))), &first).reply().await;
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let within = |token: &str| bearing(server.post(&request), token).header("Mcp-Session-Id", &id);
    assert_eq!(within(&first).reply().await.status, 200);
    assert_eq!(within(&second).reply().await.status, 404, "another Alice: it is not her session");
    let crossed = json!({ "aud": RESOURCE, "iss": one.issuer, "scope": "mcp" });
    assert_eq!(status(&server, &other.signed(crossed).await).await, 401, "with a key of its own");
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_there_is_a_new_one() {
    let identity = Identity::start().await;
    let gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    assert_eq!(identity.asked().await, (0, 0), "not before somebody comes");
    let claims = json!({ "aud": RESOURCE, "scope": "mcp" });
    for rotation in 1..=2 {
        // Twenty tokens, so that none is believed because of another.
        let mut tokens = Vec::new();
        for number in 0..20 {
            let mut claims = claims.clone();
            claims["jti"] = json!(number);
            tokens.push(identity.signed(claims).await);
        }
        let all = join_all(tokens.iter().map(|token| status(&server, token))).await;
        assert_eq!(all, [200; 20]);
        assert_eq!(identity.asked().await, (rotation, rotation), "once, for all of them");
        identity.becomes("rotate").await;
    }
    let made_up = json!({ "header": { "kid": "made-up" }, "claims": claims });
    for number in 0..10 {
        let mut made_up = made_up.clone();
        made_up["header"]["kid"] = json!(format!("made-up-{number}"));
        assert_eq!(status(&server, &identity.forged(made_up).await).await, 401);
    }
    // The first finds that the key of above was replaced, the second that nothing has changed.
    assert_eq!(identity.asked().await, (4, 4));
}

#[tokio::test]
async fn an_outage_of_the_provider_stops_nobody_who_is_known() {
    let identity = Identity::start().await;
    let mut gateway = gateway(&[("corp", &identity)]);
    let server = Server::start(&gateway).await;
    let token = |jti: u64, header: Value| {
        let claims = json!({ "aud": RESOURCE, "scope": "mcp", "jti": jti });
        identity.forged(json!({ "claims": claims, "header": header }))
    };
    assert_eq!(status(&server, &token(0, json!({})).await).await, 200);
    identity.becomes("down").await;
    assert_eq!(status(&server, &token(1, json!({})).await).await, 200, "its key is known");
    let unknown = token(2, json!({ "kid": "key-2" })).await;
    for _ in 0..2 {
        let reply = bearing(list(&server), &unknown).reply().await;
        assert_eq!(reply.status, 503, "it may be good: {reply:?}");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(!challenge(&reply).contains("error="), "it is not said to be bad: {reply:?}");
    }
    let providers = json!({ "corp": identity.entry() });
    gateway.set("auth", json!({ "resource": BASE, "providers": providers }));
    gateway.save_at_once();
    server.hang_up();
    let metadata = || server.request(Method::GET, "/.well-known/oauth-protected-resource");
    let renewed = async {
        while metadata().reply().await.json()["scopes_supported"] != Value::Null {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, renewed).await.expect("it reads what it says now");
    assert_eq!(status(&server, &token(3, json!({})).await).await, 200, "also after a reload");
    identity.becomes("rotate").await;
    identity.becomes("up").await;
    let back = async {
        while status(&server, &unknown).await == 503 {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, back).await.expect("it is asked again");
    let new = token(4, json!({})).await;
    assert_eq!(status(&server, &new).await, 200, "it signs with another key since");
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_nobody_else() {
    let (hanging, other) = (Identity::start().await, Identity::start().await);
    let gateway = gateway(&[("hanging", &hanging), ("other", &other)]);
    let create = gateway.conflux(&["token", "create", "ci"]).output().await.unwrap();
    let own = String::from_utf8(create.stdout).unwrap().trim().to_owned();
    let server = Server::start(&gateway).await;
    hanging.becomes("hang").await;
    let claims = json!({ "aud": RESOURCE, "scope": "mcp" });
    let stuck = hanging.signed(claims.clone()).await;
    let mut waiting = pin!(bearing(list(&server), &stuck).reply());
    let others = async {
        while hanging.asked().await.0 == 0 {
            sleep(POLL).await;
        }
        assert_eq!(status(&server, &own).await, 200);
        assert_eq!(status(&server, &other.signed(claims).await).await, 200);
    };
    tokio::select! {
        biased;
        reply = &mut waiting => panic!("it hangs: {reply:?}"),
        () = others => {}
    }
    assert_eq!(waiting.await.status, 503, "it does not wait for ever");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_had_is_no_reason_to_refuse_a_token() {
    let (identity, other) = (Identity::start().await, Identity::start().await);
    let mut gateway = gateway(&[]);
    // Its metadata is that of somebody else.
    let entry = json!({ "issuer": format!("{}/", identity.issuer) });
    let by_keys = json!({ "issuer": other.issuer, "jwks": format!("{}/jwks", other.issuer) });
    let providers = json!({ "corp": entry, "other": by_keys });
    gateway.set("auth", json!({ "resource": BASE, "providers": providers }));
    let server = Server::start_logging(&gateway, "info").await;
    let claims = json!({ "aud": RESOURCE, "iss": format!("{}/", identity.issuer) });
    assert_eq!(status(&server, &identity.signed(claims).await).await, 503);
    let given = other.token(RESOURCE, "mcp").await;
    assert_eq!(status(&server, &given).await, 200);
    assert_eq!(other.asked().await, (0, 1), "its metadata is not needed");
    let (_, stderr) = server.stop().await;
    assert!(stderr.contains("is that of"), "{stderr}");
}
