//! `conflux check`: is the configuration right, and with `--connect`, do the upstreams work?

mod diff;
mod patterns;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time;
use tokio::time::Instant;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::table;
use crate::cli::upstreams;
use crate::config::Config;
use crate::upstream::Change;
use crate::upstream::Disk;
use crate::upstream::Handle;

/// How long after its own limit an upstream is still expected to say how its start went.
const SLACK: Duration = Duration::from_secs(1);

/// Validate the configuration
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Also start every upstream and list what it has
    #[arg(long)]
    connect: bool,
    /// Ask running gateways instead what a reload would do: each loads its own files
    #[arg(long, conflicts_with = "connect")]
    diff: bool,
    /// With `--diff`: ask the gateway with this process id alone
    #[arg(long, requires = "diff")]
    pid: Option<u32>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Says whether the configuration is right, what upstreams list, or what a reload would do.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        if self.diff {
            return runtime::wait(diff::run(&context.around.runtime(), self.pid, self.json));
        }
        let config = context.config()?;
        if self.connect {
            runtime::wait(connect(config, self.json))
        } else {
            runtime::wait(rules(&config))?;
            hold(&config, self.json)
        }
    }
}

/// Compares the policy with what upstreams listed in earlier runs.
async fn rules(config: &Config) -> Result<(), Failure> {
    if !config.policy.is_any() {
        return Ok(());
    }
    session::remembering(config.clone(), async |app| Ok(app.check_policy()?)).await
}

/// Says what a configuration holds; that it could be loaded means that it is right.
fn hold(config: &Config, json: bool) -> Result<(), Failure> {
    if json {
        output::data(&found(config).to_string())?;
    }
    say(config);
    Ok(())
}

/// Starts and lists every upstream side by side, and says how that went.
async fn connect(config: Config, json: bool) -> Result<(), Failure> {
    say(&config);
    session::within(session::patient(config), async |app| report(app, json).await).await
}

fn say(config: &Config) {
    let files: Vec<_> = config.files.iter().map(|file| file.display().to_string()).collect();
    let all = config.upstreams.len();
    let word = if all == 1 { "upstream" } else { "upstreams" };
    let disabled = config.upstreams.values().filter(|upstream| upstream.disabled).count();
    let disabled = match disabled {
        0 => String::new(),
        count => format!(" ({count} disabled)"),
    };
    output::say(&format!("configuration is valid: {all} {word}{disabled} in {}", files.join(", ")));
    output::tell(&report::warnings(config));
}

fn found(config: &Config) -> serde_json::Value {
    let one = |upstream: &crate::config::Upstream| {
        json!({
            "name": upstream.id.as_str(),
            "required": upstream.required,
            "disabled": upstream.disabled,
        })
    };
    json!({
        "files": config.files,
        "upstreams": config.upstreams.values().map(one).collect::<Vec<_>>(),
        "warnings": config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

async fn report(app: &App, json: bool) -> Result<(), Failure> {
    let caller = session::caller(app);
    app.on_open()(&caller);
    let (took, ()) = tokio::join!(times(app), upstreams::settled(app));
    let mut rows = Vec::new();
    let disk = Disk::new(app.config().state.clone());
    for handle in &app.upstreams() {
        let took = took.iter().find(|(id, _)| id == handle.id().as_str()).map(|(_, took)| *took);
        let mut row = Row::of(app, handle, took);
        if !row.listed {
            row.remembered = handle.inventory(&disk).await.map(|(_, from)| from.to_string());
        }
        rows.push(row);
    }
    output::data(&if json { as_json(&rows) } else { as_table(&rows) })?;
    let (mut notices, outcome) = upstreams::notices(app);
    notices.extend(patterns::idle(app));
    output::tell(&notices.into_iter().map(Notice::without_pointer).collect::<Vec<_>>());
    for row in &rows {
        if let Some(from) = &row.remembered {
            output::say(&format!("clients are shown what `{}` listed at {from}", row.name));
        }
    }
    outcome?;
    app.check_policy()?;
    if rows.iter().any(|row| !row.listed) { Err(Failure::silent(exit::UPSTREAM)) } else { Ok(()) }
}

/// Returns how long each upstream took until it was ready or had failed.
async fn times(app: &App) -> Vec<(String, Duration)> {
    let begin = Instant::now();
    let mut waiting = JoinSet::new();
    for handle in app.upstreams() {
        let (id, mut watch) = (handle.id().as_str().to_owned(), handle.watch());
        let limit = handle.config().timeout.start + SLACK;
        waiting.spawn(async move {
            let started = async { while matches!(watch.next().await, Change::Lists) {} };
            time::timeout(limit, started).await.ok().map(|()| (id, begin.elapsed()))
        });
    }
    waiting.join_all().await.into_iter().flatten().collect()
}

/// How it went with one upstream.
struct Row {
    name: String,
    state: &'static str,
    revision: &'static str,
    listed: bool,
    /// When it listed what clients are shown of it, if it did not list everything now.
    remembered: Option<String>,
    failure: Option<String>,
    counts: [usize; 4],
    took: Option<Duration>,
}

impl Row {
    fn of(app: &App, handle: &Handle, took: Option<Duration>) -> Self {
        let status = handle.status();
        let snapshot = app.router().snapshot();
        let count = |kind| {
            snapshot.catalog.entries(kind).filter(|entry| entry.upstream == *handle.id()).count()
        };
        Self {
            name: handle.id().as_str().to_owned(),
            // A check tries once, whatever a gateway would do next.
            state: if status.word == "backing_off" { "failed" } else { status.word },
            revision: status.agreed.map_or("-", |agreed| agreed.revision.as_str()),
            listed: !snapshot.unlisted.contains_key(handle.id()),
            remembered: None,
            failure: snapshot.failures.get(handle.id()).cloned(),
            counts: [Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates].map(count),
            took,
        }
    }

    fn took(&self) -> String {
        self.took.map_or_else(|| "-".to_owned(), |took| format!("{:.1}s", took.as_secs_f64()))
    }
}

fn as_table(rows: &[Row]) -> String {
    let header =
        ["UPSTREAM", "STATE", "REVISION", "TOOLS", "PROMPTS", "RESOURCES", "TEMPLATES", "TIME"];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let [tools, prompts, resources, templates] = row.counts.map(|it| it.to_string());
            let (state, revision) = (row.state.to_owned(), row.revision.to_owned());
            [row.name.clone(), state, revision, tools, prompts, resources, templates, row.took()]
        })
        .collect();
    table::render(header, &rows, None)
}

fn as_json(rows: &[Row]) -> String {
    let one = |row: &Row| {
        let [tools, prompts, resources, templates] = row.counts;
        json!({
            "name": row.name,
            "state": row.state,
            "revision": if row.revision == "-" { None } else { Some(row.revision) },
            "listed": row.listed,
            "listingError": row.failure,
            "remembered": row.remembered,
            "tools": tools,
            "prompts": prompts,
            "resources": resources,
            "resourceTemplates": templates,
            "milliseconds": row.took.map(|took| took.as_millis()),
        })
    };
    json!({ "upstreams": rows.iter().map(one).collect::<Vec<_>>() }).to_string()
}
