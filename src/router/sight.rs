//! What one caller sees of a snapshot.

use std::sync::Arc;

use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Owner;
use crate::catalog::name;
use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::exchange::principal::Principal;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::permits::Permits;
use crate::router::permits::Row;
use crate::router::permits::Seen;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;

impl Router {
    /// Returns whether somebody who sees all of this view is hidden nothing that is in no view of
    /// theirs, either. Whoever started this process can read everything about it elsewhere.
    pub(super) fn is_all_for(&self, principal: &Principal) -> bool {
        let is_all = || self.view.is_none() || !self.hides_anything();
        principal.is_process() || (principal.bounds().profiles.is_none() && is_all())
    }

    /// Returns whether a policy may hide something from somebody.
    pub fn hides_anything(&self) -> bool {
        self.snapshot()
            .permits
            .as_ref()
            .is_some_and(|permits| permits.policy().is_some_and(|policy| !policy.is_shadow()))
    }

    /// Returns whether a caller, of whatever view, may be told outside of calls of an upstream, and
    /// of this address if there is one; for who tells.
    pub fn may_tell(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        upstream: &UpstreamId,
        uri: Option<&str>,
    ) -> bool {
        if self.snapshot().permits.is_none() {
            return true;
        }
        let looks = |router: &Arc<Self>| {
            router.audience().present().iter().any(|other| Arc::ptr_eq(other, caller))
        };
        let router = self.family().into_iter().find(looks).unwrap_or_else(|| Arc::clone(self));
        let snapshot = router.snapshot();
        let Some(uri) = uri else { return snapshot.is_seen(upstream, caller) };
        let client = caller.capabilities().client_name();
        let permitted = snapshot.permitted(caller.principal(), client);
        permitted.is_none_or(|(permits, row)| permits.shows_address(&row, upstream.as_str(), uri))
    }
}

impl Snapshot {
    /// Returns what the policy says of this caller; nothing if there is none.
    pub(super) fn permitted(
        &self,
        principal: &Principal,
        client: Option<&str>,
    ) -> Option<(&Arc<Permits>, Arc<Row>)> {
        let permits = self.permits.as_ref().filter(|permits| !permits.is_open_to(principal))?;
        Some((permits, permits.row(principal, client)))
    }

    /// Returns whether somebody sees a tool or a prompt.
    pub(super) fn is_shown(
        &self,
        kind: Kind,
        entry: &Entry,
        principal: &Principal,
        client: Option<&str>,
    ) -> bool {
        let Some((permits, row)) = self.permitted(principal, client) else { return true };
        let slot = permits.slot(kind, &entry.public);
        slot.is_some_and(|slot| permits.shows(&row, slot))
    }

    /// Returns whether whoever asks sees a tool or a prompt.
    pub(super) fn shows(&self, exchange: &Exchange, kind: Kind, entry: &Entry) -> bool {
        let client = exchange.capabilities().client_name();
        self.is_shown(kind, entry, exchange.caller().principal(), client)
    }

    /// Returns the place of the tool or the prompt of this name. While others are awaited that
    /// could have it, what is hidden is as if it was not there: it takes as long to be told so.
    pub(super) fn place(&self, exchange: &Exchange, kind: Kind, name: &str) -> Option<usize> {
        let shows = |place| {
            let found = self.catalog.entries(kind).nth(place);
            found.is_some_and(|it| self.shows(exchange, kind, it))
        };
        let place = self.catalog.position(kind, name);
        place.filter(|place| self.unlisted.is_empty() || shows(*place))
    }

    /// Returns whether whoever asks sees an address.
    pub(super) fn shows_address(&self, exchange: &Exchange, owner: &Owner) -> bool {
        let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
        self.permitted(caller.principal(), client).is_none_or(|(permits, row)| {
            permits.shows_address(&row, owner.upstream.as_str(), &owner.local)
        })
    }

    /// Returns whether a caller sees anything of an upstream.
    pub(super) fn is_seen(&self, upstream: &UpstreamId, caller: &Caller) -> bool {
        let client = caller.capabilities().client_name();
        self.is_seen_by(upstream, caller.principal(), client)
    }

    /// Returns whether somebody sees anything of an upstream.
    pub(super) fn is_seen_by(
        &self,
        upstream: &UpstreamId,
        principal: &Principal,
        client: Option<&str>,
    ) -> bool {
        let permitted = self.permitted(principal, client);
        permitted.is_none_or(|(permits, row)| permits.sees(&row, upstream.as_str()))
    }

    /// Returns whether something of this name, of an upstream that has not listed yet, could be
    /// seen by whoever asks, whatever the upstream will say of it.
    pub(super) fn may_see(
        &self,
        exchange: &Exchange,
        kind: Kind,
        upstream: &UpstreamId,
        name: &str,
    ) -> bool {
        let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
        let Some((permits, row)) = self.permitted(caller.principal(), client) else { return true };
        let stem = self.prefix(upstream).map(name::stem).unwrap_or_default();
        let local = name.strip_prefix(&stem).unwrap_or(name);
        // Rules speak of the name that it would have where everything is seen.
        let name = self.ruled_name(upstream, name);
        permits.may_show(&row, kind, upstream.as_str(), &name, local)
    }

    /// Takes what a caller may not see out of the list of a directory.
    pub(super) fn permitted_entries(
        &self,
        exchange: &Exchange,
        upstream: &UpstreamId,
        result: Raw,
    ) -> Raw {
        let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
        let Some((permits, row)) = self.permitted(caller.principal(), client) else {
            return result;
        };
        let Some(entries) = result.member("resources").and_then(|list| list.elements()) else {
            return result;
        };
        let is_seen = |entry: &&Raw| {
            let uri = entry.member("uri").and_then(|uri| uri.string());
            uri.is_some_and(|uri| permits.shows_address(&row, upstream.as_str(), &uri))
        };
        let kept = Raw::array(entries.iter().filter(is_seen));
        match result.object() {
            Ok(object) => object.edit().put("resources", &kept).apply(),
            Err(_) => result,
        }
    }

    /// Takes back that anybody may be shown a result: what one may read, another one may not.
    pub(super) fn for_the_reader(&self, result: Raw) -> Raw {
        let is_public = |scope: Raw| scope.get() == "\"public\"";
        if self.permits.is_none() || !result.member("cacheScope").is_some_and(is_public) {
            return result;
        }
        match result.object() {
            Ok(object) => object.edit().set("cacheScope", "\"private\"").apply(),
            Err(_) => result,
        }
    }

    /// Returns what somebody sees who asks for a list; nothing if that is everything.
    ///
    /// For who asks for the first time, all there is has to be decided, elsewhere: nobody else
    /// waits for that.
    pub(super) async fn seen_by(&self, exchange: &Exchange) -> Result<Option<Arc<Seen>>, Error> {
        let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
        let Some((permits, row)) = self.permitted(caller.principal(), client) else {
            return Ok(None);
        };
        let seen = if permits.is_decided(&row) {
            permits.seen(&row)
        } else {
            let permits = Arc::clone(permits);
            let deciding = tokio::task::spawn_blocking(move || permits.seen(&row));
            tokio::select! {
                seen = deciding => seen.map_err(|_| Error::Cancelled)?,
                () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
            }
        };
        let is_everything = seen.is_everything() && self.sees_all_upstreams(exchange, &seen);
        Ok((!is_everything).then_some(seen))
    }

    /// Returns whether somebody who sees everything there is may know of every upstream: of those
    /// that have nothing yet, something that nobody knows could be seen.
    fn sees_all_upstreams(&self, exchange: &Exchange, seen: &Seen) -> bool {
        let mut unseen = self.upstreams.keys().filter(|id| !seen.sees(id));
        unseen.all(|id| {
            let any = self.prefix(id).map(name::stem).unwrap_or_default();
            [Kind::Tools, Kind::Prompts].iter().any(|kind| self.may_see(exchange, *kind, id, &any))
                || self.shows_address(exchange, &Owner { upstream: id.clone(), local: any })
        })
    }
}
