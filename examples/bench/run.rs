//! A run: every subject at every point, in turns, then everything that is not about load.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::adapter::Adapter;
use crate::client::Calls;
use crate::grid;
use crate::grid::Group;
use crate::grid::Point;
use crate::process;
use crate::process::Used;
use crate::report;
use crate::report::Cell;
use crate::report::Failure;
use crate::report::Figures;
use crate::report::Report;
use crate::report::machine::Machine;
use crate::report::markdown;
use crate::report::target;
use crate::scenario;
use crate::subject::Launched;
use crate::subject::Subject;

/// The variable that names the program to measure.
pub(crate) const PROGRAM: &str = "CONFLUX_BIN";

/// A subject whose round took longer has no other one at that point.
const SLOW: Duration = Duration::from_secs(5);

/// Measures everything, and says what came of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Tries everything shortly, to see that it works; the figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only points and scenarios whose name holds this; `list` shows the names.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    pub(crate) only: String,
    /// How many rounds each subject has at each point.
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// How long a round is, in milliseconds.
    #[arg(long, value_name = "MS")]
    pub(crate) round: Option<u64>,
    /// Writes everything as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the page about it.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Other gateways to measure, as in `--adapter examples/bench/adapters/*.yaml`.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) adapter: Vec<PathBuf>,
    /// Installs the other gateways that are not there yet, under `target/bench`.
    #[arg(long)]
    pub(crate) install: bool,
    /// The date to write, if it is not today's.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
}

/// Everything that the parts of a run share.
pub(crate) struct Run {
    pub(crate) flags: Flags,
    /// The program that is measured.
    pub(crate) conflux: String,
    pub(crate) subjects: Vec<Subject>,
    /// Where files go, one directory for each part of the run.
    directory: PathBuf,
    parts: usize,
    pub(crate) report: Report,
}

pub(crate) fn run(flags: Flags) -> anyhow::Result<()> {
    let Flags { quick, only, .. } = &flags;
    let is_there = names(*quick).iter().any(|name| name.contains(only));
    anyhow::ensure!(is_there, "nothing has `{only}` in its name; `list` shows the names");
    let target = target_directory()?;
    let mut subjects = vec![Subject::direct(), Subject::splice(), Subject::relay()];
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let conflux = conflux(profile)?;
    subjects.push(Subject::conflux("conflux", vec![conflux.clone()], json!({})));
    for file in &flags.adapter {
        let adapter = Adapter::read(file, &target.join("bench/install"))?;
        if flags.install && !adapter.is_installed() {
            adapter.install()?;
        }
        let is_there = adapter.is_installed();
        anyhow::ensure!(is_there, "`{}` is not installed; `--install` does that", adapter.name);
        subjects.push(Subject::adapter(Rc::new(adapter)));
    }
    let (rounds, round_ms) = if flags.quick { (2, 100) } else { (5, 500) };
    let report = Report {
        machine: Machine::here(flags.date.clone()),
        rounds: flags.rounds.unwrap_or(rounds),
        round_ms: flags.round.unwrap_or(round_ms),
        cells: Vec::new(),
        facts: Vec::new(),
        failures: Vec::new(),
    };
    let directory = target.join("bench/run").join(std::process::id().to_string());
    let mut run = Run { flags, conflux, subjects, directory, parts: 0, report };
    for group in grid::groups(run.flags.quick) {
        if let Some(group) = group.only(&run.flags.only) {
            run.measure(&group)?;
        }
    }
    scenario::all(&mut run)?;
    run.tell()?;
    if run.directory.exists() {
        fs::remove_dir_all(&run.directory).context("cannot remove the files of the run")?;
    }
    Ok(())
}

/// Prints the names of all points and scenarios.
pub(crate) fn list() {
    for name in names(false) {
        println!("{name}");
    }
}

fn names(is_quick: bool) -> Vec<String> {
    let mut names = Vec::new();
    for group in grid::groups(is_quick) {
        names.extend(group.points.iter().map(|point| group.name(*point)));
    }
    names.extend(scenario::names().map(str::to_owned));
    names
}

/// The directory of what is built, in which this program lies.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(path.ancestors().nth(3).context("this program is not where cargo puts it")?.to_owned())
}

/// The program to measure: the one that is named, or this source in this profile.
pub(crate) fn conflux(profile: &str) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "no configuration of Conflux is read here")]
    if let Ok(named) = std::env::var(PROGRAM) {
        return Ok(named);
    }
    let words = [env!("CARGO"), "build", "--quiet", "--locked", "--bin", "conflux", "--profile"];
    let mut command = process::command(&words.map(str::to_owned))?;
    let status = command.arg(profile).current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    anyhow::ensure!(status.success(), "the program to measure cannot be built");
    let directory = if profile == "dev" { "debug" } else { profile };
    let path = target_directory()?.join(directory).join("conflux");
    Ok(path.to_str().context("a path is text")?.to_owned())
}

impl Run {
    /// A new directory for a part of the run.
    pub(crate) fn place(&mut self) -> PathBuf {
        self.parts += 1;
        self.directory.join(self.parts.to_string())
    }

    pub(crate) fn fact(&mut self, scenario: &str, subject: &str, what: &str, value: (f64, &str)) {
        let (value, unit) = value;
        println!("{scenario:<10} {subject:<20} {what:<55} {} {unit}", report::shown(value));
        self.report.facts.push(report::Fact {
            scenario: scenario.to_owned(),
            subject: subject.to_owned(),
            what: what.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }

    /// Notes that another gateway failed; if it is none, the run has.
    pub(crate) fn failed(
        &mut self,
        subject: &Subject,
        at: &str,
        why: anyhow::Error,
    ) -> anyhow::Result<()> {
        if !subject.is_foreign() {
            return Err(why.context(format!("`{}` at {at}", subject.name)));
        }
        // What others print may be long, and about the places of this machine.
        let why = format!("{why:#}").replace(env!("CARGO_MANIFEST_DIR"), ".");
        let why: String = why.lines().next().unwrap_or_default().chars().take(200).collect();
        println!("{}: {at}: {why}", subject.name);
        let (subject, at) = (subject.name.clone(), at.to_owned());
        self.report.failures.push(Failure { subject, at, why });
        Ok(())
    }

    /// Starts every subject that can do it, and measures each point.
    fn measure(&mut self, group: &Group) -> anyhow::Result<()> {
        let directory = self.place();
        let place = group.stage.clone().stand(&directory)?;
        let mut ready = Vec::new();
        for subject in self.subjects.clone() {
            if !subject.can(&group.stage) {
                continue;
            }
            match subject.ready(&place) {
                Ok(launched) => ready.push((subject, launched)),
                Err(why) => self.failed(&subject, &directory_name(group), why)?,
            }
        }
        for point in &group.points {
            let cell = self.measure_point(group, *point, &mut ready)?;
            println!("\n{}\n{}", cell.name, report::table(&cell));
            self.report.cells.push(cell);
        }
        Ok(())
    }

    fn measure_point(
        &mut self,
        group: &Group,
        point: Point,
        ready: &mut Vec<(Subject, Launched)>,
    ) -> anyhow::Result<Cell> {
        let name = group.name(point);
        let mut rounds: Vec<Rounds> = ready.iter().map(|_| Rounds::default()).collect();
        for (_, launched) in &*ready {
            process::forget_peak(launched.running.id())?;
        }
        let time = Duration::from_millis(self.report.round_ms);
        for round in 0..=self.report.rounds {
            // Nobody is always the first, or always after the same one.
            let count = ready.len().max(1);
            for turn in 0..ready.len() {
                let at = (turn + round) % count;
                let Some((subject, launched)) = ready.get_mut(at) else { continue };
                let Some(taken) = rounds.get_mut(at).filter(|it| !it.has_failed && !it.is_over)
                else {
                    continue;
                };
                // The first round is for caches and allocators; nobody's figures have it.
                let time = if round == 0 { time / 5 } else { time };
                match one_round(launched, point, time) {
                    Ok(figures) => {
                        taken.is_over = figures.0.elapsed > SLOW;
                        if round > 0 || taken.is_over {
                            taken.add(figures);
                        }
                    }
                    Err(why) => {
                        taken.has_failed = true;
                        let subject = subject.clone();
                        self.failed(&subject, &name, why)?;
                    }
                }
            }
        }
        let figures = ready.iter().zip(&rounds).filter(|(_, rounds)| !rounds.has_failed);
        let figures = figures
            .map(|((subject, launched), rounds)| rounds.figures(subject, launched))
            .collect();
        let mut failed = rounds.iter().map(|it| it.has_failed);
        ready.retain(|_| !failed.next().unwrap_or(false));
        let (stage, upstreams) = (&group.stage, group.stage.upstreams.len());
        let Point { in_flight, payload } = point;
        let (route, era) = (stage.route, stage.era);
        Ok(Cell { name, route, era, upstreams, payload, in_flight, figures })
    }

    /// Says how far the targets are reached, and writes the files.
    fn tell(&self) -> anyhow::Result<()> {
        println!("\n{}", target::text(&self.report));
        if let Some(file) = &self.flags.json {
            fs::write(file, serde_json::to_string_pretty(&self.report)?)?;
        }
        if let Some(file) = &self.flags.markdown {
            fs::write(file, markdown::page(&self.report))?;
        }
        Ok(())
    }
}

fn directory_name(group: &Group) -> String {
    group.points.first().map_or_else(String::new, |point| group.name(*point))
}

/// What the rounds of one subject at one point brought.
#[derive(Default)]
struct Rounds {
    medians: Vec<f64>,
    p99s: Vec<f64>,
    rates: Vec<f64>,
    calls: f64,
    own: u64,
    under: u64,
    has_failed: bool,
    /// Whether one round said enough.
    is_over: bool,
}

fn one_round(
    launched: &mut Launched,
    point: Point,
    time: Duration,
) -> anyhow::Result<(crate::load::Sample, Used, Used)> {
    let Point { in_flight, payload } = point;
    let id = launched.running.id();
    let before = process::used(id);
    let calls = Calls { tools: &launched.tools, payload, in_flight };
    let sample = launched.client.load(calls, time)?;
    Ok((sample, before, process::used(id)))
}

impl Rounds {
    fn add(&mut self, (sample, before, after): (crate::load::Sample, Used, Used)) {
        self.medians.push(sample.quantile(0.5));
        self.p99s.push(sample.quantile(0.99));
        self.rates.push(sample.per_second());
        self.calls += sample.count();
        self.own += after.own.saturating_sub(before.own);
        self.under += after.under.saturating_sub(before.under);
    }

    fn figures(&self, subject: &Subject, launched: &Launched) -> Figures {
        let id = launched.running.id();
        #[expect(clippy::cast_precision_loss, reason = "ticks of a run are few")]
        let per_call = |ticks: u64| ticks as f64 * process::TICK_MICROS / self.calls;
        Figures {
            subject: subject.name.clone(),
            median: report::median(self.medians.clone()),
            p99: report::median(self.p99s.clone()),
            per_second: report::median(self.rates.clone()),
            cpu: per_call(self.own),
            cpu_under: per_call(self.under),
            resident_kib: process::resident(id),
            peak_kib: process::peak(id),
        }
    }
}
