//! What is said when nothing has the name that was given: which names there are that are like it.

use crate::app::App;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::suggest;
use crate::cli::suggest::Candidate;
use crate::cli::upstreams;
use crate::router;

/// Ends the command because nothing of these `kinds`, of which there is one at least, has this
/// name; finds out which names there are.
pub(in crate::cli) async fn failure(app: &App, kinds: &[Kind], name: &str) -> Failure {
    if nearest(app, kinds, name).is_empty() {
        // It may be like a name of an upstream that nobody has needed yet.
        upstreams::settled(app).await;
    }
    let nearest = nearest(app, kinds, name);
    let names: Vec<_> = nearest.iter().map(|name| format!("`{name}`")).collect();
    let (what, shown) = match kinds {
        [Kind::Prompts] => ("prompt", "`conflux prompts` shows the prompts there are"),
        [Kind::Resources, ..] => ("resource", "`conflux resources` shows the resources there are"),
        [Kind::Tools] => ("tool", "`conflux tools` shows the tools there are"),
        _ => (
            "tool, prompt or resource",
            "`conflux tools`, `conflux prompts` and `conflux resources` show those there are",
        ),
    };
    let hint = match names.as_slice() {
        [] => shown.to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    Failure::new(exit::UNKNOWN, Notice::error(format!("there is no {what} `{name}`")).hint(hint))
}

/// Ends the command because no upstream has this key.
pub(in crate::cli) fn no_upstream<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    no_upstream_in("", name, known)
}

/// Does the same if more is to be said of where it was looked for, as in ` in a.yaml`.
pub(in crate::cli) fn no_upstream_in<'a>(
    place: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Failure {
    let candidate = |key: &str| Candidate { public: key.to_owned(), local: key.to_owned() };
    let known: Vec<_> = known.collect();
    let nearest = suggest::nearest(name, known.iter().copied().map(candidate).collect());
    let all: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
    let hint = match nearest.first() {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if all.is_empty() => "there is none; `conflux add` adds one".to_owned(),
        None => format!("there are {}", all.join(", ")),
    };
    let notice = Notice::error(format!("there is no upstream `{name}`{place}"));
    Failure::new(exit::UNKNOWN, notice.hint(hint))
}

fn nearest(app: &App, kinds: &[Kind], name: &str) -> Vec<String> {
    let catalog = &app.router().snapshot().catalog;
    let of_kind = |kind: &Kind| {
        let candidate =
            |entry: &Entry| Candidate { public: entry.public.clone(), local: entry.local.clone() };
        catalog.entries(*kind).map(candidate).collect::<Vec<_>>()
    };
    let own = router::definitions().into_iter().filter_map(|tool| {
        let name = tool.member("name")?.string()?;
        Some(Candidate { public: name.clone(), local: name })
    });
    let own = own.filter(|_| kinds.contains(&Kind::Tools));
    suggest::nearest(name, kinds.iter().flat_map(of_kind).chain(own).collect())
}
