//! What was asked and what came of it, kept so that it can be compared at the end.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

const FAILURE: &str = "dev.conflux/error";
/// How many problems are told; more would be of the same kind.
const TOLD: usize = 10;

/// Numbers that look random, the same in every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next one below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// One call on its way.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) upstream: String,
    pub(crate) is_victim: bool,
    pub(crate) nonce: String,
    /// How long the server takes once it has written it down, in milliseconds.
    pub(crate) ms: usize,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    /// It failed, and was not carried out.
    NotExecuted,
    /// It failed, and may have been carried out.
    Unknown,
}

/// Every call of a run.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    calls: HashMap<String, (Asked, Outcome)>,
    /// How long answers of those took that nobody killed, in microseconds.
    latencies: Vec<u32>,
    problems: Vec<String>,
}

/// What is told of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) calls: usize,
    pub(crate) not_executed: usize,
    pub(crate) unknown: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Asked {
    pub(crate) fn tool(&self) -> String {
        format!("{}__ledger", self.upstream)
    }

    pub(crate) fn arguments(&self) -> Value {
        json!({"nonce": self.nonce, "ms": self.ms})
    }

    /// Reads an answer: a message, its result as the client saw it.
    fn read(&self, answer: &Value) -> Result<Outcome, String> {
        let result = &answer["result"];
        let failure = &result["_meta"][FAILURE];
        if result["isError"] != true {
            let expected = json!({"name": self.upstream, "nonce": self.nonce});
            let is_own = result["structuredContent"] == expected;
            return is_own.then_some(Outcome::Answered).ok_or_else(|| format!("got {answer}"));
        }
        if !self.is_victim || failure["upstream"] != self.upstream.as_str() {
            return Err(format!("failed: {answer}"));
        }
        match failure["executed"].as_str() {
            Some("no") => Ok(Outcome::NotExecuted),
            Some("unknown") => Ok(Outcome::Unknown),
            _ => Err(format!("does not say what became of it: {answer}")),
        }
    }
}

impl Book {
    /// Notes the messages that answered a call; there has to be one.
    pub(crate) fn note(&self, asked: Asked, answers: &[Value], took: Duration) {
        let outcome = match answers {
            [answer] => asked.read(answer),
            answers => Err(format!("got {} answers: {answers:?}", answers.len())),
        };
        let mut entries = self.0.lock().unwrap();
        match outcome {
            Ok(outcome) => {
                if outcome == Outcome::Answered && !asked.is_victim {
                    // The server's own time is none of Conflux.
                    let took = took.saturating_sub(Duration::from_millis(asked.ms as u64));
                    entries.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                }
                let before = entries.calls.insert(asked.nonce.clone(), (asked, outcome));
                assert!(before.is_none(), "each call has a nonce of its own");
            }
            Err(problem) => entries.problems.push(format!("{asked:?} {problem}")),
        }
    }

    /// Notes something else that must not be.
    pub(crate) fn complain(&self, problem: String) {
        self.0.lock().unwrap().problems.push(problem);
    }

    /// Compares the answers with what the servers wrote down, and fails if they do not agree.
    pub(crate) fn compare(&self, ledger: &Path) -> Summary {
        let written = fs::read_to_string(ledger).unwrap();
        let mut executions: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in written.lines() {
            let (name, nonce) = line.split_once(' ').unwrap();
            executions.entry(nonce).or_default().push(name);
        }
        let mut entries = self.0.lock().unwrap();
        let Entries { calls, problems, .. } = &mut *entries;
        for (nonce, (asked, outcome)) in calls.iter() {
            let by = executions.remove(nonce.as_str()).unwrap_or_default();
            let agrees = match outcome {
                Outcome::Answered => by == [asked.upstream.as_str()],
                Outcome::NotExecuted => by.is_empty(),
                Outcome::Unknown => by.is_empty() || by == [asked.upstream.as_str()],
            };
            if !agrees {
                problems.push(format!("{asked:?} was {outcome:?}, and executed by {by:?}"));
            }
        }
        problems.extend(executions.iter().map(|left| format!("nobody asked for {left:?}")));
        let count = problems.len();
        problems.truncate(TOLD);
        assert!(problems.is_empty(), "{count} problems: {problems:#?}");
        entries.summary()
    }
}

impl Entries {
    fn summary(&mut self) -> Summary {
        self.latencies.sort_unstable();
        let part = |percent: usize| {
            let at = self.latencies.len().saturating_sub(1) * percent / 100;
            Duration::from_micros(u64::from(self.latencies[at]))
        };
        let count = |wanted| self.calls.values().filter(|(_, outcome)| *outcome == wanted).count();
        Summary {
            calls: self.calls.len(),
            not_executed: count(Outcome::NotExecuted),
            unknown: count(Outcome::Unknown),
            p50: part(50),
            p99: part(99),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.not_executed + self.unknown;
        write!(f, "{} calls, {failed} of them failed on those that were killed ", self.calls)?;
        write!(f, "({} not carried out, {} unknown), ", self.not_executed, self.unknown)?;
        write!(f, "p50 {:?}, p99 {:?} elsewhere", self.p50, self.p99)
    }
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Resident memory, in KiB.
    pub(crate) memory: usize,
    /// Descriptors of pipes, processes and files.
    pub(crate) descriptors: usize,
    /// Descriptors of connections, which come and go with what waits.
    pub(crate) sockets: usize,
}

/// Returns what a process holds.
pub(crate) fn held(pid: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let is_socket = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|what| what.to_string_lossy().starts_with("socket:"))
    };
    let (sockets, others): (Vec<_>, Vec<_>) = open.partition(is_socket);
    Held { memory, descriptors: others.len(), sockets: sockets.len() }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, descriptors, sockets } = self;
        write!(f, "{memory} KiB, {descriptors} descriptors and {sockets} connections")
    }
}

/// Half of what was held was less than this, half was more.
pub(crate) fn median(held: &[Held]) -> Held {
    let middle = |mut values: Vec<usize>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    Held {
        memory: middle(held.iter().map(|held| held.memory).collect()),
        descriptors: middle(held.iter().map(|held| held.descriptors).collect()),
        sockets: middle(held.iter().map(|held| held.sockets).collect()),
    }
}
