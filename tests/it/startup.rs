//! How upstreams are got to know: odd starts, what is remembered, whose an address is.

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::inventory::list;
use crate::support::programs::Program;
use crate::support::programs::toy;
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
