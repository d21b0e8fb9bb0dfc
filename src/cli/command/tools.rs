//! `conflux tools`: the merged catalog of tools.

use clap::Args;

use crate::app::App;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::cli::command;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::session;
use crate::cli::table;
use crate::cli::upstreams;
use crate::wire::Raw;

/// List the tools of all upstreams.
#[derive(Debug, Args)]
pub(in crate::cli) struct Tools {
    /// Print the definitions as a JSON array, exactly as clients get them
    #[arg(long)]
    json: bool,
}

impl Tools {
    /// Lists the tools of every upstream that can be started, and says which cannot.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = context.config()?;
        output::tell(&report::warnings(&config));
        let width = context.width();
        command::wait(session::within(session::patient(config), async |app| {
            list(app, self.json, width).await
        }))
    }
}

async fn list(app: &App, json: bool, width: Option<usize>) -> Result<(), Failure> {
    let caller = session::caller(app);
    app.on_open()(&caller);
    upstreams::settled(app).await;
    let catalog = &app.router().snapshot().catalog;
    let shown =
        if json { catalog.list(Kind::Tools).get().to_owned() } else { table(catalog, width) };
    output::data(&shown)?;
    let (notices, outcome) = upstreams::notices(app);
    output::tell(&notices);
    outcome
}

fn table(catalog: &Catalog, width: Option<usize>) -> String {
    let listed = catalog.list(Kind::Tools).elements().unwrap_or_default();
    let rows: Vec<_> = listed.iter().map(|definition| row(catalog, definition)).collect();
    table::render(["NAME", "UPSTREAM", "DESCRIPTION"], &rows, width)
}

fn row(catalog: &Catalog, definition: &Raw) -> [String; 3] {
    let text = |key| definition.member(key).and_then(|text| text.string());
    let name = text("name").unwrap_or_default();
    let owner = catalog.tool(&name).map_or("conflux", |entry| entry.upstream.as_str()).to_owned();
    let description = text("description").or_else(|| text("title")).unwrap_or_default();
    let first_line = description.lines().map(str::trim).find(|line| !line.is_empty());
    [name, owner, printable(first_line.unwrap_or_default())]
}
