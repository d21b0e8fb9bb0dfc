//! Which records are wanted, and how they are shown: a line each.

use std::time::Duration;
use std::time::SystemTime;

use clap::Args;
use globset::Glob;
use globset::GlobMatcher;
use serde_json::Value;

use crate::audit::query::Query;
use crate::audit::query::Record;
use crate::cli::follow;
use crate::cli::report::printable;
use crate::cli::table::shortened;

/// How wide the column of principals is, in characters.
const PRINCIPAL: usize = 20;
/// How wide the column of outcomes is, in characters.
const OUTCOME: usize = 16;

/// Which records are wanted.
#[derive(Clone, Debug, Args)]
pub(super) struct Filter {
    /// Only what was done on behalf of this principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only what was asked of this upstream
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Only tools and prompts with a public name, or resources with an address, like this, such as
    /// `files__*`
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    tool: Option<GlobMatcher>,
    /// Only what ended so, such as `ok`, `tool_error`, `denied`, `unknown`, `timed_out`, `failed`;
    /// or was decided so: `allow`, `deny`
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Only records of this kind
    #[arg(long, value_parser = ["decision", "request", "gap"])]
    kind: Option<String>,
    /// Only from this time on: a time in UTC, or how long ago, such as `2026-11-22`,
    /// `2026-11-22T10:30:00Z`, `90m` or `7d`
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<SystemTime>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<SystemTime>,
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    Glob::new(pattern).map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

/// Reads a time, or how long ago it was.
fn time(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let whole =
        if text.contains([':', 'T']) { text.to_owned() } else { format!("{text}T00:00:00Z") };
    humantime::parse_rfc3339_weak(&whole).map_err(|_| {
        "write a time such as `2026-11-22T10:30:00Z`, or how long ago: `90m`, `7d`".to_owned()
    })
}

impl Filter {
    /// Returns what is looked for.
    pub(super) fn query(&self, limit: usize) -> Query {
        Query {
            principal: self.principal.clone(),
            upstream: self.upstream.clone(),
            name: self.tool.clone(),
            outcome: self.outcome.clone(),
            kind: self.kind.clone(),
            since: self.since,
            until: self.until,
            limit,
        }
    }
}

/// How records are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) json: bool,
    pub(super) width: Option<usize>,
}

impl Shown {
    /// Returns what stands above the columns, if there are some.
    pub(super) fn header(self) -> Option<String> {
        let cells = ["TIME", "KIND", "OUTCOME", "TOOK", "PRINCIPAL", "WHAT"];
        (!self.json).then(|| self.line(cells.map(str::to_owned)))
    }

    /// Returns a record, as it stands in its file or for people.
    pub(super) fn record(self, record: &Record) -> String {
        if self.json {
            return record.text.clone();
        }
        let text = |key: &str| printable(record.text(key)).replace('\n', " ");
        let took = record.value.get("duration_us").and_then(Value::as_u64).map(took);
        let kind = text("kind");
        let what = match kind.as_str() {
            "gap" => gap(record),
            _ => what(record),
        };
        let outcome = printable(record.outcome());
        let time = follow::moment(&record.value);
        self.line([time, kind, outcome, took.unwrap_or_default(), text("principal"), what])
    }

    fn line(self, cells: [String; 6]) -> String {
        let [time, kind, outcome, took, principal, what] = cells;
        let principal = shortened(&principal, Some(PRINCIPAL));
        let outcome = shortened(&outcome, Some(OUTCOME));
        let line = format!(
            "{time:<20}  {kind:<8}  {outcome:<OUTCOME$}  {took:>8}  {principal:<PRINCIPAL$}  {what}"
        );
        shortened(line.trim_end(), self.width)
    }
}

fn gap(record: &Record) -> String {
    let lost = record.value.get("lost").and_then(Value::as_u64).unwrap_or_default();
    format!("{lost} records were lost: {}", printable(record.text("reason")))
}

/// What was asked for, of whom, and why it ended as it did.
fn what(record: &Record) -> String {
    let text = |key: &str| printable(record.text(key)).replace('\n', " ");
    let name = printable(record.name()).replace('\n', " ");
    let mut what = match text("method").as_str() {
        "tools/call" => name,
        "" => text("peer"),
        method if name.is_empty() => method.to_owned(),
        method => format!("{method} {name}"),
    };
    if !text("upstream").is_empty() {
        what = format!("{what} ({})", text("upstream"));
    }
    for why in [text("reason"), text("rule")] {
        if !why.is_empty() {
            what = format!("{what}: {why}");
        }
    }
    what
}

/// A time in microseconds as people read it.
fn took(micros: u64) -> String {
    let time = Duration::from_micros(micros);
    match micros {
        0..10_000 => format!("{micros}us"),
        10_000..10_000_000 => format!("{}ms", time.as_millis()),
        _ => format!("{}s", time.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |text: &str| {
            let time = time(text).unwrap();
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        assert_eq!(seconds("1970-01-02"), 86_400);
        assert_eq!(seconds("1970-01-01T00:01:00Z"), 60);
        assert_eq!(seconds("1970-01-01 00:01:00"), 60);
        assert!(time("7d").unwrap() < SystemTime::now() - Duration::from_hours(24 * 6));
        assert!(time("yesterday").is_err() && time("").is_err());
    }

    #[test]
    fn durations_are_short() {
        let times = [0, 9_999, 10_000, 9_999_999, 10_000_000].map(took);
        assert_eq!(times, ["0us", "9999us", "10ms", "9999ms", "10s"]);
    }
}
