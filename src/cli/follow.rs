//! Following running gateways at their local sockets, for as long as somebody reads.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time;

use crate::cli::instances;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::unknown;
use crate::downstream::local::ask::Lines;
use crate::downstream::local::place::Question;

/// How often it is looked whether there is another gateway.
const LOOKED: Duration = Duration::from_secs(1);
/// How many lines of all gateways may wait to be shown; from there on gateways wait, and say how
/// many lines were missed.
const QUEUE: usize = 64;

/// Which gateways are followed, and at which of their sockets.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Sources {
    /// What is followed.
    pub(in crate::cli) question: Question,
    /// Where their sockets are.
    pub(in crate::cli) directories: Vec<PathBuf>,
    /// The only one; without it, all of them.
    pub(in crate::cli) pid: Option<u32>,
}

/// A gateway that is followed, and what it tells of the past.
#[derive(Debug)]
pub(in crate::cli) struct Source {
    /// Its process.
    pub(in crate::cli) pid: u32,
    /// What was told before somebody followed.
    pub(in crate::cli) past: Vec<Value>,
    lines: Lines,
}

/// What comes from one gateway.
#[derive(Debug)]
enum News {
    /// It is followed from now on.
    Begun,
    /// What it tells.
    Line(Value),
    /// It tells no more.
    Gone,
    /// It could not be followed; it may just be about to start, or to end.
    Absent,
}

impl Sources {
    /// Begins to follow every gateway there is; fails if there is none, or if there is none that
    /// has, or had, this `upstream`.
    pub(in crate::cli) async fn open(
        &self,
        upstream: Option<&str>,
    ) -> Result<(Vec<Source>, Vec<Notice>), Failure> {
        let open = async |path: &Path| {
            let mut lines = Lines::open(path).await?;
            let past = lines.past().await?;
            Ok::<_, io::Error>((past, lines))
        };
        let Self { question, directories, pid } = self;
        let (found, notices) = instances::reached(*question, directories, *pid, open).await?;
        let source = |(pid, (past, lines))| Source { pid, past, lines };
        let found: Vec<_> = found.into_iter().map(source).collect();
        if let Some(upstream) = upstream {
            self.known(upstream, &found).await?;
        }
        Ok((found, notices))
    }

    async fn known(&self, upstream: &str, found: &[Source]) -> Result<(), Failure> {
        let documents = instances::asked(Question::Status, &self.directories, self.pid).await?.0;
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let configured = documents.iter().filter_map(|document| document["upstreams"].as_array());
        let configured = configured.flatten().filter_map(|it| text(it, "name"));
        let past = found.iter().flat_map(|source| &source.past);
        let names: BTreeSet<_> =
            configured.chain(past.filter_map(|line| text(line, "upstream"))).collect();
        if names.contains(upstream) {
            return Ok(());
        }
        let place = " in any gateway that runs";
        Err(unknown::no_upstream_in(place, upstream, names.iter().map(String::as_str)))
    }

    /// Says every line that comes, until Ctrl-C, or until the only gateway that is followed has
    /// ended. Gateways that are started meanwhile are followed, too.
    pub(in crate::cli) async fn follow(
        &self,
        sources: Vec<Source>,
        mut say: impl FnMut(u32, &Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (sender, mut news) = mpsc::channel(QUEUE);
        let mut readers = JoinSet::new();
        let mut known: HashSet<_> = sources.iter().map(|source| source.pid).collect();
        for Source { pid, lines, .. } in sources {
            readers.spawn(read(pid, lines, sender.clone()));
        }
        let mut looks = time::interval(LOOKED);
        looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                Some((pid, word)) = news.recv() => match word {
                    News::Begun => {
                        output::say(&format!("following the gateway with the process id {pid}"));
                    }
                    News::Line(line) => say(pid, &line)?,
                    News::Gone => {
                        known.remove(&pid);
                        output::say(&gone(pid, self.pid.is_none() && known.is_empty()));
                        if self.pid.is_some() {
                            return Ok(());
                        }
                    }
                    News::Absent => drop(known.remove(&pid)),
                },
                _ = looks.tick(), if self.pid.is_none() => {
                    while readers.try_join_next().is_some() {}
                    for (pid, path) in instances::sockets(self.question, &self.directories) {
                        if known.insert(pid) {
                            readers.spawn(join(pid, path, sender.clone()));
                        }
                    }
                }
                // Nobody can be told if it cannot be listened for; the signal ends it then.
                _ = &mut interrupted => return Ok(()),
            }
        }
    }
}

/// Begins to follow a gateway, and passes on what it tells.
async fn join(pid: u32, path: PathBuf, news: mpsc::Sender<(u32, News)>) {
    match Lines::open(&path).await {
        Ok(lines) if news.send((pid, News::Begun)).await.is_ok() => read(pid, lines, news).await,
        // Whoever would have to be told has left already if that cannot be sent.
        _ => drop(news.send((pid, News::Absent)).await),
    }
}

/// Passes on what one gateway tells, until it ends or nobody wants it.
async fn read(pid: u32, mut lines: Lines, news: mpsc::Sender<(u32, News)>) {
    loop {
        let word = lines.next().await.ok().flatten().map_or(News::Gone, News::Line);
        let is_over = matches!(word, News::Gone);
        if news.send((pid, word)).await.is_err() || is_over {
            return;
        }
    }
}

fn gone(pid: u32, waits: bool) -> String {
    let waits = if waits { "; waiting for another one, Ctrl-C ends this" } else { "" };
    format!("the gateway with the process id {pid} is gone{waits}")
}

/// The gateways that lines came from: once there are several, they have to be told apart.
#[derive(Debug, Default)]
pub(in crate::cli) struct Pids(BTreeSet<u32>);

impl Pids {
    pub(in crate::cli) fn of(sources: &[Source]) -> Self {
        Self(sources.iter().map(|source| source.pid).collect())
    }

    /// Returns whether there are several.
    pub(in crate::cli) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Counts one; returns whether it is the one that makes them several.
    pub(in crate::cli) fn add(&mut self, pid: u32) -> bool {
        let were_several = self.are_several();
        self.0.insert(pid);
        self.are_several() && !were_several
    }
}

/// Returns a line as data, with the process it came from.
pub(in crate::cli) fn as_json(pid: u32, line: &Value) -> String {
    let mut line = line.clone();
    if let Some(members) = line.as_object_mut() {
        members.insert("pid".to_owned(), pid.into());
    }
    line.to_string()
}

/// Returns the number of lines that are missing where this line is, if it says so.
pub(in crate::cli) fn missed(line: &Value) -> Option<u64> {
    line.get("missed")?.as_u64()
}

/// Returns when something happened as people read it: the time, in UTC, with its day if that is not
/// today.
pub(in crate::cli) fn moment(line: &Value) -> String {
    let text = line.get("time").and_then(Value::as_str).unwrap_or_default();
    let Some((day, rest)) = text.split_once('T') else { return text.to_owned() };
    let time = rest.split('.').next().unwrap_or(rest).trim_end_matches('Z');
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    if today.starts_with(day) { format!("{time}Z") } else { format!("{day}T{time}Z") }
}
