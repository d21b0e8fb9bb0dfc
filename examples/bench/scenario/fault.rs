//! One server that never answers, and one that is slow: what the others feel of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::client::Calls;
use crate::client::Client;
use crate::client::Link;
use crate::load::Sample;
use crate::load::request::Era;
use crate::report;
use crate::run::Run;
use crate::scenario;
use crate::stage::Place;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::Launched;
use crate::subject::PROMPT;
use crate::subject::Subject;

/// Five servers, one of which never says anything.
pub(super) fn hung(run: &mut Run) -> anyhow::Result<()> {
    for route in [Route::StdioStdio, Route::HttpStdio] {
        for subject in scenario::gateways(run) {
            let stage = Stage::even(route, Era::Legacy, 5).last_with(&["--hang"]);
            if !subject.can(&stage) {
                continue;
            }
            let place = stage.stand(&run.place())?;
            let outcome = beside_hung(run, &subject, &place);
            if let Err(why) = outcome {
                run.failed(&subject, &format!("one hung of five, {}", route.title()), why)?;
            }
        }
    }
    Ok(())
}

fn beside_hung(run: &mut Run, subject: &Subject, place: &Place) -> anyhow::Result<()> {
    let title = place.stage.route.title();
    let started = Instant::now();
    let mut launched = subject.launch(place)?;
    let client = &mut launched.client;
    let tell = |run: &mut Run, what: &str, time: Duration| {
        let what = format!("{what}, one hung of five, {title}");
        run.fact("hung", &subject.name, &what, (time.as_secs_f64() * 1e3, "ms"));
    };
    let listening = Instant::now();
    client.open(PROMPT)?;
    let opened = Instant::now();
    tell(run, "initialize", opened - listening);
    let healthy = launched.tools.get(..4).unwrap_or_default();
    client.call_each(healthy)?;
    tell(run, "healthy tools called", opened.elapsed());
    let listing = Instant::now();
    client.list_all(healthy, PROMPT)?;
    tell(run, "healthy tools listed", listing.elapsed());
    let calls = Calls { tools: healthy, payload: 100, in_flight: 1 };
    let sample = client.load(calls, Duration::from_millis(run.report.round_ms))?;
    tell(run, "slowest later call", Duration::from_secs_f64(sample.quantile(1.0) / 1e6));
    let listing = Instant::now();
    client.list(PROMPT)?;
    tell(run, "later list", listing.elapsed());
    tell(run, "everything since the start", started.elapsed());
    Ok(())
}

/// Twenty servers, one of which takes 200 ms for a call that another client always has under way.
///
/// Latencies are those of calls to the other nineteen. The floor has the same, and so has everybody
/// while the slow one rests: what is the same there, the machine does, and not the slow server.
pub(super) fn slow(run: &mut Run) -> anyhow::Result<()> {
    let mut subjects = vec![Subject::relay()];
    subjects.extend(scenario::gateways(run));
    let stage = Stage::even(Route::HttpStdio, Era::Legacy, 20).last_with(&["--delay", "200"]);
    let place = stage.stand(&run.place())?;
    let mut ready = Vec::new();
    for subject in subjects.into_iter().filter(|it| it.can(&place.stage)) {
        match Beside::new(&subject, &place) {
            Ok(beside) => ready.push((subject, beside)),
            Err(why) => run.failed(&subject, SLOW, why)?,
        }
    }
    let time = Duration::from_millis(run.report.round_ms);
    for _ in 0..run.report.rounds {
        let mut failed = Vec::new();
        for (at, (subject, beside)) in ready.iter_mut().enumerate() {
            if let Err(why) = beside.round(time) {
                run.failed(subject, SLOW, why)?;
                failed.push(at);
            }
        }
        let mut at = 0..;
        ready.retain(|_| at.next().is_none_or(|at| !failed.contains(&at)));
    }
    for (subject, beside) in ready {
        let name = &subject.name;
        let Beside { medians, ratios, at_rest, slow, .. } = beside;
        let median = report::median(medians);
        run.fact("slow", name, &format!("median of the others, {SLOW}"), (median, "µs"));
        let tell = |run: &mut Run, when: &str, ratios| {
            let what = format!("p99 ÷ median of the others, {when}");
            run.fact("slow", name, &what, (report::median(ratios), ""));
        };
        tell(run, SLOW, ratios);
        tell(run, "the slow one at rest", at_rest);
        run.fact("slow", name, "slow calls beside them", (slow, ""));
    }
    Ok(())
}

const SLOW: &str = "one slow of twenty";

/// One who calls the quick servers, one who calls the slow one, and what came of it.
struct Beside {
    launched: Launched,
    other: Option<Client>,
    medians: Vec<f64>,
    /// p99 ÷ median of each round.
    ratios: Vec<f64>,
    /// The same while nobody called the slow one.
    at_rest: Vec<f64>,
    slow: f64,
}

impl Beside {
    fn new(subject: &Subject, place: &Place) -> anyhow::Result<Self> {
        let launched = subject.ready(place)?;
        let Link::Http(target, _) = &launched.client.link else {
            anyhow::bail!("this is about HTTP");
        };
        let mut other = Client::at(target.address, &target.path, Era::Legacy);
        other.open(PROMPT)?;
        let (medians, ratios, at_rest) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { launched, other: Some(other), medians, ratios, at_rest, slow: 0.0 })
    }

    fn round(&mut self, time: Duration) -> anyhow::Result<()> {
        let rested = self.others(time)?;
        self.at_rest.push(rested.quantile(0.99) / rested.quantile(0.5));
        let ends = Arc::new(AtomicBool::new(false));
        let mut other = self.other.take().context("it is back after each round")?;
        let (_, slow) = self.launched.tools.split_at(QUICK);
        let (slow, other_ends) = (slow.to_vec(), Arc::clone(&ends));
        let beside = std::thread::spawn(move || {
            let mut calls = 0.0;
            while !other_ends.load(Ordering::Relaxed) {
                let calls_made = Calls { tools: &slow, payload: 100, in_flight: 4 };
                calls += other.load(calls_made, Duration::from_millis(100))?.count();
            }
            anyhow::Ok((other, calls))
        });
        let sample = self.others(time);
        ends.store(true, Ordering::Relaxed);
        let beside = beside.join().map_err(|_| anyhow::anyhow!("the slow calls panicked"))?;
        let (sample, (other, calls)) = (sample?, beside?);
        self.other = Some(other);
        self.slow += calls;
        self.medians.push(sample.quantile(0.5));
        self.ratios.push(sample.quantile(0.99) / sample.quantile(0.5));
        Ok(())
    }

    /// Calls those that are not slow.
    fn others(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let (well, _) = self.launched.tools.split_at(QUICK);
        let calls = Calls { tools: well, payload: 100, in_flight: 16 };
        self.launched.client.load(calls, time)
    }
}

/// How many of the twenty are not slow.
const QUICK: usize = 19;
