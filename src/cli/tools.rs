//! `conflux tools`: the merged catalog of tools.

use std::io;
use std::io::IsTerminal as _;

use crate::app::App;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::session;
use crate::cli::table;
use crate::cli::upstreams;
use crate::config::Config;
use crate::wire::Raw;

/// Lists the tools of every upstream that can be started, and says which cannot.
pub(in crate::cli) async fn run(
    config: Config,
    json: bool,
    columns: Option<usize>,
) -> Result<(), Failure> {
    session::within(session::patient(config), async |app| list(app, json, columns).await).await
}

async fn list(app: &App, json: bool, columns: Option<usize>) -> Result<(), Failure> {
    let caller = session::caller(app);
    app.on_open()(&caller);
    upstreams::settled(app).await;
    let catalog = &app.router().snapshot().catalog;
    // What is cut off can only be read in another way, so that is for terminals alone.
    let width = io::stdout().is_terminal().then(|| columns.unwrap_or(table::WIDTH));
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
