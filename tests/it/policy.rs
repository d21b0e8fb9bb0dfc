//! Who may do what, through the real program: over stdio and HTTP, in lists and in calls.

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::output::run;
use crate::support::output::stderr;
use crate::support::output::stdout;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::MODERN;
use crate::support::wire_client::Message;

const INVALID_PARAMS: i64 = -32602;
const METHOD_NOT_FOUND: i64 = -32601;
const LEGACY: &str = "2025-11-25";

/// A gateway before two toys with these rules.
fn gateway(rules: Value) -> Gateway {
    let flags = |name| ["--era", "dual", "--scheme", name, "--instructions", name];
    let a = toy(&[&flags("a")[..], &["--skills"]].concat());
    let mut gateway = Gateway::new(&[("a", a.entry()), ("b", toy(&flags("b")).entry())]);
    gateway.set("policy", json!({ "rules": rules }));
    gateway
}

/// The names or addresses on a list.
fn listed(answer: &Value, member: &str) -> Vec<String> {
    let key = match member {
        "tools" | "prompts" => "name",
        "resourceTemplates" => "uriTemplate",
        _ => "uri",
    };
    let items = answer[member].as_array().unwrap().iter();
    items.map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

async fn list(client: &mut Client, member: &str) -> Vec<String> {
    let method = match member {
        "resourceTemplates" => "resources/templates/list".to_owned(),
        member => format!("{member}/list"),
    };
    listed(&client.request(&method, json!({})).await.result(), member)
}

/// What a client is told, without what tells one request from another.
fn told(answer: &Message, name: &str) -> String {
    let mut error = answer.error();
    if let Some(data) = error.get_mut("data") {
        *data = json!(data.to_string().replace(name, "NAME"));
    }
    error.to_string().replace(name, "NAME")
}

#[tokio::test]
async fn what_is_hidden_is_answered_like_what_there_is_not() {
    let gateway = gateway(json!([{ "allow": { "upstreams": ["b"] } }]));
    for revision in [LEGACY, MODERN] {
        let mut client = gateway.start();
        if revision == MODERN {
            client.modern(json!({}));
        } else {
            client.initialize(revision, json!({})).await.result();
        }
        assert!(list(&mut client, "tools").await.iter().all(|name| name.starts_with("b__")));
        let requests = [
            ("tools/call", "name", "a__echo", "a__nothing"),
            ("tools/call", "name", "conflux__status", "conflux__nothing"),
            ("prompts/get", "name", "a__greet", "a__nothing"),
            ("resources/read", "uri", "a://static/1", "x://nothing"),
            ("resources/read", "uri", "a://item/1", "x://nothing"),
            ("resources/subscribe", "uri", "a://static/1", "x://nothing"),
            ("resources/unsubscribe", "uri", "a://static/1", "x://nothing"),
            ("skills/get", "uri", "skill://a/SKILL.md", "x://nothing"),
        ];
        for (method, key, hidden, unknown) in requests {
            if method.ends_with("subscribe") && revision == MODERN {
                continue;
            }
            let hidden_answer = client.request(method, json!({ key: hidden })).await;
            let unknown_answer = client.request(method, json!({ key: unknown })).await;
            let (one, other) = (told(&hidden_answer, hidden), told(&unknown_answer, unknown));
            assert_eq!(one, other, "{method} {hidden} {revision}");
        }
        for (kind, key, hidden, unknown) in [
            ("ref/prompt", "name", "a__greet", "a__nothing"),
            ("ref/resource", "uri", "a://item/{id}", "x://nothing"),
        ] {
            let argument = json!({ "name": "name", "value": "" });
            let ask = |name| json!({ "ref": { "type": kind, key: name }, "argument": argument });
            let hidden_answer = client.request("completion/complete", ask(hidden)).await;
            let unknown_answer = client.request("completion/complete", ask(unknown)).await;
            let (one, other) = (told(&hidden_answer, hidden), told(&unknown_answer, unknown));
            assert_eq!(one, other, "{kind} {revision}");
        }
        assert_eq!(client.call("b__echo", json!({"x": 1})).await.structured(), json!({"x": 1}));
        client.leave().await;
    }
}

#[tokio::test]
async fn nobody_waits_for_an_upstream_on_account_of_what_it_hides() {
    let mut gateway = gateway(json!([{ "allow": ["b__*", "mute__shown"] }]));
    let mute = json!({ "command": "sh", "args": ["-c", "cat > /dev/null"] });
    // Whoever waits for it is not answered within this test.
    gateway.add("mute", with(mute, "timeout", json!({ "start": "1h", "call": "1h" })));
    // Addresses could be of anybody; those that there are not are waited for so long.
    let gateway = gateway.limit("start_budget", json!("1s"));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    let shown = client.start("tools/call", json!({ "name": "mute__shown" })).await;
    for (method, key, hidden, unknown) in [
        ("tools/call", "name", "mute__hidden", "none__hidden"),
        ("prompts/get", "name", "mute__hidden", "none__hidden"),
        ("resources/read", "uri", "a://static/1", "x://nothing"),
    ] {
        let hidden_answer = client.request(method, json!({ key: hidden })).await;
        let unknown_answer = client.request(method, json!({ key: unknown })).await;
        assert_eq!(told(&hidden_answer, hidden), told(&unknown_answer, unknown), "{method}");
    }
    assert!(!client.has_reply_to(shown), "what is shown is waited for");
    client.leave().await;
}

#[tokio::test]
async fn an_extension_is_of_whom_the_caller_sees_and_finds_nothing_that_is_hidden() {
    let with = |name: &str, id: &str| {
        toy(&["--extension", id, "--extension", "v/both", "--scheme", name]).entry()
    };
    let mut gateway = Gateway::new(&[("a", with("a", "v/one")), ("b", with("b", "v/two"))]);
    let knows = json!({ "extensions": { "v/one": {}, "v/both": {} } });
    let rules = |more: Value| json!({ "rules": [{ "allow": { "upstreams": ["b"] } }, more] });
    gateway.set("policy", rules(json!({ "deny": { "prompts": "*" } })));
    for revision in [LEGACY, MODERN] {
        let mut client = gateway.start();
        let offered = if revision == MODERN {
            client.modern(knows.clone());
            client.request("server/discover", json!({})).await.result()
        } else {
            client.initialize(revision, knows.clone()).await.result()
        };
        list(&mut client, "tools").await;
        let both = client.request("both/ask", json!({})).await.result();
        assert_eq!(both["method"], "both/ask", "only one of them is seen: {offered}");
        assert_eq!(client.request("one/ask", json!({})).await.code(), METHOD_NOT_FOUND);
        client.leave().await;
    }
    gateway.set("policy", rules(json!({ "allow": "a__echo" })));
    let mut client = gateway.legacy(LEGACY, knows).await;
    list(&mut client, "tools").await;
    for (params, is_known) in [
        (json!({ "name": "a__echo" }), true),
        (json!({ "name": "a__count" }), false),
        (json!({ "name": "a__greet" }), false),
        (json!({ "name": "a__nothing" }), false),
        (json!({ "uri": "b://static/1" }), true),
        (json!({ "uri": "a://static/1" }), false),
        (json!({ "uri": "x://nothing" }), false),
    ] {
        let answer = client.request("both/ask", params.clone()).await;
        if is_known {
            assert_eq!(answer.result()["method"], "both/ask", "{params}");
        } else {
            assert_eq!(answer.code(), METHOD_NOT_FOUND, "{params}");
        }
    }
    client.leave().await;
}

#[tokio::test]
async fn a_probe_tells_nobody_what_is_hidden() {
    let gateway = gateway(json!([{ "allow": "b__echo" }]));
    let server = Server::start_ready(&gateway).await;
    for path in ["/readyz", "/readyz?verbose"] {
        let reply = server.request(Method::GET, path).reply().await;
        assert_eq!((reply.status, reply.json()), (200, json!({ "ready": true })), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn whoever_asks_for_a_part_that_there_is_not_is_told_of_none_that_is_hidden() {
    let profile = json!({ "small": { "upstreams": ["a"] } });
    let told = async |server: &Server, token: &str| {
        let mut all = String::new();
        for path in ["/servers/none/mcp", "/profiles/none/mcp"] {
            let asked = server.modern("tools/list", json!({})).to(path);
            let reply = asked.header("Authorization", &format!("Bearer {token}")).reply().await;
            assert_eq!(reply.status, 404, "{reply:?}");
            all += &reply.body;
        }
        all
    };
    let mut gateway = gateway(json!([{ "allow": { "upstreams": ["b"] } }]));
    gateway.set("profiles", profile);
    let hidden = told(&Server::start(&gateway).await, "x").await;
    assert!(!hidden.contains("there are") && !hidden.contains("small"), "{hidden}");
    gateway.set("policy", Value::Null);
    gateway.set("auth", json!({}));
    let token = async |args: &[&str]| {
        let created = run(&gateway, &[&["token", "create"], args].concat()).await;
        stdout(&created).trim().to_owned()
    };
    let (some, all) = (token(&["some", "--tool", "b__*"]).await, token(&["all"]).await);
    let server = Server::start(&gateway).await;
    let bounded = told(&server, &some).await;
    assert!(!bounded.contains("there are") && !bounded.contains("small"), "{bounded}");
    let whole = told(&server, &all).await;
    assert!(whole.contains("there are `a`, `b`") && whole.contains("`small`"), "{whole}");
}

#[tokio::test]
async fn lists_hold_what_can_be_used() {
    let gateway = gateway(json!([
        { "allow": "a__echo" },
        { "allow": { "prompts": "b__*", "resources": ["a://static/*", "b://item/*"] } },
        { "deny": { "resources": "a://static/2" } },
        { "allow": "conflux__status" },
    ]));
    let mut client = gateway.modern(json!({}));
    assert_eq!(list(&mut client, "tools").await, ["a__echo", "conflux__status"]);
    assert_eq!(list(&mut client, "prompts").await, ["b__greet"]);
    assert_eq!(list(&mut client, "resources").await, ["a://static/1", "a://static/3"]);
    assert_eq!(list(&mut client, "resourceTemplates").await, ["b://item/{id}"]);
    let answer = client.request("tools/list", json!({})).await.result();
    assert_eq!(answer["cacheScope"], "private", "it depends on who asks");
    for (uri, is_seen) in [
        ("a://static/1", true),
        ("a://static/2", false),
        ("a://item/1", false),
        ("b://item/1", true),
        ("b://static/1", false),
    ] {
        let answer = client.request("resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer.line.contains("\"contents\""), is_seen, "{uri}: {}", answer.line);
    }
    let status = client.call("conflux__status", json!({})).await.structured();
    let upstreams = status["upstreams"].as_array().unwrap();
    let counts: Vec<_> =
        upstreams.iter().map(|it| (it["name"].clone(), it["tools"].clone())).collect();
    assert_eq!(counts, [(json!("a"), json!(1)), (json!("b"), json!(0))]);
    assert_eq!(status["files"], json!([]));
    client.leave().await;
}

#[tokio::test]
async fn what_nobody_sees_anything_of_says_nothing() {
    let gateway = gateway(json!([{ "allow": { "upstreams": ["b", "conflux"] } }]));
    let mut client = gateway.modern(json!({}));
    list(&mut client, "tools").await;
    let found = client.request("server/discover", json!({})).await.result();
    let instructions = found["instructions"].as_str().unwrap();
    assert!(instructions.contains("# b") && !instructions.contains("# a"), "{instructions}");
    let status = client.call("conflux__status", json!({})).await.structured();
    assert_eq!(status["upstreams"].as_array().unwrap().len(), 1);
    client.leave().await;
}

#[tokio::test]
async fn an_upstream_that_has_nothing_yet_is_told_of_to_those_alone_who_could_see_something() {
    let b = toy(&["--era", "dual", "--scheme", "b"]).entry();
    let mut gateway = Gateway::new(&[("b", b), ("broken", json!({ "command": "false" }))]);
    gateway.set("exposure", json!("search"));
    for (allowed, names) in [
        (json!({ "upstreams": ["b", "conflux"] }), &["b"][..]),
        (json!(["b__*", "conflux__*"]), &["b"]),
        (json!(["b__*", "conflux__*", "broken__*"]), &["b", "broken"]),
        (json!({}), &["b", "broken"]),
    ] {
        // All that there is can be seen, whatever is allowed of the other one.
        let rest = json!({ "allow": { "upstreams": "b" } });
        gateway.set("policy", json!({ "rules": [{ "allow": allowed }, rest] }));
        let mut client = gateway.modern(json!({}));
        let tools = client.request("tools/list", json!({})).await.result()["tools"].to_string();
        let said = format!("Servers: {}.", names.join(", "));
        assert!(tools.contains(&said), "{allowed}: {tools}");
        let search = client.call("conflux__search", json!({ "server": "x" })).await.result();
        let said = format!("there are: {}\"", names.join(", "));
        assert!(search["content"].to_string().contains(&said), "{allowed}: {search}");
        let status = client.call("conflux__status", json!({})).await.structured();
        let known = status["upstreams"].as_array().unwrap().iter().map(|it| &it["name"]);
        assert_eq!(known.collect::<Vec<_>>(), names, "{allowed}");
        client.leave().await;
    }
}

#[tokio::test]
async fn nothing_is_filled_into_rules_but_all_can_be_written() {
    let rules = json!([
        { "allow": "a__*" },
        { "deny": "a__echo", "arguments": { "command": "*$${HOME}*" } },
    ]);
    let written = gateway(rules);
    let mut client = written.modern(json!({}));
    for (command, is_denied) in [("rm ${HOME}", true), ("rm $${HOME}", true), ("rm HOME", false)] {
        let reply = client.call("a__echo", json!({ "command": command })).await;
        assert_eq!(reply.line.contains(r#""error""#), is_denied, "{command}: {}", reply.line);
    }
    client.leave().await;
    let gateway = gateway(json!([{ "allow": {}, "principals": "user:${USER}" }]));
    let refused = run(&gateway, &["check"]).await;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let said = stderr(&refused);
    assert!(said.contains("has `${USER}`, but nothing is filled in there"), "{said}");
}

#[tokio::test]
async fn arguments_are_judged_as_they_are_sent() {
    let takes =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } } });
    let tools = json!([
        { "name": "say", "inputSchema": takes("text") },
        { "name": "plain", "inputSchema": { "type": "object" } },
    ]);
    let mut gateway = Gateway::new(&[]);
    let file = gateway.write("tools.json", &tools.to_string());
    let entry = toy(&["--tools-file", file.to_str().unwrap()]).entry();
    let renamed = json!({ "say": { "arguments": { "text": { "name": "words" } } } });
    gateway.add("a", with(entry, "tools", json!({ "override": renamed })));
    gateway.set(
        "policy",
        json!({ "rules": [
            { "allow": "*" },
            { "deny": "a__say", "arguments": { "text": "/etc/*" }, "name": "nothing of etc" },
            { "deny": "a__plain", "arguments": { "uri": "x" } },
        ] }),
    );
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    assert!(list(&mut client, "tools").await.contains(&"a__say".to_owned()));
    let fine = client.call("a__say", json!({ "words": "/home" })).await;
    assert_eq!(fine.structured(), json!({ "text": "/home" }));
    let refused = client.call("a__say", json!({ "words": "/etc/passwd" })).await;
    assert_eq!(refused.code(), INVALID_PARAMS);
    let message = refused.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("`nothing of etc`") && message.contains("`text`"), "{message}");
    assert!(!message.contains("yaml"), "where it is written is nobody's business: {message}");
    for doubtful in [
        r#"{"words":["/etc/passwd"]}"#,
        r#"{"words":1e999}"#,
        r#"{"words":"\ud800"}"#,
        r#"{"words":{"a":1,"a":2}}"#,
    ] {
        let answer = client.call_raw("a__say", doubtful).await;
        assert_eq!(answer.code(), INVALID_PARAMS, "{doubtful}");
    }
    let odd = client.call_raw("a__plain", r#"{"\ud800":1,"uri":"a","uri":"x"}"#).await;
    assert_eq!(odd.code(), INVALID_PARAMS);
    client.leave().await;
}

#[tokio::test]
async fn one_upstream_alone_is_under_the_same_rules() {
    let gateway = gateway(json!([{ "allow": ["a__echo", "b__*"] }, { "deny": "b__echo" }]));
    let server = Server::start(&gateway).await;
    let ask = |method: &str, params: Value| server.modern(method, params);
    let tools = ask("tools/list", json!({})).to("/servers/a/mcp").reply().await.result();
    assert_eq!(listed(&tools, "tools"), ["echo"]);
    let call = |name: &str| server.call(name, json!({ "x": 1 })).to("/servers/a/mcp");
    assert_eq!(call("echo").reply().await.result()["structuredContent"], json!({ "x": 1 }));
    assert_eq!(call("touch").reply().await.code(), INVALID_PARAMS);
    let other = server.call("echo", json!({})).to("/servers/b/mcp").reply().await;
    assert_eq!(other.code(), INVALID_PARAMS);
    server.stop().await;
}

#[tokio::test]
async fn callers_are_told_apart() {
    let rules = json!([
        { "allow": "a__*", "principals": "process" },
        { "allow": "b__*", "principals": "anonymous" },
        { "allow": "conflux__status", "clients": "TEST*" },
    ]);
    let gateway = gateway(rules);
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    let tools = list(&mut client, "tools").await;
    assert!(tools.iter().any(|name| name == "a__echo"), "{tools:?}");
    assert!(!tools.iter().any(|name| name.starts_with("b__")), "{tools:?}");
    client.leave().await;
    let server = Server::start(&gateway).await;
    let session = server.session(LEGACY, json!({})).await;
    let tools = session.request(1, "tools/list", json!({})).reply().await.result();
    let tools = listed(&tools, "tools");
    assert!(tools.iter().all(|name| name.starts_with("b__") || name == "conflux__status"));
    assert!(tools.contains(&"conflux__status".to_owned()), "{tools:?}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_hidden_is_not_found_either() {
    let mut gateway = gateway(json!([{ "allow": ["a__echo", "a__huge"] }]));
    gateway.set("exposure", json!("search"));
    let mut client = gateway.modern(json!({}));
    assert_eq!(list(&mut client, "tools").await, ["conflux__search", "conflux__call"]);
    let found = client.call("conflux__search", json!({ "limit": 50 })).await.structured();
    assert_eq!(listed(&found, "tools"), ["a__echo", "a__huge"]);
    assert_eq!(found["total"], 2);
    let other = client.call("conflux__search", json!({ "server": "b" })).await;
    assert!(other.text().ends_with("there are: a"), "{}", other.text());
    let call = |name: &str| json!({ "name": name, "arguments": { "x": 1 } });
    let echoed = client.call("conflux__call", call("a__echo")).await;
    assert_eq!(echoed.structured(), json!({ "x": 1 }));
    let hidden = client.call("conflux__call", call("b__echo")).await;
    let unknown = client.call("conflux__call", call("b__nothing")).await;
    assert_eq!(told(&hidden, "b__echo"), told(&unknown, "b__nothing"));
    client.leave().await;
}

#[tokio::test]
async fn a_shadow_refuses_nothing_and_says_what_it_would() {
    let mut gateway = gateway(json!([{ "allow": "a__*" }]));
    gateway.set("policy", json!({ "shadow": true, "rules": [{ "allow": "a__*" }] }));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    assert!(list(&mut client, "tools").await.contains(&"b__echo".to_owned()));
    assert_eq!(client.call("b__echo", json!({ "x": 1 })).await.structured(), json!({ "x": 1 }));
    let log = client.wait_for_stderr("would be refused").await;
    assert!(log.contains("b__echo"), "{log}");
    client.leave().await;
}

#[tokio::test]
async fn a_reload_changes_who_sees_what() {
    let mut gateway = gateway(json!([{ "allow": "a__echo" }]));
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    assert_eq!(list(&mut client, "tools").await, ["a__echo"]);
    gateway.set("policy", json!({ "rules": [{ "allow": "b__echo" }] }));
    gateway.save_at_once();
    client.wait_for("notifications/tools/list_changed", 1).await;
    assert_eq!(list(&mut client, "tools").await, ["b__echo"]);
    assert_eq!(client.call("a__echo", json!({})).await.code(), INVALID_PARAMS);
    // What means nothing is not taken over.
    gateway.set("policy", json!({ "rules": [{ "allow": ["a__echo", "b__ecco"] }] }));
    gateway.save_at_once();
    let log = client.wait_for_stderr("not reloaded").await;
    assert!(log.contains("there is no tool `b__ecco`"), "{log}");
    assert_eq!(list(&mut client, "tools").await, ["b__echo"]);
    client.leave().await;
}

#[tokio::test]
async fn what_a_rule_names_must_be_there() {
    let mut gateway = gateway(json!([{ "allow": ["a__echo", "b__ecco"] }]));
    // Nobody knows yet what there is, so it is said when it is known, and holds all the same.
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    assert_eq!(list(&mut client, "tools").await, ["a__echo"]);
    let log = client.wait_for_stderr("a rule means nothing").await;
    assert!(log.contains("there is no tool `b__ecco`") && log.contains("b__echo"), "{log}");
    client.leave().await;
    // Now it is known.
    let mut again = gateway.start();
    assert_eq!(again.wait().await.code(), Some(3));
    again.wait_for_stderr("there is no tool `b__ecco`").await;
    let checked = run(&gateway, &["check"]).await;
    assert_eq!(checked.status.code(), Some(3), "{}", stderr(&checked));
    let examined = run(&gateway, &["doctor"]).await;
    assert!(stdout(&examined).contains("CFX019"), "{}", stdout(&examined));
    gateway.set("policy", json!({ "rules": [{ "allow": ["a__echo", "b__echo"] }] }));
    assert_eq!(run(&gateway, &["check"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn policies_in_cedar_are_checked_and_hold() {
    let mut gateway = gateway(json!([]));
    gateway.set("policy", json!({ "cedar": "*.cedar" }));
    gateway.write("broken.cedar", "// nothing yet");
    let warned = stderr(&run(&gateway, &["check"]).await);
    assert!(warned.contains("`policy` has no rule, so everybody may do everything"), "{warned}");
    gateway.write("broken.cedar", "permit (principal, action resource);");
    let checked = run(&gateway, &["check"]).await;
    assert_eq!(checked.status.code(), Some(3));
    assert!(stderr(&checked).contains("broken.cedar:1:27: "), "{}", stderr(&checked));
    gateway.write(
        "broken.cedar",
        "@name(\"nothing extra\")\n\
         forbid (principal, action == Action::\"a__extra\", resource);\n\
         permit (principal, action, resource in Upstream::\"a\");\n",
    );
    let mut client = gateway.legacy(LEGACY, json!({})).await;
    assert!(list(&mut client, "tools").await.iter().all(|name| name.starts_with("a__")));
    let log = client.wait_for_stderr("a rule means nothing").await;
    assert!(log.contains("broken.cedar:2:30: there is no tool `a__extra`"), "{log}");
    client.leave().await;
}

#[tokio::test]
async fn rules_can_be_tried_out_and_explained() {
    let gateway = gateway(json!([
        { "allow": "a__*", "groups": "team", "name": "the team uses a" },
        { "deny": "a__echo", "arguments": { "text": "no*" }, "name": "never no" },
    ]));
    let mut first = gateway.legacy(LEGACY, json!({})).await;
    list(&mut first, "tools").await;
    assert!(first.leave().await.success());
    gateway.write(
        "cases.yaml",
        "- { groups: [team], call: a__echo, arguments: { text: yes it is }, expect: allow, \
             rule: the team uses a }\n\
         - { groups: [team], call: a__echo, arguments: { text: no }, expect: deny, \
             rule: never no }\n\
         - { as: anonymous, call: a__echo, expect: hidden }\n\
         - { groups: [team], prompt: a__greet, expect: hidden }\n\
         - { groups: [team], read: \"a://static/1\", expect: hidden }\n",
    );
    let tested = run(&gateway, &["policy", "test", "cases.yaml"]).await;
    assert_eq!(tested.status.code(), Some(0), "{}{}", stdout(&tested), stderr(&tested));
    assert_eq!(
        (stdout(&tested), stderr(&tested)),
        (String::new(), "5 of 5 cases as expected\n".into())
    );
    gateway.write("unknown.yaml", "- { as: anonymous, call: a__ecoh, expect: hidden }\n");
    let tested = run(&gateway, &["policy", "test", "unknown.yaml"]).await;
    assert_eq!(tested.status.code(), Some(0));
    insta::assert_snapshot!("policy_test_unknown", stderr(&tested));
    gateway.write("wrong.yaml", "- { call: a__echo, expect: allow }\n");
    let tested = run(&gateway, &["policy", "test", "wrong.yaml"]).await;
    assert_eq!(tested.status.code(), Some(11));
    insta::assert_snapshot!("policy_test", stdout(&tested));
    let home = gateway.path().display().to_string();
    let args = ["policy", "explain", "a__echo", "--group", "team", "--args", r#"{"text":"no"}"#];
    let denied = stdout(&run(&gateway, &args).await).replace(&home, "HOME");
    insta::assert_snapshot!("policy_explain_denied", denied);
    let args = ["policy", "explain", "--as", "user:ann", "a__echo"];
    let missed = stdout(&run(&gateway, &args).await).replace(&home, "HOME");
    insta::assert_snapshot!("policy_explain_missed", missed);
    // The groups of a token are known.
    let made = run(&gateway, &["token", "create", "ci", "--group", "team", "--tool", "a__*"]).await;
    assert!(made.status.success(), "{}", stderr(&made));
    let explained = run(&gateway, &["policy", "explain", "--as", "token:ci", "a__echo"]).await;
    insta::assert_snapshot!("policy_explain_token", stderr(&explained));
    assert!(stdout(&explained).starts_with("a__echo: allowed\n"), "{}", stdout(&explained));
    // Of two of one name the newer one counts, and it is said that it is no good.
    for args in [&["revoke", "ci"][..], &["create", "ci", "--expires", "1s"]] {
        assert!(run(&gateway, &[&["token"], args].concat()).await.status.success());
    }
    let is_over = async {
        loop {
            let explained =
                run(&gateway, &["policy", "explain", "--as", "token:ci", "a__echo"]).await;
            if stderr(&explained).contains("`token:ci` is expired") {
                break explained;
            }
        }
    };
    let explained = tokio::time::timeout(LIMIT, is_over).await.unwrap();
    assert!(stderr(&explained).contains("is turned away"), "{}", stderr(&explained));
    assert!(!stderr(&explained).contains("team"), "{}", stderr(&explained));
    let schema = stdout(&run(&gateway, &["policy", "schema"]).await);
    assert!(schema.contains("action \"a__echo\" in [Action::\"tools/call\"]"), "{schema}");
}
