//! Following running gateways at their local sockets, for as long as somebody reads.

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

/// What comes from one gateway: a line, or that it tells no more.
type News = (u32, Option<Value>);

impl Sources {
    /// Begins to follow every gateway there is; fails if there is none.
    pub(in crate::cli) async fn open(&self) -> Result<(Vec<Source>, Vec<Notice>), Failure> {
        let open = async |path: &Path| {
            let mut lines = Lines::open(path).await?;
            let past = lines.past().await?;
            Ok::<_, io::Error>((past, lines))
        };
        let Self { question, directories, pid } = self;
        let (found, notices) = instances::reached(*question, directories, *pid, open).await?;
        let source = |(pid, (past, lines))| Source { pid, past, lines };
        Ok((found.into_iter().map(source).collect(), notices))
    }

    /// Says every line that comes, until Ctrl-C, or until the only gateway that is followed has
    /// ended. Gateways that are started meanwhile are followed, too.
    pub(in crate::cli) async fn follow(
        &self,
        sources: Vec<Source>,
        mut say: impl FnMut(u32, &Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (sender, mut news) = mpsc::channel::<News>(QUEUE);
        let (mut readers, mut known) = (JoinSet::new(), HashSet::new());
        for source in sources {
            known.insert(source.pid);
            readers.spawn(read(source.pid, source.lines, sender.clone()));
        }
        let mut looks = time::interval(LOOKED);
        looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                Some((pid, line)) = news.recv() => {
                    let Some(line) = line else {
                        known.remove(&pid);
                        if self.pid.is_some() {
                            output::say(&format!("the gateway with the process id {pid} is gone"));
                            return Ok(());
                        }
                        output::say(&gone(pid, known.len()));
                        continue;
                    };
                    say(pid, &line)?;
                }
                _ = looks.tick(), if self.pid.is_none() => {
                    for source in self.newcomers(&known).await {
                        let Source { pid, past, lines } = source;
                        output::say(&format!("following the gateway with the process id {pid}"));
                        past.iter().try_for_each(|line| say(pid, line))?;
                        known.insert(pid);
                        readers.spawn(read(pid, lines, sender.clone()));
                    }
                }
                // Nobody can be told if it cannot be listened for; the signal ends it then.
                _ = &mut interrupted => return Ok(()),
            }
        }
    }

    async fn newcomers(&self, known: &HashSet<u32>) -> Vec<Source> {
        let (sockets, _) = instances::find(self.question, &self.directories, None).await;
        let mut found = Vec::new();
        for (pid, path) in sockets.iter().filter(|(pid, _)| !known.contains(pid)) {
            // One that is just about to start, or to end, is met the next time, or never.
            let Ok(mut lines) = Lines::open(path).await else { continue };
            let Ok(past) = lines.past().await else { continue };
            found.push(Source { pid: *pid, past, lines });
        }
        found
    }
}

/// Passes on what one gateway tells, until it ends or nobody wants it.
async fn read(pid: u32, mut lines: Lines, news: mpsc::Sender<News>) {
    loop {
        let line = lines.next().await.ok().flatten();
        let is_over = line.is_none();
        if news.send((pid, line)).await.is_err() || is_over {
            return;
        }
    }
}

fn gone(pid: u32, left: usize) -> String {
    let left = match left {
        0 => "; waiting for another one, Ctrl-C ends this",
        _ => "",
    };
    format!("the gateway with the process id {pid} is gone{left}")
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
