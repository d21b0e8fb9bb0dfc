//! `conflux__search`: finds tools that are not listed, with everything that is needed to call them.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher as _;
use std::hash::Hash as _;
use std::hash::Hasher as _;

use foldhash::fast::FixedState;
use serde_json::json;

use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::exchange::Exchange;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::own;
use crate::router::own::arguments::Arguments;
use crate::router::own::names;
use crate::wire::Raw;
use crate::wire::object;

/// How many tools are found at once if nothing is said: each costs its whole definition.
const USUAL: usize = 5;
/// How many are found at once at most.
const MOST: usize = 50;
/// How many upstreams the description names.
const NAMED: usize = 60;
/// The members of a definition that are for programs alone.
const FOR_PROGRAMS: [&str; 2] = ["icons", "_meta"];

/// Returns the definition, which says whose tools there are.
pub(super) fn definition<'a>(upstreams: impl Iterator<Item = &'a UpstreamId>) -> Raw {
    let mut names: Vec<&str> = upstreams.map(UpstreamId::as_str).collect();
    let more = if names.len() > NAMED { ", and others" } else { "" };
    names.truncate(NAMED);
    let description = format!(
        "Finds tools of the MCP servers behind this gateway. Most are not listed: search before \
         you decide that something cannot be done, then call what you find with `{}`. Servers: \
         {}{more}.",
        names::CALL,
        names.join(", "),
    );
    Raw::of(&json!({
        "name": names::SEARCH,
        "title": "Search tools",
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "What is to be done, in a few words; all tools without it",
                },
                "server": { "type": "string", "description": "Only tools of this server" },
                "limit": {
                    "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL,
                },
                "cursor": { "type": "string", "description": "`nextCursor` of the page before" },
            },
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false },
    }))
}

/// What is looked for.
struct Wanted {
    query: String,
    server: Option<String>,
    limit: usize,
    cursor: Option<Cursor>,
}

/// Where a page begins, and in what: the same question can find other tools a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    from: usize,
    found: u64,
}

impl Cursor {
    fn of(found: &[&Entry], from: usize) -> Self {
        let mut hasher = FixedState::default().build_hasher();
        for tool in found {
            tool.public.hash(&mut hasher);
        }
        Self { from, found: hasher.finish() }
    }

    fn read(text: &str) -> Option<Self> {
        let (from, found) = text.split_once('-')?;
        Some(Self { from: from.parse().ok()?, found: u64::from_str_radix(found, 16).ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.from, self.found)
    }
}

/// Finds tools, once there is nobody to wait for.
pub(super) async fn call(router: &Router, params: &Raw, exchange: &Exchange) -> Result<Raw, Error> {
    let given = params.member("arguments");
    let read = Arguments::read(given.as_ref(), &["query", "server", "limit", "cursor"]);
    let wanted = match read.and_then(|read| wanted(&read)) {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(own::failed(&problem)),
    };
    tokio::select! {
        () = router.settled() => {}
        () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
    }
    let snapshot = router.snapshot();
    let seen = snapshot.seen_by(exchange).await?;
    let servers = snapshot.upstreams.keys();
    let mut servers = servers.filter(|id| seen.as_ref().is_none_or(|seen| seen.sees(id)));
    let server = wanted.server.as_deref();
    if let Some(name) = server
        && !servers.clone().any(|id| id.as_str() == name)
    {
        let names: Vec<_> = servers.by_ref().take(NAMED).map(UpstreamId::as_str).collect();
        let problem = format!("there is no server `{name}`; there are: {}", names.join(", "));
        return Ok(own::failed(&problem));
    }
    let mut found = snapshot.catalog.search(&wanted.query);
    found.retain(|tool| server.is_none_or(|server| tool.upstream.as_str() == server));
    if let Some(seen) = &seen {
        found.retain(|tool| seen.shows(Kind::Tools, &tool.public));
    }
    let from = wanted.cursor.map_or(0, |cursor| cursor.from);
    if wanted.cursor.is_some_and(|cursor| cursor != Cursor::of(&found, from)) {
        return Ok(own::failed(
            "other tools are found now than when this `cursor` was given, or it is of another \
             search; search again without it",
        ));
    }
    Ok(result(&found, from, wanted.limit))
}

fn wanted(given: &Arguments<'_>) -> Result<Wanted, String> {
    let limit = match given.json("limit").map(str::parse::<usize>) {
        None => USUAL,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => return Err(format!("`limit` must be an integer from 1 to {MOST}")),
    };
    let read = |text: Cow<'_, str>| {
        Cursor::read(&text).ok_or("`cursor` is none that a search has returned")
    };
    let cursor = given.text("cursor")?.map(read).transpose()?;
    let query = given.text("query")?.unwrap_or_default().into_owned();
    Ok(Wanted { query, server: given.text("server")?.map(Into::into), limit, cursor })
}

/// Writes one page of what was found.
fn result(found: &[&Entry], from: usize, limit: usize) -> Raw {
    let page = found.iter().skip(from).take(limit);
    let page: Vec<Raw> = page.map(|tool| for_a_model(&tool.definition)).collect();
    let (tools, total) = (Raw::array(&page), found.len().to_string());
    let next = from.saturating_add(page.len());
    let next = (!page.is_empty() && next < found.len())
        .then(|| Raw::of(&Cursor::of(found, next).to_string()));
    let hint = found.is_empty().then(|| Raw::of("try other words, or leave out `query`"));
    let members = [("tools", tools.get()), ("total", &total)];
    let next = next.as_ref().map(|next| ("nextCursor", next.get()));
    let hint = hint.as_ref().map(|hint| ("hint", hint.get()));
    let structured = object::build(members.into_iter().chain(next).chain(hint));
    let block = Raw::of(&json!({ "type": "text", "text": structured.get() }));
    object::build([
        ("content", Raw::array([&block]).get()),
        ("structuredContent", structured.get()),
        ("isError", "false"),
    ])
}

/// A definition without what costs a model and tells it nothing.
fn for_a_model(definition: &Raw) -> Raw {
    let Ok(object) = definition.object() else { return definition.clone() };
    if FOR_PROGRAMS.iter().all(|key| object.get(key).is_none()) {
        return definition.clone();
    }
    FOR_PROGRAMS.iter().fold(object.edit(), |edit, key| edit.remove(key)).apply()
}
