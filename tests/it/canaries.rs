//! No secret that Conflux was given comes out where Conflux says, notes or keeps something itself,
//! whatever fails and however much is logged.
//!
//! What an upstream answers is relayed as it is, so its answers are no such place.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::process::Child;
use tokio::process::Command;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::canary::Canary;
use crate::support::canary::Lookout;
use crate::support::canary::Shape;
use crate::support::gateway::Gateway;
use crate::support::http::Post;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::indiscreet::FAR;
use crate::support::indiscreet::Indiscreet;
use crate::support::indiscreet::NEAR;
use crate::support::indiscreet::SCRIPT;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);
/// Where a text is broken over lines, or cut.
const WIDTH: usize = 20;
/// How many secrets there are at least.
const ENOUGH: usize = 60;
/// What the names of all upstreams begin with: no secret, and to be found in every place.
const MARKER: &str = "watched";
/// The same for those who speak of the configuration alone.
const FILE: &str = "gateway.yaml";
/// The tool of every upstream.
const TOOL: &str = "tell";

/// A gateway whose configuration is full of secrets, and all that is known of them.
struct Aviary {
    gateway: Gateway,
    /// Those that Conflux resolves: names of variables, and what they hold.
    variables: Vec<Canary>,
    /// Those that Conflux resolves otherwise, or meets.
    others: Vec<Canary>,
    /// Those that never get to an upstream, because there is none.
    stranded: Vec<String>,
    /// The names of all upstreams.
    upstreams: Vec<String>,
}

/// Something that Conflux said or wrote.
struct Sink {
    name: String,
    said: Vec<u8>,
}

impl Sink {
    fn new(name: &str, said: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), said: said.into() }
    }
}

impl Aviary {
    fn new(far: &Indiscreet) -> Self {
        let mut aviary = Self {
            gateway: Gateway::new(&[]),
            variables: Vec::new(),
            others: Vec::new(),
            stranded: Vec::new(),
            upstreams: Vec::new(),
        };
        for mode in NEAR {
            aviary.add_near(mode);
        }
        for mode in FAR {
            let url = format!("http://{}/{mode}", far.address);
            aviary.add_far(mode, &url);
        }
        let refused = aviary.add_far("refused", "http://127.0.0.1:1/refused");
        let nameless = aviary.add_far("nameless", "http://nowhere.invalid/nameless");
        aviary.stranded.extend([refused, nameless].concat());
        aviary.add_proxied(far);
        aviary.add_missing();
        aviary.gateway.set("auth", json!({}));
        aviary.gateway.set("audit", json!({ "checkpoint": { "records": 1 } }));
        aviary
    }

    /// A secret in a variable; returns the reference to it.
    fn variable(&mut self, name: &str, shape: Shape) -> String {
        let name = name.to_uppercase().replace('-', "_");
        self.variables.push(Canary::new(&name, shape));
        format!("${{{name}}}")
    }

    /// A secret in a file; returns the reference to it.
    fn file(&mut self, name: &str, shape: Shape) -> String {
        let canary = Canary::new(name, shape);
        self.gateway.write(name, &format!("{}\n", canary.value));
        self.others.push(canary);
        format!("${{file:{name}}}")
    }

    fn add(&mut self, mode: &str, entry: Value) {
        let name = format!("{MARKER}_{mode}");
        self.gateway.add(&name, entry);
        self.upstreams.push(name);
    }

    /// A server over stdio, with secrets in variables, arguments and values of arguments.
    fn add_near(&mut self, mode: &str) {
        let env = json!({
            "GIVEN": "K_PLAIN K_ODD K_LINES K_FILE K_KEY",
            "LEDGER": self.gateway.path().join("ledger.txt"),
            "K_PLAIN": self.variable(&format!("near_{mode}_plain"), Shape::Plain),
            "K_ODD": self.variable(&format!("near_{mode}_odd"), Shape::Odd),
            "K_LINES": self.variable(&format!("near_{mode}_lines"), Shape::Lines),
            "K_FILE": self.file(&format!("near_{mode}_file"), Shape::Lines),
            // One that is written out, under a name that says what it is.
            "K_KEY": self.written(&format!("near_{mode}_written")),
        });
        let token = self.variable(&format!("near_{mode}_arg"), Shape::Odd);
        let password = self.variable(&format!("near_{mode}_dsn"), Shape::Plain);
        let args = json!([
            "-c",
            SCRIPT,
            "sh",
            mode,
            format!("--token={token}"),
            format!("postgres://user:{password}@db/x"),
        ]);
        let value = self.variable(&format!("near_{mode}_value"), Shape::Odd);
        let set = json!({ "value": { "deep": [value, 1] } });
        let tools = json!({ "override": { TOOL: { "arguments": { "key": set } } } });
        if ["ending", "refusing", "unlisted"].contains(&mode) {
            // It lists no tool that could be called.
            self.stranded.extend(self.variables.last().map(|canary| canary.name.clone()));
        }
        // Whoever does not answer is not waited for long.
        let timeout = json!({ "call": "2s" });
        self.add(
            &format!("near_{mode}"),
            json!({ "command": "sh", "args": args, "env": env, "tools": tools, "timeout": timeout }),
        );
    }

    fn written(&mut self, name: &str) -> String {
        let canary = Canary::new(name, Shape::Plain);
        let value = canary.value.clone();
        self.others.push(canary);
        value
    }

    /// A server over HTTP, with secrets in its address and in headers; returns their names.
    fn add_far(&mut self, mode: &str, url: &str) -> Vec<String> {
        let before = self.variables.len();
        let path = self.variable(&format!("far_{mode}_path"), Shape::Plain);
        let query = self.variable(&format!("far_{mode}_query"), Shape::Mild);
        let headers = json!({
            "Authorization": format!("Bearer {}", self.variable(&format!("far_{mode}_bearer"), Shape::Plain)),
            "X-Api-Key": self.variable(&format!("far_{mode}_key"), Shape::Odd),
            "Cookie": format!("session={}", self.variable(&format!("far_{mode}_cookie"), Shape::Plain)),
        });
        let url = format!("{url}/{path}/mcp?key={query}");
        self.add(
            &format!("far_{mode}"),
            json!({ "url": url, "headers": headers, "transport": "http" }),
        );
        self.variables[before..].iter().map(|canary| canary.name.clone()).collect()
    }

    /// A server behind a proxy that wants a password, and says which one it got.
    fn add_proxied(&mut self, far: &Indiscreet) {
        let user = self.variable("proxy_user", Shape::Plain);
        let password = self.variable("proxy_password", Shape::Plain);
        let proxy = format!("http://{user}:{password}@{}", far.address);
        self.add(
            "far_proxied",
            json!({ "url": "http://far.example/proxied/mcp", "proxy": proxy, "transport": "http" }),
        );
    }

    /// Programs that are not there, or cannot be run, with secrets on their command line.
    fn add_missing(&mut self) {
        for (mode, command) in [("absent", "/nowhere/at-all"), ("unrunnable", "/dev/null")] {
            let argument = self.variable(&format!("{mode}_arg"), Shape::Odd);
            let variable = self.variable(&format!("{mode}_env"), Shape::Plain);
            let stranded = self.variables.iter().rev().take(2).map(|it| it.name.clone());
            self.stranded.extend(stranded);
            self.add(
                mode,
                json!({ "command": command, "args": [argument], "env": { "TOKEN": variable } }),
            );
        }
    }

    /// The program, with all variables, which logs whatever it can.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.gateway.conflux(args);
        command.args(["--log", "trace"]).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.variables.iter().map(|it| (&it.name, &it.value)));
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        timeout(LIMIT, self.command(args).output()).await.expect("it ends").unwrap()
    }

    /// What a command says, as a place.
    async fn said(&self, name: &str, args: &[&str]) -> Sink {
        let Output { stdout, stderr, .. } = self.run(args).await;
        Sink::new(name, [stdout, stderr].concat())
    }

    /// Makes a token, which is a secret from then on.
    async fn token(&mut self, name: &str) -> String {
        let mut command = self.gateway.conflux(&["token", "create", name]);
        command.envs(self.variables.iter().map(|it| (&it.name, &it.value)));
        let output = command.output().await.unwrap();
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("cfx_"), "{}", String::from_utf8_lossy(&output.stderr));
        self.others.push(Canary::found(&format!("token {name}"), &token));
        token
    }

    /// Takes the key that audit records are signed with for a secret, which it is.
    fn keep_audit_key(&mut self) {
        let pem = self.gateway.path().join("state/audit.key");
        let pem = std::fs::read_to_string(pem).unwrap();
        let key = pem.lines().find(|line| !line.starts_with('-')).unwrap();
        self.others.push(Canary::found("the key of the audit", key));
    }

    fn canaries(&self) -> Vec<Canary> {
        [self.variables.clone(), self.others.clone()].concat()
    }
}

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

/// How a configuration refers to the variable that a secret is in.
fn reference(canary: &Canary) -> String {
    format!("${{{}}}", canary.name)
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
    // One that fails is waited for a little longer each time.
    let calls = aviary.upstreams.iter().zip(2..).map(|(name, id)| {
        let tool = format!("{name}__{TOOL}");
        let modern = bearing(server.call(&tool, json!({ "more": 1 })), token);
        let legacy = request(id, "tools/call", json!({ "name": tool, "arguments": {} }));
        async move { [modern.reply().await, legacy.reply().await] }
    });
    for reply in join_all(calls).await.iter().flatten() {
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

/// Has the file say what cannot be, with secrets in what is wrong; returns them to what they were.
async fn reload_wrongly(aviary: &mut Aviary, server: &Server) -> Vec<Sink> {
    let name = format!("{MARKER}_broken");
    let wrong = [
        ("user", json!({ "url": format!("https://u:{}@host/", reference(&aviary.variables[0])) })),
        (
            "header",
            json!({ "url": "https://host/",
            "headers": { "X-Key": reference(&aviary.variables[2]) } }),
        ),
        ("address", json!({ "url": reference(&aviary.variables[1]) })),
        (
            "proxy",
            json!({ "url": "https://host/",
            "proxy": format!("ftp://u:{}@host", reference(&aviary.variables[0])) }),
        ),
    ];
    let mut sinks = Vec::new();
    for (what, entry) in wrong {
        aviary.gateway.add(&name, entry);
        aviary.gateway.save_at_once();
        let before = count(server, "not reloaded");
        server.hang_up();
        wait_for(server, "not reloaded", before).await;
        sinks.push(aviary.said(&format!("check of a wrong {what}"), &["check"]).await);
        sinks.push(aviary.said(&format!("doctor of a wrong {what}"), &["doctor"]).await);
        aviary.gateway.remove(&name);
    }
    aviary.gateway.save_at_once();
    sinks
}

/// Has a secret become another one while everything runs.
async fn rotate(aviary: &mut Aviary, server: &Server) {
    let canary = Canary::new("near_talking_file, the next", Shape::Lines);
    aviary.gateway.write("near_talking_file", &format!("{}\n", canary.value));
    aviary.others.push(canary);
    let before = count(server, " reloaded");
    server.hang_up();
    wait_for(server, " reloaded", before).await;
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

/// Every place where something may have been said; one that comes later is a line more.
async fn sinks(aviary: &Aviary, server: &Server, own: String, tail: &Path) -> Vec<Sink> {
    let state = aviary.gateway.path().join("state");
    // The key of hashes is no text, and a secret in itself.
    let key = state.join("auth/key");
    let one = format!("{MARKER}_near_talking__{TOOL}");
    let failing = format!("{MARKER}_far_failing__{TOOL}");
    vec![
        Sink::new("answers over HTTP", own),
        Sink::new("conflux tail", std::fs::read(tail).unwrap()),
        aviary.said("conflux status", &["status"]).await,
        aviary.said("conflux status --json", &["status", "--json"]).await,
        aviary.said("conflux logs", &["logs"]).await,
        aviary.said("conflux logs --json", &["logs", "--json"]).await,
        aviary.said("conflux check", &["check"]).await,
        aviary.said("conflux check --diff", &["check", "--diff", "--json"]).await,
        aviary.said("conflux check --connect", &["check", "--connect"]).await,
        aviary.said("conflux doctor", &["doctor", "--json"]).await,
        aviary.said("conflux tools", &["tools", "--json"]).await,
        aviary.said("conflux show", &["show", &one]).await,
        aviary.said("conflux call", &["call", &failing]).await,
        aviary.said("conflux token list", &["token", "list", "--json"]).await,
        aviary
            .said("conflux audit search", &["audit", "search", "--json", "--limit", "1000"])
            .await,
        aviary.said("conflux audit tail", &["audit", "tail"]).await,
        Sink::new("the directory of state", bytes_below(&state, &[&key, &state.join("audit.key")])),
        Sink::new("the log", server.stderr()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_anywhere() {
    let far = Indiscreet::start().await;
    let mut aviary = Aviary::new(&far);
    let token = aviary.token(&format!("{MARKER}-token")).await;
    let server = Server::start_by(aviary.command(&["serve"])).await;
    let (mut tail, told) = follow(&aviary, "tail.txt", &["tail", "--json"]);
    let (mut own, mut relayed) = call_all(&aviary, &server, &token).await;
    own.push_str(&come_wrongly(&mut aviary, &server, &token).await);
    own.push_str(&call_with_secrets(&mut aviary, &server, &token).await);
    let mut all = reload_wrongly(&mut aviary, &server).await;
    rotate(&mut aviary, &server).await;
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

    let canaries = aviary.canaries();
    assert!(canaries.len() >= ENOUGH, "{}", canaries.len());
    let lookout = Lookout::new(&canaries);
    let mut wrong = Vec::new();
    for Sink { name, said } in &all {
        let text = String::from_utf8_lossy(said);
        if !text.contains(MARKER) && !text.contains(FILE) {
            wrong.push(format!("{name} says nothing: {text}"));
        }
        let leaks = lookout.find(said).into_iter();
        wrong.extend(leaks.map(|(canary, around)| format!("{name} has `{canary}`:\n{around}")));
    }
    for name in ["answers over HTTP", "conflux status --json", "conflux logs", "the log"] {
        let sink = all.iter().find(|sink| sink.name == name).unwrap();
        if !String::from_utf8_lossy(&sink.said).contains("***") {
            wrong.push(format!("{name} had none to hide"));
        }
    }
    // Where they belong, all of them are found.
    let ledger = std::fs::read_to_string(aviary.gateway.path().join("ledger.txt")).unwrap();
    let reached = [ledger, far.told()].concat();
    let reached: Vec<&str> = lookout.find_all(reached.as_bytes());
    for canary in &aviary.variables {
        let is_stranded = aviary.stranded.contains(&canary.name);
        if reached.contains(&canary.name.as_str()) == is_stranded {
            wrong.push(format!("{} got where it belongs: {is_stranded}", canary.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(!lookout.find(relayed.as_bytes()).is_empty(), "answers of upstreams are theirs");
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
