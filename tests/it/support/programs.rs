//! How to start a program: for a test directly, or as an entry of `upstreams.yaml`.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;
use tokio::process::Command;

/// A program with its arguments and additional environment.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: Option<PathBuf>,
}

impl Program {
    pub(crate) fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_str().unwrap().to_owned();
        Self { path, args: Vec::new(), env: Vec::new(), directory: None }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<Path>) -> Self {
        self.args.push(arg.as_ref().to_str().unwrap().to_owned());
        self
    }

    pub(crate) fn args(self, args: &[&str]) -> Self {
        args.iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    pub(crate) fn directory(self, directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), ..self }
    }

    /// The command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args).envs(self.env.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// The entry of an `upstreams.yaml` (JSON is YAML) that starts it.
    pub(crate) fn entry(&self) -> Value {
        let env: serde_json::Map<String, Value> =
            self.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"command": self.path, "args": self.args, "env": env})
    }
}

/// The toy upstream with these flags.
pub(crate) fn toy(flags: &[&str]) -> Program {
    example("toy_upstream").args(flags)
}

/// One of `examples`, which cargo builds with the tests.
pub(crate) fn example(name: &str) -> Program {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "`{name}` is not built; run `cargo build --examples` first");
    Program::new(path)
}
