//! The tools of Conflux itself.

mod arguments;
mod indirect;
pub(super) mod names;
mod search;

use serde_json::json;

use crate::config::policy::CONFLUX;
use crate::exchange::Exchange;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::own::names::CALL;
use crate::router::own::names::SEARCH;
use crate::router::own::names::STATUS;
use crate::router::snapshot::Snapshot;
use crate::router::status;
use crate::router::status::Part;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;
use crate::wire::method;

/// A tool of Conflux itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Status,
    Search,
    Call,
}

impl Own {
    /// Returns the tool with this name, if it can be called in what is seen here.
    pub(super) fn named(name: &str, snapshot: &Snapshot) -> Option<Self> {
        match name {
            STATUS => snapshot.catalog.own_tool(name).map(|_| Self::Status),
            SEARCH => snapshot.is_searched().then_some(Self::Search),
            CALL => snapshot.is_searched().then_some(Self::Call),
            _ => None,
        }
    }

    /// Calls it.
    pub(super) async fn call(
        self,
        router: &Router,
        params: &Raw,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        match self {
            Self::Status => status(router, params, exchange).await,
            Self::Search => search::call(router, params, exchange).await,
            Self::Call => match indirect::params(params) {
                Ok(params) => router.call(Some(&params), exchange).await,
                Err(problem) => Ok(failed(&problem)),
            },
        }
    }
}

/// Returns the tool that a call means: the one it names, unless that calls another one.
pub(super) fn meant(params: &Raw) -> Option<String> {
    let name = params.member("name")?.string()?;
    let inner = || params.member("arguments")?.member("name")?.string();
    if name == CALL { inner().or(Some(name)) } else { Some(name) }
}

/// Returns those by which the tools of `upstreams` are found and called that are not listed.
pub(super) fn finders<'a>(upstreams: impl Iterator<Item = &'a UpstreamId>) -> [Raw; 2] {
    [search::definition(upstreams), indirect::definition()]
}

async fn status(router: &Router, params: &Raw, exchange: &Exchange) -> Result<Raw, Error> {
    let snapshot = router.snapshot();
    let target = Target {
        method: method::TOOLS_CALL,
        thing: Thing::Own(STATUS),
        upstream: &UpstreamId::new(CONFLUX),
        params: Some(params),
        sent: Some(params),
    };
    let pass = router.admitted(&snapshot, exchange, &target).await?;
    let seen = snapshot.seen_by(exchange).await?;
    let client = exchange.capabilities().client_name();
    let part = match &seen {
        Some(seen) => Part::Seen(seen),
        None if router.is_all_for(exchange.caller().principal()) => Part::Everything,
        None => Part::View,
    };
    let status = status::document(router, client, part);
    let text = serde_json::to_string_pretty(&status).unwrap_or_default();
    let result = Raw::of(&json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": status,
        "isError": false,
    }));
    pass.end(&result);
    Ok(result)
}

/// What a model is told that made a mistake, so that it can do better (2025-11-25, "Tools", "Error
/// Handling").
fn failed(problem: &str) -> Raw {
    Raw::of(&json!({ "content": [{ "type": "text", "text": problem }], "isError": true }))
}
