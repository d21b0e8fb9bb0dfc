//! Whether a request on something goes on: the one place that decides it, as soon as it is found
//! what the request names.
//!
//! What somebody must not see is answered like what there is not.

use crate::catalog::Entry;
use crate::exchange::Exchange;
use crate::exchange::principal::Bounds;
use crate::ids::UpstreamId;
use crate::quota::Admission;
use crate::quota::Now;
use crate::quota::Subject;
use crate::router::Error;
use crate::router::Router;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;
use crate::wire::method;

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Its method.
    pub(super) method: &'a str,
    /// What it names.
    pub(super) thing: Thing<'a>,
    /// Whose that is.
    pub(super) upstream: &'a UpstreamId,
    /// Its parameters, as they came.
    pub(super) params: Option<&'a Raw>,
}

/// What a request names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thing<'a> {
    /// A tool.
    Tool(&'a Entry),
    /// A prompt.
    Prompt(&'a Entry),
    /// An address, as the caller knows it.
    Resource(&'a str),
    /// Nothing that is listed: a method of an extension, which concerns its upstream as a whole.
    Extension,
}

/// A request that goes on; held until it has ended.
#[derive(Debug)]
#[must_use = "what a request takes up is free again when this is dropped"]
pub(super) struct Pass(Option<Admission>);

impl Router {
    /// Lets a request on something go on, or says why not.
    pub(super) fn admit(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        target: &Target<'_>,
    ) -> Result<Pass, Error> {
        let principal = exchange.caller().principal();
        let bounds = principal.bounds();
        let ruled = match target.thing {
            Thing::Tool(tool) => Some(snapshot.ruled(tool)),
            Thing::Prompt(_) | Thing::Resource(_) | Thing::Extension => None,
        };
        let is_seen = ruled.as_ref().is_none_or(|tool| bounds.permit_tool(tool));
        if !is_seen || !self.is_within(bounds) {
            let (method, upstream) = (target.method, target.upstream);
            let id = exchange.trace();
            tracing::debug!(%id, %principal, method, %upstream, "refused: out of bounds");
            return Err(target.unknown());
        }
        let grant = exchange.grant();
        if let Some(granted) = grant.scopes()
            && let Some(needed) = snapshot.scopes.lacking(granted, ruled.as_deref())
        {
            grant.lacks(&needed);
            return Err(Error::InsufficientScope(needed));
        }
        self.within_limits(exchange, target, ruled.as_deref()).map(Pass)
    }

    /// Counts a request that goes on by all limits, unless one of them is reached.
    fn within_limits(
        &self,
        exchange: &Exchange,
        target: &Target<'_>,
        tool: Option<&str>,
    ) -> Result<Option<Admission>, Error> {
        let quotas = &self.shared.quotas;
        if quotas.is_empty() {
            return Ok(None);
        }
        let principal = exchange.caller().principal();
        let subject = Subject {
            principal: principal.name(),
            groups: principal.groups().iter().map(String::as_str).collect(),
            client: exchange.capabilities().client_name(),
            upstream: target.upstream.as_str(),
            tool,
            bytes: target.size(),
        };
        let admitted = quotas.admit(&subject, Now::read());
        let admission = admitted.inspect_err(|refusal| {
            let (method, upstream) = (target.method, target.upstream);
            tracing::debug!(%principal, method, %upstream, "refused: {refusal}");
        })?;
        Ok(Some(admission))
    }

    /// Returns whether somebody with these bounds may look at this view.
    fn is_within(&self, bounds: &Bounds) -> bool {
        match &self.view {
            Some(view) => view.is_within(bounds),
            None => bounds.profiles.is_none(),
        }
    }
}

impl Pass {
    /// Says that the request has ended, with what its upstream returned for it.
    pub(super) fn end(self, result: &Raw) {
        if let Some(admission) = self.0 {
            admission.end(result.get().len(), Now::read());
        }
    }
}

impl Target<'_> {
    /// Returns how large its arguments are, or the parameters of what has none, in bytes.
    fn size(&self) -> usize {
        let Some(params) = self.params else { return 0 };
        match self.thing {
            Thing::Tool(_) | Thing::Prompt(_) if self.method != method::COMPLETE => {
                let object = params.object().ok();
                object.and_then(|object| object.get("arguments").map(str::len)).unwrap_or_default()
            }
            _ => params.get().len(),
        }
    }

    /// Says that there is nothing of this name.
    fn unknown(&self) -> Error {
        match self.thing {
            Thing::Tool(tool) => Error::UnknownTool(tool.public.clone()),
            Thing::Prompt(prompt) => Error::UnknownPrompt(prompt.public.clone()),
            Thing::Resource(uri) => Error::UnknownResource(uri.to_owned()),
            Thing::Extension => Error::UnknownMethod(self.method.to_owned()),
        }
    }
}
