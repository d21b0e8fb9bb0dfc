//! `tools/call`: look the name up, send the rest as it is.

use std::sync::Arc;

use futures_util::future;

use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::ResultKind;
use crate::catalog::Shape;
use crate::catalog::Traits;
use crate::exchange::Exchange;
use crate::exchange::principal::Principal;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::cache::Question;
use crate::router::own::Own;
use crate::router::params::named;
use crate::router::params::with;
use crate::router::snapshot::Snapshot;
use crate::router::spill::Measure;
use crate::router::spill::Promise;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::upstream;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::mirror::Mirror;

/// Replaces the arguments of a call by those that the tool's server knows.
fn shaped(shape: &Shape, params: Raw) -> Result<Raw, Error> {
    let came = params.member("arguments");
    let sent = shape.arguments(came.as_ref());
    let sent = sent.map_err(|refused| Error::InvalidParams(refused.to_string()))?;
    let Some(sent) = sent else { return Ok(params) };
    let object = params.object().map_err(|error| Error::InvalidParams(error.to_string()))?;
    Ok(object.edit().put("arguments", &sent).apply())
}

impl Router {
    /// Returns which arguments of a tool are mirrored into headers over HTTP; none if whoever asks
    /// does not know the tool, or if what it says about that is wrong.
    pub fn mirrors(&self, name: &str, principal: &Principal, client: Option<&str>) -> Vec<Mirror> {
        let snapshot = self.snapshot();
        let tool = snapshot.catalog.tool(name);
        // What is hidden asks for no headers, as what there is not.
        let tool = tool.filter(|tool| {
            tool.traits.mirrors.is_empty()
                || snapshot.is_shown(Kind::Tools, tool, principal, client)
        });
        tool.map(|tool| tool.traits.mirrors.clone()).unwrap_or_default()
    }

    pub(super) async fn call(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (params, name) = named(params, "name")?;
        let mut snapshot = self.snapshot();
        let mut place = snapshot.place(exchange, Kind::Tools, &name);
        if place.is_none() {
            if let Some(own) = Own::named(&name, &snapshot) {
                // One of them calls another tool.
                return Box::pin(own.call(self, params, exchange)).await;
            }
            snapshot = self.with_name(Kind::Tools, &name, exchange).await?;
            place = snapshot.catalog.position(Kind::Tools, &name);
        }
        let mut tools = snapshot.catalog.entries(Kind::Tools);
        let Some(entry) = place.and_then(|place| tools.nth(place)) else {
            return Err(Error::UnknownTool(name.into_owned()));
        };
        // What is sent is judged, and nothing is said of it to who may not know the tool.
        let sent = with(params, "name", &entry.local).and_then(|params| match &entry.shape {
            Some(shape) => shaped(shape, params),
            None => Ok(params),
        });
        let target = Target {
            method: method::TOOLS_CALL,
            thing: Thing::Tool(entry),
            upstream: &entry.upstream,
            params: Some(params),
            sent: sent.as_ref().ok(),
        };
        let pass = self.admitted(&snapshot, exchange, &target).await?;
        let handle = snapshot.handle(&entry.upstream)?;
        let params = sent?;
        let Traits { needs_task, may_repeat, ref noted, .. } = entry.traits;
        let need = if needs_task { upstream::Need::Task } else { upstream::Need::None };
        let timeout = entry.shape.as_ref().and_then(|shape| shape.timeout());
        let (name, noted) = (&entry.local, noted.number());
        let tool = upstream::Tool { name, need, may_repeat, noted, timeout };
        let question = Question::call(handle, entry, &params, exchange);
        let asked = handle.call(&params, exchange, tool);
        let result = match question {
            Some(question) => Box::pin(self.kept_or(&question, exchange, asked)).await?,
            None => asked.await?,
        };
        if exchange.was_kept() {
            handle.called(name, noted);
        }
        pass.end(&result);
        let result = self.returned(&snapshot, exchange, &entry.upstream, ResultKind::Tool, &result);
        let Some(limit) = handle.config().results.spill else { return Ok(result) };
        let promise = Promise::By(&entry.definition);
        let measure = Measure { limit, kind: ResultKind::Tool, promise };
        Ok(self.shared.spills.shortened(exchange.caller(), measure, result))
    }

    /// Returns the newest snapshot, or one in which those upstreams have listed something that the
    /// name could belong to.
    ///
    /// The one whose prefix it has is asked first, and speaks for the name if it fails. Those
    /// without a prefix are asked only then, all of them, and none of them speaks for the others.
    pub(super) async fn with_name(
        &self,
        kind: Kind,
        name: &str,
        exchange: &Exchange,
    ) -> Result<Arc<Snapshot>, Error> {
        let has = |snapshot: &Snapshot| snapshot.place(exchange, kind, name).is_some();
        let mut snapshot = self.snapshot();
        if has(&snapshot) || snapshot.unlisted.is_empty() {
            return Ok(snapshot);
        }
        // Hardly any call waits, so what that takes is not part of each.
        let awaited = Box::pin(async {
            // Nobody is told that an upstream cannot be started of which they may see nothing.
            let may_see = |id: &&UpstreamId| snapshot.may_see(exchange, kind, id, name);
            if let Some(upstream) = snapshot.expected(kind, name).filter(may_see) {
                let handle = snapshot.handle(upstream)?;
                snapshot = handle.in_time(exchange, self.first_listing(upstream, kind)).await?;
            }
            if !has(&snapshot) {
                let may_see = |id: &&UpstreamId| snapshot.may_see(exchange, kind, id, name);
                let unprefixed = snapshot.unprefixed(kind).filter(may_see);
                let unprefixed = unprefixed.map(|id| self.first_listing(id, kind));
                future::join_all(unprefixed).await;
                snapshot = self.snapshot();
            }
            Ok(snapshot)
        });
        tokio::select! {
            snapshot = awaited => snapshot,
            () = exchange.cancelled().cancelled() => Err(Error::Cancelled),
        }
    }

    /// Sends a request on under the name its owner gave.
    pub(super) async fn to_owner(
        &self,
        snapshot: &Snapshot,
        entry: &Entry,
        method: &str,
        params: &Raw,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let handle = snapshot.handle(&entry.upstream)?;
        let local = Raw::of(entry.local.as_str());
        let params = match params.object() {
            Ok(object) => object.edit().set("name", local.get()).apply(),
            Err(error) => return Err(Error::InvalidParams(format!("`params`: {error}"))),
        };
        Ok(handle.request(method, Some(&params), exchange).await?)
    }

    /// Gives a result the addresses callers know, and remembers what it mentions.
    pub(super) fn returned(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        upstream: &UpstreamId,
        kind: ResultKind,
        result: &Raw,
    ) -> Raw {
        self.shared.mentions.note(exchange.caller(), upstream, kind, result);
        snapshot.catalog.rewrite_result(upstream, kind, result)
    }
}
