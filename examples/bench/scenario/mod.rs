//! Everything that is not a point of load: starts, lists, faults, clients, memory.

mod fault;
mod list;
mod memory;
mod share;
mod start;

use anyhow::Context as _;

use crate::run::Run;
use crate::subject::Subject;

/// A scenario and its name.
type Scenario = (&'static str, fn(&mut Run) -> anyhow::Result<()>);

const ALL: [Scenario; 7] = [
    ("start", start::run),
    ("list", list::run),
    ("hung", fault::hung),
    ("slow", fault::slow),
    ("share", share::run),
    ("memory", memory::run),
    ("size", size),
];

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Runs those whose name holds the pattern of the run.
pub(crate) fn all(run: &mut Run) -> anyhow::Result<()> {
    println!();
    for (name, scenario) in ALL {
        if name.contains(&run.flags.only) {
            scenario(run).with_context(|| format!("in `{name}`"))?;
        }
    }
    Ok(())
}

/// Those that stand before several servers: Conflux in all its configurations, and other gateways.
fn gateways(run: &Run) -> Vec<Subject> {
    let is_gateway = |it: &&Subject| it.is_conflux() || it.is_foreign();
    run.subjects.iter().filter(is_gateway).cloned().collect()
}

fn only_conflux(run: &Run) -> Vec<Subject> {
    run.subjects.iter().filter(|it| it.is_conflux()).cloned().collect()
}

#[expect(clippy::cast_precision_loss, reason = "a program is far below 2^53 bytes")]
fn size(run: &mut Run) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(&run.conflux)?.len();
    run.fact("size", "conflux", "program", (bytes as f64 / 1e6, "MB"));
    Ok(())
}
