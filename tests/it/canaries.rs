//! No secret that Conflux was given comes out where Conflux says, notes or keeps something itself,
//! whatever fails and however much is logged.
//!
//! What an upstream answers is relayed as it is, so its answers are no such place.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::process::Child;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::aviary::Aviary;
use crate::support::aviary::CEDAR;
use crate::support::aviary::MARKER;
use crate::support::aviary::Sink;
use crate::support::aviary::TOOL;
use crate::support::aviary::reference;
use crate::support::aviary::ruled;
use crate::support::canary::Canary;
use crate::support::canary::Lookout;
use crate::support::canary::Shape;
use crate::support::http::Post;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::indiscreet::Indiscreet;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// Where a text is broken over lines, or cut.
const WIDTH: usize = 20;
/// How many secrets there are at least.
const ENOUGH: usize = 120;
/// What those speak of who speak of the configuration alone.
const FILE: &str = "gateway.yaml";
/// How many commands run at the same time.
const AT_ONCE: usize = 4;

/// Whatever lies below a directory but for those files, their names included, as one text.
fn bytes_below(directory: &Path, except: &[&Path]) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        all.extend_from_slice(path.to_str().unwrap().as_bytes());
        if path.is_dir() {
            all.extend(bytes_below(&path, except));
        } else if path.is_file() && !except.contains(&path.as_path()) {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}

fn bearing<'a>(post: Post<'a>, token: &str) -> Post<'a> {
    post.header("Authorization", &format!("Bearer {token}"))
}

/// What of an answer is Conflux's own: all of it, unless an upstream gave the result or the error.
fn own_words(reply: &Reply) -> String {
    let last = reply.body.rsplit("data: ").next().unwrap_or_default();
    let message: Value = serde_json::from_str(last.trim()).unwrap_or_default();
    let is_relayed = message["error"]["data"]["given"].is_string()
        || (message["result"].is_object()
            && message["result"]["_meta"]["dev.conflux/error"].is_null());
    let body = if is_relayed { "" } else { &reply.body };
    format!("{} {:?} {body}\n", reply.status, reply.headers())
}

/// Has everybody called who is there, in both eras; returns what Conflux itself said, and what was
/// relayed.
async fn call_all(aviary: &Aviary, server: &Server, token: &str) -> (String, String) {
    let (mut own, mut relayed) = (String::new(), String::new());
    let opened = server.post(initialize("2025-11-25", json!({})));
    let opened = bearing(opened, token).reply().await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let request = |id: u64, method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        bearing(server.post(request).header("Mcp-Session-Id", &session), token)
    };
    let level = request(1, "logging/setLevel", json!({ "level": "debug" })).reply().await;
    own.push_str(&own_words(&level));
    // One that fails is waited for, so nobody waits for another.
    let calls = aviary.upstreams.iter().zip(2..).map(|(name, id)| {
        let tool = format!("{name}__{TOOL}");
        let modern = bearing(server.call(&tool, json!({ "more": 1 })), token);
        let legacy = request(id, "tools/call", json!({ "name": tool, "arguments": {} }));
        join(modern.reply(), legacy.reply())
    });
    for reply in join_all(calls).await.iter().flat_map(|(one, two)| [one, two]) {
        own.push_str(&own_words(reply));
        relayed.push_str(&reply.body);
    }
    let status = bearing(server.call("conflux__status", json!({})), token).reply().await;
    (own + &status.body, relayed)
}

/// Comes with tokens that are no good, and in other wrong ways; returns what Conflux said.
async fn come_wrongly(aviary: &mut Aviary, server: &Server, token: &str) -> String {
    let list = || server.modern("tools/list", json!({}));
    let forged = format!("{}{}", &token[..13], aviary.written("forged token"));
    let secret = aviary.written("bearer");
    let basic = aviary.written("basic");
    let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.{}", aviary.written("jwt"));
    let query = aviary.written("query token");
    let cookie = aviary.written("cookie");
    let key = aviary.written("api key");
    let fragment = aviary.written("wrong scheme");
    let posts = [
        bearing(list(), &forged),
        bearing(list(), &secret),
        bearing(list(), &jwt),
        list().header("Authorization", &format!("Basic {basic}")),
        list().header("Authorization", &format!("Digest response={fragment}")),
        list().to(&format!("/mcp?access_token={query}")),
        bearing(list(), token).to(&format!("/mcp?access_token={query}")),
        list().header("Cookie", &format!("session={cookie}")).header("X-Api-Key", &key),
        bearing(list(), &secret).to("/servers/nobody/mcp"),
        bearing(server.request(Method::GET, "/sse"), &secret),
        bearing(list(), token).header("Host", "watched.example"),
    ];
    let mut said = String::new();
    for post in posts {
        let reply = post.reply().await;
        assert!((400..500).contains(&reply.status), "{reply:?}");
        said.push_str(&own_words(&reply));
    }
    said
}

/// Calls with secrets in arguments that only their names, or their looks, tell of.
async fn call_with_secrets(aviary: &mut Aviary, server: &Server, token: &str) -> String {
    let arguments = json!({
        "password": aviary.written("argument password"),
        "deep": { "api_key": { "value": aviary.written("argument key") } },
        "text": format!("see ghp_{}", aviary.written("argument token")),
        "url": format!("https://user:{}@host/", aviary.written("argument url")),
    });
    let mut said = String::new();
    for tool in [format!("{MARKER}_near_failing__{TOOL}"), format!("{MARKER}_no_such__tool")] {
        let reply = bearing(server.call(&tool, arguments.clone()), token).reply().await;
        said.push_str(&own_words(&reply));
    }
    said
}

/// Makes calls that rules refuse, for what is in arguments or is not.
async fn call_against_rules(aviary: &mut Aviary, server: &Server, token: &str) -> String {
    let secret = aviary.ruled_secret();
    let mut said = String::new();
    for arguments in [
        json!({ "word": "no", "password": aviary.written("refused password") }),
        json!({ "word": secret, "other": secret }),
        json!({ "word": secret, "third": secret }),
    ] {
        let reply = bearing(server.call(&ruled(), arguments), token).reply().await;
        let refused = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(refused.contains("is not permitted with these arguments"), "{refused}");
        said.push_str(&own_words(&reply));
    }
    // With nothing but that, it may be called.
    let reply = bearing(server.call(&ruled(), json!({ "word": secret })), token).reply().await;
    assert_eq!(reply.json()["result"]["isError"], true, "{reply:?}");
    said
}

/// Where those who watch are answered.
fn watched(server: &Server) -> String {
    let stderr = server.stderr();
    let (_, place) = stderr.split_once("metrics and status at ").unwrap();
    place.split(['\n', '"']).next().unwrap().to_owned()
}

/// What those who watch are told.
async fn watch(server: &Server) -> Vec<Sink> {
    let origin = watched(server);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let response = client.get(format!("{origin}{path}")).send().await.unwrap();
        let head = format!("{} {:?}", response.status(), response.headers());
        format!("{head}\n{}\n", response.text().await.unwrap())
    };
    let metrics = get("/metrics").await;
    let tool = format!("gen_ai_tool_name=\"{}\"", ruled());
    assert!(metrics.contains(&tool), "{metrics}");
    vec![
        Sink::new("/metrics", metrics),
        Sink::new("/status", get("/status").await),
        Sink::new("/readyz?verbose", get("/readyz?verbose").await),
        Sink::new("/healthz, /readyz", get("/healthz").await + &get("/readyz").await),
    ]
}

/// Waits until it is known what those have that list something, so that it can be called.
async fn listed(server: &Server, token: &str) {
    // Nobody is started before somebody wants to know.
    bearing(server.modern("tools/list", json!({})), token).reply().await.result();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let missing = async || {
        let status = client.get(format!("{}/status", watched(server))).send().await.unwrap();
        let status: Value = serde_json::from_str(&status.text().await.unwrap()).unwrap();
        let has_listed = |it: &&Value| it["tools"] == 1;
        let all = status["upstreams"].as_array().unwrap().iter().filter(has_listed);
        let all: Vec<Value> = all.map(|it| it["name"].clone()).collect();
        let is_missing = |name: &&String| !all.contains(&json!(name));
        Aviary::listing().iter().filter(is_missing).cloned().collect::<Vec<_>>()
    };
    let waiting = timeout(LIMIT, async {
        while !missing().await.is_empty() {
            sleep(POLL).await;
        }
    });
    assert!(waiting.await.is_ok(), "{:?}", missing().await);
}

/// Has the file say what cannot be, with secrets in what is wrong; returns it to what it was.
async fn reload_wrongly(aviary: &mut Aviary, server: &Server) -> Vec<Sink> {
    let [user, address, key] = [0, 1, 2].map(|number| reference(&aviary.variables[number]));
    let name = format!("{MARKER}_broken");
    let secret = aviary.ruled_secret();
    let upstream = |entry: Value| ("upstreams", entry);
    let tool = format!("{MARKER}_near_talking__{secret}");
    let action = format!("Action::{:?}", ruled());
    let cedar = |condition: &str| {
        format!("forbid (principal, action == {action}, resource) when {{ {condition} }};")
    };
    let wrong = [
        ("user", upstream(json!({ "url": format!("https://u:{user}@host/") })), None),
        ("header", upstream(json!({ "url": "https://host/", "headers": { "X-Key": key } })), None),
        ("address", upstream(json!({ "url": address })), None),
        (
            "proxy",
            upstream(json!({ "url": "https://host/", "proxy": format!("ftp://u:{user}@host") })),
            None,
        ),
        (
            "collector",
            ("telemetry", json!({ "otlp": { "endpoint": format!("http://u:{user}@host/") } })),
            None,
        ),
        ("rule", ("policy", json!({ "rules": [{ "deny": tool }] })), None),
        (
            "type",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("context.arguments.word < {secret:?}"))),
        ),
        (
            "action",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("action == Action::{secret:?}"))),
        ),
        (
            "word",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("context.arguments.word == {}", aviary.variables[0].value))),
        ),
    ];
    let path = aviary.gateway.path().join(CEDAR);
    let right = std::fs::read_to_string(&path).unwrap();
    let mut sinks = Vec::new();
    for (what, (key, value), rules) in wrong {
        if key == "upstreams" {
            aviary.gateway.add(&name, value);
        } else {
            aviary.gateway.set(key, value);
        }
        aviary.gateway.write(CEDAR, rules.as_ref().unwrap_or(&right));
        aviary.gateway.save_at_once();
        let before = count(server, "not reloaded");
        server.hang_up();
        wait_for(server, "not reloaded", before).await;
        let names = ["check", "doctor"].map(|command| format!("{command} of a wrong {what}"));
        let (check, doctor) =
            join(aviary.said(&names[0], &["check"]), aviary.said(&names[1], &["doctor"])).await;
        sinks.extend([check, doctor]);
        match key {
            "upstreams" => aviary.gateway.remove(&name),
            "policy" => aviary.gateway.set(key, aviary.policy.clone()),
            _ => aviary.gateway.set(key, aviary.telemetry.clone()),
        }
    }
    aviary.gateway.write(CEDAR, &right);
    aviary.gateway.save_at_once();
    sinks
}

/// Has a secret become another one while everything runs, until the log has `said` so.
async fn rotate(aviary: &mut Aviary, server: &Server, said: &str) {
    let canary = Canary::new("near_talking_file, the next", Shape::Lines);
    aviary.gateway.write("near_talking_file", &format!("{}\n", canary.value));
    aviary.others.push(canary);
    let before = count(server, said);
    server.hang_up();
    wait_for(server, said, before).await;
}

fn count(server: &Server, text: &str) -> usize {
    server.stderr().matches(text).count()
}

/// Waits until the log has this once more.
async fn wait_for(server: &Server, text: &str, before: usize) {
    let said = async {
        while count(server, text) <= before {
            sleep(POLL).await;
        }
    };
    let is_logged = timeout(LIMIT, said).await.is_ok();
    assert!(is_logged, "no `{text}` in the log: {}", server.stderr());
}

/// A command that follows what happens, with a file for all that it says.
fn follow(aviary: &Aviary, name: &str, args: &[&str]) -> (Child, PathBuf) {
    let path = aviary.gateway.path().join(name);
    let file = File::create(&path).unwrap();
    let mut command = aviary.command(args);
    command.stdout(file.try_clone().unwrap()).stderr(file);
    (command.spawn().unwrap(), path)
}

/// Waits until a file has this in it.
async fn wait_for_line(path: &Path, text: &str) {
    let written = async {
        while !std::fs::read_to_string(path).unwrap().contains(text) {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, written).await.expect("it is told");
}

/// What commands say of rules, and of arguments, that hold secrets.
fn asked_of_the_policy(aviary: &Aviary) -> Vec<(&'static str, Vec<String>)> {
    let secret = aviary.ruled_secret();
    let whole = json!({ "word": secret, "other": secret, "third": secret }).to_string();
    let third = json!({ "word": secret, "third": secret }).to_string();
    let cases = json!([
        { "as": secret, "call": ruled(), "expect": "allow", "rule": format!("not {secret}") },
        { "call": ruled(), "arguments": { "word": secret }, "expect": "hidden" },
        { "read": format!("https://host/{secret}"), "expect": "allow" },
    ]);
    let broken = json!([{ "call": ruled(), "arguments": { "word": secret }, "expect": secret }]);
    aviary.gateway.write("cases.yaml", &cases.to_string());
    let broken_file = format!("{MARKER}-broken.yaml");
    aviary.gateway.write(&broken_file, &format!("# {MARKER}\n{broken}"));
    let explained = |more: &[&str]| {
        let all = [&["policy", "explain"], more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let strings = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
    let nobody = format!("{MARKER}_{secret}");
    vec![
        ("policy explain: a rule", explained(&[&ruled(), "--args", &whole])),
        ("policy explain: Cedar", explained(&[&ruled(), "--args", &third])),
        ("policy explain: no rule", explained(&[&ruled(), "--args", r#"{"word":"no"}"#])),
        ("policy explain: without arguments", explained(&[&ruled()])),
        ("policy explain --json: a rule", explained(&[&ruled(), "--args", &whole, "--json"])),
        ("policy explain --json: Cedar", explained(&[&ruled(), "--args", &third, "--json"])),
        ("policy explain --json: no rule", explained(&[&ruled(), "--json"])),
        ("policy explain: a name that nothing has", explained(&[&nobody])),
        ("policy schema", strings(&["policy", "schema"])),
        ("policy test", strings(&["policy", "test", "cases.yaml"])),
        ("policy test --json", strings(&["policy", "test", "cases.yaml", "--json"])),
        ("policy test of what are no cases", strings(&["policy", "test", &broken_file])),
    ]
}

/// Every command that tells of what happened; one that comes later is a line more.
fn commands(aviary: &Aviary) -> Vec<(&'static str, Vec<String>)> {
    let one = format!("{MARKER}_near_talking__{TOOL}");
    let failing = format!("{MARKER}_far_failing__{TOOL}");
    let all: [(&str, &[&str]); 15] = [
        ("conflux status", &["status"]),
        ("conflux status --json", &["status", "--json"]),
        ("conflux logs", &["logs"]),
        ("conflux logs --json", &["logs", "--json"]),
        ("conflux check", &["check"]),
        ("conflux check --connect", &["check", "--connect"]),
        ("conflux doctor", &["doctor", "--json"]),
        ("conflux tools", &["tools", "--json"]),
        ("conflux show", &["show", &one]),
        ("conflux call", &["call", &failing]),
        ("conflux token list", &["token", "list", "--json"]),
        ("conflux audit search", &["audit", "search", "--json", "--limit", "1000"]),
        ("what was refused", &["audit", "search", "--json", "--outcome", "deny"]),
        ("what was refused, for people", &["audit", "search", "--outcome", "deny"]),
        ("conflux audit tail", &["audit", "tail"]),
    ];
    let owned = |args: &[&str]| args.iter().map(|it| (*it).to_owned()).collect();
    let all = all.into_iter().map(|(name, args)| (name, owned(args)));
    all.chain(asked_of_the_policy(aviary)).collect()
}

/// Every place where something may have been said.
async fn sinks(aviary: &Aviary, server: &Server, own: String, tail: &Path) -> Vec<Sink> {
    let state = aviary.gateway.path().join("state");
    // The key of hashes is no text, and a secret in itself.
    let key = state.join("auth/key");
    // A gateway that is asked for it has two seconds to look, so nothing else is done meanwhile.
    let diff = aviary.said("conflux check --diff", &["check", "--diff", "--json"]).await;
    let commands = commands(aviary);
    // Most of them wait for upstreams most of the time.
    let said = commands.iter().map(|(name, args)| aviary.said(name, args));
    let mut sinks: Vec<Sink> = stream::iter(said).buffered(AT_ONCE).collect().await;
    sinks.extend(watch(server).await);
    sinks.extend([
        diff,
        Sink::new("answers over HTTP", own),
        Sink::new("conflux tail", std::fs::read(tail).unwrap()),
        Sink::new("the directory of state", bytes_below(&state, &[&key, &state.join("audit.key")])),
        Sink::new("the log", server.stderr()),
    ]);
    sinks
}

/// What is wrong with what was said: secrets, and places where nothing can have been looked for,
/// or nothing was hidden by those that had to hide something.
fn wrong_with(all: &[Sink], lookout: &Lookout, hiding: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Sink { name, said } in all {
        let text = String::from_utf8_lossy(said);
        if !text.contains(MARKER) && !text.contains(FILE) {
            wrong.push(format!("{name} says nothing: {text}"));
        }
        if hiding.contains(&name.as_str()) && !text.contains("***") {
            wrong.push(format!("{name} had none to hide"));
        }
        let leaks = lookout.find(said).into_iter();
        wrong.extend(leaks.map(|(canary, around)| format!("{name} has `{canary}`:\n{around}")));
    }
    let is_there = |name: &&&str| all.iter().any(|sink| sink.name == **name);
    let missing = hiding.iter().filter(|name| !is_there(name));
    wrong.extend(missing.map(|name| format!("there is no {name}")));
    wrong
}

/// Whether all secrets are found where they belong; returns the names of these.
fn wrong_with_upstreams(aviary: &Aviary, far: &Indiscreet, lookout: &Lookout) -> Vec<String> {
    let ledger = std::fs::read_to_string(aviary.gateway.path().join("ledger.txt")).unwrap();
    let reached = [ledger, far.told()].concat();
    let reached: Vec<&str> = lookout.find_all(reached.as_bytes());
    let got = |name: &String| reached.contains(&name.as_str());
    let usual = aviary.others.iter().filter(|canary| canary.name.starts_with("usual "));
    let all = aviary.variables.iter().chain(usual).map(|canary| &canary.name);
    let wrong = all.filter(|name| got(name) == aviary.stranded.contains(name));
    wrong.map(|name| format!("{name} got where it belongs: {}", got(name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_anywhere() {
    let far = Indiscreet::start().await;
    let mut aviary = Aviary::new(&far);
    aviary.add_collector(&far);
    let token = aviary.token(&format!("{MARKER}-token")).await;
    let server = Server::start_by(aviary.command(&["serve"])).await;
    let (mut tail, told) = follow(&aviary, "tail.txt", &["tail", "--json"]);
    listed(&server, &token).await;
    let (mut own, mut relayed) = call_all(&aviary, &server, &token).await;
    own.push_str(&come_wrongly(&mut aviary, &server, &token).await);
    own.push_str(&call_with_secrets(&mut aviary, &server, &token).await);
    own.push_str(&call_against_rules(&mut aviary, &server, &token).await);
    let mut all = reload_wrongly(&mut aviary, &server).await;
    rotate(&mut aviary, &server, " reloaded").await;
    let (again, more) = call_all(&aviary, &server, &token).await;
    own.push_str(&again);
    relayed.push_str(&more);
    let last = format!("{MARKER}_absent__{TOOL}");
    wait_for_line(&told, &last).await;
    tail.kill().await.unwrap();
    aviary.keep_audit_key();
    all.extend(sinks(&aviary, &server, own, &told).await);
    let (status, _) = server.stop().await;
    assert!(status.success());
    all.push(Sink::new("spans", far.spans()));

    let canaries = aviary.canaries();
    assert!(canaries.len() >= ENOUGH, "{}", canaries.len());
    let lookout = Lookout::new(&canaries);
    let hiding = [
        "answers over HTTP",
        "conflux status --json",
        "conflux logs",
        "the log",
        "/status",
        "/readyz?verbose",
        "spans",
        "what was refused",
        "policy explain: a rule",
        "policy explain: Cedar",
        "policy explain --json: a rule",
        "policy explain --json: Cedar",
        "policy test",
    ];
    let mut wrong = wrong_with(&all, &lookout, &hiding);
    wrong.extend(wrong_with_upstreams(&aviary, &far, &lookout));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(!lookout.find(relayed.as_bytes()).is_empty(), "answers of upstreams are theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_what_machines_read() {
    let far = Indiscreet::start().await;
    let mut aviary = Aviary::new(&far);
    aviary.add_usual_collector(&far);
    let token = aviary.token(&format!("{MARKER}-token")).await;
    let server = Server::start_by(aviary.command(&["serve", "--log-format", "json"])).await;
    listed(&server, &token).await;
    call_all(&aviary, &server, &token).await;
    come_wrongly(&mut aviary, &server, &token).await;
    call_with_secrets(&mut aviary, &server, &token).await;
    call_against_rules(&mut aviary, &server, &token).await;
    rotate(&mut aviary, &server, r#""message":"reloaded""#).await;
    call_all(&aviary, &server, &token).await;
    let mut all = watch(&server).await;
    let (status, log) = server.stop().await;
    assert!(status.success());
    all.push(Sink::new("the log", log));
    all.push(Sink::new("spans", far.spans()));
    // A user in the address is refused without saying which.
    let user = aviary.written("usual user");
    aviary.describe("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{user}:{user}@host/"));
    let check = aviary.said("check of a user", &["check", "--log-format", "json"]).await;
    assert!(String::from_utf8_lossy(&check.said).contains("not the address of a collector"));
    all.push(check);

    let lookout = Lookout::new(&aviary.canaries());
    let mut wrong = wrong_with(&all, &lookout, &["the log", "spans", "/status"]);
    aviary.others.retain(|canary| canary.name != "usual user");
    wrong.extend(wrong_with_upstreams(&aviary, &far, &lookout));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn whoever_looks_for_secrets_finds_them_in_every_dress() {
    let canaries: Vec<Canary> = [Shape::Plain, Shape::Odd, Shape::Mild, Shape::Lines]
        .into_iter()
        .map(|shape| Canary::new(&format!("{shape:?}"), shape))
        .collect();
    let lookout = Lookout::new(&canaries);
    for canary in &canaries {
        let value = &canary.value;
        let encoded = |before: &str| STANDARD.encode(format!("{before}{value}"));
        let lines = |text: &str| {
            let (one, two) = text.split_at(WIDTH);
            format!("{one}\n{two}")
        };
        for said in [
            value.clone(),
            Value::from(value.as_str()).to_string(),
            format!("{value:?}"),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            encoded(""),
            encoded("u"),
            encoded("u:"),
            lines(value),
            lines(&encoded("user:")),
            value[..WIDTH].to_owned(),
        ] {
            let found = lookout.find_all(format!("so {said} it is").as_bytes());
            assert_eq!(found, [canary.name.as_str()], "{said}");
        }
    }
    assert!(lookout.find(b"nothing of all this, but letters and digits 0123456789").is_empty());
}
