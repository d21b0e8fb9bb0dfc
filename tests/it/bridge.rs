//! What crosses eras beside plain calls: questions, visits, content, and who is told what.

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const ERAS: [&str; 2] = ["legacy", "modern"];

fn abilities() -> Value {
    json!({"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
}

/// One toy with these flags behind the gateway, as `toy`.
fn before(flags: &[&str]) -> Gateway {
    Gateway::new(&[("toy", toy(flags).entry())])
}

async fn client_with(gateway: &Gateway, revision: &str, abilities: Value) -> Client {
    match revision {
        MODERN => gateway.modern(abilities),
        _ => gateway.legacy(revision, abilities).await,
    }
}

async fn client(gateway: &Gateway, revision: &str) -> Client {
    client_with(gateway, revision, abilities()).await
}

/// The oldest and the newest clients of each way to be asked.
const ASKED: [&str; 3] = ["2025-06-18", "2025-11-25", MODERN];

#[tokio::test]
async fn prompts_and_resources_may_ask_in_every_pair_of_eras() {
    for era in ERAS {
        let gateway = before(&["--era", era, "--asking"]);
        for revision in ASKED {
            let mut client = client(&gateway, revision).await;
            for (kind, method, answer) in [
                ("elicit", "elicitation/create", json!({"action": "accept", "content": {}})),
                ("roots", "roots/list", json!({"roots": [{"uri": "file:///x"}]})),
            ] {
                client.answer(method, answer.clone());
                client.take_seen();
                let told = json!({"answers": [{"result": answer}]});
                let ask = json!({"name": "toy__ask", "arguments": {"kind": kind}});
                let prompt = client.converse("prompts/get", ask).await.result();
                let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
                assert_eq!(serde_json::from_str::<Value>(text).unwrap(), told);
                let uri = format!("toy://ask/{kind}");
                let read = client.converse("resources/read", json!({"uri": uri})).await.result();
                let text = read["contents"][0]["text"].as_str().unwrap();
                assert_eq!(serde_json::from_str::<Value>(text).unwrap(), told);
                assert_eq!(client.seen(method).len(), 2, "{era} {revision} {kind}");
            }
        }
    }
}

/// What a modern client is asked by a call, and the state that it brings back.
async fn asked(client: &mut Client, method: &str, params: &Value) -> (String, Value) {
    let asked = client.request(method, params.clone()).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert!(asked.get("ttlMs").is_none() && asked.get("cacheScope").is_none(), "{asked}");
    let keys = asked["inputRequests"].as_object().unwrap();
    (keys.keys().next().unwrap().clone(), asked["requestState"].clone())
}

fn retry(params: &Value, key: &str, state: &Value) -> Value {
    let mut retry = params.clone();
    retry["requestState"] = state.clone();
    retry["inputResponses"] = json!({ key: {"roots": []} });
    retry
}

#[tokio::test]
async fn a_state_is_good_once_for_its_request_and_as_it_is() {
    for era in ERAS {
        let gateway = before(&["--era", era, "--asking"]);
        let mut client = gateway.modern(abilities());
        for (method, params, other) in [
            (
                "tools/call",
                json!({"name": "toy__ask", "arguments": {"kind": "roots"}}),
                json!({"name": "toy__ask_twice", "arguments": {"kind": "roots"}}),
            ),
            (
                "prompts/get",
                json!({"name": "toy__ask", "arguments": {"kind": "roots"}}),
                json!({"name": "toy__ask", "arguments": {"kind": "sampling"}}),
            ),
            ("resources/read", json!({"uri": "toy://ask/roots"}), json!({"uri": "toy://ask/x"})),
        ] {
            let (key, state) = asked(&mut client, method, &params).await;
            let mut altered = state.as_str().unwrap().to_owned();
            let last = altered.pop().unwrap();
            altered.push(if last == 'A' { 'Q' } else { 'A' });
            for bad in [
                retry(&other, &key, &state),
                retry(&params, &key, &json!(altered)),
                retry(&params, &key, &json!("forged")),
                retry(&params, &key, &json!(7)),
            ] {
                assert_eq!(client.request(method, bad).await.code(), -32602, "{era} {method}");
            }
            let good = client.request(method, retry(&params, &key, &state)).await.result();
            assert_eq!(good["resultType"], "complete", "{era} {method}: {good}");
            if method == "resources/read" {
                // What depends on answers is good for this one time.
                assert_eq!((&good["ttlMs"], &good["cacheScope"]), (&json!(0), &json!("private")));
            }
            let again = client.request(method, retry(&params, &key, &state)).await;
            assert_eq!(again.code(), -32602, "{era} {method}");
            assert!(again.error()["message"].as_str().unwrap().contains("used before"));
        }
    }
}

#[tokio::test]
async fn an_upstream_that_dies_while_it_waits_is_told_with_the_retry() {
    let gateway = before(&["--asking"]);
    let mut client = gateway.modern(abilities());
    let facts = client.call("toy__process", json!({})).await.structured();
    let call = json!({"name": "toy__ask", "arguments": {"kind": "roots"}});
    let (key, state) = asked(&mut client, "tools/call", &call).await;
    let read = json!({"uri": "toy://ask/roots"});
    let (read_key, read_state) = asked(&mut client, "resources/read", &read).await;
    let pid = i32::try_from(facts["pid"].as_i64().unwrap()).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let told = client.request("tools/call", retry(&call, &key, &state)).await.result();
    assert_eq!(told["isError"], true);
    let why = &told["_meta"]["dev.conflux/error"];
    assert_eq!((&why["kind"], &why["executed"]), (&json!("connection_lost"), &json!("unknown")));
    let told = client.request("resources/read", retry(&read, &read_key, &read_state)).await;
    assert_eq!(told.code(), -32603);
    assert_eq!(told.error()["data"]["kind"], "connection_lost");
}

#[tokio::test]
async fn a_call_that_is_parked_can_be_left_and_others_go_on() {
    let gateway = before(&[]);
    let mut client = gateway.modern(abilities());
    let call = json!({"name": "toy__ask", "arguments": {"kind": "roots"}});
    let (key, first) = asked(&mut client, "tools/call", &call).await;
    let (_, second) = asked(&mut client, "tools/call", &call).await;
    assert_ne!(first, second);
    client.call("toy__echo", json!({})).await.result();
    for state in [second, first] {
        let good = client.request("tools/call", retry(&call, &key, &state)).await;
        assert_eq!(good.structured()["answers"][0]["result"], json!({"roots": []}));
    }
}

#[tokio::test]
async fn a_visit_that_is_wanted_first_reaches_every_client_in_its_way() {
    let without = json!({"elicitation": {"form": {}}});
    for era in ERAS {
        for revision in LEGACY.into_iter().chain([MODERN]) {
            let gateway = before(&["--era", era, "--asking"]);
            let mut client = client(&gateway, revision).await;
            client.answer("elicitation/create", json!({"action": "accept"}));
            let visit = json!({"name": "toy__visit", "arguments": {"times": 2}});
            let mut urls = Vec::new();
            if era == "legacy" && revision == "2025-11-25" {
                // It knows the error, and repeats its call itself.
                for number in 1..=2 {
                    let error = client.request("tools/call", visit.clone()).await.error();
                    assert_eq!(error["code"], -32042);
                    let wanted = &error["data"]["elicitations"][0];
                    assert_eq!(wanted["elicitationId"], format!("visit-{number}"));
                    urls.push(wanted["url"].clone());
                }
            }
            let done = client.converse("tools/call", visit).await;
            assert_eq!(done.structured(), json!({"calls": 3}), "{era} {revision}");
            for asked in client.seen("elicitation/create") {
                let params = asked.params();
                assert_eq!(params["mode"], "url");
                assert_eq!(params["message"], "[toy] Sign in.");
                assert_eq!(params["elicitationId"].is_string(), revision != MODERN, "{params}");
                urls.push(params["url"].clone());
            }
            let expected =
                [1, 2].map(|number| json!(format!("https://example.com/visit-{number}")));
            assert_eq!(urls, expected, "{era} {revision}");
            let over = client.seen("notifications/elicitation/complete");
            let is_told = era == "legacy" && revision == "2025-11-25";
            assert_eq!(over.len(), usize::from(is_told), "{era} {revision}");

            let gateway = before(&["--era", era, "--asking"]);
            let mut client = client_with(&gateway, revision, without.clone()).await;
            let told = client.call("toy__visit", json!({"times": 1})).await.result();
            assert_eq!(told["isError"], true);
            if era == "legacy" {
                let text = told["content"][0]["text"].as_str().unwrap();
                assert!(text.contains("https://example.com/visit-1"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn how_far_an_answer_is_reaches_the_upstream() {
    let gateway = before(&[]);
    for revision in LEGACY {
        let mut client = client(&gateway, revision).await;
        let question = json!({"_meta": {"progressToken": "of the toy"}});
        let arguments = json!({"kind": "roots", "params": question});
        let call = json!({"name": "toy__ask", "arguments": arguments});
        let id = client.start("tools/call", call).await;
        let question = client.wait_for("roots/list", 1).await;
        let token = question.params()["_meta"]["progressToken"].clone();
        assert_ne!(token, "of the toy");
        for step in 1..=3 {
            let progress = json!({"progressToken": token, "progress": step, "x": 1});
            client.notify("notifications/progress", progress).await;
        }
        let foreign = json!({"progressToken": "nobody's", "progress": 1});
        client.notify("notifications/progress", foreign).await;
        client.respond(&question, &json!({"roots": []})).await;
        client.reply_to(id).await.result();
        let told = client.call("toy__received", json!({})).await.structured()["notified"].take();
        let told = told.as_array().unwrap().iter();
        let told: Vec<_> = told.filter(|it| it["method"] == "notifications/progress").collect();
        let steps: Vec<_> = told.iter().map(|it| it["params"]["progress"].clone()).collect();
        assert_eq!(steps, [1, 2, 3], "{revision}");
        assert!(told.iter().all(|it| it["params"]["progressToken"] == "of the toy"), "{told:?}");
    }
}

#[tokio::test]
async fn questions_fit_the_revision_of_the_client() {
    let choice = json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}]});
    let several = json!({"type": "array", "items": {"type": "string", "enum": ["a"]}});
    let form = |property: &Value| {
        let schema = json!({"type": "object", "properties": {"it": property}});
        json!({"kind": "elicit", "params": {"message": "?", "requestedSchema": schema}})
    };
    for era in ERAS {
        let gateway = before(&["--era", era]);
        for revision in ASKED {
            let mut client = client(&gateway, revision).await;
            client.answer("elicitation/create", json!({"action": "decline"}));
            let is_older = revision == "2025-06-18";
            client.call("toy__ask", form(&choice)).await.structured();
            let seen = client.take_seen().remove(0).params();
            let property = &seen["requestedSchema"]["properties"]["it"];
            let older = json!({"type": "string", "enum": ["a"], "enumNames": ["A"]});
            assert_eq!(*property, if is_older { older } else { choice.clone() }, "{revision}");
            let told = client.call("toy__ask", form(&several)).await;
            let asked = client.take_seen().iter().filter(|seen| seen.method().is_some()).count();
            assert_eq!(asked, usize::from(!is_older), "{era} {revision}");
            if is_older && era == "legacy" {
                assert_eq!(told.structured()["answers"][0]["error"]["code"], -32602);
            } else if is_older {
                assert!(told.text().contains("its revision has no field for several values"));
            }
        }
    }
}

#[tokio::test]
async fn content_fits_the_revision_of_the_client() {
    let content = concat!(
        r#"[{"type":"resource_link","name":"n","uri":"a:b"},"#,
        r#"{"type":"audio","data":"AA==","mimeType":"audio/wav"},{"type":"novel","n":1.0}]"#
    );
    let link = r#"{"type":"text","text":"n: a:b"}"#;
    for era in ERAS {
        let files = tempfile::TempDir::new().unwrap();
        let (reply, tools) = (files.path().join("reply"), files.path().join("tools"));
        let kind = if era == "modern" { r#""resultType":"complete","# } else { "" };
        let structured = if era == "modern" { "[1.0]" } else { r#"{"n":1.0}"# };
        let result = format!(r#"{{{kind}"content":{content},"structuredContent":{structured}}}"#);
        std::fs::write(&reply, result).unwrap();
        let schema = r#""inputSchema":{"type":"object"},"outputSchema":{"type":"array"}"#;
        std::fs::write(&tools, format!(r#"[{{"name":"raw",{schema}}}]"#)).unwrap();
        let (reply, tools) = (reply.to_str().unwrap(), tools.to_str().unwrap());
        let gateway = before(&["--era", era, "--reply-file", reply, "--tools-file", tools]);
        for revision in LEGACY.into_iter().chain([MODERN]) {
            let mut client = client(&gateway, revision).await;
            let listed = client.request("tools/list", json!({})).await.result();
            assert_eq!(listed["tools"][0]["outputSchema"].is_object(), revision == MODERN);
            let told = client.call_raw("toy__raw", "{}").await.raw_result().to_owned();
            let (has_links, has_audio) = (revision >= "2025-06-18", revision >= "2025-03-26");
            assert_eq!(told.contains(link), !has_links, "{revision}: {told}");
            assert_eq!(told.contains(r#""resource_link""#), has_links, "{revision}: {told}");
            assert_eq!(told.contains(r#""type":"audio""#), has_audio, "{revision}: {told}");
            assert!(told.contains(r#"{"type":"novel","n":1.0}"#), "{revision}: {told}");
            let is_dropped = era == "modern" && revision != MODERN;
            assert_eq!(told.contains("structuredContent"), !is_dropped, "{revision}: {told}");
            assert_eq!(told.contains(r#""text":"[1.0]""#), is_dropped, "{revision}: {told}");
        }
    }
}
