//! `conflux logs`: what upstreams of running gateways wrote to stderr, and what became of them.

use clap::Args;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::follow;
use crate::cli::follow::Pids;
use crate::cli::follow::Source;
use crate::cli::follow::Sources;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::terminal::Style;
use crate::cli::terminal::styled;
use crate::downstream::local::place::Question;

/// The widest that the column of upstreams gets by itself, in characters.
const WIDEST: usize = 24;

/// Show what upstreams of running gateways wrote to stderr, and what became of them
///
/// A line with `|` was written by the upstream, one with `*` is what Conflux says about it: that it
/// was started, was ready, failed. Times are UTC. Of each upstream the last 500 lines or 128 KiB
/// are kept, for as long as its gateway runs. Secrets are masked.
#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    /// The upstream; without it, all of them
    #[arg(value_name = "UPSTREAM")]
    upstream: Option<String>,
    /// Go on with what comes, until Ctrl-C, which ends this with 0
    #[arg(long, short)]
    follow: bool,
    /// Ask the gateway with this process id alone
    #[arg(long)]
    pid: Option<u32>,
    /// Of what was kept, show the last lines alone
    #[arg(long, short = 'n', value_name = "COUNT")]
    lines: Option<usize>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

impl Logs {
    /// Prints what was kept, and what comes if that is wanted.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        runtime::wait(self.shown(context))
    }

    async fn shown(&self, context: &Context<'_>) -> Result<(), Failure> {
        let directories = context.around.runtime();
        let sources = Sources { question: Question::Logs, directories, pid: self.pid };
        let (mut found, notices) = sources.open(self.upstream.as_deref()).await?;
        let past = self.past(&mut found);
        let mut writer = Writer {
            json: self.json,
            colours: context.has_colours(),
            pids: Pids::of(&found),
            width: past.iter().map(|(_, line)| name(line).chars().count()).max().unwrap_or(0),
        };
        for (pid, line) in &past {
            writer.write(*pid, line)?;
        }
        output::tell(&notices);
        if !self.follow {
            return Ok(());
        }
        sources
            .follow(
                found,
                |pid, line| {
                    if self.wants(line) { writer.write(pid, line) } else { Ok(()) }
                },
            )
            .await
    }

    /// Returns what was kept and is wanted, by process, oldest first.
    fn past(&self, found: &mut [Source]) -> Vec<(u32, Value)> {
        let taken = |source: &mut Source| {
            let (pid, past) = (source.pid, std::mem::take(&mut source.past));
            past.into_iter().map(move |line| (pid, line))
        };
        let mut past: Vec<_> =
            found.iter_mut().flat_map(taken).filter(|(_, line)| self.wants(line)).collect();
        past.sort_by(|(_, one), (_, other)| text(one, "time").cmp(text(other, "time")));
        let excess = self.lines.map_or(0, |most| past.len().saturating_sub(most));
        past.split_off(excess)
    }

    fn wants(&self, line: &Value) -> bool {
        let upstream = self.upstream.as_deref();
        follow::missed(line).is_some() || upstream.is_none_or(|wanted| wanted == name(line))
    }
}

/// How lines are written.
struct Writer {
    json: bool,
    colours: bool,
    pids: Pids,
    /// How wide the column of upstreams is.
    width: usize,
}

impl Writer {
    fn write(&mut self, pid: u32, line: &Value) -> Result<(), Failure> {
        if self.json {
            return output::data(&follow::as_json(pid, line));
        }
        self.pids.add(pid);
        let process = if self.pids.are_several() { format!("{pid:>7}  ") } else { String::new() };
        if let Some(count) = follow::missed(line) {
            let text = format!("{process}({count} lines were missed: this was too slow)");
            return output::data(&styled(&text, Style::Dim, self.colours));
        }
        let is_ours = line["source"] == "conflux";
        let time = styled(&follow::moment(line), Style::Dim, self.colours);
        let (mark, width) = (if is_ours { '*' } else { '|' }, self.width.min(WIDEST));
        let said = printable(text(line, "text")).replace('\n', " ");
        let said = match is_ours {
            true if said.starts_with("fail") => styled(&said, Style::Red, self.colours),
            true => styled(&said, Style::Bold, self.colours),
            false => said,
        };
        output::data(&format!("{process}{time}  {:<width$} {mark} {said}", printable(name(line))))
    }
}

/// The upstream a line is about.
fn name(line: &Value) -> &str {
    text(line, "upstream")
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_default()
}
