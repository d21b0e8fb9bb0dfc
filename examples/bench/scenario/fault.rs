//! One server that never answers, and one that is slow: what the others feel of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Calls;
use crate::client::Client;
use crate::client::Link;
use crate::load::Sample;
use crate::load::request::Era;
use crate::run::Run;
use crate::scenario;
use crate::stage::Place;
use crate::stage::Route;
use crate::stage::Stage;
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
pub(super) fn slow(run: &mut Run) -> anyhow::Result<()> {
    let mut subjects = vec![Subject::relay()];
    subjects.extend(scenario::gateways(run));
    for subject in subjects {
        let stage = Stage::even(Route::HttpStdio, Era::Legacy, 20).last_with(&["--delay", "200"]);
        if !subject.can(&stage) {
            continue;
        }
        let place = stage.stand(&run.place())?;
        if let Err(why) = beside_slow(run, &subject, &place) {
            run.failed(&subject, "one slow of twenty", why)?;
        }
    }
    Ok(())
}

fn beside_slow(run: &mut Run, subject: &Subject, place: &Place) -> anyhow::Result<()> {
    let mut launched = subject.ready(place)?;
    let Link::Http(target, _) = &launched.client.link else {
        anyhow::bail!("this is about HTTP");
    };
    let mut other = Client::at(target.address, &target.path, Era::Legacy);
    other.open(PROMPT)?;
    let ends = Arc::new(AtomicBool::new(false));
    let (well, slow) = launched.tools.split_at(19);
    let (slow, other_ends) = (slow.to_vec(), Arc::clone(&ends));
    let beside = std::thread::spawn(move || {
        let mut calls = 0.0;
        while !other_ends.load(Ordering::Relaxed) {
            let calls_made = Calls { tools: &slow, payload: 100, in_flight: 4 };
            calls += other.load(calls_made, Duration::from_millis(100))?.count();
        }
        anyhow::Ok(calls)
    });
    let time = Duration::from_millis(run.report.round_ms * 4);
    let calls = Calls { tools: well, payload: 100, in_flight: 16 };
    let sample: anyhow::Result<Sample> = launched.client.load(calls, time);
    ends.store(true, Ordering::Relaxed);
    let beside = beside.join().map_err(|_| anyhow::anyhow!("the slow calls panicked"))?;
    let (sample, slow) = (sample?, beside?);
    let median = sample.quantile(0.5);
    let ratio = sample.quantile(0.99) / median;
    run.fact("slow", &subject.name, "median of the others, one slow of twenty", (median, "µs"));
    run.fact("slow", &subject.name, "p99 ÷ median of the others, one slow of twenty", (ratio, ""));
    run.fact("slow", &subject.name, "slow calls beside them", (slow, ""));
    Ok(())
}
