//! `conflux tail`: the calls of running gateways, as they end.

use clap::Args;
use globset::Glob;
use globset::GlobMatcher;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::follow;
use crate::cli::follow::Pids;
use crate::cli::follow::Sources;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::table::shortened;
use crate::cli::terminal::Style;
use crate::cli::terminal::styled;
use crate::downstream::local::place::Question;

/// Show the calls of running gateways as they end, with what they took
///
/// A line for each call of a tool, prompt and read: when it ended (UTC), how, how long it took, how
/// many bytes its parameters and its result had, who called, and what. Arguments and results are
/// never shown. Ctrl-C ends this with 0.
#[derive(Debug, Args)]
pub(in crate::cli) struct Tail {
    /// Only those of this upstream
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Only tools and prompts with a name, or resources with an address, like this, such as
    /// `files__*`
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    tool: Option<GlobMatcher>,
    /// Only those that did not end well
    #[arg(long)]
    errors: bool,
    /// Ask the gateway with this process id alone
    #[arg(long)]
    pid: Option<u32>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    Glob::new(pattern).map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

impl Tail {
    /// Prints calls as they end, until Ctrl-C.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        runtime::wait(self.shown(context))
    }

    async fn shown(&self, context: &Context<'_>) -> Result<(), Failure> {
        let directories = context.around.runtime();
        let sources = Sources { question: Question::Calls, directories, pid: self.pid };
        let (found, notices) = sources.open(self.upstream.as_deref()).await?;
        let mut writer = Writer {
            json: self.json,
            colours: context.has_colours(),
            width: context.width(),
            pids: Pids::of(&found),
        };
        if !self.json {
            output::data(&writer.header())?;
        }
        output::tell(&notices);
        sources
            .follow(
                found,
                |pid, line| {
                    if self.wants(line) { writer.write(pid, line) } else { Ok(()) }
                },
            )
            .await
    }

    fn wants(&self, line: &Value) -> bool {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let is_meant = || {
            self.upstream.as_deref().is_none_or(|wanted| wanted == text("upstream"))
                && self.tool.as_ref().is_none_or(|tool| tool.is_match(text("name")))
                && !(self.errors && text("outcome") == "ok")
        };
        follow::missed(line).is_some() || is_meant()
    }
}

/// How lines are written.
struct Writer {
    json: bool,
    colours: bool,
    width: Option<usize>,
    pids: Pids,
}

impl Writer {
    fn header(&self) -> String {
        let process = self.pids.are_several().then_some("PID");
        let cells = ["TIME", "OUTCOME", "TOOK", "IN", "OUT", "CLIENT", "WHAT"];
        self.line(process, cells.map(str::to_owned))
    }

    fn write(&mut self, pid: u32, line: &Value) -> Result<(), Failure> {
        if self.json {
            return output::data(&follow::as_json(pid, line));
        }
        if self.pids.add(pid) {
            output::data(&self.header())?;
        }
        let process = pid.to_string();
        let process_shown = self.pids.are_several().then_some(process.as_str());
        if let Some(count) = follow::missed(line) {
            let text = format!("({count} calls were missed: this was too slow)");
            return output::data(&styled(&text, Style::Dim, self.colours));
        }
        let text = |key: &str| printable(line[key].as_str().unwrap_or_default()).replace('\n', " ");
        let number = |key: &str| line[key].as_u64().unwrap_or_default();
        let (outcome, why) = (text("outcome"), text("why"));
        let style = if outcome == "ok" { None } else { Some(Style::Red) };
        let shown = self.line(
            process_shown,
            [
                follow::moment(line),
                outcome,
                took(number("ms")),
                size(number("bytesIn")),
                size(number("bytesOut")),
                client(line),
                what(&text("kind"), &text("name"), &text("upstream"), &why),
            ],
        );
        output::data(&style.map_or(shown.clone(), |style| styled(&shown, style, self.colours)))
    }

    fn line(&self, process: Option<&str>, cells: [String; 7]) -> String {
        let [time, outcome, took, bytes_in, bytes_out, client, what] = cells;
        let process = process.map(|process| format!("{process:>7}  ")).unwrap_or_default();
        let client = shortened(&client, Some(CLIENT));
        let line = format!(
            "{process}{time:<9}  {outcome:<10}  {took:>6}  {bytes_in:>6}  {bytes_out:>6}  \
             {client:<CLIENT$}  {what}"
        );
        shortened(line.trim_end(), self.width)
    }
}

/// How wide the column of clients is, in characters.
const CLIENT: usize = 14;

/// What was asked for, of whom, and why it did not end well.
fn what(kind: &str, name: &str, upstream: &str, why: &str) -> String {
    let kind = if kind == "call" { String::new() } else { format!("{kind} ") };
    let upstream = if upstream.is_empty() { "-" } else { upstream };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{kind}{name} ({upstream}){why}")
}

/// What the client calls itself, or its number.
fn client(line: &Value) -> String {
    let named = line["client"].as_str().filter(|name| !name.is_empty());
    named.map_or_else(|| format!("#{}", line["caller"]), |name| printable(name).replace('\n', " "))
}

/// A time in milliseconds as people read it.
fn took(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms}ms"),
        10_000..600_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        _ => format!("{}m", ms / 60_000),
    }
}

/// A number of bytes as people read it.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    let tenths =
        |unit: u64, letter: char| format!("{}.{}{letter}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..10_000 => bytes.to_string(),
        10_000..1_000_000 => tenths(KIB, 'K'),
        _ => tenths(KIB * KIB, 'M'),
    }
}

#[cfg(test)]
mod tests {
    use super::size;
    use super::took;

    #[test]
    fn numbers_are_short() {
        let times = [0, 9_999, 10_000, 599_999, 600_000].map(took);
        assert_eq!(times, ["0ms", "9999ms", "10.0s", "599.9s", "10m"]);
        let sizes = [0, 9_999, 10_240, 999_999, 1_572_864].map(size);
        assert_eq!(sizes, ["0", "9999", "10.0K", "976.5K", "1.5M"]);
    }
}
