//! Real servers over HTTP: what they say through Conflux is what they say over stdio.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::parity::check_through;
use crate::parity::take;
use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::programs::Program;
use crate::support::real;
use crate::support::remote::Remote;
use crate::support::servers::Server;

/// Has a server of Node say where it listens, as it keeps that to itself.
const HOOK: &str = "data:text/javascript,import net from 'node:net';\
    const listen = net.Server.prototype.listen;\
    net.Server.prototype.listen = function (...given) {\
      this.once('listening', () => console.log('http://127.0.0.1:' + this.address().port));\
      return listen.apply(this, given);\
    };";

#[tokio::test]
async fn everything_is_the_same_over_streamable_http() {
    check_everything("streamableHttp", "/mcp").await;
}

#[tokio::test]
async fn everything_is_the_same_over_sse() {
    check_everything("sse", "/sse").await;
}

#[tokio::test]
async fn servers_of_the_python_sdks_work_in_every_mode() {
    for python in [real::python(), real::python1()] {
        for mode in ["streamable-http", "sse", "stateless"] {
            check_python(python, mode).await;
        }
    }
}

#[tokio::test]
async fn the_roots_of_one_client_do_not_move_a_server_for_all() {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("work");
    Server::Filesystem.prepare(&directory);
    let elsewhere = TempDir::new().unwrap();
    let roots = json!({"roots": [{"uri": format!("file://{}", elsewhere.path().display())}]});
    let entry = Server::Filesystem.program(&directory).entry();
    let conflux = http::Server::start(&Gateway::new(&[("files", entry)])).await;
    let capabilities = json!({"roots": {"listChanged": true}});
    let session = conflux.session("2025-11-25", capabilities).await;
    let mut stream = session.get(None).events().await;
    let answering = async {
        loop {
            let question = stream.message().await;
            if question["method"] == "roots/list" {
                session.answer(&question, roots.clone()).await;
            }
        }
    };
    let calling = async {
        let tool = "files__list_allowed_directories";
        let before = session.call(1, tool, json!({})).reply().await.result();
        let changed = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
        session.post(changed).reply().await;
        // What the server would ask because of that, it has asked when this is answered.
        let other = json!({"path": directory});
        session.call(2, "files__list_directory", other).reply().await.result();
        assert_eq!(session.call(3, tool, json!({})).reply().await.result(), before);
        before
    };
    let before = tokio::select! {
        before = calling => before,
        never = answering => never,
    };
    assert!(before.to_string().contains("work"), "{before}");
}

/// Compares the server over stdio with what clients see through Conflux and HTTP.
async fn check_everything(mode: &str, path: &str) {
    let server = Server::Everything;
    let home = TempDir::new().unwrap();
    let directory = home.path().join("work");
    server.prepare(&directory);
    let program = server.program(&directory);
    let direct = take(server, &program, &directory, false, None).await;

    let mut far = Program { args: vec!["--import".to_owned(), HOOK.to_owned()], ..program.clone() };
    far.args.extend(program.args.iter().cloned().chain([mode.to_owned()]));
    let remote = Remote::of(&far.env("PORT", "0")).await;
    let entry = json!({"url": format!("{}{path}", remote.url)});
    let gateway = before(home.path(), server.key(), &entry);
    check_through(server, &directory, &direct, &gateway).await;
}

/// Returns `conflux serve` before one upstream.
fn before(home: &Path, key: &str, entry: &Value) -> Program {
    let config = json!({"limits": {"start_budget": "60s"}, "upstreams": {key: entry}});
    let file = home.join("upstreams.yaml");
    fs::write(&file, config.to_string()).unwrap();
    Program::new(env!("CARGO_BIN_EXE_conflux"))
        .args(&["serve", "--config"])
        .arg(file)
        .env("CONFLUX_STATE", home.join("state"))
}

async fn check_python(python: &Path, mode: &str) {
    let script = real::source().join("servers/over_http.py");
    let remote = Remote::of(&Program::new(python).arg(script).args(&[mode])).await;
    let gateway = Gateway::new(&[("far", json!({"url": remote.url}))]);
    let capabilities = json!({"elicitation": {"form": {}}});
    let clients = [
        gateway.legacy("2025-11-25", capabilities.clone()).await,
        gateway.modern(capabilities.clone()),
    ];
    for mut client in clients {
        let answer = json!({"action": "accept", "content": {"name": "Ann"}});
        client.answer("elicitation/create", answer);
        let sum = client.call("far__add", json!({"a": 1, "b": 2})).await;
        assert_eq!(sum.structured(), json!({"result": 3}), "{mode}: {}", sum.line);
        // An answer that is one message, or a server without sessions, has room for nothing else.
        if mode != "stateless" {
            let meta = json!({"progressToken": "t"});
            let params = json!({"name": "far__steps", "arguments": {"count": 5}, "_meta": meta});
            client.converse("tools/call", params).await.result();
            let seen = client.seen("notifications/progress").len();
            assert_eq!(seen, 5, "{} {mode}", python.display());
        }
        // The SDK 2.x speaks the modern era over Streamable HTTP, where this way to ask is none.
        if mode == "sse" || (mode == "streamable-http" && python == real::python1()) {
            let who = client.call("far__who", json!({})).await;
            assert!(who.line.contains("Ann"), "{} {mode}: {}", python.display(), who.line);
        }
        assert!(client.leave().await.success());
    }
}
