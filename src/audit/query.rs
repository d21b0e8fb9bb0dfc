//! What is looked for, and what is found: by who asked, for what, when, and how it ended.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use globset::GlobMatcher;
use serde_json::Value;

/// What is looked for; whatever is not said may be anything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Who asked.
    pub principal: Option<String>,
    /// Whose thing it was about.
    pub upstream: Option<String>,
    /// What it was about, by its public name or its address.
    pub name: Option<GlobMatcher>,
    /// How it ended, or what was decided; `failed` is any way of failing.
    pub outcome: Option<String>,
    /// `decision`, `request` or another kind of line.
    pub kind: Option<String>,
    /// Not before this.
    pub since: Option<SystemTime>,
    /// Before this.
    pub until: Option<SystemTime>,
    /// So many at most, the newest.
    pub limit: usize,
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was written down.
    pub time: SystemTime,
    /// In which stream.
    pub stream: String,
    /// As it stands there.
    pub text: String,
    /// What it says.
    pub value: Value,
}

impl Record {
    /// Reads a line; nothing if it is none, or says nothing about requests.
    pub(super) fn parse(stream: &str, text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let time = humantime::parse_rfc3339(value.get("time")?.as_str()?).ok()?;
        let is_told = matches!(value.get("kind")?.as_str()?, "decision" | "request" | "gap");
        let (stream, text) = (stream.to_owned(), text.to_owned());
        is_told.then_some(Self { time, stream, text, value })
    }

    /// Returns a member that is a text; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns what it is about.
    pub fn name(&self) -> &str {
        let keys = ["tool", "prompt", "uri", "task"].into_iter();
        keys.map(|key| self.text(key)).find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// Returns how it ended, or what was decided.
    pub fn outcome(&self) -> &str {
        let outcome = self.text("outcome");
        if outcome.is_empty() { self.text("decision") } else { outcome }
    }

    /// Returns the time in microseconds since 1970.
    pub(super) fn micros(&self) -> i64 {
        micros(self.time)
    }
}

/// Returns a time in microseconds since 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Query {
    /// Returns whether a record is looked for.
    pub fn matches(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.principal, record.text("principal"))
            && is(&self.upstream, record.text("upstream"))
            && is(&self.kind, record.text("kind"))
            && self.name.as_ref().is_none_or(|name| name.is_match(record.name()))
            && self.outcome.as_deref().is_none_or(|wanted| ended(wanted, record.outcome()))
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }
}

/// Whether an outcome is the one that is meant, or a kind of it.
fn ended(wanted: &str, outcome: &str) -> bool {
    let rest = outcome.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
