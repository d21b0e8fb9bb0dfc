//! Tools that are other than their servers list them, through the real program.

use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server as Front;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::servers::Server;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::Message;

const INVALID_PARAMS: i64 = -32602;

/// The tools a client is shown, by name.
async fn tools(client: &mut Client) -> Vec<(String, Value)> {
    let listed = client.request("tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().unwrap().iter();
    tools.map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool.clone())).collect()
}

async fn tool(client: &mut Client, name: &str) -> Value {
    let found = tools(client).await.into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("{name} is not listed")).1
}

/// A toy that lists these tools, each of which works like `echo`.
fn toy_with(gateway: &Gateway, name: &str, flags: &[&str], definitions: &Value) -> Value {
    let file = gateway.write(&format!("{name}.json"), &definitions.to_string());
    toy(&[&["--tools-file", file.to_str().unwrap()], flags].concat()).entry()
}

fn issues() -> Value {
    json!([
        {
            "name": "create_issue",
            "description": "Makes an issue.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "owner": {"type": "string"},
                    "repo": {"type": "string"},
                    "title": {"type": "string"},
                    "labels": {"type": "array"},
                    "dry": {"type": "boolean"},
                },
                "required": ["owner", "repo", "title"],
                "additionalProperties": false,
            },
            "annotations": {"destructiveHint": false},
        },
        {
            "name": "list_issues",
            "inputSchema": {"type": "object", "properties": {"owner": {}}},
            "annotations": {"readOnlyHint": true},
        },
    ])
}

#[track_caller]
fn refused(answer: &Message, expected: &str) {
    assert_eq!(answer.code(), INVALID_PARAMS);
    let message = answer.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains(expected), "{message}");
}

/// A gateway with everything that can be said of a tool.
fn shaped(flags: &[&str]) -> Gateway {
    let mut gateway = Gateway::new(&[]);
    let tools = json!({
        "override": {
            "create_issue": {
                "name": "new_issue",
                "title": "New issue",
                "description": "Makes one of ours.",
                "annotations": {"idempotentHint": true},
                "arguments": {
                    "owner": {"value": "acme-${TEAM}"},
                    "repo": {"name": "repository"},
                    "labels": {"default": ["new"]},
                    "dry": {"hide": true},
                },
            },
        },
        "variants": {
            "file_bug": {"of": "create_issue", "arguments": {"labels": {"value": ["bug"]}}},
        },
    });
    let entry = toy_with(&gateway, "toy", flags, &issues());
    gateway.add("toy", with(entry, "tools", tools));
    gateway
}

/// A client of either era.
async fn opened(mut client: Client, is_modern: bool) -> Client {
    if is_modern {
        client.modern(json!({}));
    } else {
        client.initialize("2025-11-25", json!({})).await.result();
    }
    client
}

fn start(gateway: &Gateway) -> Client {
    Client::spawn(gateway.command().env("TEAM", "blue-team"))
}

#[tokio::test]
async fn a_tool_is_listed_and_called_as_it_is_configured() {
    for flags in [&["--era", "modern"][..], &["--revision", "2025-06-18"]] {
        let gateway = shaped(flags);
        for is_modern in [false, true] {
            let mut client = opened(start(&gateway), is_modern).await;
            let tool = tool(&mut client, "toy__new_issue").await;
            assert_eq!(tool["title"], "New issue");
            assert_eq!(tool["description"], "Makes one of ours.");
            let annotations = json!({"destructiveHint": false, "idempotentHint": true});
            assert_eq!(tool["annotations"], annotations);
            assert_eq!(tool["_meta"]["dev.conflux/name"], "create_issue");
            let schema = &tool["inputSchema"];
            let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names, ["repository", "title", "labels"]);
            assert_eq!(schema["properties"]["labels"]["default"], json!(["new"]));
            let required = schema["required"].as_array().unwrap();
            assert_eq!(required, &["repository", "title"]);

            let line = r#"{"title":1.0 ,"repository":"\u0061"}"#;
            let called = client.call_raw("toy__new_issue", line).await;
            let sent =
                json!({"title": 1.0, "repo": "a", "labels": ["new"], "owner": "acme-blue-team"});
            assert_eq!(called.structured(), sent);
            assert!(called.raw_result().contains(r#""repo":"\u0061""#), "{}", called.raw_result());
            let own = json!({"owner": "me", "repository": "r", "labels": []});
            let called = client.call("toy__new_issue", own).await.structured();
            assert_eq!(called["owner"], "acme-blue-team", "{called}");
            assert_eq!(called["labels"], json!([]), "{called}");

            for (key, expected) in [
                ("repo", "it is called `repository`"),
                ("dry", "`params.arguments.dry` is not"),
                ("\\u0064ry", "`params.arguments.dry` is not"),
                ("OWNER", "`params.arguments.OWNER` is not"),
            ] {
                let line = format!(r#"{{"{key}":1}}"#);
                refused(&client.call_raw("toy__new_issue", &line).await, expected);
            }
            // What nothing can be said of for certain is not passed on.
            for line in [r#"{"\ud800":1,"dry":1,"dry":2}"#, r#"{"dr\ud800y":1}"#, "[1]"] {
                refused(&client.call_raw("toy__new_issue", line).await, "`params.arguments`");
            }
            let original = client.call("toy__create_issue", json!({})).await;
            assert_eq!(original.code(), INVALID_PARAMS);

            let variant = client.call("toy__file_bug", json!({"repo": "r", "labels": 1})).await;
            assert_eq!(variant.structured(), json!({"repo": "r", "labels": ["bug"]}));
            assert!(client.leave().await.success());
        }
    }
}

#[tokio::test]
async fn what_is_denied_can_have_variants_and_annotations_count_as_overridden() {
    let mut gateway = Gateway::new(&[]);
    let tools = json!({
        "deny": ["create_issue"],
        "annotations": {"readOnlyHint": true},
        "override": {"create_issue": {"annotations": {"readOnlyHint": true}}},
        "variants": {
            "create_issue": {
                "of": "create_issue",
                "annotations": {"readOnlyHint": true},
                "arguments": {"dry": {"value": true}},
            },
            "really": {"of": "create_issue"},
        },
    });
    let entry = toy_with(&gateway, "toy", &[], &issues());
    gateway.add("toy", with(entry, "tools", tools));
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let names: Vec<_> = tools_of(&mut client).await;
    assert_eq!(names, ["toy__create_issue", "toy__list_issues", "conflux__status"]);
    let called = client.call("toy__create_issue", json!({"dry": false})).await;
    assert_eq!(called.structured(), json!({"dry": true}));
    assert_eq!(client.call("toy__really", json!({})).await.code(), INVALID_PARAMS);
    assert!(client.leave().await.success());
}

async fn tools_of(client: &mut Client) -> Vec<String> {
    tools(client).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn what_is_repeated_in_headers_follows() {
    let remote = Remote::http(&["--era", "modern", "--mirror", "always"]).await;
    let arguments = |region: Value| json!({"arguments": {"region": region}});
    let tools = json!({
        "override": {"mirrored": arguments(json!({"name": "zone"}))},
        "variants": {
            "fixed": {"of": "mirrored", "arguments": {"region": {"value": "eu"}}},
            "usual": {"of": "mirrored", "arguments": {"region": {"default": "us"}}},
        },
    });
    let gateway = Gateway::new(&[("far", with(remote.entry("/mcp"), "tools", tools))]);
    // A header that does not agree with the arguments is refused by the toy.
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    for (name, came, sent) in [
        ("mirrored", json!({"zone": "a"}), json!({"region": "a"})),
        ("fixed", json!({}), json!({"region": "eu"})),
        ("fixed", json!({"region": "us"}), json!({"region": "eu"})),
        ("usual", json!({}), json!({"region": "us"})),
    ] {
        let called = client.call(&format!("far__{name}"), came).await;
        assert_eq!(called.structured(), sent, "{name}");
    }
    assert!(client.leave().await.success());
    let front = Front::start(&gateway).await;
    let zone = front.call("far__mirrored", json!({"zone": "a"}));
    let answer = zone.header("Mcp-Param-Region", "a").reply().await;
    assert!(answer.body.contains(r#""region":"a""#), "{}", answer.body);
    let answer = front.call("far__mirrored", json!({"zone": "a"})).reply().await;
    assert!(!answer.body.contains(r#""region":"a""#), "{}", answer.body);
    let answer = front.call("far__fixed", json!({})).reply().await;
    assert!(answer.body.contains(r#""region":"eu""#), "{}", answer.body);
    front.stop().await;
    remote.stop().await;
}

#[tokio::test]
async fn another_shape_needs_no_other_process() {
    let mut gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = client.call("toy__process", json!({})).await.structured()["pid"].clone();
    let tools = json!({
        "override": {"process": {"name": "who"}},
        "variants": {"five": {"of": "progress", "arguments": {"steps": {"value": 5}}}},
    });
    gateway.add("toy", with(toy(&[]).entry(), "tools", tools));
    gateway.save_at_once();
    client.wait_for("notifications/tools/list_changed", 1).await;
    let after = client.call("toy__who", json!({})).await.structured()["pid"].clone();
    assert_eq!(before, after);
    assert!(tools_of(&mut client).await.contains(&"toy__five".to_owned()));
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_wherever_one_asks() {
    let mut gateway = Gateway::new(&[]);
    let tools = json!({
        "override": {
            "create_issue": {"arguments": {"ouner": {"value": "acme"}, "title": {"hide": true}}},
            "lost": {"title": "x"},
        },
        "variants": {"copy": {"of": "nobody"}},
    });
    let entry = toy_with(&gateway, "toy", &[], &issues());
    gateway.add("toy", with(entry, "tools", tools));
    let check = gateway.conflux(&["check", "--connect"]).stdin(Stdio::null()).output();
    let check = timeout(LIMIT, check).await.expect("it ends").unwrap();
    let said = String::from_utf8(check.stderr).unwrap();
    for expected in [
        "the argument `ouner` cannot be made: there is no such argument",
        "the argument `title` cannot be made: it is required",
        "`lost` in `upstreams.toy.tools.override` matches no tool there is",
        "`nobody` in `upstreams.toy.tools.variants.copy.of` matches no tool there is",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in {said}");
    }
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let tool = tool(&mut client, "toy__create_issue").await;
    assert_eq!(tool["inputSchema"], issues()[0]["inputSchema"]);
    let status = client.call("conflux__status", json!({})).await.structured();
    assert_eq!(status["defects"].as_array().unwrap().len(), 2, "{status}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn real_servers_can_be_shaped() {
    let home = tempfile::TempDir::new().unwrap();
    let directory = home.path().join("work");
    Server::Filesystem.prepare(&directory);
    let files = json!({
        "annotations": {"readOnlyHint": true},
        "override": {
            "read_text_file": {"name": "read", "arguments": {"head": {"default": 1}, "tail": {"hide": true}}},
            "list_directory": {"arguments": {"path": {"value": directory}}},
        },
        "variants": {
            "read_notes": {
                "of": "read_text_file",
                "title": "Notes",
                "arguments": {"path": {"value": directory.join("a.txt")}},
            },
        },
    });
    let everything = json!({
        "allow": ["echo", "get-sum"],
        "override": {"get-sum": {"arguments": {"b": {"name": "addend"}, "a": {"default": 40}}}},
    });
    let gateway = Gateway::new(&[
        ("files", with(Server::Filesystem.program(&directory).entry(), "tools", files)),
        ("all", with(Server::Everything.program(&directory).entry(), "tools", everything)),
    ]);
    for is_modern in [false, true] {
        let mut client = opened(gateway.start(), is_modern).await;
        let names = tools_of(&mut client).await;
        assert!(names.contains(&"files__read".to_owned()), "{names:?}");
        for gone in ["files__read_text_file", "files__write_file", "all__get-env"] {
            assert!(!names.contains(&gone.to_owned()), "{names:?}");
        }
        let path = json!({"path": directory.join("a.txt")});
        let read = client.call("files__read", path).await;
        assert!(read.text().contains("one") && !read.text().contains("two"), "{}", read.text());
        refused(&client.call("files__read", json!({"tail": 1})).await, "`params.arguments.tail`");
        let listed = client.call("files__list_directory", json!({"path": "/etc"})).await;
        assert!(listed.text().contains("a.txt"), "{}", listed.text());
        let notes = client.call("files__read_notes", json!({})).await;
        assert!(notes.text().contains("three"), "{}", notes.text());
        let sum = client.call("all__get-sum", json!({"addend": 2})).await;
        assert!(sum.text().contains("42"), "{}", sum.text());
        let schema = tool(&mut client, "all__get-sum").await["inputSchema"].clone();
        assert_eq!(schema["required"], json!(["addend"]), "{schema}");
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_client_sees_the_first_profile_that_is_for_its_name() {
    let profile =
        |clients: Value, allow: &str| json!({"clients": clients, "tools": {"allow": [allow]}});
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())])
        .profile("none", json!({"upstreams": []}))
        .profile("other", profile(json!(["wir", "cursor*"]), "*__fail"))
        .profile("own", profile(json!(["nobody", "WI*"]), "*__echo"))
        .profile("rest", profile(json!(["*"]), "*__count"));
    let seen = ["toy__echo", "conflux__status"];
    for is_modern in [false, true] {
        let mut client = opened(gateway.start(), is_modern).await;
        assert_eq!(tools_of(&mut client).await, seen, "{is_modern}");
        assert_eq!(client.call("toy__count", json!({})).await.code(), INVALID_PARAMS);
        assert_eq!(client.call("toy__echo", json!({"a": 1})).await.structured(), json!({"a": 1}));
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_path_goes_before_what_a_client_is_called() {
    let everybody = json!({"clients": ["*"], "tools": {"allow": ["*__echo"]}});
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())])
        .profile("own", everybody)
        .profile("asked", json!({"tools": {"allow": ["*__count"]}}));
    let front = Front::start(&gateway).await;
    let names = |reply: Value| {
        let tools = reply["result"]["tools"].as_array().unwrap().clone();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let info = json!({"io.modelcontextprotocol/clientInfo": {"name": "Tests", "version": "1"}});
    let list = || front.modern("tools/list", json!({"_meta": info}));
    let modern = list().reply().await.json();
    assert_eq!(names(modern), ["toy__echo", "conflux__status"]);
    let session = front.session("2025-11-25", json!({})).await;
    let legacy = session.request(2, "tools/list", json!({})).reply().await;
    assert!(legacy.body.contains("toy__echo") && !legacy.body.contains("toy__count"));
    let asked = list().to("/profiles/asked/mcp").reply().await.json();
    assert_eq!(names(asked), ["toy__count", "conflux__status"]);
    let server = list().to("/servers/toy/mcp").reply().await.json();
    assert!(names(server).len() > 10);
    front.stop().await;
}
