//! The tools of Conflux itself.

mod arguments;
mod indirect;
pub(super) mod names;
mod search;

use serde_json::json;

use crate::exchange::Exchange;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::own::names::CALL;
use crate::router::own::names::SEARCH;
use crate::router::own::names::STATUS;
use crate::router::snapshot::Snapshot;
use crate::router::status;
use crate::wire::Raw;

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
            Self::Status => Ok(status(router, exchange)),
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

fn status(router: &Router, exchange: &Exchange) -> Raw {
    let status = status::document(router, exchange.capabilities().client_name());
    let text = serde_json::to_string_pretty(&status).unwrap_or_default();
    Raw::of(&json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": status,
        "isError": false,
    }))
}

/// What a model is told that made a mistake, so that it can do better (2025-11-25, "Tools", "Error
/// Handling").
fn failed(problem: &str) -> Raw {
    Raw::of(&json!({ "content": [{ "type": "text", "text": problem }], "isError": true }))
}
