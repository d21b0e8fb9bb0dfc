//! What each part of governing adds to a call, and all of them together.
//!
//! Every configuration of Conflux runs at the same time, before servers of its own; they are called
//! in turns, one call at a time, so that whatever else the machine does hits all of them alike.
//! What a part adds is found within each round. Pinned to one core, client and servers included,
//! nothing that a part does beside the calls is for nothing (`just governed`).

mod collector;
mod part;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::client::Calls;
use crate::governed::part::Variant;
use crate::governed::table::Row;
use crate::load::Extent;
use crate::load::request::Era;
use crate::process;
use crate::report::machine::Machine;
use crate::run;
use crate::stage::Place;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::Launched;
use crate::subject::Subject;

/// The text of a call, in bytes.
const PAYLOAD: usize = 100;
/// How long all is left alone after a turn: what is written after the fact is part of it.
const REST: Duration = Duration::from_millis(10);
/// What the ways to measure are: with stdio in front, nobody has a token.
const ROUTES: [Route; 2] = [Route::HttpStdio, Route::StdioStdio];

/// Measures what each part of governing adds to a call.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Tries everything shortly, to see that it works; the figures mean little.
    #[arg(long)]
    quick: bool,
    /// Only where the name holds this, as in `http-stdio` or `modern`.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    only: String,
    /// How many rounds each configuration has.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How many calls a round has.
    #[arg(long, value_name = "N")]
    calls: Option<usize>,
}

/// A configuration that runs, and what came of its rounds.
struct Contender {
    name: String,
    launched: Launched,
    /// The median of each round, in microseconds.
    medians: Vec<f64>,
    /// What a call of each round took of a processor, all that is done beside it included.
    costs: Vec<f64>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let (rounds, calls) = if flags.quick { (2, 200) } else { (25, 2000) };
    let (rounds, calls) = (flags.rounds.unwrap_or(rounds), flags.calls.unwrap_or(calls));
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let conflux = run::conflux(profile)?;
    let directory = run::target_directory()?.join("bench/governed");
    let directory = directory.join(std::process::id().to_string());
    let collector = collector::open()?;
    println!("{}\n", table::machine(&Machine::here(None), rounds, calls));
    for route in ROUTES {
        for era in Era::ALL {
            let name = format!("{}/{}", route.name(), era.name());
            if !name.contains(&flags.only) {
                continue;
            }
            let stage = Stage::even(route, era, 1);
            let place = stage.stand(&directory.join(&name))?;
            let contenders = measure(&conflux, &place, collector, [rounds, calls]);
            let rows = Row::all(&contenders.with_context(|| format!("at {name}"))?);
            println!("### {}, {}\n\n{}\n", route.title(), era.name(), table::table(&rows));
        }
    }
    std::fs::remove_dir_all(&directory).context("nothing was measured")
}

/// Starts all configurations, and has each of them called in each round.
fn measure(
    conflux: &str,
    place: &Place,
    collector: SocketAddr,
    [rounds, calls]: [usize; 2],
) -> anyhow::Result<Vec<Contender>> {
    let variants = part::variants(!place.stage.route.front_is_stdio(), collector)?;
    let mut contenders = Vec::new();
    for variant in &variants {
        let contender = start(conflux, place, variant);
        contenders.push(contender.with_context(|| format!("with {}", variant.name))?);
    }
    let count = contenders.len();
    for round in 0..=rounds {
        // Nobody is always the first, or always after the same one.
        for turn in 0..count {
            let at = (turn * (1 + round % (count - 1)) + round) % count;
            let contender = contenders.get_mut(at).context("each has its turn")?;
            // The first round is for caches and allocators; nobody's figures have it.
            contender.round(calls, round > 0)?;
        }
    }
    Ok(contenders)
}

fn start(conflux: &str, place: &Place, variant: &Variant) -> anyhow::Result<Contender> {
    let words = vec![conflux.to_owned()];
    let subject = Subject::conflux(&variant.name, words, variant.settings.clone());
    let token = variant.wants_token().then(|| token(conflux, &place.directory, &variant.name));
    let mut launched = subject.launch(place)?;
    if let Some(token) = token {
        launched.client.bear(&token?);
    }
    subject.open(&mut launched)?;
    let name = variant.name.clone();
    Ok(Contender { name, launched, medians: Vec::new(), costs: Vec::new() })
}

/// Makes a token, in the state that all configurations of a place share.
fn token(conflux: &str, directory: &Path, name: &str) -> anyhow::Result<String> {
    let file = directory.join("auth.json");
    std::fs::write(&file, r#"{"upstreams": {}, "auth": {}}"#)?;
    let name = name.replace([' ', ','], "-");
    let mut command = process::command(&[conflux.to_owned()])?;
    command.args(["token", "create", &name, "--config"]).arg(&file);
    command.env("CONFLUX_STATE", directory.join("state")).env_remove(run::PROGRAM);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "no token could be made: {said}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Contender {
    #[expect(clippy::cast_precision_loss, reason = "ticks of a round are few")]
    fn round(&mut self, calls: usize, counts: bool) -> anyhow::Result<()> {
        let Launched { running, client, tools } = &mut self.launched;
        let before = process::used(running.id()).own;
        let load = Calls { tools, payload: PAYLOAD, in_flight: 1 };
        let sample = client.load(load, Extent::Calls(calls));
        let sample =
            sample.with_context(|| format!("with {}: {}", self.name, running.last_words()))?;
        process::sleep(REST);
        let ticks = process::used(running.id()).own.saturating_sub(before);
        if counts {
            self.medians.push(sample.quantile(0.5));
            self.costs.push(ticks as f64 * process::TICK_MICROS / sample.count());
        }
        Ok(())
    }
}
