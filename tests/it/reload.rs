//! The configuration changes while everything runs: what is the same goes on, the rest follows.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::output::run;
use crate::support::output::stderr;
use crate::support::output::stdout;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const CHANGED: &str = "notifications/tools/list_changed";
const POLL: Duration = Duration::from_millis(20);

fn entry(flags: &[&str]) -> Value {
    toy(&[&["--era", "dual"], flags].concat()).entry()
}

async fn tools(client: &mut Client) -> Vec<String> {
    let listed = client.request("tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The process that a call under this prefix reaches.
async fn process(client: &mut Client, prefix: &str) -> i64 {
    let called = client.call(&format!("{prefix}__process"), json!({})).await;
    called.structured()["pid"].as_i64().unwrap_or_else(|| panic!("{called:?}"))
}

async fn status(client: &mut Client) -> Value {
    client.call("conflux__status", json!({})).await.structured()
}

async fn state(client: &mut Client, name: &str) -> Value {
    let status = status(client).await;
    let all = status["upstreams"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
}

/// Writes the configuration, and waits until it was read; returns what became of it.
async fn reload(client: &mut Client, gateway: &Gateway) -> Value {
    let before = status(client).await["reload"].clone();
    gateway.save();
    reloaded(client, &before).await
}

/// Waits until there was another reload than `before`.
async fn reloaded(client: &mut Client, before: &Value) -> Value {
    let reloaded = async {
        loop {
            let now = status(client).await["reload"].clone();
            if now != *before {
                return now;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, reloaded).await.expect("it is read again")
}

/// Waits until a process is gone.
async fn gone(process: i64) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap());
    let gone = async {
        while kill(pid, None) != Err(Errno::ESRCH) {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, gone).await.expect("the process ends");
}

fn signal(client: &Client, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(client.process_id()).unwrap()), signal).unwrap();
}

#[tokio::test]
async fn only_what_differs_is_another_process_and_one_notification_tells_of_all() {
    let mut gateway = Gateway::new(&[
        ("same", entry(&[])),
        ("shown", entry(&["--scheme", "shown"])),
        ("other", entry(&["--scheme", "other"])),
        ("gone", entry(&["--scheme", "gone"])),
    ]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    tools(&mut client).await;
    let mut before = Vec::new();
    for name in ["same", "shown", "other", "gone"] {
        before.push(process(&mut client, name).await);
    }
    client.take_seen();
    gateway.add("shown", with(entry(&["--scheme", "shown"]), "prefix", json!("moved")));
    gateway.add("other", entry(&["--scheme", "other", "--tools", "2"]));
    gateway.remove("gone");
    gateway.add("new", entry(&["--scheme", "new"]));
    let report = reload(&mut client, &gateway).await;
    assert_eq!(
        report["changes"],
        json!([
            "`shown` goes on, with another `prefix`",
            "`other` is restarted, for its `args`",
            "`new` is added",
            "`gone` is removed",
        ])
    );
    client.wait_for(CHANGED, 1).await;
    let names = tools(&mut client).await;
    let has = |name: &str| names.iter().any(|known| known == name);
    assert!(has("moved__echo") && has("other__extra_2") && has("new__echo"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("gone__") || name.starts_with("shown__")));
    assert_eq!(process(&mut client, "same").await, before[0]);
    assert_eq!(process(&mut client, "moved").await, before[1]);
    assert_ne!(process(&mut client, "other").await, before[2]);
    process(&mut client, "new").await;
    assert_eq!(client.call("gone__echo", json!({})).await.code(), -32602);
    gone(before[2]).await;
    gone(before[3]).await;
    for method in ["tools", "prompts", "resources"] {
        let told = client.seen(&format!("notifications/{method}/list_changed")).len();
        assert_eq!(told, 1, "{method}");
    }
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_call_under_way_ends_where_it_began() {
    for (revision, last) in [
        ("2025-11-25", toy(&[])),
        ("2025-11-25", toy(&["--era", "dual"])),
        ("modern", toy(&[])),
        ("modern", toy(&["--era", "dual"])),
    ] {
        let mut gateway = Gateway::new(&[("toy", entry(&[])), ("last", last.entry())]);
        let capabilities = json!({"elicitation": {"form": {}}});
        let mut client = match revision {
            "modern" => gateway.modern(capabilities),
            revision => gateway.legacy(revision, capabilities).await,
        };
        let (before, last) =
            (process(&mut client, "toy").await, process(&mut client, "last").await);
        let params = json!({"name": "toy__slow", "arguments": {"ms": 1500}});
        let slow = client.start("tools/call", params.clone()).await;
        let ask = json!({"name": "last__ask", "arguments": {"kind": "elicit"}});
        let asked = client.start("tools/call", ask.clone()).await;
        let question = match revision {
            "modern" => client.reply_to(asked).await,
            _ => client.wait_for("elicitation/create", 1).await,
        };
        gateway.add("toy", entry(&["--tools", "1"]));
        gateway.remove("last");
        reload(&mut client, &gateway).await;
        let now = process(&mut client, "toy").await;
        assert_ne!(now, before, "new calls reach the new process");
        assert_eq!(client.reply_to(slow).await.text(), "slept");
        let answer = json!({"action": "accept", "content": {"name": "Ada"}});
        let answered = if revision == "modern" {
            let asked = question.result();
            let (key, _) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
            let mut retry = ask.clone();
            retry["inputResponses"] = json!({ key: answer });
            retry["requestState"] = asked["requestState"].clone();
            client.request("tools/call", retry).await
        } else {
            client.respond(&question, &answer).await;
            client.reply_to(asked).await
        };
        assert_eq!(answered.result()["isError"], Value::Null, "{answered:?}");
        gone(before).await;
        gone(last).await;
        assert_eq!(process(&mut client, "toy").await, now);
        assert!(client.leave().await.success());
    }
}

#[tokio::test]
async fn a_bad_file_is_reported_once_and_changes_nothing() {
    let mut gateway = Gateway::new(&[("toy", entry(&[]))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = process(&mut client, "toy").await;
    let nothing = status(&mut client).await["reload"].clone();
    assert_eq!(nothing, Value::Null);
    gateway.write("gateway.yaml", "upstreams: { toy: { comand: x, timeout: { call: 7 } } }\n");
    let report = reloaded(&mut client, &nothing).await;
    assert_eq!(report["outcome"], "refused", "{report}");
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.len() > 1 && problems.iter().all(|one| one.as_str().unwrap().contains(":1:")));
    let said = client.wait_for_stderr("`comand`").await;
    assert!(said.contains("not reloaded: ") && said.contains("`command`"), "{said}");
    // The same problem, in other words.
    gateway.write("gateway.yaml", "upstreams: { toy: { comand: y, timeout: { call: 7 } } }\n");
    signal(&client, Signal::SIGHUP);
    let again = reloaded(&mut client, &report).await;
    assert_eq!(again["problems"], report["problems"]);
    let times = client.stderr().matches("`comand`").count();
    assert!(times <= 2, "only who asks is told again: {}", client.stderr());
    assert_eq!(process(&mut client, "toy").await, before);
    gateway.add("more", entry(&["--scheme", "more"]));
    let right = reload(&mut client, &gateway).await;
    assert_eq!(
        (&right["outcome"], &right["changes"]),
        (&json!("applied"), &json!(["`more` is added"]))
    );
    assert_eq!(process(&mut client, "toy").await, before);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_half_written_file_is_not_read() {
    let gateway = Gateway::new(&[("first", entry(&[])), ("last", entry(&["--scheme", "last"]))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = [process(&mut client, "first").await, process(&mut client, "last").await];
    let nothing = status(&mut client).await["reload"].clone();
    let lines = [
        format!("upstreams:\n  first: {}\n", entry(&[])),
        format!("  last: {}\n", entry(&["--scheme", "last"])),
        format!("  more: {}\n", entry(&["--scheme", "more"])),
    ];
    let mut file = fs::File::create(gateway.path().join("gateway.yaml")).unwrap();
    for line in lines {
        // Each time it is a configuration, from which something is missing.
        file.write_all(line.as_bytes()).unwrap();
        file.sync_all().unwrap();
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(status(&mut client).await["reload"], nothing);
    drop(file);
    let report = reloaded(&mut client, &nothing).await;
    assert_eq!(report["changes"], json!(["`more` is added", "`limits.start_budget` is applied"]));
    let after = [process(&mut client, "first").await, process(&mut client, "last").await];
    assert_eq!(after, before);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn files_and_links_may_take_the_place_of_the_file() {
    let mut gateway = Gateway::new(&[("toy", entry(&[]))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let file = gateway.path().join("gateway.yaml");
    let with_prefix = |prefix: &str| with(entry(&[]), "prefix", json!(prefix));
    let before = process(&mut client, "toy").await;
    let nothing = status(&mut client).await["reload"].clone();
    gateway.add("toy", with_prefix("renamed"));
    let draft = gateway.path().join("draft");
    fs::copy(gateway.save(), &draft).unwrap();
    let first = reloaded(&mut client, &nothing).await;
    assert_eq!(process(&mut client, "renamed").await, before);

    for version in ["v1", "v2"] {
        fs::create_dir(gateway.path().join(version)).unwrap();
        let text = fs::read_to_string(&draft).unwrap().replace("renamed", version);
        gateway.write(&format!("{version}/gateway.yaml"), &text);
    }
    symlink("v1", gateway.path().join("..data")).unwrap();
    symlink("..data/gateway.yaml", gateway.path().join("link")).unwrap();
    fs::rename(gateway.path().join("link"), &file).unwrap();
    let second = reloaded(&mut client, &first).await;
    assert_eq!(process(&mut client, "v1").await, before);
    symlink("v2", gateway.path().join("..data_tmp")).unwrap();
    fs::rename(gateway.path().join("..data_tmp"), gateway.path().join("..data")).unwrap();
    let third = reloaded(&mut client, &second).await;
    assert_eq!(process(&mut client, "v2").await, before);
    fs::remove_file(&file).unwrap();
    let fourth = reloaded(&mut client, &third).await;
    assert_eq!(fourth["outcome"], "refused");
    assert_eq!(process(&mut client, "v2").await, before);
    fs::rename(&draft, &file).unwrap();
    reloaded(&mut client, &fourth).await;
    assert_eq!(process(&mut client, "renamed").await, before);
    assert!(client.leave().await.success());
}

/// Says what it was given, and ends.
const INDISCREET: &str = "echo bad key $KEY >&2; exit 3";

#[tokio::test]
async fn sighup_reads_everything_again_and_secrets_of_before_and_now_are_masked() {
    let key = |secret: &str| format!("{secret}-secret");
    let program = Program::new("sh").args(&["-c", INDISCREET]).entry();
    let leaking = with(program, "env", json!({"KEY": "${file:key.txt}"}));
    let gateway = Gateway::new(&[("toy", entry(&[])), ("leaking", leaking)]);
    gateway.write("key.txt", &key("first"));
    let mut command = gateway.command();
    command.args(["--log", "debug"]);
    let mut client = Client::spawn(&mut command);
    client.initialize("2025-11-25", json!({})).await.result();
    let before = process(&mut client, "toy").await;
    let failed = client.call("leaking__any", json!({})).await;
    assert!(failed.line.contains("bad key ***"), "{}", failed.line);
    let mut report = status(&mut client).await["reload"].clone();
    for secret in ["second", "third"] {
        // Nobody watches what the configuration only refers to.
        gateway.write("key.txt", &key(secret));
        signal(&client, Signal::SIGHUP);
        report = reloaded(&mut client, &report).await;
        assert_eq!(report["changes"], json!(["`leaking` is restarted, for its `env.KEY`"]));
        let failed = client.call("leaking__any", json!({})).await;
        assert!(failed.line.contains("bad key ***"), "{}", failed.line);
    }
    let echoed = client.call("toy__stderr", json!({"text": "first-secret third-secret"})).await;
    assert_eq!(echoed.text(), "said");
    assert_eq!(process(&mut client, "toy").await, before);
    let said = client.wait_for_stderr("reloaded").await;
    assert!(said.contains("bad key ***"), "{said}");
    assert!(!said.contains("-secret"), "{said}");
    // Nothing differs, so nothing happens.
    signal(&client, Signal::SIGHUP);
    client.wait_for_stderr("nothing differs").await;
    assert_eq!(status(&mut client).await["reload"], report);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn order_and_what_is_disabled_follow_the_file() {
    let mut gateway = Gateway::new(&[("a", entry(&[])), ("b", entry(&["--scheme", "b"]))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = [process(&mut client, "a").await, process(&mut client, "b").await];
    let first = |names: &[String]| names[1].split("__").next().unwrap().to_owned();
    assert_eq!(first(&tools(&mut client).await), "a");
    let nothing = status(&mut client).await["reload"].clone();
    // As the helper writes it, keys stand in their own order.
    let [a, b] = [entry(&[]), entry(&["--scheme", "b"])];
    let limits = r#""limits": {"start_budget": "30s"}"#;
    let text = format!(r#"{{"upstreams": {{"b": {b}, "a": {a}}}, {limits}}}"#);
    gateway.write("gateway.yaml", &text);
    let report = reloaded(&mut client, &nothing).await;
    assert_eq!(report["changes"], json!(["the order of upstreams differs"]));
    client.wait_for(CHANGED, 1).await;
    assert_eq!(first(&tools(&mut client).await), "b");
    assert_eq!([process(&mut client, "a").await, process(&mut client, "b").await], before);

    gateway.add("b", with(entry(&["--scheme", "b"]), "disabled", json!(true)));
    let report = reload(&mut client, &gateway).await;
    assert_eq!(report["changes"], json!(["`b` is disabled"]));
    gone(before[1]).await;
    assert_eq!(state(&mut client, "b").await, json!({"name": "b", "state": "disabled"}));
    client.wait_for(CHANGED, 2).await;
    assert_eq!(first(&tools(&mut client).await), "a");
    gateway.add("b", entry(&["--scheme", "b"]));
    let report = reload(&mut client, &gateway).await;
    assert_eq!(report["changes"], json!(["`b` is enabled"]));
    client.wait_for(CHANGED, 3).await;
    assert_ne!(process(&mut client, "b").await, before[1]);
    assert_eq!(process(&mut client, "a").await, before[0]);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn what_callers_asked_to_be_told_of_they_are_told_by_the_successor() {
    let mut gateway = Gateway::new(&[("toy", entry(&[]))]);
    let mut client = gateway.modern(json!({}));
    let filter = json!({"toolsListChanged": true, "resourceSubscriptions": ["toy://static/1"]});
    client.start("subscriptions/listen", json!({"notifications": filter})).await;
    client.wait_for("notifications/subscriptions/acknowledged", 1).await;
    tools(&mut client).await;
    let before = process(&mut client, "toy").await;
    gateway.add("toy", entry(&["--tools", "1"]));
    reload(&mut client, &gateway).await;
    client.wait_for(CHANGED, 1).await;
    gone(before).await;
    let mut touched = false;
    while !touched {
        let told = client.call("toy__touch", json!({"uri": "toy://static/1"})).await.structured();
        touched = told["told"] != json!(0);
    }
    client.wait_for("notifications/resources/updated", 1).await;
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn eager_upstreams_and_those_at_an_address_are_reached_at_once() {
    let remote = Remote::http(&["--era", "dual"]).await;
    let mut gateway = Gateway::new(&[("toy", entry(&[]))]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let eager = with(entry(&["--scheme", "eager"]), "start", json!("eager"));
    gateway.add("eager", eager);
    let far = json!({"url": format!("{}/mcp", remote.url)});
    gateway.add("far", with(far.clone(), "required", json!(true)));
    reload(&mut client, &gateway).await;
    for name in ["eager", "far"] {
        let ready = async {
            while state(&mut client, name).await["state"] != "ready" {
                sleep(POLL).await;
            }
        };
        timeout(LIMIT, ready).await.expect("it is started though nobody asks for anything");
    }
    let before = process(&mut client, "far").await;
    gateway.add("far", with(far, "headers", json!({"X-Team": "one"})));
    let report = reload(&mut client, &gateway).await;
    assert_eq!(report["changes"], json!(["`far` is restarted, for its `headers.x-team`"]));
    assert_eq!(process(&mut client, "far").await, before, "the server is the same");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn over_http_profiles_and_views_follow_too() {
    let mut gateway = Gateway::new(&[("a", entry(&[])), ("b", entry(&["--scheme", "b"]))])
        .profile("small", json!({"upstreams": ["a"], "tools": {"allow": ["*__echo"]}}))
        .profile("going", json!({}));
    let server = Server::start(&gateway).await;
    let observer = server.session("2025-11-25", json!({})).await;
    let report = async || {
        let status = observer.call(1, "conflux__status", json!({})).reply().await.result();
        status["structuredContent"]["reload"].clone()
    };
    let names = |listed: &Value| -> Vec<String> {
        let tools = listed["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut sessions = Vec::new();
    for path in ["/profiles/small/mcp", "/profiles/going/mcp", "/servers/b/mcp"] {
        let session = server.session_at(path, "2025-11-25", json!({})).await;
        let listed = session.request(1, "tools/list", json!({})).reply().await.result();
        assert!(!names(&listed).is_empty());
        sessions.push(session);
    }
    gateway.set("profiles", json!({"small": {"tools": {"allow": ["*__fail", "*__echo"]}}}));
    gateway.remove("b");
    gateway.add("new", entry(&["--scheme", "new"]));
    gateway.save();
    let applied = async {
        while report().await.is_null() {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, applied).await.unwrap();
    let changes = report().await["changes"].clone();
    let expected = [
        "`new` is added",
        "`b` is removed",
        "`profiles.small` is applied",
        "`profiles.going` is applied",
    ];
    assert_eq!(changes, json!(expected));
    let mut lists = Vec::new();
    for session in &sessions {
        let listed = session.request(2, "tools/list", json!({})).reply().await.result();
        lists.push(names(&listed));
    }
    let small = ["conflux__status", "a__echo", "a__fail", "new__echo", "new__fail"];
    let listed = async {
        loop {
            let listed = sessions[0].request(3, "tools/list", json!({})).reply().await.result();
            let mut found = names(&listed);
            found.sort_unstable();
            let mut small = small.map(str::to_owned);
            small.sort_unstable();
            if found == small {
                return;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, listed).await.expect("the profile shows what it names now");
    assert!(lists[1].is_empty() && lists[2].is_empty(), "nothing is to be seen there: {lists:?}");
    for path in ["/profiles/going/mcp", "/servers/b/mcp"] {
        let came = server.modern("tools/list", json!({})).to(path).reply().await;
        assert_eq!(came.status, 404, "{path}");
    }
    let came = server.modern("tools/list", json!({})).to("/servers/new/mcp").reply().await;
    assert_eq!(came.status, 200);
    assert_eq!(server.stop().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_certificate_is_renewed_and_what_cannot_change_is_said() {
    let make = || {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        rcgen::generate_simple_self_signed(names).unwrap()
    };
    let (old, new) = (make(), make());
    let mut gateway = Gateway::new(&[("toy", entry(&[]))])
        .http("tls", json!({"cert": "cert.pem", "key": "key.pem"}));
    let place = |gateway: &Gateway, pair: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        gateway.write("cert.pem", &pair.cert.pem());
        gateway.write("key.pem", &pair.signing_key.serialize_pem());
    };
    place(&gateway, &old);
    let trusting = |pair: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let root = reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).no_proxy()
    };
    let server = Server::start_with(&gateway, trusting(&old)).await;
    let url = format!("{}/healthz", server.origin);
    assert_eq!(server.request(Method::GET, "/healthz").reply().await.status, 200);
    place(&gateway, &new);
    gateway.set(
        "http",
        json!({
            "tls": {"cert": "cert.pem", "key": "key.pem"},
            "hosts": ["gateway"],
        }),
    );
    gateway.save();
    let renewed = async {
        loop {
            let fresh = trusting(&new).build().unwrap();
            if fresh.get(&url).send().await.is_ok() {
                break;
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, renewed).await.expect("the new certificate is shown");
    let said = async {
        while !server.stderr().contains("http.hosts") {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, said).await.expect("that a restart is needed");
    assert_eq!(server.stop().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_running_gateway_says_what_a_reload_would_do() {
    let mut gateway = Gateway::new(&[("toy", entry(&[]))]);
    let nobody = run(&gateway, &["check", "--diff"]).await;
    assert_eq!(nobody.status.code(), Some(10), "{}", stderr(&nobody));
    // It does not follow this file by itself, so that asking is all that happens.
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let before = process(&mut client, "toy").await;
    let same = run(&gateway, &["check", "--diff"]).await;
    assert_eq!((same.status.code(), stdout(&same).as_str()), (Some(0), "nothing differs\n"));

    // Only what it refers to changes, which nobody watches.
    gateway.add("keyed", with(entry(&["--scheme", "k"]), "env", json!({"KEY": "${file:key.txt}"})));
    gateway.write("key.txt", "first-secret");
    reload(&mut client, &gateway).await;
    gateway.write("key.txt", "second-secret");
    let differs = run(&gateway, &["check", "--diff"]).await;
    let expected = "`keyed` is restarted, for its `env.KEY`\n";
    assert_eq!((differs.status.code(), stdout(&differs).as_str()), (Some(0), expected));
    let pid = client.process_id().to_string();
    let json = run(&gateway, &["check", "--diff", "--json", "--pid", &pid]).await;
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    let keyed = json!({"name": "keyed", "change": "restarted", "keys": ["env.KEY"]});
    assert_eq!(document["difference"]["upstreams"], json!([keyed]), "{document}");
    let other = run(&gateway, &["check", "--diff", "--pid", "1"]).await;
    assert_eq!(other.status.code(), Some(10));
    fs::remove_file(gateway.path().join("key.txt")).unwrap();
    let bad = run(&gateway, &["check", "--diff"]).await;
    assert_eq!(bad.status.code(), Some(3));
    assert!(stderr(&bad).contains("error: ") && stderr(&bad).contains("key.txt"));
    assert_eq!(process(&mut client, "toy").await, before);
    assert!(client.leave().await.success());
}
