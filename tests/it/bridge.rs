//! What crosses eras beside plain calls: questions, visits, content, and who is told what.

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::inventory::LISTS;
use crate::support::inventory::list;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::servers::Server;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;
use crate::support::wire_client::Message;

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
async fn what_a_server_says_to_conflux_alone_is_in_no_question() {
    for era in ERAS {
        let gateway = before(&["--era", era]);
        let mut client = client(&gateway, MODERN).await;
        for kind in ["roots", "elicit", "sampling"] {
            let meta = json!({"progressToken": "of the toy", "com.example/x": [1.0]});
            let arguments = json!({"kind": kind, "params": {"_meta": meta}});
            let call = json!({"name": "toy__ask", "arguments": arguments});
            let asked = client.request("tools/call", call).await.result();
            let questions = asked["inputRequests"].as_object().unwrap();
            let meta = &questions.values().next().unwrap()["params"]["_meta"];
            let seen = json!({"com.example/x": [1.0], "dev.conflux/upstream": "toy"});
            assert_eq!(*meta, seen, "{era} {kind}: {asked}");
        }
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

/// How long a modern client may keep a result, and for whom.
fn freshness(result: &Value) -> (u64, String) {
    let scope = result["cacheScope"].as_str().unwrap();
    (result["ttlMs"].as_u64().unwrap(), scope.to_owned())
}

#[tokio::test]
async fn lists_are_fresh_as_long_as_the_shortest_of_their_parts() {
    let modern = |ttl: &'static str| toy(&["--era", "modern", "--ttl", ttl]).entry();
    let day = 86_400_000;
    let long = ("a", modern("864000000"));
    let short = ("b", modern("86400000"));
    let hurried = ("c", modern("0"));
    let legacy = ("d", toy(&[]).entry());
    for (upstreams, least, most, scope) in [
        (vec![long.clone()], day, 10 * day, "public"),
        (vec![long.clone(), short.clone()], 1, day, "public"),
        (vec![long.clone(), hurried], 0, 0, "public"),
        (vec![long, short, legacy], 0, 0, "private"),
    ] {
        let gateway = Gateway::new(&upstreams);
        let mut client = gateway.modern(json!({}));
        let mut older = gateway.legacy("2025-11-25", json!({})).await;
        for (method, member) in LISTS {
            let list = client.request(method, json!({})).await.result();
            let (ttl, who) = freshness(&list);
            assert!(least <= ttl && ttl <= most, "{method}: {ttl}");
            assert_eq!(who, scope, "{method}");
            let list = older.request(method, json!({})).await.result();
            let members: Vec<&String> = list.as_object().unwrap().keys().collect();
            assert_eq!(members, [member], "a session has no such thing");
        }
        let read = json!({"uri": "toy://item/9"});
        let read = client.request("resources/read", read).await.result();
        let own = freshness(&read);
        assert_eq!(own, (10 * day, "public".to_owned()), "what the upstream says is passed on");
    }
}

#[tokio::test]
async fn a_list_that_went_stale_in_silence_is_asked_for_again() {
    let gateway = before(&["--era", "modern", "--ttl", "0", "--no-list-changed"]);
    for revision in ["2025-11-25", MODERN] {
        let mut client = client(&gateway, revision).await;
        let before = list(&mut client, "tools/list", "tools").await.len();
        client.call("toy__change_tools", json!({"times": 1})).await.result();
        while list(&mut client, "tools/list", "tools").await.len() != before + 1 {}
    }
}

const UI: &str = "io.modelcontextprotocol/ui";
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// The extensions a client is offered.
async fn offered(client: &mut Client, revision: &str) -> Value {
    if revision == MODERN {
        let found = client.request("server/discover", json!({})).await.result();
        return found["capabilities"]["extensions"].clone();
    }
    let opened = client.initialize(revision, json!({})).await.result();
    opened["capabilities"]["extensions"].clone()
}

fn with_tasks(extensions: &Value) -> Value {
    let mut all = extensions.clone();
    all["io.modelcontextprotocol/tasks"] = json!({});
    all
}

#[tokio::test]
async fn extensions_are_offered_by_rule_from_the_first_answer_on() {
    let with = |id: &str| toy(&["--skills", "--extension", id, "--extension", "v/both"]).entry();
    let gateway = Gateway::new(&[("a", with("v/one")), ("b", with("v/two"))]);
    let settings = json!({"of": "toy"});
    let own = json!({UI: {}, SKILLS: {"directoryRead": true}});
    let mut all = own.clone();
    all["v/one"] = settings.clone();
    all["v/two"] = settings;
    for revision in ["2025-11-25", MODERN] {
        let gateway = Gateway::new(&[("a", with("v/one")), ("b", with("v/two"))]);
        let mut client = gateway.start();
        if revision == MODERN {
            client.modern(json!({}));
        }
        let expected = if revision == MODERN { with_tasks(&own) } else { own.clone() };
        assert_eq!(offered(&mut client, revision).await, expected, "nothing else is known yet");
    }
    let mut first = gateway.modern(json!({}));
    list(&mut first, "tools/list", "tools").await;
    assert_eq!(offered(&mut first, MODERN).await, with_tasks(&all));
    for revision in LEGACY {
        // What was declared in an earlier run is remembered.
        let mut client = gateway.start();
        assert_eq!(offered(&mut client, revision).await, all, "{revision}");
    }
}

#[tokio::test]
async fn what_a_client_declares_reaches_upstreams_except_what_is_between_neighbours() {
    let passes = json!({UI: {"mimeTypes": ["text/html;profile=mcp-app"]}, "v/any": {"n": 1}});
    let mut declared = passes.clone();
    for between in ["tasks", "oauth-client-credentials", "enterprise-managed-authorization"] {
        declared[format!("io.modelcontextprotocol/{between}")] = json!({});
    }
    let abilities = json!({"extensions": declared});
    for era in ERAS {
        let gateway = before(&["--era", era]);
        for revision in ["2025-11-25", MODERN] {
            let mut client = client_with(&gateway, revision, abilities.clone()).await;
            let received = client.call("toy__received", json!({})).await.structured();
            let key = "io.modelcontextprotocol/clientCapabilities";
            let seen = match era {
                "legacy" => &received["initialize"]["capabilities"],
                _ => &received["params"]["_meta"][key],
            };
            // Tasks of the extension go from one modern neighbour to the next.
            let has_tasks = era == "modern" && revision == MODERN;
            let expected = if has_tasks { with_tasks(&passes) } else { passes.clone() };
            assert_eq!(seen["extensions"], expected, "{era} {revision}");
        }
    }
}

#[tokio::test]
async fn skills_of_two_upstreams_are_one_list_whose_files_can_be_read() {
    let with = |scheme: &str| toy(&["--skills", "--scheme", scheme]).entry();
    let gateway = Gateway::new(&[("a", with("one")), ("b", with("two"))]);
    for revision in ["2025-11-25", MODERN] {
        let mut client = client_with(&gateway, revision, json!({"extensions": {SKILLS: {}}})).await;
        let listed = client.request("skills/list", json!({})).await.result();
        let uris: Vec<&str> = listed["skills"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["uri"].as_str().unwrap())
            .collect();
        let expected = [
            "skill://pdf/SKILL.md",
            "skill://one/SKILL.md",
            "skill://b/pdf/SKILL.md",
            "skill://two/SKILL.md",
        ];
        assert_eq!(uris, expected, "{revision}");
        let files = &listed["skills"][2]["resources"];
        assert_eq!(files[1]["uri"], "skill://b/pdf/help.md");
        if revision == MODERN {
            assert_eq!(freshness(&listed), (0, "private".to_owned()));
        }
        for (uri, owner) in [
            ("skill://pdf/help.md", "skill://pdf/help.md of one"),
            ("skill://pdf/unlisted.md", "skill://pdf/unlisted.md of one"),
            ("skill://b/pdf/help.md", "skill://pdf/help.md of two"),
            ("skill://b/pdf/unlisted.md", "skill://pdf/unlisted.md of two"),
            ("skill://two/SKILL.md", "skill://two/SKILL.md of two"),
        ] {
            let read = client.request("resources/read", json!({"uri": uri})).await.result();
            assert_eq!(read["contents"][0]["text"], owner, "{revision}");
            assert_eq!(read["contents"][0]["uri"], uri, "{revision}");
        }
        let uri = "skill://b/pdf/SKILL.md";
        let got = client.request("skills/get", json!({"uri": uri})).await.result();
        assert_eq!(got["skill"], listed["skills"][2], "{revision}");
        for directory in ["skill://b/pdf", "skill://b/pdf/", "skill://b/pdf/a", "skill://pdf"] {
            let asked = json!({"uri": directory});
            let read = client.request("resources/directory/read", asked).await.result();
            let file = format!("{}/help.md", directory.trim_end_matches('/'));
            assert_eq!(read["resources"][0]["uri"], file, "{revision}");
        }
        let nowhere = json!({"uri": "skill://nowhere/SKILL.md"});
        let code = if revision == MODERN { -32602 } else { -32002 };
        assert_eq!(client.request("skills/get", nowhere).await.code(), code, "{revision}");
    }
}

#[tokio::test]
async fn a_skill_that_nobody_lists_is_that_of_the_only_upstream_with_skills() {
    let gateway = Gateway::new(&[("a", toy(&[]).entry()), ("b", toy(&["--skills"]).entry())]);
    for revision in ["2025-11-25", MODERN] {
        let mut client = client(&gateway, revision).await;
        let directory = json!({"uri": "skill://unlisted"});
        let read = client.request("resources/directory/read", directory).await.result();
        assert_eq!(read["resources"][0]["uri"], "skill://unlisted/help.md", "{revision}");
        let uri = "skill://other/SKILL.md";
        let got = client.request("skills/get", json!({"uri": uri})).await.result();
        assert_eq!(got["skill"]["uri"], uri, "{revision}");
        for file in [uri, "skill://other/help.md"] {
            let read = client.request("resources/read", json!({"uri": file})).await.result();
            assert_eq!(read["contents"][0]["uri"], file, "{revision}");
        }
        let nowhere = client.request("resources/read", json!({"uri": "skill://no/SKILL.md"})).await;
        assert!([-32602, -32002].contains(&nowhere.code()), "{revision}");
    }
}

#[tokio::test]
async fn methods_of_an_extension_go_to_the_one_upstream_they_concern() {
    let with = |id: &str| toy(&["--extension", id, "--extension", "v/both"]).entry();
    let gateway =
        Gateway::new(&[("a", with("v/one")), ("b", with("v/two")), ("c", toy(&[]).entry())]);
    let knows = json!({"extensions": {"v/one": {}, "v/both": {}}});
    for revision in ["2025-11-25", MODERN] {
        let mut client = client_with(&gateway, revision, knows.clone()).await;
        for (method, is_told) in [("one/ask", true), ("two/ask", false)] {
            client.take_seen();
            let asked = client.request(method, json!({"x": 1})).await.result();
            assert_eq!(asked["method"], method, "{revision}");
            let told = client.take_seen();
            let told: Vec<_> = told.iter().filter_map(Message::method).collect();
            let expected = if is_told { vec!["notifications/one/asked"] } else { Vec::new() };
            assert_eq!(told, expected, "{revision}: only what the client declared");
        }
        // Two declare it; a name or an address can still tell which of them is meant.
        assert_eq!(client.request("both/ask", json!({})).await.code(), -32601, "{revision}");
        for params in [json!({"name": "b__echo"}), json!({"name": "a__echo"})] {
            let asked = client.request("both/ask", params).await.result();
            assert_eq!(asked["method"], "both/ask", "{revision}");
        }
        let asked = client.request("both/ask", json!({"name": "c__echo"})).await;
        assert_eq!(asked.code(), -32601, "the owner knows no such method");
        for method in ["none/ask", "tools/none", "one", "initialized"] {
            assert_eq!(client.request(method, json!({})).await.code(), -32601, "{method}");
        }
        client.notify("notifications/one/changed", json!({"y": 2})).await;
        client.notify("notifications/both/changed", json!({"y": 2})).await;
        let received = client.call("a__received", json!({})).await.structured();
        let told = json!({"method": "notifications/one/changed", "params": {"y": 2}});
        let notified = received["notified"].as_array().unwrap();
        assert!(notified.contains(&told), "{notified:?}");
        assert!(!received.to_string().contains("both/changed"), "{received}");
    }
}

#[tokio::test]
async fn trace_context_passes_and_keys_of_the_other_era_do_not() {
    let trace = json!({"traceparent": "00-1", "tracestate": "a=b", "baggage": "c", "v/own": 1});
    let mut meta = trace.clone();
    for key in ["protocolVersion", "clientInfo", "clientCapabilities", "logLevel"] {
        if key == "logLevel" {
            meta[format!("io.modelcontextprotocol/{key}")] = json!("debug");
        }
    }
    for era in ERAS {
        let gateway = before(&["--era", era]);
        for revision in ["2025-11-25", MODERN] {
            let mut client = client(&gateway, revision).await;
            let mut call = json!({"name": "toy__received", "arguments": {}, "_meta": meta});
            if revision != MODERN {
                call["requestState"] = json!("odd");
                call["inputResponses"] = json!({});
            }
            let received = client.request("tools/call", call).await.structured()["params"].take();
            for (key, value) in trace.as_object().unwrap() {
                assert_eq!(received["_meta"][key], *value, "{era} {revision}");
            }
            let keys = received["_meta"].as_object().unwrap().keys();
            let modern = keys.filter(|key| key.starts_with("io.modelcontextprotocol/")).count();
            let expected = match (era, revision) {
                ("legacy", _) => 0,
                (_, MODERN) => 4,
                // A level that a session's client wrote there is none of its protocol.
                _ => 3,
            };
            assert_eq!(modern, expected, "{era} {revision}: {received}");
            let is_kept = era == "legacy" && revision != MODERN;
            assert_eq!(received.get("requestState").is_some(), is_kept, "{era} {revision}");
        }
    }
}

#[tokio::test]
async fn completions_with_context_work_with_every_upstream() {
    for flags in
        [&["--revision", "2024-11-05"][..], &["--revision", "2025-03-26"], &["--era", "modern"]]
    {
        let gateway = before(flags);
        for revision in ["2025-11-25", MODERN] {
            let mut client = client(&gateway, revision).await;
            let params = json!({
                "ref": {"type": "ref/prompt", "name": "toy__greet", "title": "T"},
                "argument": {"name": "name", "value": "A"},
                "context": {"arguments": {"other": "x"}},
            });
            let completed = client.request("completion/complete", params).await.result();
            assert_eq!(completed["completion"]["values"], json!(["Ada", "Alan"]), "{flags:?}");
        }
    }
}

#[tokio::test]
async fn public_names_are_what_every_client_takes() {
    let files = tempfile::TempDir::new().unwrap();
    let tools = files.path().join("tools");
    let names = ["with.dot", "with space", "ünïcode", "a/b", &"x".repeat(128)]
        .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}).to_string());
    std::fs::write(&tools, format!("[{}]", names.join(","))).unwrap();
    for era in ERAS {
        let gateway = before(&["--era", era, "--tools-file", tools.to_str().unwrap()]);
        let mut client = client(&gateway, "2024-11-05").await;
        let listed = list(&mut client, "tools/list", "tools").await;
        assert_eq!(listed.len(), names.len() + 1);
        for tool in listed {
            let name = tool.string("name").unwrap();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!(name.len() <= 50 && name.chars().all(is_plain), "{name}");
            client.call(&name, json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn an_upstream_is_asked_for_its_lists_once_per_start() {
    for era in ERAS {
        let files = tempfile::TempDir::new().unwrap();
        let log = files.path().join("sent");
        let toy = toy(&["--era", era]);
        let script = format!("tee -a {} | {} --era {era}", log.display(), toy.path);
        let shell = Program::new("sh").args(&["-c", &script]);
        let gateway = Gateway::new(&[("toy", shell.entry())]);
        for revision in ["2025-11-25", MODERN] {
            std::fs::write(&log, "").unwrap();
            let mut client = client(&gateway, revision).await;
            for (method, member) in LISTS {
                list(&mut client, method, member).await;
                list(&mut client, method, member).await;
            }
            client.call("toy__echo", json!({})).await.result();
            assert!(client.leave().await.success());
            let sent = std::fs::read_to_string(&log).unwrap();
            for (method, _) in LISTS {
                let asked = format!(r#""method":"{method}""#);
                assert_eq!(sent.matches(&asked).count(), 1, "{era} {revision} {method}");
            }
        }
    }
}

#[tokio::test]
async fn changed_roots_reach_a_real_server_which_asks_again() {
    let home = tempfile::TempDir::new().unwrap();
    let program = Server::Everything.program(home.path());
    let gateway = Gateway::new(&[("everything", program.entry())]);
    let abilities = json!({"roots": {"listChanged": true}});
    let mut client = gateway.legacy("2025-11-25", abilities).await;
    let roots = |name: &str| json!({"roots": [{"uri": format!("file:///{name}"), "name": name}]});
    client.answer("roots/list", roots("first"));
    list(&mut client, "tools/list", "tools").await;
    // It asks when its session opens, in its own time.
    client.wait_for("roots/list", 1).await;
    client.answer("roots/list", roots("second"));
    client.notify("notifications/roots/list_changed", json!({})).await;
    client.wait_for("roots/list", 2).await;
    loop {
        let shown = client.call("everything__get-roots-list", json!({})).await.text();
        if shown.contains("file:///second") {
            break;
        }
    }
}
