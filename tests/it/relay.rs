//! Conversations through the gateway, for every era of the client and of the upstream.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::inventory::LISTS;
use crate::support::inventory::list;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;

const QUIET: Duration = Duration::from_millis(500);
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn abilities() -> Value {
    json!({"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
}

/// One toy with these flags behind the gateway, as `toy`.
fn before(flags: &[&str]) -> Gateway {
    Gateway::new(&[("toy", toy(flags).entry())])
}

/// A client that can do everything.
async fn client(gateway: &Gateway, revision: &str) -> Client {
    match revision {
        MODERN => gateway.modern(abilities()),
        _ => gateway.legacy(revision, abilities()).await,
    }
}

/// Every revision of a client with a toy of every revision.
fn cells() -> Vec<(&'static str, Gateway)> {
    let mut cells = Vec::new();
    for revision in LEGACY.into_iter().chain([MODERN]) {
        cells.push((revision, before(&["--era", "modern"])));
        for upstream in LEGACY {
            let is_newest = matches!(revision, MODERN | "2025-11-25");
            if upstream == revision || (is_newest && upstream == "2025-11-25") {
                cells.push((revision, before(&["--revision", upstream])));
            }
        }
    }
    assert_eq!(cells.len(), 10);
    cells
}

async fn status(client: &mut Client, upstream: usize) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    status["upstreams"][upstream].clone()
}

#[tokio::test]
async fn progress_comes_in_order_with_the_callers_token() {
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        for token in [json!("mine"), json!(7)] {
            client.take_seen();
            let meta = json!({"progressToken": token});
            let call = json!({"name": "toy__progress", "arguments": {"steps": 5}, "_meta": meta});
            client.request("tools/call", call).await.result();
            let seen = client.seen("notifications/progress");
            let steps: Vec<Value> =
                seen.iter().map(|one| one.params()["progress"].take()).collect();
            assert_eq!(steps, [1, 2, 3, 4, 5], "{revision}");
            assert!(seen.iter().all(|one| one.params()["progressToken"] == token), "{seen:?}");
        }
        client.take_seen();
        client.call("toy__progress", json!({"steps": 2})).await.result();
        assert_eq!(client.seen("notifications/progress").len(), 0, "{revision}: nobody asked");
    }
}

#[tokio::test]
async fn log_messages_respect_the_level() {
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        let level = "io.modelcontextprotocol/logLevel";
        let meta = if revision == MODERN {
            json!({ level: "warning" })
        } else {
            client.request("logging/setLevel", json!({"level": "warning"})).await.result();
            json!({})
        };
        for (level, expected) in [("info", 0), ("error", 2)] {
            let arguments = json!({"level": level, "count": 2});
            let call = json!({"name": "toy__log", "arguments": arguments, "_meta": meta});
            client.request("tools/call", call).await.result();
            if expected > 0 {
                let last = client.wait_for("notifications/message", expected).await;
                assert_eq!(last.params()["data"], json!({"line": 2}), "{revision}");
            }
            assert_eq!(client.seen("notifications/message").len(), expected, "{revision}");
        }
    }
}

#[tokio::test]
async fn cancellation_reaches_the_upstream() {
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        client.call("toy__echo", json!({})).await.result();
        let slow = json!({"name": "toy__slow", "arguments": {"ms": 600_000}});
        let id = client.start("tools/call", slow).await;
        loop {
            let counted = client.call("toy__count", json!({})).await.structured();
            if counted["calls"]["slow"] == 1 {
                break;
            }
        }
        client.cancel(id).await;
        loop {
            let told = client.call("toy__cancelled", json!({})).await.structured();
            if told["cancelled"] == 1 {
                break;
            }
        }
        assert_eq!(client.call("toy__slow", json!({"ms": 1})).await.text(), "slept");
    }
}

#[tokio::test]
async fn ping_is_answered_in_sessions_only() {
    let gateway = before(&[]);
    for revision in LEGACY {
        let mut client = client(&gateway, revision).await;
        assert_eq!(client.request("ping", json!({})).await.result(), json!({}));
    }
    let mut client = client(&gateway, MODERN).await;
    assert_eq!(client.request("ping", json!({})).await.code(), -32601);
}

#[tokio::test]
async fn a_changed_list_is_told_once() {
    for flags in [&[][..], &["--era", "modern"]] {
        let gateway = before(flags);
        for revision in ["2024-11-05", "2025-11-25", MODERN] {
            let mut client = client(&gateway, revision).await;
            let before = list(&mut client, "tools/list", "tools").await.len();
            if revision == MODERN {
                let filter = json!({"toolsListChanged": true});
                client.start("subscriptions/listen", json!({"notifications": filter})).await;
                client.wait_for("notifications/subscriptions/acknowledged", 1).await;
            }
            let changed = "notifications/tools/list_changed";
            client.call("toy__change_tools", json!({"times": 20})).await.result();
            client.wait_for(changed, 1).await;
            wait_for_tools(&mut client, before + 20).await;
            // Twenty at once are one, or two when the machine stumbles in their middle.
            let told = client.seen(changed).len();
            assert!(told <= 2, "{revision} {flags:?}: told {told} times");
            client.call("toy__change_tools", json!({"times": 1})).await.result();
            client.wait_for(changed, told + 1).await;
            wait_for_tools(&mut client, before + 21).await;
        }
    }
}

async fn wait_for_tools(client: &mut Client, count: usize) {
    while list(client, "tools/list", "tools").await.len() != count {}
}

#[tokio::test]
async fn a_change_that_callers_cannot_see_is_not_told() {
    for era in ["legacy", "modern"] {
        let entry = toy(&["--era", era]).entry();
        let entry = with(entry, "tools", json!({"deny": ["added_*"]}));
        let gateway = Gateway::new(&[("toy", entry)]);
        let mut client = client(&gateway, "2025-11-25").await;
        let before = list(&mut client, "tools/list", "tools").await;
        let generation = async |client: &mut Client| {
            client.call("conflux__status", json!({})).await.structured()["generation"].as_u64()
        };
        let last = generation(&mut client).await;
        client.call("toy__change_tools", json!({"times": 1})).await.result();
        while generation(&mut client).await == last {}
        assert_eq!(list(&mut client, "tools/list", "tools").await, before);
        client.expect_silence(QUIET).await;
    }
}

#[tokio::test]
async fn a_subscriber_hears_of_its_resource_only() {
    let updated = "notifications/resources/updated";
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        list(&mut client, "resources/list", "resources").await;
        let uri = "toy://static/1";
        if revision == MODERN {
            let filter = json!({"resourceSubscriptions": [uri]});
            client.start("subscriptions/listen", json!({"notifications": filter})).await;
            client.wait_for("notifications/subscriptions/acknowledged", 1).await;
        } else {
            client.request("resources/subscribe", json!({"uri": uri})).await.result();
        }
        // The upstream may learn of it a moment later.
        let touch = json!({"uri": uri});
        while client.call("toy__touch", touch.clone()).await.structured()["told"] == 0 {}
        client.call("toy__touch", json!({"uri": "toy://static/2"})).await.result();
        let told = client.wait_for(updated, 1).await.params();
        assert_eq!(told["uri"], uri, "{revision}");
        assert_eq!(told["_meta"][SUBSCRIPTION].is_null(), revision != MODERN, "{told}");
        client.call("toy__echo", json!({})).await.result();
        let seen = client.seen(updated);
        assert!(seen.iter().all(|one| one.params()["uri"] == uri), "{seen:?}");
        if revision != MODERN {
            client.request("resources/unsubscribe", json!({"uri": uri})).await.result();
            while client.call("toy__touch", touch.clone()).await.structured()["told"] != 0 {}
        }
    }
}

#[tokio::test]
async fn questions_reach_the_client_and_answers_the_upstream() {
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        for (kind, method, answer) in [
            ("sampling", "sampling/createMessage", sampled()),
            ("elicit", "elicitation/create", json!({"action": "accept", "content": {"name": "A"}})),
            ("roots", "roots/list", json!({"roots": [{"uri": "file:///x"}]})),
        ] {
            client.answer(method, answer.clone());
            for (tool, rounds) in [("toy__ask", 1), ("toy__ask_twice", 2)] {
                client.take_seen();
                let told = client.call(tool, json!({"kind": kind})).await;
                let answers = vec![json!({"result": answer}); rounds];
                assert_eq!(told.structured(), json!({"answers": answers}), "{revision} {kind}");
                assert_eq!(client.seen(method).len(), rounds, "{revision} {kind}");
            }
        }
    }
}

fn sampled() -> Value {
    json!({"role": "assistant", "content": {"type": "text", "text": "hello"}, "model": "m"})
}

#[tokio::test]
async fn a_question_the_client_cannot_answer_never_reaches_it() {
    for flags in [&[][..], &["--era", "modern"]] {
        let gateway = before(flags);
        let clients = [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))];
        for mut client in clients {
            for kind in ["sampling", "elicit", "roots"] {
                for anyway in [false, true] {
                    let ask = json!({"kind": kind, "anyway": anyway});
                    let refused = client.call("toy__ask", ask).await;
                    let line = &refused.line;
                    let is_refused =
                        line.contains(r#""error":"#) || line.contains(r#""isError":true"#);
                    assert!(is_refused, "{flags:?} {kind}: {line}");
                }
            }
            assert!(client.take_seen().iter().all(|seen| seen.id().is_none()));
            client.call("toy__echo", json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn prompts_completions_and_resources_are_relayed() {
    for (revision, gateway) in cells() {
        let mut client = client(&gateway, revision).await;
        for (method, member) in LISTS {
            let items = list(&mut client, method, member).await;
            assert!(!items.is_empty(), "{revision}: {method}");
        }
        let greet = json!({"name": "toy__greet", "arguments": {"name": "Ada"}});
        let prompt = client.request("prompts/get", greet).await.result();
        assert_eq!(prompt["messages"][0]["content"]["text"], "Hello, Ada!", "{revision}");
        for (uri, text) in [("toy://static/2", "static 2"), ("toy://item/9", "item 9")] {
            let read = client.request("resources/read", json!({"uri": uri})).await.result();
            let expected = json!([{"uri": uri, "mimeType": "text/plain", "text": text}]);
            assert_eq!(read["contents"], expected, "{revision}");
        }
        for (reference, value, expected) in [
            (json!({"type": "ref/prompt", "name": "toy__greet"}), "A", json!(["Ada", "Alan"])),
            (json!({"type": "ref/resource", "uri": "toy://item/{id}"}), "2", json!(["2"])),
        ] {
            let argument = json!({"name": "name", "value": value});
            let params = json!({"ref": reference, "argument": argument});
            let reply = client.request("completion/complete", params).await.result();
            assert_eq!(reply["completion"]["values"], expected, "{revision}: {reply}");
        }
        let missing = json!({"uri": "toy://item"});
        let code = if revision == MODERN { -32602 } else { -32002 };
        assert_eq!(client.request("resources/read", missing).await.code(), code, "{revision}");
        let missing = json!({"name": "toy__none"});
        assert_eq!(client.request("prompts/get", missing).await.code(), -32602, "{revision}");
        let missing = client.call("toy__none", json!({})).await;
        assert_eq!(missing.code(), -32602, "{revision}");
    }
}

#[tokio::test]
async fn pages_are_put_together_and_an_endless_list_fails_alone() {
    for era in ["legacy", "modern"] {
        let gateway = Gateway::new(&[
            ("endless", toy(&["--era", era, "--endless-cursor", "--page-size", "2"]).entry()),
            ("paged", toy(&["--era", era, "--page-size", "2", "--tools", "3"]).entry()),
        ]);
        let mut client = client(&gateway, "2025-11-25").await;
        let tools = list(&mut client, "tools/list", "tools").await;
        let names: Vec<String> = tools.iter().filter_map(|tool| tool.string("name")).collect();
        let paged = names.iter().filter(|name| name.starts_with("paged__")).count();
        assert_eq!(paged, 23, "{names:?}");
        assert_eq!(names.len(), 23 + 1, "{names:?}");
        let endless = status(&mut client, 0).await;
        assert_eq!(endless["listed"], false);
        let why = endless["listingError"].as_str().unwrap();
        assert!(why.contains("gives the same cursor again"), "{why}");
        client.call("paged__extra_3", json!({})).await.structured();
    }
}
