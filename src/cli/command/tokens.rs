//! `conflux tokens`: what the tools cost a model, before and after shaping, and which nobody calls.

use std::cmp::Reverse;
use std::collections::HashMap;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::catalog::Kind;
use crate::catalog::tokens;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::table;
use crate::cli::unknown;
use crate::cli::upstreams;
use crate::clients::Client;
use crate::clients::crowd::Crowd;
use crate::config::Config;
use crate::ids::UpstreamId;
use crate::upstream::usage;
use crate::upstream::usage::Day;
use crate::upstream::usage::Usage;
use crate::wire::Raw;

/// How many tools are shown if nothing is said.
const TOP: usize = 15;
/// After how many days without a call a tool is named.
const UNUSED: u32 = 30;

/// Tell what the tools cost a model, and which nobody calls
///
/// An estimate: a token for every four bytes of a definition.
#[derive(Debug, Args)]
pub(in crate::cli) struct Tokens {
    /// Only the tools of this upstream
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// How many of the most costly tools are shown; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = TOP)]
    top: usize,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// What one tool costs.
struct Tool {
    public: String,
    upstream: UpstreamId,
    tokens: usize,
    /// What its definition would cost as its upstream lists it.
    before: usize,
    called: Option<Day>,
    /// Since when it is known, if it was not called for a month since then.
    idle_since: Option<Day>,
}

/// What one upstream costs: what is offered of it, and all it lists.
struct Share {
    upstream: UpstreamId,
    tools: usize,
    tokens: usize,
    tools_before: usize,
    before: usize,
}

/// What everything costs.
struct Bill {
    shares: Vec<Share>,
    tools: Vec<Tool>,
    /// The clients that are listed more tools than they take.
    crowds: Vec<Crowd>,
}

impl Tokens {
    /// Counts what is listed now.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = context.config()?;
        output::tell(&report::warnings(&config));
        let known = || config.upstreams.keys().map(UpstreamId::as_str);
        if let Some(name) = self.upstream.as_ref().filter(|name| !known().any(|key| key == **name))
        {
            return Err(unknown::no_upstream(name, known()));
        }
        let width = context.width();
        let config = session::patient(config);
        runtime::wait(session::within(config, async |app| self.count(app, width).await))
    }

    async fn count(&self, app: &App, width: Option<usize>) -> Result<(), Failure> {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        let bill = Bill::of(app, &usage::load(&app.config().state), self.upstream.as_deref());
        output::data(&if self.json {
            bill.document().to_string()
        } else {
            self.shown(&bill, width)
        })?;
        let (notices, outcome) = upstreams::notices(app);
        output::tell(&notices);
        outcome
    }

    fn shown(&self, bill: &Bill, width: Option<usize>) -> String {
        let cells = |name: &str, share: [usize; 4]| {
            let [tools, tokens, tools_before, before] = share.map(|count| count.to_string());
            [name.to_owned(), tools, tokens, tools_before, before]
        };
        let mut rows: Vec<_> =
            bill.shares.iter().map(|it| cells(it.upstream.as_str(), it.counts())).collect();
        rows.push(cells("in all", bill.total()));
        let header = ["UPSTREAM", "TOOLS", "TOKENS", "TOOLS LISTED BY IT", "TOKENS OF THOSE"];
        let mut parts = vec![table::render(header, &rows, width)];
        let mut dear: Vec<_> = bill.tools.iter().collect();
        dear.sort_by_key(|tool| Reverse(tool.tokens));
        let row = |tool: &&Tool| {
            let called = tool.called.map_or_else(|| "-".to_owned(), |day| day.to_string());
            [tool.public.clone(), tool.tokens.to_string(), tool.before.to_string(), called]
        };
        let rows: Vec<_> = dear.iter().take(self.top).map(row).collect();
        if !rows.is_empty() {
            parts.push(table::render(["TOOL", "TOKENS", "BEFORE", "LAST CALLED"], &rows, width));
        }
        parts.extend(crowded(bill));
        parts.extend(unused(bill));
        parts.join("\n\n")
    }
}

/// Names the clients that take fewer tools than there are.
fn crowded(bill: &Bill) -> Option<String> {
    let lines: Vec<_> = bill.crowds.iter().map(|crowd| format!("  {crowd}")).collect();
    let first = format!("more than some clients take; {}:", Crowd::REMEDY);
    (!lines.is_empty()).then(|| format!("{first}\n{}", lines.join("\n")))
}

/// Names what nobody has called for a month.
fn unused(bill: &Bill) -> Option<String> {
    let unused: Vec<_> = bill.tools.iter().filter(|tool| tool.idle_since.is_some()).collect();
    let tokens: usize = unused.iter().map(|tool| tool.tokens).sum();
    let names: Vec<_> = unused.iter().map(|tool| format!("  {}", tool.public)).collect();
    let first = format!("not called for {UNUSED} days: {} ({tokens} tokens)", unused.len());
    (!unused.is_empty()).then(|| format!("{first}\n{}", names.join("\n")))
}

impl Share {
    fn counts(&self) -> [usize; 4] {
        [self.tools, self.tokens, self.tools_before, self.before]
    }
}

impl Bill {
    fn of(app: &App, usage: &Usage, only: Option<&str>) -> Self {
        let snapshot = app.router().snapshot();
        let is_wanted = |id: &UpstreamId| only.is_none_or(|only| id.as_str() == only);
        let (mut shares, mut tools) = (Vec::new(), Vec::new());
        for upstream in snapshot.upstreams.keys().filter(|id| is_wanted(id)) {
            let listed = app.router().as_listed(upstream, Kind::Tools);
            let cost = |raw: &Raw| tokens::estimate(raw.get());
            let name = |raw: &Raw| raw.member("name").and_then(|name| name.string());
            let originals: HashMap<_, _> =
                listed.iter().filter_map(|raw| Some((name(raw)?, cost(raw)))).collect();
            let all = snapshot.catalog.entries(Kind::Tools);
            let own: Vec<Tool> = all
                .filter(|entry| entry.upstream == *upstream)
                .map(|entry| {
                    let (called, idle_since) = called(app.config(), usage, upstream, &entry.local);
                    Tool {
                        public: entry.public.clone(),
                        upstream: upstream.clone(),
                        tokens: cost(&entry.definition),
                        before: originals.get(&entry.local).copied().unwrap_or_default(),
                        called,
                        idle_since,
                    }
                })
                .collect();
            shares.push(Share {
                upstream: upstream.clone(),
                tools: own.len(),
                tokens: own.iter().map(|tool| tool.tokens).sum(),
                tools_before: listed.len(),
                before: listed.iter().map(cost).sum(),
            });
            tools.extend(own);
        }
        let clients = Client::ALL.into_iter().filter(|_| only.is_none());
        Self { shares, tools, crowds: clients.filter_map(|it| snapshot.crowd(it)).collect() }
    }

    fn total(&self) -> [usize; 4] {
        self.shares.iter().fold([0; 4], |mut total, share| {
            for (sum, count) in total.iter_mut().zip(share.counts()) {
                *sum += count;
            }
            total
        })
    }

    fn document(&self) -> Value {
        let share = |it: &Share| {
            json!({
                "name": it.upstream.as_str(),
                "tools": it.tools,
                "tokens": it.tokens,
                "toolsBefore": it.tools_before,
                "tokensBefore": it.before,
            })
        };
        let tool = |it: &Tool| {
            json!({
                "name": it.public,
                "upstream": it.upstream.as_str(),
                "tokens": it.tokens,
                "tokensBefore": it.before,
                "lastCalled": it.called.map(|day| day.to_string()),
                "notCalledSince": it.idle_since.map(|day| day.to_string()),
            })
        };
        let [tools, tokens, tools_before, before] = self.total();
        json!({
            "estimator": "a token for every four bytes of JSON",
            "tools": tools,
            "tokens": tokens,
            "toolsBefore": tools_before,
            "tokensBefore": before,
            "upstreams": self.shares.iter().map(share).collect::<Vec<_>>(),
            "warnings": self.crowds.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "byTool": self.tools.iter().map(tool).collect::<Vec<_>>(),
        })
    }
}

/// Returns when a tool was called last, and since when it was not, if that is a month at least.
fn called(
    config: &Config,
    usage: &Usage,
    upstream: &UpstreamId,
    tool: &str,
) -> (Option<Day>, Option<Day>) {
    let Some(entry) = config.upstreams.get(upstream) else { return (None, None) };
    let called = usage.last_called(entry, tool);
    let since = called.or_else(|| usage.known_since(entry, tool));
    (called, since.filter(|since| Day::today().days_since(*since) >= UNUSED))
}
