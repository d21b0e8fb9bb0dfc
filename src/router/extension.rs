//! Extensions: which of them Conflux offers, and who gets what belongs to one.
//!
//! Conflux knows a few and merges them. Any other passes when exactly one upstream is concerned:
//! the only one that declares it, or the owner of what a parameter names.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::catalog::Kind;
use crate::catalog::Owner;
use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::params::with;
use crate::router::snapshot::Snapshot;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;
use crate::wire::extension;

impl Router {
    /// Returns the extensions that Conflux offers to clients, with their settings.
    ///
    /// Clients ask before upstreams are known, and some never ask again. So what Conflux merges is
    /// always there; anything else as soon as one upstream, and no other, declared it.
    ///
    /// What a caller sees nothing of has no part in it.
    pub fn extensions(&self, caller: &Caller) -> Map<String, Value> {
        let snapshot = self.snapshot();
        let declared = snapshot.extensions.iter();
        let seen = declared.filter(|(id, _)| snapshot.is_seen(id, caller));
        merged(seen.map(|(_, declared)| declared))
    }

    /// Carries out a request that is none of the protocol's own.
    pub(super) async fn extension(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let mut snapshot = self.snapshot();
        let mut owner = self.concerned(&snapshot, exchange, method, params);
        if owner.is_none() && !snapshot.unlisted.is_empty() {
            tokio::select! {
                () = self.live() => {}
                () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
            }
            snapshot = self.snapshot();
            owner = self.concerned(&snapshot, exchange, method, params);
        }
        let Some((upstream, params)) = owner else {
            return Err(Error::UnknownMethod(method.to_owned()));
        };
        let target = Target {
            method,
            thing: Thing::Extension,
            upstream: &upstream,
            params: params.as_deref(),
            sent: None,
        };
        let pass = self.admitted(&snapshot, exchange, &target).await?;
        let handle = snapshot.handle(&upstream)?;
        let result = handle.request(method, params.as_deref(), exchange).await?;
        pass.end(&result);
        Ok(result)
    }

    /// Passes a client's notification on if it belongs to an extension of exactly one upstream, of
    /// which the client sees anything.
    pub fn notified(&self, caller: Option<&Caller>, method: &str, params: Option<&Raw>) {
        let snapshot = self.snapshot();
        let is_seen = |id: &UpstreamId| match caller {
            Some(caller) => snapshot.is_seen(id, caller),
            None => snapshot.permits.is_none(),
        };
        let speaker = speaker(&snapshot, method, is_seen);
        let handle = speaker.and_then(|id| snapshot.upstreams.get(id));
        if let Some(handle) = handle {
            handle.pass_on(method, params);
        } else {
            tracing::debug!(method, "a notification that means nothing here");
        }
    }

    /// Finds the one upstream that a request concerns, and the parameters as that one knows them.
    /// What is hidden from whoever asks concerns nobody.
    fn concerned<'p>(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        method: &str,
        params: Option<&'p Raw>,
    ) -> Option<(UpstreamId, Option<Cow<'p, Raw>>)> {
        let text = |key| params?.member(key)?.string();
        let (uri, name) = (text("uri"), text("name"));
        let owns_uri = uri.and_then(|uri| self.known_owner(snapshot, exchange, &uri));
        let owns_uri = owns_uri.filter(|owner| snapshot.shows_address(exchange, owner));
        let owns_name = name.and_then(|name| named(snapshot, exchange, &name));
        let speaker = speaker_for(snapshot, exchange, method);
        let named = [("uri", owns_uri), ("name", owns_name)];
        let named: Vec<(&str, Owner)> =
            named.into_iter().filter_map(|(key, owner)| Some((key, owner?))).collect();
        let upstream = match (speaker, named.as_slice()) {
            (Some(speaker), _) => speaker.clone(),
            (None, [(_, owner)]) => owner.upstream.clone(),
            (None, _) => return None,
        };
        let mut local = params.map(Cow::Borrowed);
        for (key, owner) in named.iter().filter(|(_, owner)| owner.upstream == upstream) {
            let params = local.as_deref()?;
            local = Some(Cow::Owned(with(params, key, &owner.local).ok()?));
        }
        Some((upstream, local))
    }
}

/// Whose tool or prompt has this public name, of those that whoever asks sees.
fn named(snapshot: &Snapshot, exchange: &Exchange, name: &str) -> Option<Owner> {
    let entry = [Kind::Tools, Kind::Prompts].into_iter().find_map(|kind| {
        let entry = snapshot.catalog.named(kind, name);
        entry.filter(|entry| snapshot.shows(exchange, kind, entry))
    })?;
    Some(Owner { upstream: entry.upstream.clone(), local: entry.local.clone() })
}

/// The only upstream that declared an extension to which the method belongs, of those of which
/// whoever asks sees anything.
pub(super) fn speaker_for<'s>(
    snapshot: &'s Snapshot,
    exchange: &Exchange,
    method: &str,
) -> Option<&'s UpstreamId> {
    let (caller, client) = (exchange.caller(), exchange.capabilities().client_name());
    let is_seen = |id: &UpstreamId| snapshot.is_seen_by(id, caller.principal(), client);
    speaker(snapshot, method, is_seen)
}

/// The only upstream that declared an extension to which the method belongs, of those that are
/// seen: what is offered is what can be used.
fn speaker<'s>(
    snapshot: &'s Snapshot,
    method: &str,
    is_seen: impl Fn(&UpstreamId) -> bool,
) -> Option<&'s UpstreamId> {
    let declares = |declared: &Raw| {
        let fits = |(id, _): (&str, &str)| extension::passes(id) && extension::fits(id, method);
        declared.object().is_ok_and(|all| all.iter().any(fits))
    };
    let speakers = snapshot.extensions.iter().filter(|(_, declared)| declares(declared));
    let mut speakers = speakers.filter(|(id, _)| is_seen(id));
    let (only, _) = speakers.next()?;
    speakers.next().is_none().then_some(only)
}

/// Merges what upstreams declare.
fn merged<'a>(declared: impl Iterator<Item = &'a Raw>) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert(extension::UI.to_owned(), json!({}));
    // A directory is read where its owner can do that; the others say no for themselves.
    all.insert(extension::SKILLS.to_owned(), json!({ "directoryRead": true }));
    let mut contested = Vec::new();
    for declared in declared {
        let declared: Map<String, Value> = declared.read().unwrap_or_default();
        for (id, settings) in declared.into_iter().filter(|(id, _)| extension::passes(id)) {
            match all.get_mut(&id) {
                Some(known) if extension::is_merged(&id) => unite(known, settings),
                Some(_) => contested.push(id),
                None => drop(all.insert(id, settings)),
            }
        }
    }
    // Which settings would count is nobody's to decide.
    for id in contested {
        all.remove(&id);
    }
    all
}

/// Adds settings to others: objects and lists are united, what is true for one is true for all.
fn unite(known: &mut Value, more: Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            for (key, value) in more {
                match known.get_mut(&key) {
                    Some(before) => unite(before, value),
                    None => drop(known.insert(key, value)),
                }
            }
        }
        (Value::Array(known), Value::Array(more)) => {
            for value in more {
                if !known.contains(&value) {
                    known.push(value);
                }
            }
        }
        (Value::Bool(known), Value::Bool(more)) => *known |= more,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merged;
    use crate::wire::Raw;

    #[test]
    fn extensions_are_merged_by_rule() {
        let merge = |declared: &[serde_json::Value]| {
            let declared: Vec<Raw> = declared.iter().map(Raw::of).collect();
            serde_json::Value::Object(merged(declared.iter()))
        };
        let (ui, skills) = ("io.modelcontextprotocol/ui", "io.modelcontextprotocol/skills");
        let own = json!({ ui: {}, skills: { "directoryRead": true } });
        assert_eq!(merge(&[]), own);
        assert_eq!(merge(&[json!({ skills: {} }), json!(7)]), own);
        let united = merge(&[
            json!({ ui: { "mimeTypes": ["a", "b"], "x": false } }),
            json!({ ui: { "mimeTypes": ["b", "c"], "x": true } }),
        ]);
        assert_eq!(united[ui], json!({ "mimeTypes": ["a", "b", "c"], "x": true }));
        let vendor = merge(&[json!({ "v/one": { "n": 1 } }), json!({ "v/two": {} })]);
        assert_eq!((&vendor["v/one"], &vendor["v/two"]), (&json!({ "n": 1 }), &json!({})));
        let contested = json!({ "v/one": {} });
        assert_eq!(merge(&[contested.clone(), contested.clone()]), own);
        assert_eq!(merge(&[contested.clone(), contested.clone(), contested]), own);
        let between = json!({
            "io.modelcontextprotocol/tasks": {},
            "io.modelcontextprotocol/oauth-client-credentials": {},
            "io.modelcontextprotocol/enterprise-managed-authorization": {},
        });
        assert_eq!(merge(&[between]), own);
    }
}
