//! A client that is listed a few tools finds and calls all the others, as if they were listed.

use conflux::catalog::tokens;
use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::http::Server;
use crate::support::programs::toy;
use crate::support::wire_client::Client;

fn gateway(more: usize, exposure: &str) -> Gateway {
    let entry = toy(&["--era", "dual", "--tools", &more.to_string()]).entry();
    let mut gateway = Gateway::new(&[("toy", entry)]);
    gateway.set("exposure", json!(exposure));
    gateway
}

async fn listed(client: &mut Client) -> Vec<String> {
    let result = client.request("tools/list", json!({})).await.result();
    names(&result)
}

fn names(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().expect("a list");
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The parameters of a client that calls itself like this.
fn called(client: &str) -> Value {
    let info = json!({ "name": client, "version": "1" });
    json!({ "_meta": { "io.modelcontextprotocol/clientInfo": info } })
}

/// What a search finds, as a program and as a model are told it.
async fn found(client: &mut Client, arguments: Value) -> Value {
    let answer = client.call("conflux__search", arguments).await;
    let result = answer.result();
    assert_eq!(result["isError"], false, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let structured = result["structuredContent"].clone();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), structured);
    structured
}

/// What a model is told that made a mistake.
async fn mistake(client: &mut Client, tool: &str, arguments: Value) -> String {
    let result = client.call(tool, arguments).await.result();
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn five_hundred_tools_cost_under_two_thousand_tokens() {
    let mut gateway = gateway(500, "search");
    gateway.set("pinned", json!(["toy__echo", "toy__extra_7"]));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let answer = client.request("tools/list", json!({})).await;
    let own = ["conflux__search", "conflux__call", "conflux__status"];
    let expected: Vec<_> = ["toy__echo", "toy__extra_7"].into_iter().chain(own).collect();
    assert_eq!(names(&answer.result()), expected);
    assert!(tokens::estimate(&answer.line) < 2_000, "{}", answer.line.len());
    let all = found(&mut client, json!({ "limit": 1 })).await;
    assert!(all["total"].as_u64().unwrap() > 500, "{all}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_is_found_is_the_definition_as_it_would_be_listed() {
    let gateway = gateway(30, "search");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let flat = self::gateway(30, "flat");
    let mut other = flat.legacy("2025-11-25", json!({})).await;
    let all = other.request("tools/list", json!({})).await.result()["tools"].clone();
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = found(&mut client, json!({ "limit": 7, "cursor": cursor })).await;
        seen.extend(page["tools"].as_array().unwrap().clone());
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut expected: Vec<Value> = all.as_array().unwrap().clone();
    expected.retain(|tool| tool["name"] != "conflux__status");
    for tool in &mut expected {
        tool.as_object_mut().unwrap().retain(|key, _| key != "icons" && key != "_meta");
    }
    assert_eq!(seen, expected, "all pages together are all there is, in the same order");
    let best = found(&mut client, json!({ "query": "echo" })).await;
    assert_eq!(names(&best)[0], "toy__echo");
    assert!(client.leave().await.success());
    assert!(other.leave().await.success());
}

#[tokio::test]
async fn a_call_of_what_was_found_is_a_call_like_any_other() {
    let gateway = gateway(3, "search");
    for modern in [false, true] {
        let can = json!({ "elicitation": {} });
        let mut client =
            if modern { gateway.modern(can) } else { gateway.legacy("2025-11-25", can).await };
        let direct = client.call("toy__echo", json!({ "a": [1.0, { "b": null }] })).await;
        let inner = json!({ "name": "toy__echo", "arguments": { "a": [1.0, { "b": null }] } });
        let indirect = client.call("conflux__call", inner).await;
        assert_eq!(indirect.result(), direct.result());
        let written = json!({ "name": "toy__echo", "arguments": "{\"a\":[1.0,{\"b\":null}]}" });
        let written = client.call("conflux__call", written).await;
        assert_eq!(written.result(), direct.result(), "some models write a string");
        let asks = json!({ "name": "toy__ask", "arguments": { "kind": "elicit" } });
        let told = json!({ "action": "accept", "content": {} });
        client.answer("elicitation/create", told);
        let asked =
            client.converse("tools/call", json!({ "name": "conflux__call", "arguments": asks }));
        let asked = asked.await.result();
        let expected = json!({ "name": "toy__ask", "arguments": { "kind": "elicit" } });
        assert_eq!(asked, client.converse("tools/call", expected).await.result());
        assert_eq!(client.seen("elicitation/create").len(), 2, "both asked");
        let unknown = client.call("conflux__call", json!({ "name": "toy__nothing" })).await;
        let expected = client.call("toy__nothing", json!({})).await;
        assert_eq!(unknown.code(), expected.code());
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_mistake_is_explained_to_the_model_that_made_it() {
    let gateway = gateway(3, "search");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let cases = [
        ("conflux__search", json!({ "limit": 0 }), "`limit` must be an integer from 1 to 50"),
        ("conflux__search", json!({ "query": 7 }), "`query` must be a string"),
        (
            "conflux__search",
            json!({ "cursor": "x" }),
            "`cursor` is none that a search has returned",
        ),
        ("conflux__search", json!({ "server": "ty" }), "there is no server `ty`; there are: toy"),
        (
            "conflux__search",
            json!({ "text": "a" }),
            "there is no argument `text`; there are `query`, `server`, `limit`, `cursor`",
        ),
        (
            "conflux__search",
            json!({ "query": "echo", "limit": 1, "cursor": "1-7" }),
            "other tools are found now than when this `cursor` was given, or it is of another \
             search; search again without it",
        ),
        ("conflux__search", json!([]), "`arguments`: not an object"),
        ("conflux__call", json!(null), "`name` is missing: the name of the tool to call"),
        ("conflux__call", json!({}), "`name` is missing: the name of the tool to call"),
        (
            "conflux__call",
            json!({ "name": "conflux__call" }),
            "`conflux__call` cannot call itself; name the tool that is meant",
        ),
        (
            "conflux__call",
            json!({ "name": "toy__echo", "arguments": [1] }),
            "`arguments` must be an object: not an object",
        ),
    ];
    for (tool, arguments, expected) in cases {
        assert_eq!(mistake(&mut client, tool, arguments).await, expected);
    }
    let nothing = found(&mut client, json!({ "query": "zebra" })).await;
    assert_eq!(nothing["total"], 0);
    assert_eq!(nothing["hint"], "try other words, or leave out `query`");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn where_all_tools_are_listed_nobody_searches() {
    let gateway = gateway(3, "flat");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert!(listed(&mut client).await.contains(&"toy__extra_3".to_owned()));
    assert_eq!(client.call("conflux__search", json!({})).await.code(), -32602);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn how_much_is_listed_depends_on_how_much_there_is_and_on_the_client() {
    let gateway = gateway(130, "auto");
    let server = Server::start(&gateway).await;
    for (client, searches) in [("Visual Studio Code", true), ("claude-code", false), ("x", false)] {
        let reply = server.modern("tools/list", called(client)).reply().await;
        let names = names(&reply.result());
        assert_eq!(names.len() < 10, searches, "{client}: {names:?}");
        assert_eq!(names.contains(&"conflux__search".to_owned()), searches, "{client}");
    }
    server.stop().await;
}

#[tokio::test]
async fn as_many_tools_as_a_client_takes_are_listed_and_not_one_more() {
    let flat = gateway(0, "flat");
    let mut client = flat.legacy("2025-11-25", json!({})).await;
    let others = listed(&mut client).await.len();
    assert!(client.leave().await.success());
    for (all, searches) in [(128, false), (129, true)] {
        let gateway = gateway(all - others, "auto");
        let server = Server::start(&gateway).await;
        let listed = server.modern("tools/list", called("vscode")).reply().await;
        let names = names(&listed.result());
        assert_eq!(names.len(), if searches { 3 } else { all });
        server.stop().await;
    }
}

#[tokio::test]
async fn who_is_listed_more_than_it_takes_is_told_where_it_looks() {
    let mut gateway = gateway(130, "flat").profile("few", json!({ "tools": { "deny": ["*"] } }));
    gateway.add("other", toy(&["--era", "dual"]).entry());
    gateway.save();
    let server = Server::start(&gateway).await;
    let status = async |client: &str, path: &str| {
        let params = json!({ "name": "conflux__status", "_meta": called(client)["_meta"] });
        let reply = server.modern("tools/call", params).to(path).reply().await;
        reply.result()["structuredContent"]["warnings"].clone()
    };
    server.modern("tools/list", json!({})).reply().await.result();
    let windsurf = status("windsurf-client", "/mcp").await;
    let told = windsurf[0].as_str().unwrap();
    assert!(told.starts_with("Windsurf uses 100 tools at most, and there are "), "{told}");
    assert!(told.contains("; the most come from `toy` (1") && told.contains(", `other` ("));
    assert!(told.contains("`tools: { deny: [...] }`") && told.contains("`exposure: auto`"));
    assert_eq!(status("claude-code", "/mcp").await, json!([]), "it takes any number");
    assert_eq!(status("windsurf-client", "/profiles/few/mcp").await, json!([]));
    server.stop().await;
    let mut client = gateway.start();
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "cursor-vscode", "version": "1" },
    });
    client.request("initialize", params).await.result();
    client.notify("notifications/initialized", json!({})).await;
    assert!(listed(&mut client).await.len() > 130);
    let output = gateway.conflux(&["status"]).output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("\nwarning: Cursor warns from 80 tools on, and there are "), "{shown}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_depends_on_who_asks_is_nothing_for_others_to_keep() {
    let boolean = json!([{
        "name": "any",
        "inputSchema": { "type": "object", "properties": { "x": true } },
    }]);
    let place = Gateway::new(&[]);
    let file = place.write("tools.json", &boolean.to_string());
    let flags = ["--era", "modern", "--ttl", "86400000", "--tools-file", file.to_str().unwrap()];
    for (setting, client, scope) in [
        (("exposure", json!("flat")), "nobody knows me", "public"),
        (("exposure", json!("flat")), "gemini", "private"),
        (("exposure", json!("auto")), "nobody knows me", "private"),
        (("profiles", json!({ "a": { "clients": ["x"] } })), "nobody knows me", "private"),
    ] {
        let mut gateway = Gateway::new(&[("toy", toy(&flags).entry())]);
        gateway.set(setting.0, setting.1);
        let server = Server::start(&gateway).await;
        let listed = server.modern("tools/list", called(client)).reply().await.result();
        assert_eq!(listed["cacheScope"], scope, "{client}: {listed}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_profile_says_for_itself_how_much_is_listed() {
    let gateway = gateway(3, "flat")
        .profile("few", json!({ "exposure": "search", "tools": { "deny": ["toy__extra_*"] } }));
    let server = Server::start(&gateway).await;
    let list = |path: &str| server.modern("tools/list", json!({})).to(path);
    let few = names(&list("/profiles/few/mcp").reply().await.result());
    assert_eq!(few, ["conflux__search", "conflux__call", "conflux__status"]);
    let all = names(&list("/mcp").reply().await.result());
    assert!(all.contains(&"toy__extra_1".to_owned()) && !all.contains(&few[0]));
    let call = json!({ "name": "conflux__call", "arguments": { "name": "toy__extra_1" } });
    let hidden = server.modern("tools/call", call).to("/profiles/few/mcp").reply().await;
    assert_eq!(hidden.code(), -32602, "what the profile does not show cannot be called either");
    server.stop().await;
}

#[tokio::test]
async fn one_odd_definition_never_empties_the_list_of_a_client() {
    let odd = json!([
        { "name": "good", "inputSchema": { "type": "object" } },
        { "name": "any", "inputSchema": { "type": "object", "properties": { "x": true } } },
        {
            "name": "class",
            "inputSchema": { "type": "object", "properties": { "constructor": {} } },
        },
        {
            "name": "endless",
            "inputSchema": { "type": "object", "properties": { "x": { "$ref": "#" } } },
        },
        {
            "name": "combined",
            "inputSchema": { "type": "object", "anyOf": [{ "required": ["x"] }] },
        },
    ]);
    let mut gateway = Gateway::new(&[]);
    let file = gateway.write("tools.json", &odd.to_string());
    let flags = ["--era", "dual", "--tools-file", file.to_str().unwrap()];
    gateway.add("toy", toy(&flags).entry());
    gateway.save();
    let server = Server::start(&gateway).await;
    let list = async |client: &str| {
        let reply = server.modern("tools/list", called(client)).reply().await;
        reply.result()["tools"].as_array().unwrap().clone()
    };
    let everybody = list("nobody knows me").await;
    assert_eq!(everybody.len(), 6, "all, and that of Conflux");
    let boolean = &everybody[1]["inputSchema"]["properties"]["x"];
    assert_eq!(*boolean, json!(true), "who is not known gets what came");
    let mut differing = 0;
    for client in conflux::clients::Client::ALL {
        let listed = list(client.id()).await;
        let has = |name: &str| listed.iter().any(|tool| tool["name"] == *name);
        assert!(has("toy__good") && has("toy__any"), "{}: {listed:?}", client.id());
        differing += usize::from(listed != everybody);
    }
    assert!(differing >= 3, "{differing} are known to take less");
    server.stop().await;
}

#[tokio::test]
async fn a_profile_may_be_what_everybody_sees_who_asks_for_nothing() {
    let mut gateway = gateway(3, "flat")
        .profile("few", json!({ "tools": { "allow": ["toy__echo"] } }))
        .profile("all", json!({}));
    gateway.set("profile", json!("few"));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert_eq!(listed(&mut client).await, ["toy__echo", "conflux__status"]);
    assert_eq!(client.call("toy__extra_1", json!({})).await.code(), -32602);
    assert!(client.leave().await.success());
    let server = Server::start(&gateway).await;
    let count = async |path: &str| {
        let reply = server.modern("tools/list", json!({})).to(path).reply().await;
        names(&reply.result()).len()
    };
    assert_eq!(count("/mcp").await, 2);
    assert!(count("/profiles/all/mcp").await > 5 && count("/servers/toy/mcp").await > 5);
    server.stop().await;
}
