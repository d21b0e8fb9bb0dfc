//! Moves in and out: what clients have becomes upstreams, and clients get Conflux in its place.
//!
//! Texts in, texts out; files are read and written by `disk` alone. What a reference of the
//! configuration stands for, `config::interpolate` says.

pub mod edit;
pub mod import;
pub mod install;
pub mod read;
pub mod record;
pub mod reference;
pub mod same;
pub mod secrets;
pub mod survey;
pub mod value;
pub mod mentions;
pub mod yaml;

#[cfg(test)]
mod tests;

use std::time::Duration;

use indexmap::IndexMap;

use crate::config::Transport;

/// What Conflux is called in files of clients.
pub const NAME: &str = "conflux";

/// An upstream that is to be written into `upstreams.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, which fits the rules of keys.
    pub key: String,
    /// What it is.
    pub server: Server,
    /// What is said about it in the line above, without `#`.
    pub comment: Option<String>,
}

/// An MCP server, in the same words whatever file it comes from. All values are as they are
/// written in `upstreams.yaml`, references (`${NAME}`) included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How it is reached.
    pub target: Target,
    /// Which of its tools are offered.
    pub tools: Tools,
    /// How long to wait for it, where that is said.
    pub timeout: Timeout,
    /// Whether it is left out.
    pub disabled: bool,
}

impl Server {
    /// Makes a server about which nothing else is said than how it is reached.
    pub fn new(target: Target) -> Self {
        Self { target, tools: Tools::default(), timeout: Timeout::default(), disabled: false }
    }
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Over the standard input and output of a program.
    Command(Command),
    /// Over HTTP.
    Remote(Remote),
}

/// A program to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its variables.
    pub env: IndexMap<String, String>,
    /// Its working directory.
    pub cwd: Option<String>,
}

/// A server at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Where it is.
    pub url: String,
    /// The headers of every request.
    pub headers: IndexMap<String, String>,
    /// How it is spoken to, where that is said.
    pub transport: Option<Transport>,
}

/// Which tools of a server are offered: patterns of its own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// Those to offer; all if there are none.
    pub allow: Vec<String>,
    /// Those to hide.
    pub deny: Vec<String>,
}

/// How long to wait for a server, where that is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout {
    /// Until it has started.
    pub start: Option<Duration>,
    /// For one call.
    pub call: Option<Duration>,
}
