//! The toy upstream does what its flags say; otherwise tests that use it prove nothing.

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::inventory;
use crate::support::inventory::LISTS;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;
use crate::support::wire_client::Message;

const QUIET: Duration = Duration::from_millis(200);
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A toy in a legacy session with a client that can do everything.
async fn legacy(flags: &[&str]) -> Client {
    let mut client = Client::spawn(&mut toy(flags).command());
    client.initialize("2025-11-25", abilities()).await.result();
    client
}

/// A toy with a modern client that can do everything.
fn modern(flags: &[&str]) -> Client {
    let mut client = Client::spawn(&mut toy(&[&["--era", "modern"], flags].concat()).command());
    client.modern(abilities());
    client
}

fn abilities() -> Value {
    json!({"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
}

#[tokio::test]
async fn legacy_negotiates_the_revision() {
    for (flags, asked, expected) in [
        (&["--revision", "2025-06-18"][..], "2025-11-25", "2025-06-18"),
        (&["--revision", "2025-06-18"], "2024-11-05", "2024-11-05"),
        (&[], "2025-11-25", "2025-11-25"),
        (&[], "2099-01-01", "2025-11-25"),
    ] {
        let mut client = Client::spawn(&mut toy(flags).command());
        let opened = client.initialize(asked, json!({})).await.result();
        assert_eq!(opened["protocolVersion"], expected);
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn legacy_refuses_what_it_does_not_know() {
    let mut client = Client::spawn(&mut toy(&[]).command());
    client.modern(json!({}));
    assert_eq!(client.request("server/discover", json!({})).await.code(), -32601);
    client.plain();
    assert_eq!(client.request("tools/list", json!({})).await.code(), -32600);
    client.initialize("2025-11-25", json!({})).await.result();
    assert_eq!(client.request("no/such", json!({})).await.code(), -32601);
    assert_eq!(client.call("no-such", json!({})).await.code(), -32602);
    let missing = client.request("resources/read", json!({"uri": "toy://nowhere/1"})).await;
    assert_eq!(missing.code(), -32002);
    client.send_line("no json").await;
    assert_eq!(client.recv().await.code(), -32700);
}

#[tokio::test]
async fn modern_answers_as_its_revision_wants() {
    let mut client = modern(&["--instructions", "be nice"]);
    let found = client.request("server/discover", json!({})).await.result();
    assert_eq!(found["supportedVersions"], json!([MODERN]));
    assert_eq!(found["instructions"], "be nice");
    assert_eq!(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "toy");
    for method in ["server/discover", "tools/list", "resources/list", "prompts/list"] {
        let result = client.request(method, json!({})).await.result();
        assert_eq!(result["resultType"], "complete", "{result}");
        assert_eq!(result["ttlMs"], 0, "{result}");
        assert_eq!(result["cacheScope"], "private", "{result}");
    }
    assert_eq!(client.request("ping", json!({})).await.code(), -32601);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2099-01-01"});
    let refused = client.request("tools/list", json!({"_meta": meta})).await.error();
    assert_eq!(refused["code"], -32022);
    assert_eq!(refused["data"], json!({"supported": [MODERN], "requested": "2099-01-01"}));
    let missing = client.request("resources/read", json!({"uri": "toy://nowhere/1"})).await;
    assert_eq!(missing.code(), -32602);
    client.plain();
    assert_eq!(client.request("tools/list", json!({})).await.code(), -32602);
    assert_eq!(client.initialize("2025-11-25", json!({})).await.code(), -32022);
}

#[tokio::test]
async fn dual_serves_each_request_in_its_era() {
    let mut client = legacy(&["--era", "dual"]).await;
    client.modern(json!({}));
    assert_eq!(client.call("echo", json!({})).await.result()["resultType"], "complete");
    client.plain();
    assert_eq!(client.call("echo", json!({})).await.result()["resultType"], Value::Null);
}

#[tokio::test]
async fn locked_stays_in_the_era_of_its_first_request() {
    let mut client = legacy(&["--era", "locked"]).await;
    client.modern(json!({}));
    assert_eq!(client.request("tools/list", json!({})).await.code(), -32600);

    let mut client = Client::spawn(&mut toy(&["--era", "locked"]).command());
    client.modern(json!({}));
    client.request("server/discover", json!({})).await.result();
    client.plain();
    assert_eq!(client.initialize("2025-11-25", json!({})).await.code(), -32022);
    client.modern(json!({}));
    client.call("echo", json!({})).await.result();
}

#[tokio::test]
async fn discovery_can_meet_silence_or_an_exit() {
    let mut client = Client::spawn(&mut toy(&["--silent-on-discover"]).command());
    client.start("server/discover", json!({})).await;
    client.expect_silence(QUIET).await;
    client.initialize("2025-11-25", json!({})).await.result();

    let mut client = Client::spawn(&mut toy(&["--exit-on-discover"]).command());
    client.start("server/discover", json!({})).await;
    assert_eq!(client.wait().await.code(), Some(1));
}

#[tokio::test]
async fn it_can_be_late_deaf_or_gone() {
    let started = tokio::time::Instant::now();
    let mut client = legacy(&["--late", "300"]).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    client.call("echo", json!({})).await.result();

    let mut client = Client::spawn(&mut toy(&["--hang"]).command());
    client.start("initialize", json!({})).await;
    client.expect_silence(QUIET).await;
    assert!(client.leave().await.success());

    let mut client = Client::spawn(&mut toy(&["--exit", "7"]).command());
    assert_eq!(client.wait().await.code(), Some(7));
    assert!(client.wait_for_stderr("toy:").await.contains("exiting"));
}

#[tokio::test]
async fn it_can_pollute_stdout() {
    for (flag, works) in [("--banner", true), ("--garbage", false)] {
        let mut client = Client::spawn(&mut toy(&[flag]).command());
        for _ in 0..7 {
            let line = client.try_line(Duration::from_secs(30)).await.unwrap().unwrap();
            assert!(!serde_json::from_str::<Value>(&line).is_ok_and(|value| value.is_object()));
        }
        if works {
            client.initialize("2025-11-25", json!({})).await.result();
        } else {
            client.start("initialize", json!({})).await;
            client.expect_silence(QUIET).await;
        }
    }
}

#[tokio::test]
async fn it_dies_in_the_middle_of_a_call() {
    for (flags, tool) in [(&["--die-on-call"][..], "echo"), (&[], "die")] {
        let mut client = legacy(flags).await;
        let params = json!({"name": tool, "arguments": {}});
        client.start("tools/call", params).await;
        assert_eq!(client.wait().await.code(), Some(3));
        client.wait_for_stderr("dying").await;
    }
}

#[tokio::test]
async fn lists_come_in_pages_or_never_end() {
    let mut whole = legacy(&["--tools", "5"]).await;
    let mut paged = legacy(&["--tools", "5", "--page-size", "2"]).await;
    for (method, member) in LISTS {
        let expected = inventory::list(&mut whole, method, member).await;
        assert_eq!(inventory::list(&mut paged, method, member).await, expected);
        let first = paged.request(method, json!({})).await.result();
        assert!(first[member].as_array().unwrap().len() <= 2, "{first}");
    }
    let bad = paged.request("tools/list", json!({"cursor": "nonsense"})).await;
    assert_eq!(bad.code(), -32602);
    let extra = paged.call("extra_5", json!({"a": 1})).await;
    assert_eq!(extra.structured(), json!({"a": 1}));

    let mut endless = legacy(&["--endless-cursor"]).await;
    for params in [json!({}), json!({"cursor": "again"}), json!({"cursor": "again"})] {
        let page = endless.request("tools/list", params).await.result();
        assert_eq!(page["nextCursor"], "again");
    }
}

#[tokio::test]
async fn bytes_pass_untouched() {
    let home = TempDir::new().unwrap();
    let tools = home.path().join("tools.json");
    let reply = home.path().join("reply.json");
    let tool = r#"{ "name":"odd",  "inputSchema":{"type":"object"}, "n":1.0e5, "é":"\u00e9" }"#;
    fs::write(&tools, format!("[\n{tool},\n42]")).unwrap();
    let result = r#"{"content" : [], "n":100000000000000000000000000000, "content":[]}"#;
    fs::write(&reply, format!("{result}\n")).unwrap();
    let flags = ["--tools-file", tools.to_str().unwrap(), "--reply-file", reply.to_str().unwrap()];
    let mut client = legacy(&flags).await;
    let listed = client.request_raw("tools/list", "{}").await;
    assert_eq!(listed.raw_result(), format!(r#"{{"tools":[{tool},42]}}"#));
    assert_eq!(client.call_raw("raw", "{}").await.raw_result(), result);

    let arguments = r#"{"z": 1.0,"a":123456789012345678901234567890, "s":"\u00fc"}"#;
    let echoed = client.call_raw("odd", arguments).await;
    assert!(echoed.raw_result().contains(&format!(r#""structuredContent":{arguments}"#)));
    assert_eq!(echoed.text(), arguments);

    let mut client = modern(&[]);
    let echoed = client.call_raw("echo", arguments).await;
    assert!(echoed.raw_result().contains(&format!(r#""structuredContent":{arguments}"#)));
}

#[tokio::test]
async fn calls_are_cancelled_and_counted() {
    for mut client in [legacy(&[]).await, modern(&[])] {
        let slow = json!({"name": "slow", "arguments": {"ms": 60_000}});
        let id = client.start("tools/call", slow).await;
        client.cancel(id).await;
        let told = client.call("cancelled", json!({})).await.structured();
        assert_eq!(told, json!({"cancelled": 1, "ids": [id]}));
        let counted = client.call("count", json!({})).await.structured();
        assert_eq!(counted["calls"]["slow"], 1);
        assert_eq!(client.call("slow", json!({"ms": 1})).await.text(), "slept");
        client.expect_silence(QUIET).await;
    }
}

#[tokio::test]
async fn progress_and_logs_come_before_the_result() {
    let mut client = legacy(&[]).await;
    let meta = json!({"progressToken": "t"});
    let params = json!({"name": "progress", "arguments": {"steps": 3}, "_meta": meta});
    client.request("tools/call", params).await.result();
    let steps = client.seen("notifications/progress");
    let steps: Vec<Value> = steps.iter().map(|step| step.params()["progress"].take()).collect();
    assert_eq!(steps, [1, 2, 3]);

    client.request("logging/setLevel", json!({"level": "warning"})).await.result();
    client.call("log", json!({"level": "info", "count": 2})).await;
    assert_eq!(client.seen("notifications/message").len(), 0);
    client.call("log", json!({"level": "error", "count": 2})).await;
    assert_eq!(client.seen("notifications/message").len(), 2);

    let mut client = modern(&[]);
    client.call("log", json!({"level": "error", "count": 2})).await;
    assert_eq!(client.seen("notifications/message").len(), 0);
    let meta = json!({"io.modelcontextprotocol/logLevel": "info"});
    let params = json!({"name": "log", "arguments": {"level": "error"}, "_meta": meta});
    client.request("tools/call", params).await.result();
    assert_eq!(client.seen("notifications/message").len(), 1);
}

#[tokio::test]
async fn questions_reach_the_client_in_both_eras() {
    for mut client in [legacy(&[]).await, modern(&[])] {
        for (kind, method, answer) in [
            ("sampling", "sampling/createMessage", json!({"model": "m"})),
            ("elicit", "elicitation/create", json!({"action": "decline"})),
            ("elicit_url", "elicitation/create", json!({"action": "accept"})),
            ("roots", "roots/list", json!({"roots": []})),
        ] {
            client.answer(method, answer.clone());
            client.take_seen();
            let told = client.call("ask", json!({"kind": kind})).await.structured();
            assert_eq!(told, json!({"answers": [{"result": answer}]}));
            let told = client.call("ask_twice", json!({"kind": kind})).await.structured();
            assert_eq!(told["answers"].as_array().unwrap().len(), 2, "{told}");
            assert_eq!(client.seen(method).len(), 3);
        }
        let question = json!({"kind": "elicit", "params": {"message": "own"}});
        client.take_seen();
        client.call("ask", question).await;
        assert_eq!(client.seen("elicitation/create")[0].params(), json!({"message": "own"}));
    }
}

#[tokio::test]
async fn questions_need_a_capability_unless_told_otherwise() {
    let mut client = Client::spawn(&mut toy(&[]).command());
    client.initialize("2025-11-25", json!({"elicitation": {}})).await.result();
    let refused = client.call("ask", json!({"kind": "elicit_url"})).await;
    assert_eq!(refused.text(), "the client lacks elicitation.url");
    client.answer("roots/list", json!({"roots": []}));
    let told = client.call("ask", json!({"kind": "roots", "anyway": true})).await.structured();
    assert_eq!(told["answers"].as_array().unwrap().len(), 1);

    let mut client = modern(&[]);
    client.modern(json!({"elicitation": {}}));
    let refused = client.call("ask", json!({"kind": "elicit_url"})).await.error();
    assert_eq!(refused["code"], -32021);
    assert_eq!(refused["data"], json!({"requiredCapabilities": {"elicitation": {"url": {}}}}));
}

#[tokio::test]
async fn a_question_can_be_answered_by_hand_or_with_an_error() {
    let mut client = legacy(&[]).await;
    let params = json!({"name": "ask", "arguments": {"kind": "roots"}});
    let id = client.start("tools/call", params).await;
    let question = client.wait_for("roots/list", 1).await;
    let error = json!({"code": -32601, "message": "no"});
    client.send(&json!({"jsonrpc": "2.0", "id": question.id(), "error": error})).await;
    let told = client.reply_to(id).await.structured();
    assert_eq!(told, json!({"answers": [{"error": error}]}));
}

#[tokio::test]
async fn a_retry_must_bring_back_the_state_of_its_own_request() {
    let mut client = modern(&[]);
    let ask = |kind: &str| json!({"name": "ask", "arguments": {"kind": kind}});
    let asked = client.request("tools/call", ask("roots")).await.result();
    assert_eq!(asked["resultType"], "input_required");
    let key = asked["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
    let retry = |kind: &str, state: &Value, responses: Value| {
        let mut params = ask(kind);
        params["requestState"] = state.clone();
        params["inputResponses"] = responses;
        params
    };
    let responses = json!({ key: {"roots": []} });
    let state = &asked["requestState"];
    for bad in [
        retry("sampling", state, responses.clone()),
        retry("roots", &json!("forged"), responses.clone()),
        retry("roots", state, json!({})),
    ] {
        assert_eq!(client.request("tools/call", bad).await.code(), -32602);
    }
    let good = client.request("tools/call", retry("roots", state, responses)).await;
    assert_eq!(good.structured()["answers"][0]["result"], json!({"roots": []}));
}

#[tokio::test]
async fn changes_are_told_to_those_who_asked() {
    let mut client = legacy(&[]).await;
    client.call("change_tools", json!({"times": 3})).await;
    assert_eq!(client.seen("notifications/tools/list_changed").len(), 3);
    client.call("added_3", json!({})).await.result();
    let uri = json!({"uri": "toy://static/1"});
    client.call("touch", uri.clone()).await;
    client.request("resources/subscribe", uri.clone()).await.result();
    client.call("touch", uri.clone()).await;
    client.request("resources/unsubscribe", uri.clone()).await.result();
    client.call("touch", uri.clone()).await;
    let updates = client.seen("notifications/resources/updated");
    assert_eq!(updates.iter().map(Message::params).collect::<Vec<_>>(), [uri]);
}

#[tokio::test]
async fn a_modern_subscription_is_acknowledged_fed_and_ended() {
    let mut client = modern(&[]);
    let filter = json!({"toolsListChanged": true, "resourceSubscriptions": ["toy://static/1"]});
    let listen = client.start("subscriptions/listen", json!({"notifications": filter})).await;
    let first = client.recv().await;
    assert_eq!(first.method().as_deref(), Some("notifications/subscriptions/acknowledged"));
    assert_eq!(first.params()["notifications"], filter);
    assert_eq!(first.params()["_meta"][SUBSCRIPTION], listen);

    client.call("change_tools", json!({"times": 1})).await;
    client.call("touch", json!({"uri": "toy://static/1"})).await;
    client.call("touch", json!({"uri": "toy://static/2"})).await;
    for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
        let told = client.seen(method);
        assert_eq!(told.len(), 1, "{method}");
        assert_eq!(told[0].params()["_meta"][SUBSCRIPTION], listen);
    }
    client.call("end_listens", json!({})).await;
    let ended = client.wait_for("notifications/cancelled", 1).await;
    assert_eq!(ended.params()["requestId"], listen);
    assert_eq!(client.reply_to(listen).await.result()["resultType"], "complete");

    let listen = client.start("subscriptions/listen", json!({"notifications": filter})).await;
    client.wait_for("notifications/subscriptions/acknowledged", 2).await;
    client.cancel(listen).await;
    client.call("change_tools", json!({"times": 1})).await;
    client.expect_silence(QUIET).await;
    assert_eq!(client.seen("notifications/tools/list_changed").len(), 1);
}

#[tokio::test]
async fn resources_prompts_and_completions_answer() {
    let mut client = legacy(&["--scheme", "other"]).await;
    let read = client.request("resources/read", json!({"uri": "other://static/2"})).await.result();
    assert_eq!(read["contents"][0]["text"], "static 2");
    let link = client.call("link", json!({"name": "9"})).await.result();
    let uri = link["content"][0]["uri"].clone();
    assert_eq!(uri, link["content"][1]["resource"]["uri"]);
    let read = client.request("resources/read", json!({"uri": uri})).await.result();
    assert_eq!(read["contents"][0]["text"], "linked 9");

    let greet = json!({"name": "greet", "arguments": {"name": "Ada"}});
    let prompt = client.request("prompts/get", greet).await.result();
    assert_eq!(prompt["messages"][0]["content"]["text"], "Hello, Ada!");
    assert_eq!(client.request("prompts/get", json!({"name": "greet"})).await.code(), -32602);
    for (reference, begun, expected) in [
        (json!({"type": "ref/prompt", "name": "greet"}), "A", json!(["Ada", "Alan"])),
        (json!({"type": "ref/resource", "uri": "other://item/{id}"}), "2", json!(["2"])),
    ] {
        let argument = json!({"name": "name", "value": begun});
        let params = json!({"ref": reference, "argument": argument});
        let completed = client.request("completion/complete", params).await.result();
        assert_eq!(completed["completion"]["values"], expected);
    }
}

#[tokio::test]
async fn the_rest_of_its_tools_work() {
    let mut client = legacy(&[]).await;
    assert_eq!(client.call("huge", json!({"bytes": 1_000_000})).await.text().len(), 1_000_000);
    assert_eq!(client.call("fail", json!({"text": "no"})).await.result()["isError"], true);
    let refusal = json!({"code": -32050, "message": "own", "data": [1]});
    assert_eq!(client.call("refuse", refusal.clone()).await.error(), refusal);
    client.call("stderr", json!({"text": "to whom it concerns"})).await;
    client.wait_for_stderr("to whom it concerns").await;
    let received = client.call("received", json!({"a": 1})).await.structured();
    assert_eq!(received["params"]["arguments"], json!({"a": 1}));
    assert_eq!(received["initialize"]["clientInfo"]["name"], "wire");
}

#[tokio::test]
async fn an_entry_describes_the_process_that_runs() {
    let program = toy(&["--tools", "1"]).env("TOY_TEST", "value");
    let mut client = Client::spawn(&mut program.command());
    client.initialize("2025-11-25", json!({})).await.result();
    let facts = client.call("process", json!({})).await.structured();
    let entry = program.entry();
    assert_eq!(facts["args"], entry["args"]);
    assert_eq!(facts["environment"]["TOY_TEST"], entry["env"]["TOY_TEST"]);
    assert_eq!(facts["pid"], client.process_id());
}

#[tokio::test]
async fn it_can_refuse_to_end() {
    let mut client = legacy(&["--ignore-stdin-eof"]).await;
    client.close_stdin();
    let pid = Pid::from_raw(client.process_id().cast_signed());
    signal::kill(pid, signal::Signal::SIGTERM).unwrap();
    client.expect_silence(QUIET).await;
    signal::kill(pid, None).unwrap();
    signal::kill(pid, signal::Signal::SIGKILL).unwrap();
    assert!(!client.wait().await.success());
}

#[tokio::test]
async fn it_can_leave_a_grandchild_behind() {
    let mut client = legacy(&["--spawn-grandchild"]).await;
    let stderr = client.wait_for_stderr("grandchild").await;
    let pid: i32 = stderr.split_whitespace().last().unwrap().parse().unwrap();
    client.call("echo", json!({})).await.result();
    assert!(client.leave().await.success());
    assert_eq!(signal::kill(Pid::from_raw(pid), None), Ok(()));
    assert_ne!(signal::kill(Pid::from_raw(pid), signal::Signal::SIGKILL), Err(Errno::ESRCH));
}
