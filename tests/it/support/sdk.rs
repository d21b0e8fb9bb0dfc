//! The SDK clients of other languages: each connects to a server, does what it is told, and
//! reports what it saw as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::real;
use crate::support::wire_client::LIMIT;

/// A client made with one SDK, in one of its modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    /// `@modelcontextprotocol/sdk` 1.x: legacy.
    TypeScript1,
    /// `@modelcontextprotocol/client` 2.x.
    TypeScript2(Mode),
    /// `mcp` 1.x: legacy.
    Python1,
    /// `mcp` 2.x.
    Python2(Mode),
}

/// How a client that knows both eras chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `initialize`, without a probe.
    Legacy,
    /// The modern revision, nothing else.
    Modern,
    /// It asks the server.
    Auto,
}

impl Mode {
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
            Self::Auto => "auto",
        }
    }
}

impl Sdk {
    fn program(self) -> Program {
        let node = |name: &str| real::script(&format!("clients/{name}"));
        // `-B`: no compiled files among the sources.
        let python = |python: &Path, name: &str| {
            let script = real::source().join("clients").join(name);
            Program::new(python).args(&["-B"]).arg(script)
        };
        match self {
            Self::TypeScript1 => node("client_sdk1.mjs").args(&["legacy"]),
            Self::TypeScript2(mode) => node("client_sdk2.mjs").args(&[mode.flag()]),
            Self::Python1 => python(real::python1(), "client_python1.py").args(&["legacy"]),
            Self::Python2(mode) => python(real::python(), "client_python.py").args(&[mode.flag()]),
        }
    }

    /// Runs the client against `server`. `wish` may have `calls`: `[{name, arguments}]`, `reads`:
    /// `[uri]`, `prompts`: `[{name, arguments}]` and `completions`: `[{ref, argument}]`. Questions
    /// get fixed answers. The report has `protocol`, `server`, `capabilities`, `instructions`,
    /// `tools`, `resources`, `templates`, `prompts`, `called`, `read`, `prompted`, `completed`
    /// (each `{result}` or `{error}`), `asked` (methods), `progress` and `logs`.
    pub(crate) async fn report(self, wish: &Value, server: &Program) -> Value {
        self.report_within(LIMIT, wish, server).await
    }

    /// Like [`Sdk::report`], for a long wish. `wish` may also have `transport`, with which the path
    /// of the server is its URL, `revision`, and `walk`: see `tests/real/clients/features.mjs`.
    pub(crate) async fn report_within(
        self,
        limit: Duration,
        wish: &Value,
        server: &Program,
    ) -> Value {
        let mut command = self.program().args(&[&wish.to_string(), &server.path]).command();
        command.args(&server.args).envs(server.env.iter().cloned()).kill_on_drop(true);
        let Ok(output) = timeout(limit, command.output()).await else {
            panic!("the client {self:?} did not end within {limit:?}");
        };
        let output = output.unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the client {self:?} failed:\n{stdout}{stderr}");
        serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{self:?}: {error}:\n{stdout}{stderr}"))
    }
}
