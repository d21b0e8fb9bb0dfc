//! A gateway whose configuration is full of secrets, before servers that say all they know.

use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::support::canary::Canary;
use crate::support::canary::Shape;
use crate::support::gateway::Gateway;
use crate::support::indiscreet::FAR;
use crate::support::indiscreet::Indiscreet;
use crate::support::indiscreet::NEAR;
use crate::support::indiscreet::SCRIPT;
use crate::support::wire_client::LIMIT;

/// What the names of all upstreams begin with: no secret, and to be found in every place.
pub(crate) const MARKER: &str = "watched";
/// The tool of every upstream.
pub(crate) const TOOL: &str = "tell";
/// The file of a policy.
pub(crate) const CEDAR: &str = "watched.cedar";
/// How long lists wait for upstreams.
const BUDGET: &str = "1s";

/// A gateway whose configuration is full of secrets, and all that is known of them.
pub(crate) struct Aviary {
    pub(crate) gateway: Gateway,
    /// Those that Conflux resolves: names of variables, and what they hold.
    pub(crate) variables: Vec<Canary>,
    /// Those that Conflux resolves otherwise, or meets.
    pub(crate) others: Vec<Canary>,
    /// Those that never get to an upstream, because there is none.
    pub(crate) stranded: Vec<String>,
    /// The names of all upstreams.
    pub(crate) upstreams: Vec<String>,
    /// Further variables: what other programs are told by, too.
    environment: Vec<(&'static str, String)>,
    /// The rules.
    pub(crate) policy: Value,
    /// Where traces go, if the file says it.
    pub(crate) telemetry: Value,
}

/// Something that Conflux said or wrote.
pub(crate) struct Sink {
    pub(crate) name: String,
    pub(crate) said: Vec<u8>,
}

impl Sink {
    pub(crate) fn new(name: &str, said: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), said: said.into() }
    }
}

impl Aviary {
    pub(crate) fn new(far: &Indiscreet) -> Self {
        let mut aviary = Self {
            gateway: Gateway::new(&[]),
            variables: Vec::new(),
            others: Vec::new(),
            stranded: Vec::new(),
            upstreams: Vec::new(),
            environment: Vec::new(),
            policy: Value::Null,
            telemetry: Value::Null,
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
        aviary.gateway.set("admin", json!({ "listen": "127.0.0.1:0", "per_tool": true }));
        aviary.add_policy(far);
        aviary.describe_itself();
        // Whoever asks for a tool of one that cannot list waits so long for it, each time.
        aviary.gateway = aviary.gateway.limit("start_budget", json!(BUDGET));
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

    pub(crate) fn written(&mut self, name: &str) -> String {
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
        // Why it is not ready is told to probes, too.
        let is_required = mode == "forbidden";
        self.add(
            &format!("far_{mode}"),
            json!({ "url": url, "headers": headers, "transport": "http", "required": is_required }),
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

    /// Rules that hold a secret in what arguments must be, and in their names; the only ones by
    /// which the tool of one upstream can be called.
    fn add_policy(&mut self, far: &Indiscreet) {
        let all = [self.upstreams.clone(), vec!["conflux".to_owned()]].concat();
        self.add_far("ruled", &format!("http://{}/talking", far.address));
        let (secret, tool) = (self.ruled_secret(), ruled());
        // Cedar writes texts as Rust does.
        let cedar = format!(
            "@name(\"{MARKER} in Cedar\")\n\
             forbid (principal, action == Action::{tool:?}, resource)\n\
             when {{ context.arguments has third && context.arguments.third == {secret:?} }};\n"
        );
        self.gateway.write(CEDAR, &cedar);
        let rules = json!([
            { "allow": { "upstreams": all } },
            { "allow": tool, "arguments": { "word": [secret, format!("{MARKER}*")] } },
            {
                "deny": tool,
                "arguments": { "word": "*", "other": format!("*{secret}") },
                "name": format!("{MARKER}, and not {secret}"),
            },
        ]);
        self.policy = json!({ "rules": rules, "cedar": CEDAR });
        self.gateway.set("policy", self.policy.clone());
    }

    /// The secret that the rules hold.
    pub(crate) fn ruled_secret(&self) -> String {
        let found = self.variables.iter().find(|canary| canary.name == "FAR_RULED_KEY");
        found.unwrap().value.clone()
    }

    /// Has the process describe itself with secrets, in every trace.
    fn describe_itself(&mut self) {
        let secret = self.ruled_secret();
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        let described = format!("{MARKER}.team={encoded},{MARKER}.{}=1", self.variables[0].value);
        self.describe("OTEL_RESOURCE_ATTRIBUTES", &described);
        self.describe("OTEL_SERVICE_NAME", &format!("{MARKER} {secret}"));
    }

    /// Sets a variable that is for other programs, too.
    pub(crate) fn describe(&mut self, name: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
    }

    /// The upstreams that list what they have.
    pub(crate) fn listing() -> Vec<String> {
        let near = ["failing", "garbled", "dying", "talking"].map(|mode| format!("near_{mode}"));
        let far = ["failing", "talking", "ruled"].map(|mode| format!("far_{mode}"));
        near.iter().chain(&far).map(|name| format!("{MARKER}_{name}")).collect()
    }

    /// Names a collector of traces in the file, with secrets in its address and in headers.
    pub(crate) fn add_collector(&mut self, far: &Indiscreet) {
        let path = self.variable("otlp_path", Shape::Plain);
        let query = self.variable("otlp_query", Shape::Mild);
        let headers = json!({
            "Authorization": format!("Bearer {}", self.variable("otlp_bearer", Shape::Plain)),
            "X-Api-Key": self.variable("otlp_key", Shape::Odd),
        });
        let endpoint = format!("http://{}/collector/{path}?key={query}", far.address);
        let otlp = json!({ "endpoint": endpoint, "headers": headers });
        self.telemetry = json!({ "otlp": otlp });
        self.gateway.set("telemetry", self.telemetry.clone());
    }

    /// Has the standard variables name one. What is in the query is for the collector alone.
    pub(crate) fn add_usual_collector(&mut self, far: &Indiscreet) {
        let bearer = self.written("usual bearer");
        let odd = Canary::new("usual key", Shape::Odd);
        let query = self.written("usual query");
        let encoded: String = form_urlencoded::byte_serialize(odd.value.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        self.others.push(odd);
        self.environment.extend([
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}/collector?key={query}", far.address),
            ),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                format!("authorization=Bearer%20{bearer},x-api-key={encoded}"),
            ),
        ]);
    }

    /// The program, with all variables, which logs whatever it can.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.gateway.conflux(args);
        command.args(["--log", "trace"]).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.variables.iter().map(|it| (&it.name, &it.value)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        timeout(LIMIT, self.command(args).output()).await.expect("it ends").unwrap()
    }

    /// What a command says, as a place.
    pub(crate) async fn said<T: AsRef<str>>(&self, name: &str, args: &[T]) -> Sink {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let Output { stdout, stderr, .. } = self.run(&args).await;
        Sink::new(name, [stdout, stderr].concat())
    }

    /// Makes a token, which is a secret from then on.
    pub(crate) async fn token(&mut self, name: &str) -> String {
        let mut command = self.gateway.conflux(&["token", "create", name]);
        command.envs(self.variables.iter().map(|it| (&it.name, &it.value)));
        let output = command.output().await.unwrap();
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("cfx_"), "{}", String::from_utf8_lossy(&output.stderr));
        self.others.push(Canary::found(&format!("token {name}"), &token));
        token
    }

    /// Takes the key that audit records are signed with for a secret, which it is.
    pub(crate) fn keep_audit_key(&mut self) {
        let pem = self.gateway.path().join("state/audit.key");
        let pem = std::fs::read_to_string(pem).unwrap();
        let key = pem.lines().find(|line| !line.starts_with('-')).unwrap();
        self.others.push(Canary::found("the key of the audit", key));
    }

    pub(crate) fn canaries(&self) -> Vec<Canary> {
        [self.variables.clone(), self.others.clone()].concat()
    }
}

/// The tool that rules are about.
pub(crate) fn ruled() -> String {
    format!("{MARKER}_far_ruled__{TOOL}")
}

/// How a configuration refers to the variable that a secret is in.
pub(crate) fn reference(canary: &Canary) -> String {
    format!("${{{}}}", canary.name)
}
