//! The program under test with a configuration and a home of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::aloud;
use crate::support::programs::Program;
use crate::support::wire_client::Client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conflux");
/// The name of the configuration.
const FILE: &str = "gateway.yaml";
/// How long a first list waits for upstreams that are still starting, where a list of a test has
/// to be whole however busy the machine is.
const START: &str = "60s";

/// A configuration, and the directory that is home and state of every start.
pub(crate) struct Gateway {
    home: TempDir,
    config: Value,
}

impl Gateway {
    /// A gateway before these upstreams, in this order.
    pub(crate) fn new(upstreams: &[(&str, Value)]) -> Self {
        let entries = upstreams.iter().map(|(name, entry)| ((*name).to_owned(), entry.clone()));
        let entries: Map<String, Value> = entries.collect();
        aloud::fail();
        // A busy machine may need longer than people would wait.
        let limits = json!({"start_budget": "30s"});
        let config = json!({"upstreams": entries, "limits": limits});
        Self { home: TempDir::new().unwrap(), config }
    }

    /// Adds an upstream, after the others.
    pub(crate) fn add(&mut self, name: &str, entry: Value) {
        self.config["upstreams"][name] = entry;
    }

    /// Takes an upstream out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.config["upstreams"].as_object_mut().unwrap().remove(name).unwrap();
    }

    /// Says something outside of upstreams, or takes it back.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        if value.is_null() {
            self.config.as_object_mut().unwrap().remove(key).unwrap();
        } else {
            self.config[key] = value;
        }
    }

    /// Writes the configuration as it is now; a program that runs on it may notice.
    pub(crate) fn save(&self) -> PathBuf {
        self.write(FILE, &self.config.to_string())
    }

    /// Does so in one step, so that nobody sees half of it.
    pub(crate) fn save_at_once(&self) {
        let draft = self.write("draft.yaml", &self.config.to_string());
        fs::rename(draft, self.path().join(FILE)).unwrap();
    }

    pub(crate) fn limit(mut self, name: &str, limit: Value) -> Self {
        self.config["limits"][name] = limit;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Says something about clients over HTTP.
    pub(crate) fn http(mut self, key: &str, value: Value) -> Self {
        self.config["http"][key] = value;
        self
    }

    /// Adds a profile.
    pub(crate) fn profile(mut self, name: &str, profile: Value) -> Self {
        self.config["profiles"][name] = profile;
        self
    }

    /// Starts the program; it finds what earlier starts remembered.
    #[track_caller]
    pub(crate) fn start(&self) -> Client {
        Client::spawn(&mut self.command())
    }

    /// How the program is started.
    pub(crate) fn command(&self) -> Command {
        self.conflux(&["serve"])
    }

    /// The program on this configuration, with arguments.
    pub(crate) fn conflux(&self, args: &[&str]) -> Command {
        let config = self.path().join(FILE);
        // Another command may be reading it just now.
        if fs::read_to_string(&config).ok() != Some(self.config.to_string()) {
            self.save();
        }
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(config).args(args);
        command.current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path()).env("CONFLUX_STATE", self.path().join("state"));
        command
    }

    /// The program on this configuration, for a client that starts it itself.
    pub(crate) fn program(&self) -> Program {
        let config = self.save();
        let state = self.path().join("state");
        Program::new(PROGRAM).args(&["serve", "--config"]).arg(config).env("CONFLUX_STATE", state)
    }

    /// Writes a file next to the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts the program and opens a session.
    pub(crate) async fn legacy(&self, revision: &str, capabilities: Value) -> Client {
        let mut client = self.start();
        let opened = client.initialize(revision, capabilities).await.result();
        assert_eq!(opened["protocolVersion"], revision);
        client
    }

    /// Starts the program with a modern client.
    pub(crate) fn modern(&self, capabilities: Value) -> Client {
        let mut client = self.start();
        client.modern(capabilities);
        client
    }
}

/// An entry with further keys.
pub(crate) fn with(mut entry: Value, key: &str, value: Value) -> Value {
    entry[key] = value;
    entry
}

/// Returns `conflux serve` with these upstreams, in this order; its files live in `home`.
pub(crate) fn conflux(home: &Path, upstreams: &[(&str, Program)]) -> Program {
    let mut config = format!("limits: {{ start_budget: {START} }}\nupstreams:\n");
    for (key, program) in upstreams {
        writeln!(config, "  {key}: {}", program.entry()).unwrap();
    }
    let file = home.join("upstreams.yaml");
    fs::write(&file, config).unwrap();
    Program::new(PROGRAM)
        .args(&["serve", "--config"])
        .arg(file)
        .env("CONFLUX_STATE", home.join("state"))
}
