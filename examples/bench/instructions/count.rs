//! Counts the instructions of one run of Conflux under `valgrind`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use tokio::time::Instant;

use crate::client::Calls;
use crate::grid::Group;
use crate::grid::Point;
use crate::load::Extent;
use crate::process;
use crate::process::Running;
use crate::stage::Stage;
use crate::subject::Launched;
use crate::subject::Subject;

/// What counts.
const VALGRIND: &str = "valgrind";
/// What is preloaded, so that Conflux finds its own program.
const EXEC: &str = include_str!("exec.c");
/// How long Conflux may take to end, and the counts to be written.
const FAREWELL: Duration = Duration::from_mins(1);

/// Counts the instructions of one program.
pub(super) struct Counter {
    program: String,
    /// What it is started under.
    words: Vec<String>,
    /// Where files go.
    directory: PathBuf,
    runs: usize,
}

impl Counter {
    /// Fails if there is nothing to count with.
    pub(super) fn try_new(program: String, directory: PathBuf) -> anyhow::Result<Self> {
        ask(&[VALGRIND, "--version"])
            .context("`valgrind` must be installed, as in `apt-get install valgrind`")?;
        fs::create_dir_all(&directory)?;
        let (source, library) = (directory.join("exec.c"), directory.join("exec.so"));
        fs::write(&source, EXEC)?;
        let [source, library] = [&source, &library].map(|path| path.to_string_lossy());
        ask(&["cc", "-shared", "-fPIC", "-o", &library, &source, "-ldl"])
            .context("a compiler for C must be installed, as in `apt-get install gcc`")?;
        let preload = format!("LD_PRELOAD={library}");
        // Upstreams and their guards are children, and are no part of what is counted.
        let words =
            ["env", &preload, VALGRIND, "--quiet", "--tool=callgrind", "--trace-children=no"];
        let words = words.map(str::to_owned).to_vec();
        Ok(Self { program, words, directory, runs: 0 })
    }

    /// Returns how many instructions a call costs: the difference between two runs, one of which
    /// has twice as many calls. What a start costs is in both.
    pub(super) fn per_call(&mut self, group: &Group, point: Point) -> anyhow::Result<u64> {
        let calls = calls(point);
        let once = self.total(&group.stage, point, calls)?;
        let twice = self.total(&group.stage, point, 2 * calls)?;
        let more = twice.checked_sub(once).context("twice as many calls cost less")?;
        Ok(more / u64::try_from(calls)?)
    }

    /// Runs Conflux from its start to its end with so many calls; returns what all of it cost.
    fn total(&mut self, stage: &Stage, point: Point, calls: usize) -> anyhow::Result<u64> {
        self.runs += 1;
        let place = stage.clone().stand(&self.directory.join(self.runs.to_string()))?;
        let counts = place.directory.join("callgrind.out");
        let counts_flag = format!("--callgrind-out-file={}", counts.display());
        let words = [&*self.words, &[counts_flag, self.program.clone()]].concat();
        let mut launched = Subject::conflux("conflux", words, json!({})).ready(&place)?;
        let Point { in_flight, payload } = point;
        let load = Calls { tools: &launched.tools, payload, in_flight };
        launched.client.load(load, Extent::Calls(calls))?;
        end(launched, stage)?;
        let text = fs::read_to_string(&counts).context("`valgrind` has written no counts")?;
        let line = text.lines().find_map(|line| line.strip_prefix("totals:"));
        Ok(line.context("what `valgrind` has written has no `totals`")?.trim().parse()?)
    }

    /// Removes its files.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.directory).context("cannot remove the files of the run")
    }
}

/// How many calls make what happens beside them not count, in a few seconds.
fn calls(point: Point) -> usize {
    if point.payload < 1024 { 400 } else { 40 }
}

/// Runs a command that must come out well.
fn ask(words: &[&str]) -> anyhow::Result<()> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let output = process::command(&words)?.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`{}` failed: {said}", words.join(" "));
    Ok(())
}

/// Has Conflux end by itself: without its client, or by a signal where clients come and go.
fn end(launched: Launched, stage: &Stage) -> anyhow::Result<()> {
    let Launched { mut running, client, .. } = launched;
    drop(client);
    if !stage.route.front_is_stdio() {
        kill(Pid::from_raw(i32::try_from(running.id())?), Signal::SIGTERM)?;
    }
    wait(&mut running)
}

fn wait(running: &mut Running) -> anyhow::Result<()> {
    let until = Instant::now() + FAREWELL;
    while !running.has_ended() {
        anyhow::ensure!(Instant::now() < until, "it does not end: {}", running.last_words());
        process::sleep(Duration::from_millis(5));
    }
    Ok(())
}
