//! Whether a request on something goes on: the one place that decides it, as soon as it is found
//! what the request names.
//!
//! What somebody must not see is answered like what there is not, before anything else is said of
//! it. Limits come last: what is refused uses up nothing.

use std::borrow::Cow;

use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Principal;
use crate::ids::UpstreamId;
use crate::quota::Admission;
use crate::quota::Now;
use crate::quota::Subject;
use crate::router::Error;
use crate::router::Router;
use crate::router::ruling::Ruling;
use crate::router::snapshot::Snapshot;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;

/// A request that goes on; held until it has ended.
#[derive(Debug)]
#[must_use = "what a request takes up is free again when this is dropped"]
pub(super) struct Pass(Option<Admission>);

/// What is decided about a request.
#[derive(Debug)]
pub(super) struct Decided {
    /// That it goes on, or why not.
    pub(super) pass: Result<Pass, Error>,
    /// What the policy says of it; nothing if there is none, or if it was not asked.
    pub(super) ruling: Option<Ruling>,
}

impl Router {
    /// Lets a request on something go on, or says why not.
    pub(super) fn admit(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        target: &Target<'_>,
    ) -> Decided {
        let principal = exchange.caller().principal();
        let bounds = principal.bounds();
        let ruled = match target.thing {
            Thing::Tool(tool) => Some(snapshot.ruled(tool)),
            Thing::Own(name) => Some(Cow::Borrowed(name)),
            Thing::Prompt(_) | Thing::Resource(..) | Thing::Extension => None,
        };
        let is_seen = match target.thing {
            Thing::Tool(tool) => snapshot.is_within(bounds, tool),
            Thing::Own(name) => bounds.permit_tool(name),
            Thing::Prompt(_) | Thing::Resource(..) | Thing::Extension => true,
        };
        if !is_seen || !self.is_within(bounds) {
            let (method, upstream) = (target.method, target.upstream);
            let id = exchange.trace();
            tracing::debug!(%id, %principal, method, %upstream, "refused: out of bounds");
            return Decided { pass: Err(target.unknown()), ruling: None };
        }
        let ruling = Ruling::of(snapshot, exchange, target);
        let permitted = ruling.as_ref().map_or(Ok(()), |it| it.permit(exchange, target));
        let pass = permitted
            .and_then(|()| within_scopes(snapshot, exchange, ruled.as_deref()))
            .and_then(|()| self.within_limits(exchange, target, ruled.as_deref()));
        Decided { pass, ruling }
    }

    /// Counts a request that goes on by all limits, unless one of them is reached.
    fn within_limits(
        &self,
        exchange: &Exchange,
        target: &Target<'_>,
        tool: Option<&str>,
    ) -> Result<Pass, Error> {
        let quotas = &self.shared.quotas;
        // What Conflux itself answers takes nothing of an upstream.
        if quotas.is_empty() || matches!(target.thing, Thing::Own(_)) {
            return Ok(Pass(None));
        }
        let principal = exchange.caller().principal();
        let client = exchange.capabilities().client_name();
        let subject = subject(principal, client, target.upstream, tool, target.size());
        let admitted = quotas.admit(&subject, Now::read());
        let admission = admitted.inspect_err(|refusal| {
            let (id, method, upstream) = (exchange.trace(), target.method, target.upstream);
            tracing::debug!(%id, %principal, method, %upstream, "refused: {refusal}");
        })?;
        Ok(Pass(Some(admission)))
    }

    /// Counts what somebody is given of a task, by limits on bytes: its call had ended when it
    /// became one. Which tool it was nobody remembers.
    pub(super) fn given_of_task(
        &self,
        caller: &Caller,
        client: Option<&str>,
        upstream: &UpstreamId,
        bytes: usize,
    ) {
        let quotas = &self.shared.quotas;
        if !quotas.is_empty() {
            let subject = subject(caller.principal(), client, upstream, None, bytes);
            quotas.spend(&subject, Now::read());
        }
    }

    /// Returns whether somebody with these bounds may look at this view.
    fn is_within(&self, bounds: &Bounds) -> bool {
        match &self.view {
            Some(view) => view.is_within(bounds),
            None => bounds.profiles.is_none(),
        }
    }
}

fn subject<'a>(
    principal: &'a Principal,
    client: Option<&'a str>,
    upstream: &'a UpstreamId,
    tool: Option<&'a str>,
    bytes: usize,
) -> Subject<'a> {
    let groups = principal.groups().iter().map(String::as_str).collect();
    let (principal, upstream) = (principal.name(), upstream.as_str());
    Subject { principal, groups, client, upstream, tool, bytes }
}

/// Says which scopes a token lacks for something, if it lacks any.
fn within_scopes(
    snapshot: &Snapshot,
    exchange: &Exchange,
    tool: Option<&str>,
) -> Result<(), Error> {
    let grant = exchange.grant();
    let lacking = grant.scopes().and_then(|granted| snapshot.scopes.lacking(granted, tool));
    let Some(needed) = lacking else { return Ok(()) };
    grant.lacks(&needed);
    Err(Error::InsufficientScope(needed))
}

impl Pass {
    /// Says that the request has ended, with what its upstream returned for it.
    pub(super) fn end(self, result: &Raw) {
        if let Some(admission) = self.0 {
            admission.end(result.get().len(), Now::read());
        }
    }
}
