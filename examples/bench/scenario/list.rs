//! `tools/list` of 5,000 tools, against a server that has the answer ready.

use tokio::time::Instant;

use crate::load::request::Era;
use crate::report;
use crate::run::Run;
use crate::scenario;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::PROMPT;
use crate::subject::Subject;

const UPSTREAMS: usize = 5;

pub(super) fn run(run: &mut Run) -> anyhow::Result<()> {
    for route in [Route::StdioStdio, Route::HttpStdio] {
        measure(run, route)?;
    }
    Ok(())
}

fn measure(run: &mut Run, route: Route) -> anyhow::Result<()> {
    let all = Stage::even(route, Era::Legacy, 1).all_with(&["--tools", "5000"]);
    let parts = Stage::even(route, Era::Legacy, UPSTREAMS).all_with(&["--tools", "1000"]);
    let (all, parts) = (all.stand(&run.place())?, parts.stand(&run.place())?);
    let mut ready = vec![(Subject::direct(), Subject::direct().ready(&all)?)];
    for subject in scenario::only_conflux(run) {
        let launched = subject.ready(&parts)?;
        ready.push((subject, launched));
    }
    let mut taken = vec![Vec::new(); ready.len()];
    let mut sizes = vec![0; ready.len()];
    let rounds = if run.flags.quick { 5 } else { 25 };
    for _ in 0..rounds {
        for (at, (_, launched)) in ready.iter_mut().enumerate() {
            let started = Instant::now();
            let answer = launched.client.request("tools/list", None, "", PROMPT)?;
            let time = started.elapsed().as_secs_f64() * 1e3;
            taken.get_mut(at).into_iter().for_each(|it| it.push(time));
            sizes.get_mut(at).into_iter().for_each(|it| *it = answer.len());
        }
    }
    for (at, (subject, launched)) in ready.iter_mut().enumerate() {
        let (names, _) = launched.client.list(PROMPT)?;
        anyhow::ensure!(names.len() >= 5000, "`{}` lists {} tools", subject.name, names.len());
        let median = taken.get(at).cloned().map_or(f64::NAN, report::median);
        let what = format!("5,000 tools, {}", route.title());
        run.fact("list", &subject.name, &what, (median, "ms"));
        #[expect(clippy::cast_precision_loss, reason = "an answer is far below 2^53 bytes")]
        let size = sizes.get(at).map_or(f64::NAN, |size| *size as f64 / 1e6);
        run.fact("list", &subject.name, &format!("{what}, size"), (size, "MB"));
    }
    Ok(())
}
