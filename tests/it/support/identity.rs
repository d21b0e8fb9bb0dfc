//! A real identity provider, and the clients of other languages that log in against it.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::real;
use crate::support::sdk::Mode;
use crate::support::wire_client::LIMIT;

/// How long a client may take that starts Python or Node and logs in, on however busy a machine.
const LOGIN_LIMIT: Duration = Duration::from_mins(3);

/// `oidc-provider` at an address of its own; see `tests/real/identity/provider.mjs`. It ends when
/// this is dropped.
pub(crate) struct Identity {
    pub(crate) issuer: String,
    robot: (String, String),
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

impl Identity {
    pub(crate) async fn start() -> Self {
        let mut command = real::provider().command();
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = read(&mut lines).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let robot = (text(&said["robot"]["id"]), text(&said["robot"]["secret"]));
        let pipes = Mutex::new((stdin, lines));
        Self { issuer: text(&said["issuer"]), robot, pipes, _child: child }
    }

    /// What a configuration says about it.
    pub(crate) fn entry(&self) -> Value {
        json!({ "issuer": self.issuer })
    }

    /// Has it do something.
    pub(crate) async fn ask(&self, task: Value) -> Value {
        let mut pipes = self.pipes.lock().await;
        let (stdin, lines) = &mut *pipes;
        stdin.write_all(format!("{task}\n").as_bytes()).await.unwrap();
        read(lines).await
    }

    /// Has it become `up`, `down` or hanging (`hang`), or sign with new keys (`rotate`).
    pub(crate) async fn becomes(&self, state: &str) {
        self.ask(json!({ "do": state })).await;
    }

    /// How often its metadata and its keys were asked for.
    pub(crate) async fn asked(&self) -> (u64, u64) {
        let counts = self.ask(json!({ "do": "count" })).await;
        (counts["metadata"].as_u64().unwrap(), counts["keys"].as_u64().unwrap())
    }

    /// A token that it signs, with these claims beside those that all have.
    pub(crate) async fn signed(&self, claims: Value) -> String {
        self.forged(json!({ "claims": claims })).await
    }

    /// A JWT of any content: `header`, `claims`, and `with` which key it is signed.
    pub(crate) async fn forged(&self, mut token: Value) -> String {
        token["do"] = json!("sign");
        self.ask(token).await["token"].as_str().unwrap().to_owned()
    }

    /// A token that it gives to a program for a resource, with scopes.
    pub(crate) async fn token(&self, resource: &str, scope: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (id, secret) = &self.robot;
        let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", scope)];
        let form: Vec<String> = form.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let request = client.post(format!("{}/token", self.issuer)).basic_auth(id, Some(secret));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let reply = timeout(LIMIT, request.body(form.join("&")).send()).await.unwrap().unwrap();
        let reply: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        let Some(token) = reply["access_token"].as_str() else { panic!("no token: {reply}") };
        token.to_owned()
    }
}

async fn read(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(LIMIT, lines.next_line()).await.expect("it answers").unwrap();
    serde_json::from_str(&line.expect("it runs")).unwrap()
}

/// An SDK whose client logs in by itself, with a person who agrees to everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Login {
    TypeScript,
    Python,
}

impl Login {
    /// Runs the client against `url`: it lists tools and calls those that `wish` says.
    pub(crate) async fn report(self, mode: Mode, wish: Value, url: &str) -> Value {
        let program = match self {
            Self::TypeScript => real::script("clients/login_sdk2.mjs"),
            Self::Python => {
                let script = real::source().join("clients/login_python.py");
                Program::new(real::python()).args(&["-B"]).arg(script)
            }
        };
        let mut command = program.args(&[mode.flag(), &wish.to_string(), url]).command();
        let output = timeout(LOGIN_LIMIT, command.kill_on_drop(true).output()).await;
        let output = output.expect("the client ends").unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} {mode:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
