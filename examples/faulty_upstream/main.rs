//! A small MCP server over stdio whose tool `fault` goes wrong in the way it is told to.
//!
//! Tests put it behind Conflux. `echo` tells the id of its process and how many calls were
//! cancelled; `fault` takes the word for a fault as `how`, see [`faults`] and [`floods`].
#![expect(clippy::indexing_slicing, reason = "what a JSON object lacks reads as `null`")]

mod faults;
mod floods;
mod server;

use std::io;
use std::io::BufRead as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use serde_json::Value;
use serde_json::json;

use crate::server::Era;

/// How the server is started.
#[derive(clap::Parser, Debug)]
struct Flags {
    /// Which revision it speaks: `legacy` or `modern`.
    #[arg(long, default_value = "legacy")]
    era: String,
    /// Reads nothing when it starts, or is told to be deaf, for as long as this file is there.
    #[arg(long, value_name = "FILE")]
    hang_while: Option<PathBuf>,
    /// Lists `fresh` in place of `stale` if this file is there when it starts.
    #[arg(long, value_name = "FILE")]
    fresh_if: Option<PathBuf>,
}

/// The server and what it remembers.
pub(crate) struct Server {
    pub(crate) era: Era,
    tools: [&'static str; 3],
    hang_while: Option<PathBuf>,
    /// How many calls were cancelled.
    cancelled: u64,
    /// The call whose answer is late.
    pub(crate) late: Option<Value>,
    /// The calls that were left hanging.
    pub(crate) hanging: Vec<Value>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let eras = [Era::Legacy, Era::Modern];
    let Some(era) = eras.into_iter().find(|era| era.word() == flags.era) else {
        return ExitCode::FAILURE;
    };
    let list = if is_there(flags.fresh_if.as_ref()) { "fresh" } else { "stale" };
    let tools = ["echo", "fault", list];
    let (late, hanging) = (None, Vec::new());
    let hang_while = flags.hang_while;
    let mut server = Server { era, tools, hang_while, cancelled: 0, late, hanging };
    server.hang();
    match server.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("faulty: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Server {
    /// Answers one line after the other until there are no more.
    fn serve(&mut self) -> io::Result<()> {
        for line in io::stdin().lock().split(b'\n') {
            let Ok(message) = serde_json::from_slice::<Value>(&line?) else { continue };
            if message["method"] == "notifications/cancelled" {
                self.cancelled += 1;
                self.answer_late()?;
            }
            if message.get("id").is_none() || message.get("method").is_none() {
                continue;
            }
            let params = &message["params"];
            if message["method"] == "tools/call" && params["name"] == "fault" {
                let how = params["arguments"]["how"].as_str().unwrap_or_default().to_owned();
                say(&format!("faulty: {how}"));
                self.go_wrong(&how, &message)?;
                continue;
            }
            self.answer_late()?;
            put(&self.answer(&message))?;
        }
        Ok(())
    }

    /// Waits for as long as a file is there.
    pub(crate) fn hang(&self) {
        while is_there(self.hang_while.as_ref()) {
            faults::pause(20);
        }
    }

    /// Answers the call whose answer is late, if there is one.
    fn answer_late(&mut self) -> io::Result<()> {
        match self.late.take() {
            Some(late) => put(&self.answer(&late)),
            None => Ok(()),
        }
    }

    pub(crate) fn answer(&self, request: &Value) -> Value {
        let facts = json!({"instance": std::process::id(), "cancelled": self.cancelled});
        server::answer(self.era, &self.tools, &facts, request)
    }
}

fn is_there(file: Option<&PathBuf>) -> bool {
    file.is_some_and(|file| file.exists())
}

/// Writes one message.
pub(crate) fn put(message: &Value) -> io::Result<()> {
    put_bytes(format!("{message}\n").as_bytes())
}

/// Writes what may be anything.
pub(crate) fn put_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes one line to stderr; when nobody reads it any more there is nothing left to do.
pub(crate) fn say(line: &str) {
    let written = writeln!(io::stderr().lock(), "{line}");
    drop(written);
}
