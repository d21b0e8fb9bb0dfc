//! Results that are kept for who asks the same again, where the configuration says so.
//!
//! Whether somebody may ask at all is decided before. What is kept is what the upstream answered:
//! addresses are rewritten, and large results cut, for each who gets it.

mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Number;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::Entry;
use crate::config;
use crate::exchange::Exchange;
use crate::exchange::principal::Principal;
use crate::router::Router;
use crate::router::cache::store::Kept;
use crate::router::cache::store::Key;
use crate::upstream;
use crate::upstream::Stamp;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::meta;
use crate::wire::method;

pub(super) use self::store::Cache;
pub(super) use self::store::Tally;

/// The longest that a resource is kept, whatever its server says.
const LONGEST: Duration = Duration::from_hours(24);
/// What `_meta` of a request may say besides what is for its receiver alone, and change nothing in
/// the result.
const OF_TRACES: [&str; 2] = ["traceparent", "tracestate"];

/// Something that may be answered with what was kept, or whose answer may be kept.
#[derive(Debug)]
pub(super) struct Question<'a> {
    handle: &'a upstream::Handle,
    cache: &'a config::Cache,
    principal: Principal,
    /// The address that it is about, if it is about one.
    uri: Option<&'a str>,
    digest: [u8; 32],
    /// Which moment it was for the upstream when it was asked.
    stamp: Stamp,
}

impl Router {
    /// Frees what is kept of results as soon as it is over, until `stop`.
    pub fn expire_kept(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.cache.expire(stop).await }
    }

    /// Returns how many results are kept.
    pub fn kept(&self) -> usize {
        self.shared.cache.len()
    }

    /// Returns what was kept of an answer to this question; else what comes of asking it, which is
    /// kept if it may be.
    pub(super) async fn kept_or(
        &self,
        question: &Question<'_>,
        exchange: &Exchange,
        asked: impl Future<Output = Result<Raw, upstream::Fault>>,
    ) -> Result<Raw, upstream::Fault> {
        if let Some(kept) = self.shared.cache.answer(question) {
            exchange.answer_kept();
            question.handle.spared(exchange);
            return Ok(kept);
        }
        let answer = asked.await?;
        // Who gets it from here would be told and asked nothing of what its caller was.
        if !exchange.was_told() {
            self.shared.cache.learn(question, &answer);
        }
        Ok(answer)
    }
}

impl<'a> Question<'a> {
    /// Reads a call of a tool, with the parameters that are sent on; nothing if no answer to it is
    /// kept.
    pub(super) fn call(
        handle: &'a upstream::Handle,
        tool: &'a Entry,
        params: &Raw,
        exchange: &Exchange,
    ) -> Option<Self> {
        let cache = handle.config().cache.as_ref()?;
        let is_kept = cache.keeps(&tool.local, tool.traits.reads_only) && !tool.traits.needs_task;
        let name = &tool.local;
        is_kept.then(|| Self::read(handle, method::TOOLS_CALL, name, params, exchange)).flatten()
    }

    /// Reads a wish to read a resource that has this address for its upstream.
    pub(super) fn resource(
        handle: &'a upstream::Handle,
        uri: &'a str,
        params: &Raw,
        exchange: &Exchange,
    ) -> Option<Self> {
        let question = Self::read(handle, method::RESOURCES_READ, uri, params, exchange)?;
        Some(Self { uri: Some(uri), ..question })
    }

    fn read(
        handle: &'a upstream::Handle,
        method: &str,
        name: &str,
        params: &Raw,
        exchange: &Exchange,
    ) -> Option<Self> {
        let cache = handle.config().cache.as_ref()?;
        let arguments = arguments(params)?;
        let mut digest = Sha256::new();
        // With its length: no part can pass for the end of one and the beginning of another.
        let mut add = |part: &str| {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        add(handle.id().as_str());
        add(&handle.number().to_string());
        add(method);
        add(name);
        add(&arguments);
        // A server may answer otherwise to who can show more.
        add(exchange.capabilities().carried(exchange.wishes().tasks).get());
        Some(Self {
            handle,
            cache,
            principal: exchange.caller().principal().clone(),
            uri: None,
            digest: digest.finalize().into(),
            stamp: handle.stamp(),
        })
    }

    fn key(&self, whose: Option<&Principal>) -> Key {
        Key { question: self.digest, whose: whose.cloned() }
    }

    /// Returns how long an answer is kept, and whether for all; nothing if it is not kept.
    fn lasts(&self, answer: &Raw) -> Option<(Duration, bool)> {
        let object = answer.object().ok()?;
        let is_complete = object.get("resultType").is_none_or(|kind| kind == "\"complete\"")
            && object.get("isError").is_none_or(|flag| flag == "false")
            && object.get("task").is_none();
        let is_of_task = answer.get().contains(meta::RELATED_TASK);
        if !is_complete || is_of_task || answer.get().len() > self.cache.limit {
            return None;
        }
        let hints = Freshness::of(answer);
        let ttl = match (self.uri, object.get("ttlMs")) {
            (Some(_), _) => hints.ttl.min(LONGEST),
            (None, Some(_)) => hints.ttl.min(self.cache.ttl),
            (None, None) => self.cache.ttl,
        };
        let is_for_all = match object.get("cacheScope") {
            Some(_) => hints.is_public,
            None => self.cache.shared,
        };
        (!ttl.is_zero()).then_some((ttl, is_for_all))
    }
}

impl Cache {
    /// Returns what was kept of an answer to this question, as good as on the first day.
    fn answer(&self, question: &Question<'_>) -> Option<Raw> {
        let handle = question.handle;
        let keys = [question.key(Some(&question.principal)), question.key(None)];
        let is_good = |kept: &Kept| {
            Arc::ptr_eq(&kept.config, handle.config())
                && !handle.changed_since(kept.stamp, question.uri)
        };
        let kept = self.find(handle.id(), &keys, is_good)?;
        Some(aged(kept.result, kept.from.elapsed()))
    }

    /// Keeps the answer to a question, if it is one that may be kept.
    fn learn(&self, question: &Question<'_>, answer: &Raw) {
        let Some((ttl, is_for_all)) = question.lasts(answer) else { return };
        let now = Instant::now();
        let Some(until) = now.checked_add(ttl) else { return };
        let whose = (!is_for_all).then_some(&question.principal);
        let kept = Kept {
            result: answer.detached(),
            by: question.principal.clone(),
            from: now,
            until,
            stamp: question.stamp,
            config: Arc::clone(question.handle.config()),
        };
        self.keep(question.key(whose), kept);
    }
}

/// Returns what a request says to an upstream, as text; nothing if some of it may change the result
/// in a way that nobody knows here.
fn arguments(params: &Raw) -> Option<String> {
    let object = params.object().ok()?;
    let mut arguments = String::new();
    for (key, json) in object.iter() {
        match key {
            // They are part of the question already.
            "name" | "uri" => {}
            "arguments" => json.clone_into(&mut arguments),
            "_meta" => {
                let meta = object.inside("_meta")?;
                let is_known =
                    |key: &str| meta::FOR_THE_RECEIVER.contains(&key) || OF_TRACES.contains(&key);
                if !meta.iter().all(|(key, _)| is_known(key)) {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(arguments)
}

/// Returns an answer that says how long it is good from now on, if it says that at all.
fn aged(answer: Raw, age: Duration) -> Raw {
    let Ok(object) = answer.object() else { return answer };
    let ttl = object.get("ttlMs").map(|ttl| answer.part(ttl));
    let ttl = ttl.and_then(|ttl| ttl.read::<Number>().ok()).and_then(|ttl| ttl.as_u64());
    let Some(ttl) = ttl else { return answer };
    // What has begun is over.
    let age = u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    object.edit().set("ttlMs", ttl.saturating_sub(age).to_string()).apply()
}
