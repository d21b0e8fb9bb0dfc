//! How many instructions a call costs Conflux: the same on a quiet machine and on a busy one.

mod baseline;
mod count;

use std::path::PathBuf;

use anyhow::Context as _;

use crate::grid::Group;
use crate::grid::Point;
use crate::instructions::baseline::Baseline;
use crate::instructions::count::Counter;
use crate::load::request::Era;
use crate::run;
use crate::stage::Route;
use crate::stage::Stage;

/// By how much a call may cost more than it did.
///
/// Counts of one program differ by up to a percent from run to run, whatever else the machine does
/// (at 16 in flight even less, because there is always enough to do); the rest is for C libraries
/// and processors that differ.
const TOLERANCE: f64 = 0.05;
/// The profile of what is counted. Those that are optimised less take as long to build.
const PROFILE: &str = "release";

/// Counts the instructions that a call costs Conflux.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Fails if a call costs more than this file says.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Writes what calls cost now, for later checks.
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    write: Option<PathBuf>,
    /// Only points whose name holds this.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    only: String,
}

/// Counts at every point, prints a table, and does what the flags say.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let baseline = flags.check.as_deref().map(Baseline::read).transpose()?;
    let directory = run::target_directory()?.join("bench/instructions");
    let directory = directory.join(std::process::id().to_string());
    let mut counter = Counter::try_new(run::conflux(PROFILE)?, directory)?;
    let mut counted = Baseline::default();
    let mut complaints = Vec::new();
    println!("{}", baseline::HEAD);
    for group in groups().into_iter().filter_map(|group| group.only(&flags.only)) {
        for point in &group.points {
            let name = group.name(*point);
            let count = counter.per_call(&group, *point);
            let count = count.with_context(|| format!("cannot count `{name}`"))?;
            let verdict = baseline.as_ref().map(|it| it.judge(&name, count));
            println!("{}", baseline::row(&name, count, verdict.as_ref()));
            complaints.extend(verdict.and_then(|verdict| verdict.complaint(&name)));
            counted.note(name, count);
        }
    }
    counter.finish()?;
    anyhow::ensure!(!counted.is_empty(), "no point has `{}` in its name", flags.only);
    if let Some(file) = &flags.write {
        counted.write(file)?;
    }
    baseline::conclude(&complaints)
}

/// What is counted: the ways of a call that differ most from each other.
fn groups() -> Vec<Group> {
    const SMALL: usize = 100;
    const BIG: usize = 64 * 1024;
    let point = |payload, in_flight| Point { in_flight, payload };
    let each = |route, points: &[Point]| {
        Era::ALL.map(|era| Group { stage: Stage::even(route, era, 1), points: points.to_vec() })
    };
    let pipes = [point(SMALL, 1), point(SMALL, 16), point(BIG, 1), point(BIG, 16)];
    let mut groups = Vec::from(each(Route::StdioStdio, &pipes));
    groups.extend(each(Route::HttpStdio, &[point(SMALL, 1)]));
    groups
}
