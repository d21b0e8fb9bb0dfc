//! `prompts/get`, `resources/read` and `completion/complete`.

use std::sync::Arc;

use serde_json::json;

use crate::catalog::Kind;
use crate::catalog::Owner;
use crate::catalog::ResultKind;
use crate::exchange::Exchange;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::cache::Question;
use crate::router::extension::speaker_for;
use crate::router::params::named;
use crate::router::params::with;
use crate::router::snapshot::Snapshot;
use crate::router::spill::Measure;
use crate::router::spill::Promise;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;
use crate::wire::method;

impl Router {
    pub(super) async fn prompt(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (params, name) = named(params, "name")?;
        let snapshot = self.with_name(Kind::Prompts, &name, exchange).await?;
        let Some(entry) = snapshot.catalog.prompt(&name) else {
            return Err(Error::UnknownPrompt(name.into_owned()));
        };
        let target = Target {
            method: method::PROMPTS_GET,
            thing: Thing::Prompt(entry),
            upstream: &entry.upstream,
            params: Some(params),
            sent: None,
        };
        let pass = self.admitted(&snapshot, exchange, &target).await?;
        let result = self.to_owner(&snapshot, entry, method::PROMPTS_GET, params, exchange).await?;
        pass.end(&result);
        Ok(self.returned(&snapshot, exchange, &entry.upstream, ResultKind::Prompt, &result))
    }

    /// Asks the owner of an address for something about it.
    pub(super) async fn read(
        &self,
        method: &str,
        kind: ResultKind,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (params, uri) = named(params, "uri")?;
        if kind == ResultKind::Resource
            && let Some(page) = self.shared.spills.read(exchange.caller(), &uri)
        {
            return Ok(page);
        }
        let (snapshot, owner) = match self.owner(exchange, &uri).await {
            Err(Error::UnknownResource(_)) if is_about_skills(kind) => {
                self.unlisted_skill(exchange, uri.clone().into_owned())?
            }
            found => found?,
        };
        let target = Target {
            method,
            thing: Thing::Resource(&uri, &owner.local),
            upstream: &owner.upstream,
            params: Some(params),
            sent: None,
        };
        let pass = self.admitted(&snapshot, exchange, &target).await?;
        let handle = snapshot.handle(&owner.upstream)?;
        let params = with(params, "uri", &owner.local)?;
        let question = (kind == ResultKind::Resource)
            .then(|| Question::resource(handle, &owner.local, &params, exchange))
            .flatten();
        let asked = handle.request(method, Some(&params), exchange);
        let mut result = match question {
            Some(question) => Box::pin(self.kept_or(&question, exchange, asked)).await?,
            None => asked.await?,
        };
        pass.end(&result);
        if kind == ResultKind::Directory {
            result = snapshot.permitted_entries(exchange, &owner.upstream, result);
        }
        let result = snapshot.for_the_reader(result);
        let result = self.returned(&snapshot, exchange, &owner.upstream, kind, &result);
        match handle.config().results.spill {
            Some(limit) if kind == ResultKind::Resource => {
                let measure = Measure { limit, kind, promise: Promise::Unknown };
                Ok(self.shared.spills.shortened(exchange.caller(), measure, result))
            }
            _ => Ok(result),
        }
    }

    pub(super) async fn complete(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let params =
            params.ok_or_else(|| Error::InvalidParams("`params.ref` is missing".to_owned()))?;
        let target = params.member("ref");
        let kind = target.as_ref().and_then(|target| target.member("type")?.string());
        let (snapshot, owner, key, pass) = match kind.as_deref() {
            Some("ref/prompt") => {
                let (_, name) = named(target.as_ref(), "name")?;
                let snapshot = self.with_name(Kind::Prompts, &name, exchange).await?;
                let Some(entry) = snapshot.catalog.prompt(&name) else {
                    return Err(Error::UnknownPrompt(name.into_owned()));
                };
                let (thing, upstream) = (Thing::Prompt(entry), &entry.upstream);
                let pass =
                    self.admitted(&snapshot, exchange, &about(thing, upstream, params)).await?;
                let (upstream, local) = (entry.upstream.clone(), entry.local.clone());
                (snapshot, Owner { upstream, local }, "name", pass)
            }
            Some("ref/resource") => {
                let (_, uri) = named(target.as_ref(), "uri")?;
                let (snapshot, owner) = self.owner(exchange, &uri).await?;
                let (thing, upstream) = (Thing::Resource(&uri, &owner.local), &owner.upstream);
                let pass =
                    self.admitted(&snapshot, exchange, &about(thing, upstream, params)).await?;
                (snapshot, owner, "uri", pass)
            }
            _ => {
                let problem = "`params.ref.type` must be `ref/prompt` or `ref/resource`";
                return Err(Error::InvalidParams(problem.to_owned()));
            }
        };
        let handle = snapshot.handle(&owner.upstream)?;
        let target = with(&target.unwrap_or_else(|| params.clone()), key, &owner.local)?;
        let object = params.object().map_err(|error| Error::InvalidParams(error.to_string()))?;
        let params = object.edit().set("ref", target.get()).apply();
        let nothing = || Raw::of(&json!({ "completion": { "values": [], "hasMore": false } }));
        let result = handle.complete(&params, exchange).await?.unwrap_or_else(nothing);
        pass.end(&result);
        Ok(result)
    }

    /// Finds who answers for an address: who lists it, whose alias or template it fits, or who
    /// last mentioned it to this caller. Waits for lists if some are still missing.
    pub(super) async fn owner(
        &self,
        exchange: &Exchange,
        uri: &str,
    ) -> Result<(Arc<Snapshot>, Owner), Error> {
        let mut snapshot = self.snapshot();
        let mut owner = self.known_owner(&snapshot, exchange, uri);
        // What is hidden is awaited like what there is not: it takes as long to be told so.
        let is_seen = |owner: &Owner| snapshot.shows_address(exchange, owner);
        if !snapshot.unlisted.is_empty() && !owner.as_ref().is_some_and(is_seen) {
            tokio::select! {
                () = self.live() => {}
                () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
            }
            snapshot = self.snapshot();
            owner = self.known_owner(&snapshot, exchange, uri);
        }
        match owner {
            Some(owner) => Ok((snapshot, owner)),
            None => Err(Error::UnknownResource(uri.to_owned())),
        }
    }

    /// Finds who answers for a skill that nobody lists, which is allowed: the only upstream that
    /// has skills at all.
    fn unlisted_skill(
        &self,
        exchange: &Exchange,
        uri: String,
    ) -> Result<(Arc<Snapshot>, Owner), Error> {
        let snapshot = self.snapshot();
        match speaker_for(&snapshot, exchange, method::SKILLS_GET).cloned() {
            Some(upstream) => Ok((snapshot, Owner { upstream, local: uri })),
            None => Err(Error::UnknownResource(uri)),
        }
    }

    pub(super) fn known_owner(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        uri: &str,
    ) -> Option<Owner> {
        snapshot.catalog.template_owner(uri).or_else(|| {
            let upstream = self.shared.mentions.who(exchange.caller().memory(), uri)?;
            let is_there = snapshot.upstreams.contains_key(&upstream);
            is_there.then(|| Owner { upstream, local: uri.to_owned() })
        })
    }
}

/// A wish for completions of arguments of something.
fn about<'a>(thing: Thing<'a>, upstream: &'a UpstreamId, params: &'a Raw) -> Target<'a> {
    Target { method: method::COMPLETE, thing, upstream, params: Some(params), sent: None }
}

fn is_about_skills(kind: ResultKind) -> bool {
    matches!(kind, ResultKind::Skill | ResultKind::Directory)
}
