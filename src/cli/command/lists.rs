//! `conflux tools`, `resources`, `prompts`: what there is, as far as somebody wants to see it.

use clap::Args;

use crate::app::App;
use crate::catalog::Catalog;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::name;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::table;
use crate::cli::unknown;
use crate::cli::upstreams;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// Which of them are shown, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Lists {
    /// Only those in whose name or address this occurs; without regard to case
    text: Option<String>,
    /// Only those of this upstream; repeat it for several
    #[arg(long, value_name = "NAME")]
    upstream: Vec<String>,
    /// Only those whose name or address is not the one their upstream gave, with that
    #[arg(long)]
    renamed: bool,
    /// Print the definitions as a JSON array, exactly as clients get them
    #[arg(long)]
    json: bool,
}

/// One line of a table.
struct Row<'a> {
    entry: Option<&'a Entry>,
    public: String,
    definition: Raw,
}

impl Lists {
    /// Lists those of every upstream that can be started, and says which cannot.
    pub(in crate::cli) fn run(&self, context: &Context<'_>, kind: Kind) -> Result<(), Failure> {
        let config = context.config()?;
        output::tell(&report::warnings(&config));
        let known = || config.upstreams.keys().map(UpstreamId::as_str);
        let stranger = self.upstream.iter().find(|name| !known().any(|key| key == **name));
        if let Some(name) = stranger {
            return Err(unknown::no_upstream(name, known()));
        }
        let width = context.width();
        runtime::wait(session::within(session::patient(config), async |app| {
            self.list(app, kind, width).await
        }))
    }

    async fn list(&self, app: &App, kind: Kind, width: Option<usize>) -> Result<(), Failure> {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        let catalog = &app.router().snapshot().catalog;
        output::data(&self.shown(catalog, kind, width))?;
        let (notices, outcome) = upstreams::notices(app);
        output::tell(&notices);
        outcome
    }

    fn shown(&self, catalog: &Catalog, kind: Kind, width: Option<usize>) -> String {
        // What is listed under addresses has templates, too.
        let kinds: &[Kind] = match kind {
            Kind::Resources => &[Kind::Resources, Kind::Templates],
            _ => &[kind],
        };
        let wanted = |kind: &Kind| rows(catalog, *kind).into_iter().filter(|row| self.wants(row));
        if self.json {
            let rows = kinds.iter().flat_map(wanted);
            let definitions: Vec<_> = rows.map(|row| row.definition).collect();
            return Raw::array(&definitions).get().to_owned();
        }
        let rows: Vec<_> = kinds.iter().flat_map(wanted).collect();
        if self.renamed {
            let cells: Vec<_> = rows.iter().map(Row::with_original).collect();
            return table::render([heading(kind), "UPSTREAM", "ITS OWN"], &cells, width);
        }
        let cells: Vec<_> = rows.iter().map(Row::described).collect();
        table::render([heading(kind), "UPSTREAM", "DESCRIPTION"], &cells, width)
    }

    fn wants(&self, row: &Row<'_>) -> bool {
        let owner = row.entry.map(|entry| entry.upstream.as_str());
        let is_of = self.upstream.is_empty()
            || owner.is_some_and(|owner| self.upstream.iter().any(|name| name == owner));
        let text = self.text.as_ref().map(|text| text.to_lowercase());
        let has = text.is_none_or(|text| row.public.to_lowercase().contains(&text));
        is_of && has && (!self.renamed || row.entry.is_some_and(is_renamed))
    }
}

impl Row<'_> {
    fn owner(&self) -> String {
        self.entry.map_or("conflux", |entry| entry.upstream.as_str()).to_owned()
    }

    fn described(&self) -> [String; 3] {
        let text = |key| self.definition.member(key).and_then(|text| text.string());
        let description = text("description").or_else(|| text("title")).unwrap_or_default();
        let first_line = description.lines().map(str::trim).find(|line| !line.is_empty());
        let first_line = printable(first_line.unwrap_or_default());
        [printable(&self.public), self.owner(), first_line]
    }

    fn with_original(&self) -> [String; 3] {
        let original = self.entry.map(|entry| entry.local.as_str()).unwrap_or_default();
        [printable(&self.public), self.owner(), printable(original)]
    }
}

fn heading(kind: Kind) -> &'static str {
    if kind == Kind::Resources { "ADDRESS" } else { "NAME" }
}

/// Everything of one kind in the order it is listed, and behind it what is of Conflux itself.
fn rows(catalog: &Catalog, kind: Kind) -> Vec<Row<'_>> {
    let listed = catalog.list(kind).elements().unwrap_or_default();
    let row = |definition: Raw| {
        let public = definition.member(kind.key()).and_then(|key| key.string()).unwrap_or_default();
        Row { entry: catalog.named(kind, &public), public, definition }
    };
    listed.into_iter().map(row).collect()
}

/// Whether its public name says something else than its upstream's own name, with the prefix.
fn is_renamed(entry: &Entry) -> bool {
    let plain = name::prefix(&entry.public)
        .is_some_and(|prefix| name::is_unaltered(prefix, &entry.local, &entry.public));
    entry.local != entry.public && !plain
}
