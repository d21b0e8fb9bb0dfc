//! How long it takes from the start of the process to the first answers.

use std::time::Duration;

use tokio::time::Instant;

use crate::load::request::Era;
use crate::process;
use crate::report;
use crate::run::Run;
use crate::scenario;
use crate::stage::Place;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::PROMPT;
use crate::subject::Subject;

/// How long the catalog may take to be written after it was listed.
const KEPT: Duration = Duration::from_secs(4);

/// What is known when a process starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Cold,
    Stored,
}

pub(super) fn run(run: &mut Run) -> anyhow::Result<()> {
    let counts: &[usize] = if run.flags.quick { &[0, 20] } else { &[0, 20, 200] };
    for subject in scenario::only_conflux(run) {
        for count in counts {
            let stage = Stage::even(Route::StdioStdio, Era::Legacy, *count);
            measure(run, &subject, &stage, *count)?;
            if *count > 0 {
                let stage = Stage::even(Route::StdioStdio, Era::Legacy, *count);
                measure_hung(run, &subject, stage, *count)?;
            }
        }
    }
    let stage = Stage::even(Route::StdioStdio, Era::Legacy, 1);
    let place = stage.stand(&run.place())?;
    let mut all = Vec::new();
    for _ in 0..rounds(run) {
        all.push(once(&Subject::direct(), &place, 1)?.0);
    }
    run.fact("start", "direct", "initialize", (report::median(all), "ms"));
    Ok(())
}

fn rounds(run: &Run) -> usize {
    if run.flags.quick { 1 } else { 5 }
}

fn measure_hung(
    run: &mut Run,
    subject: &Subject,
    stage: Stage,
    count: usize,
) -> anyhow::Result<()> {
    let name = |memory: &str, what: &str| format!("{what}, {count} upstreams, one hung, {memory}");
    let hung = stage.clone().last_with(&["--hang"]).stand(&run.place())?;
    let cold = once(subject, &hung, count - 1)?;
    run.fact("start", &subject.name, &name("cold", "initialize"), (cold.0, "ms"));
    run.fact("start", &subject.name, &name("cold", "tools/list"), (cold.1, "ms"));
    // What is remembered belongs to a command, so the same one is well first and hangs then.
    let directory = run.place();
    let file = directory.join("hang");
    let place = stage.last_with(&["--hang-if", file.to_str().unwrap_or_default()]);
    let place = place.stand(&directory)?;
    learn(subject, &place, count)?;
    std::fs::write(&file, "")?;
    let stored = once(subject, &place, count)?;
    run.fact("start", &subject.name, &name("stored", "initialize"), (stored.0, "ms"));
    run.fact("start", &subject.name, &name("stored", "tools/list"), (stored.1, "ms"));
    Ok(())
}

fn measure(run: &mut Run, subject: &Subject, stage: &Stage, count: usize) -> anyhow::Result<()> {
    for (memory, word) in [(Memory::Cold, "cold"), (Memory::Stored, "stored")] {
        let (mut first, mut all) = (Vec::new(), Vec::new());
        let mut place = stage.clone().stand(&run.place())?;
        if memory == Memory::Stored {
            learn(subject, &place, count)?;
        }
        for _ in 0..rounds(run) {
            if memory == Memory::Cold {
                place = stage.clone().stand(&run.place())?;
            }
            let (initialized, listed) = once(subject, &place, count)?;
            first.push(initialized);
            all.push(listed);
        }
        for (what, taken) in [("initialize", first), ("tools/list", all)] {
            let what = format!("{what}, {count} upstreams, {word}");
            run.fact("start", &subject.name, &what, (report::median(taken), "ms"));
        }
    }
    Ok(())
}

/// Has a process find out what there is, and keep it.
fn learn(subject: &Subject, place: &Place, expected: usize) -> anyhow::Result<()> {
    let mut launched = subject.launch(place)?;
    launched.client.open(PROMPT)?;
    let tools = launched.tools.get(..expected).unwrap_or_default();
    launched.client.list_all(tools, crate::stage::START)?;
    process::sleep(KEPT);
    Ok(())
}

/// The milliseconds until `initialize` is answered, and until so many tools are listed.
fn once(subject: &Subject, place: &Place, expected: usize) -> anyhow::Result<(f64, f64)> {
    let started = Instant::now();
    let mut launched = subject.launch(place)?;
    launched.client.open(PROMPT)?;
    let initialized = started.elapsed();
    let tools = launched.tools.get(..expected).unwrap_or_default();
    launched.client.list_all(tools, crate::stage::START)?;
    let listed = started.elapsed();
    Ok((initialized.as_secs_f64() * 1e3, listed.as_secs_f64() * 1e3))
}
