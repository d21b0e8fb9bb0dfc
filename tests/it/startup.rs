//! How upstreams are got to know: odd starts, late ones, what is remembered, whose an address is.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::inventory::list;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::MODERN;

#[tokio::test]
async fn odd_starters_work_and_their_era_is_found() {
    for (flags, revision) in [
        (&["--silent-on-discover"][..], "2025-11-25"),
        (&["--exit-on-discover"], "2025-11-25"),
        (&["--late", "1500", "--era", "locked"], MODERN),
        (&["--late", "1500"], "2025-11-25"),
        (&["--era", "dual"], MODERN),
        (&["--banner"], "2025-11-25"),
        (&["--banner", "--era", "modern"], MODERN),
        (&["--revision", "2024-11-05"], "2024-11-05"),
    ] {
        let gateway = Gateway::new(&[("toy", toy(flags).entry())]);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let echoed = client.call("toy__echo", json!({"a": 1})).await;
        assert_eq!(echoed.structured(), json!({"a": 1}), "{flags:?}");
        let status = client.call("conflux__status", json!({})).await.structured();
        assert_eq!(status["upstreams"][0]["revision"], revision, "{flags:?}");
        assert!(client.leave().await.success(), "{flags:?}");
    }
}

/// The upstreams of the tools that a client is shown.
async fn shown(client: &mut Client) -> BTreeSet<String> {
    let tools = list(client, "tools/list", "tools").await;
    let names = tools.iter().filter_map(|tool| tool.string("name"));
    names.filter_map(|name| Some(name.split_once("__")?.0.to_owned())).collect()
}

/// How `hung` is.
async fn state(client: &mut Client) -> Value {
    let status = client.call("conflux__status", json!({})).await.structured();
    let upstreams = status["upstreams"].as_array().unwrap().iter();
    upstreams.clone().find(|it| it["name"] == "hung").unwrap()["state"].clone()
}

#[tokio::test]
async fn the_first_list_does_not_wait_for_one_that_hangs() {
    let healthy = ["one", "two", "three", "four"];
    loop {
        let hung = toy(&["--hang"]).entry();
        // It fails before the start budget is over, so a list that waits for it never sees it start.
        let hung = with(hung, "timeout", json!({ "start": "4s" }));
        let mut gateway = Gateway::new(&[("hung", hung)]);
        for name in healthy {
            gateway.add(name, toy(&[]).entry());
        }
        gateway.set("limits", Value::Null);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let mut first = shown(&mut client).await;
        let hung = state(&mut client).await;
        let is_whole = healthy.iter().all(|name| first.contains(*name));
        while !healthy.iter().all(|name| first.contains(*name)) {
            client.wait_for("notifications/tools/list_changed", 1).await;
            client.take_seen();
            first = shown(&mut client).await;
        }
        assert!(!first.contains("hung"), "{first:?}");
        assert!(client.leave().await.success());
        // A machine that is too busy for that now will not always be.
        if is_whole && hung == "starting" {
            break;
        }
    }
}

#[tokio::test]
async fn who_comes_after_the_first_list_is_announced() {
    let mut gateway = Gateway::new(&[("quick", toy(&[]).entry())]);
    let (path, go) = (toy(&[]).path, gateway.path().join("go"));
    let script = format!("while [ ! -e {} ]; do sleep 0.1; done; exec {path}", go.display());
    gateway.add("late", Program::new("sh").args(&["-c", &script]).entry());
    gateway.set("limits", Value::Null);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert!(!shown(&mut client).await.contains("late"));
    gateway.write("go", "");
    while !shown(&mut client).await.contains("late") {
        client.wait_for("notifications/tools/list_changed", 1).await;
        client.take_seen();
    }
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_first_list_that_may_wait_and_a_command_wait_for_everybody() {
    let mut gateway = Gateway::new(&[("quick", toy(&[]).entry())]);
    gateway.add("late", toy(&["--late", "2500"]).entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    assert!(shown(&mut client).await.contains("late"), "`start_budget` is written");
    assert!(client.leave().await.success());

    gateway.set("limits", Value::Null);
    let listed = gateway.conflux(&["tools", "--json"]).output().await.unwrap();
    let tools: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let names = tools.as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str());
    assert!(names.clone().any(|name| name.starts_with("late__")), "{tools}");
}

#[tokio::test]
async fn the_era_is_remembered() {
    for flags in ["--exit-on-discover", "--era locked"] {
        let path = toy(&[]).path;
        let mut gateway = Gateway::new(&[]);
        let starts = gateway.write("starts", "");
        let script = format!("echo started >> {}; exec {path} {flags}", starts.display());
        gateway.add("toy", Program::new("sh").args(&["-c", &script]).entry());
        // The probe ends one of the two toys, which is then started again for `initialize`.
        let probed = if flags == "--exit-on-discover" { 2 } else { 1 };
        for expected in [probed, probed + 1] {
            let mut client = gateway.legacy("2025-11-25", json!({})).await;
            let received = client.call("toy__received", json!({})).await.structured();
            let is_legacy = received["initialize"].is_object();
            assert_eq!(is_legacy, flags == "--exit-on-discover", "{received}");
            assert!(client.leave().await.success());
            let count = std::fs::read_to_string(&starts).unwrap().lines().count();
            assert_eq!(count, expected, "{flags}");
        }
    }
}

#[tokio::test]
async fn instructions_are_merged_and_remembered() {
    let gateway = Gateway::new(&[
        ("one", toy(&["--instructions", "first of all"]).entry()),
        ("none", toy(&[]).entry()),
        ("two", toy(&["--era", "modern", "--instructions", "second \"thoughts\""]).entry()),
    ]);
    let check = |told: &Value| {
        let text = told["instructions"].as_str().unwrap_or_default().to_owned();
        let places = ["first of all", "second \"thoughts\""].map(|part| text.find(part));
        assert!(places[0].is_some() && places[0] < places[1], "{told}");
        assert!(text.contains("one__") && text.contains("two__"), "{text}");
        assert!(!text.contains("none"), "{text}");
    };
    let mut client = gateway.modern(json!({}));
    list(&mut client, "tools/list", "tools").await;
    check(&client.request("server/discover", json!({})).await.result());
    assert!(client.leave().await.success());

    let mut client = gateway.start();
    check(&client.initialize("2025-11-25", json!({})).await.result());
}

#[tokio::test]
async fn an_address_of_two_upstreams_reaches_the_right_one() {
    for eras in [["legacy", "legacy"], ["modern", "legacy"], ["modern", "modern"]] {
        let gateway = Gateway::new(&[
            ("one", toy(&["--era", eras[0]]).entry()),
            ("two", toy(&["--era", eras[1]]).entry()),
        ]);
        let mut client = gateway.legacy("2025-11-25", json!({})).await;
        let resources = list(&mut client, "resources/list", "resources").await;
        let uris: Vec<String> = resources.iter().filter_map(|one| one.string("uri")).collect();
        assert_eq!(uris.len(), 6, "{uris:?}");
        for (index, uri) in uris.iter().enumerate() {
            let read = client.request("resources/read", json!({"uri": uri})).await.result();
            assert_eq!(read["contents"][0]["uri"], *uri, "{read}");
            assert_eq!(read["contents"][0]["text"], format!("static {}", index % 3 + 1));
            // Only its owner tells that somebody subscribed, by its own address.
            client.request("resources/subscribe", json!({"uri": uri})).await.result();
            let (owner, other) = if index < 3 { ("one", "two") } else { ("two", "one") };
            let local = json!({"uri": format!("toy://static/{}", index % 3 + 1)});
            let touch = |name: &str| format!("{name}__touch");
            while client.call(&touch(owner), local.clone()).await.structured()["told"] == 0 {}
            let told = client.call(&touch(other), local.clone()).await.structured();
            assert_eq!(told["told"], 0, "{uri} belongs to `{owner}`");
            let updated = client.wait_for("notifications/resources/updated", 1).await;
            assert_eq!(updated.params()["uri"], *uri);
            client.request("resources/unsubscribe", json!({"uri": uri})).await.result();
            while client.call(&touch(owner), local.clone()).await.structured()["told"] != 0 {}
            client.take_seen();
        }
        // A link in a result leads back to who gave it.
        for name in ["one", "two"] {
            let linked = client.call(&format!("{name}__link"), json!({})).await.result();
            let uri = linked["content"][0]["uri"].as_str().unwrap();
            let read = client.request("resources/read", json!({"uri": uri})).await.result();
            assert_eq!(read["contents"][0]["text"], "linked 1", "{read}");
        }
    }
}

#[tokio::test]
async fn an_era_that_is_no_longer_spoken_is_forgotten() {
    let path = toy(&[]).path;
    let mut gateway = Gateway::new(&[]);
    let flags = gateway.write("flags", "--era modern");
    let script = gateway.write("toy.sh", &format!("exec {path} $(cat {})", flags.display()));
    let entry = json!({ "command": "sh", "args": [script], "timeout": { "start": "2s" } });
    gateway.add("toy", entry);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.structured();
    assert!(client.leave().await.success());

    gateway.write("flags", "--silent-on-discover");
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let first = client.call("toy__echo", json!({})).await.result();
    assert_eq!(first["_meta"]["dev.conflux/error"]["kind"], "start_timeout", "{first}");
    let mut answer = first;
    while answer["isError"] == true {
        answer = client.call("toy__echo", json!({})).await.result();
    }
    assert!(answer["structuredContent"].is_object(), "{answer}");
    assert!(client.leave().await.success());
}
