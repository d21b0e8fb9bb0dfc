//! What stays in memory, for whom, and what nobody needs any processor time for.

use std::time::Duration;

use crate::client::Calls;
use crate::client::Client;
use crate::client::Link;
use crate::load::request::Era;
use crate::process;
use crate::report;
use crate::run::Run;
use crate::scenario;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::PROMPT;
use crate::subject::Subject;

/// How many clients a figure per client is taken from.
const MANY: usize = 200;
/// The same of parked exchanges, of which one client may have 64.
const PARKED: usize = 50;
/// How many upstreams they wait for; of each, 32 questions may be unanswered.
const ASKING: usize = 10;
/// How long memory has to settle.
const REST: Duration = Duration::from_secs(2);

pub(super) fn run(run: &mut Run) -> anyhow::Result<()> {
    for subject in scenario::only_conflux(run) {
        upstreams(run, &subject)?;
        clients(run, &subject)?;
        parked(run, &subject)?;
        flood(run, &subject)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of at most hundreds")]
fn each(kib: u64, count: usize) -> (f64, &'static str) {
    (kib as f64 / count as f64, "KiB")
}

/// At rest, with one upstream and with twenty; the twenty are then watched doing nothing.
fn upstreams(run: &mut Run, subject: &Subject) -> anyhow::Result<()> {
    let mut residents = Vec::new();
    for count in [1, 20] {
        let stage = Stage::even(Route::StdioStdio, Era::Legacy, count);
        let place = stage.stand(&run.place())?;
        let launched = subject.ready(&place)?;
        process::sleep(REST);
        let id = launched.running.id();
        residents.push(process::resident(id));
        let what = format!("at rest, upstreams: {count}");
        let resident = report::mib(process::resident(id));
        run.fact("memory", &subject.name, &what, (resident, "MiB"));
        if count == 20 {
            let seconds = if run.flags.quick { 3 } else { 20 };
            let before = process::used(id).own;
            process::sleep(Duration::from_secs(seconds));
            #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
            let micros = (process::used(id).own - before) as f64 * process::TICK_MICROS;
            #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
            let share = micros / (seconds as f64 * 1e6) * 100.0;
            run.fact("memory", &subject.name, "processor at rest, 20 upstreams", (share, "%"));
        }
    }
    if let [one, twenty] = residents[..] {
        let value = each(twenty.saturating_sub(one), 19);
        run.fact("memory", &subject.name, "per upstream", value);
    }
    Ok(())
}

/// Sessions that are open and do nothing, each with its connection.
fn clients(run: &mut Run, subject: &Subject) -> anyhow::Result<()> {
    let stage = Stage::even(Route::HttpStdio, Era::Legacy, 1);
    let place = stage.stand(&run.place())?;
    let launched = subject.ready(&place)?;
    let Link::Http(target, _) = &launched.client.link else {
        anyhow::bail!("this is about HTTP");
    };
    let id = launched.running.id();
    let before = process::resident(id);
    let mut clients = Vec::new();
    for _ in 0..MANY {
        let mut client = Client::at(target.address, &target.path, Era::Legacy);
        client.open(PROMPT)?;
        clients.push(client);
    }
    process::sleep(REST);
    let more = process::resident(id).saturating_sub(before);
    run.fact("memory", &subject.name, "per client (session over HTTP)", each(more, MANY));
    drop(clients);
    Ok(())
}

/// Calls of a server that asks in mid-call, from clients that have to come again with an answer.
fn parked(run: &mut Run, subject: &Subject) -> anyhow::Result<()> {
    let mut stage = Stage::even(Route::HttpHttp, Era::Legacy, ASKING).all_with(&["--ask"]);
    stage.era = Era::Modern;
    let place = stage.stand(&run.place())?;
    let mut launched = subject.launch(&place)?;
    launched.client.open(PROMPT)?;
    launched.client.list_all(&launched.tools, PROMPT)?;
    let Link::Http(target, _) = &launched.client.link else {
        anyhow::bail!("this is about HTTP");
    };
    let mut tools = launched.tools.iter().cycle();
    let id = launched.running.id();
    let mut clients = Vec::new();
    let mut before = 0;
    for number in 1..=ASKING + PARKED {
        let mut client = Client::at(target.address, &target.path, Era::Modern);
        let tool = tools.next().map_or("", String::as_str);
        let members = format!(r#""name":"{tool}","arguments":{{"text":"x"}}"#);
        let answer = client.request("tools/call", Some(tool), &members, PROMPT)?;
        let is_parked = crate::json::has(&answer, b"\"input_required\"");
        anyhow::ensure!(is_parked, "{}", crate::load::answer::start(&answer));
        clients.push(client);
        // By then every upstream has its session.
        if number == ASKING {
            before = process::resident(id);
        }
    }
    // Connections are no part of it.
    clients.clear();
    process::sleep(REST);
    let more = process::resident(id).saturating_sub(before);
    run.fact("memory", &subject.name, "per parked exchange", each(more, PARKED));
    Ok(())
}

/// As many big calls as fit, and a line that never ends.
fn flood(run: &mut Run, subject: &Subject) -> anyhow::Result<()> {
    let stage = Stage::even(Route::StdioStdio, Era::Legacy, 1);
    let place = stage.stand(&run.place())?;
    let mut launched = subject.ready(&place)?;
    process::sleep(REST);
    let id = launched.running.id();
    let before = process::resident(id);
    process::forget_peak(id)?;
    let seconds = if run.flags.quick { 1 } else { 5 };
    let calls = Calls { tools: &launched.tools, payload: 1 << 20, in_flight: 64 };
    launched.client.load(calls, Duration::from_secs(seconds))?;
    let more = report::mib(process::peak(id).saturating_sub(before));
    let what = "more at most, 64 calls of 1 MiB under way";
    run.fact("memory", &subject.name, what, (more, "MiB"));
    process::sleep(REST);
    let before = process::resident(id);
    process::forget_peak(id)?;
    let Link::Stdio(pipes) = &mut launched.client.link else {
        anyhow::bail!("this is about stdio");
    };
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        pipes.queue(&piece);
        // Nothing has to be answered; what is queued is written as far as it fits.
        pipes.turn(Duration::from_millis(20))?;
    }
    pipes.queue(b"\n");
    // It may be told that the line was too long.
    while pipes.turn(REST)? {
        while pipes.line().is_some() {}
    }
    launched.client.call_each(&launched.tools)?;
    let more = report::mib(process::peak(id).saturating_sub(before));
    run.fact("memory", &subject.name, "more at most, a line of 100 MiB", (more, "MiB"));
    Ok(())
}
