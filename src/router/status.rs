//! How everything is, as one document for all doors.
//!
//! Texts of upstreams in it were masked and cut where they were made.

use std::collections::BTreeSet;
use std::iter;
use std::process;
use std::sync::PoisonError;
use std::time::SystemTime;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::catalog::Kind;
use crate::clients::Client;
use crate::clients::crowd::Crowd;
use crate::quota::Report;
use crate::router::Reloaded;
use crate::router::Router;
use crate::router::cache::Cache;
use crate::router::cache::Tally;
use crate::router::failure;
use crate::router::failure::millis;
use crate::router::readiness;
use crate::router::snapshot::Snapshot;
use crate::upstream;
use crate::wire::era::Era;

/// Tells what one view shows of this process and its upstreams.
///
/// Somebody who asks in a request of a client is told of that client, too, even if it is not one
/// that stays.
pub(super) fn document(router: &Router, asking: Option<&str>) -> Value {
    let (snapshot, instance) = (router.snapshot(), router.instance());
    let cache = &router.shared.cache;
    let configuration = instance.configuration();
    let files = configuration.files.iter().map(|file| file.to_string_lossy());
    let handles = snapshot.upstreams.values().map(|handle| upstream(&snapshot, handle, cache));
    let disabled = snapshot.disabled.iter();
    let disabled = disabled.map(|id| json!({ "name": id.as_str(), "state": "disabled" }));
    let upstreams: Vec<_> = handles.chain(disabled).collect();
    let sentences = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>();
    let mut document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": process::id(),
        "started": timestamp(instance.started),
        "uptimeMs": millis(instance.begun.elapsed()),
        "files": files.collect::<Vec<_>>(),
        "reload": configuration.reload.map(reload),
        "listening": instance.listening(),
        "audit": router.audit().status(),
        "ready": readiness::unready(&snapshot).is_empty(),
        "generation": snapshot.generation.0,
        "upstreams": upstreams,
        "warnings": warnings(router, asking),
        "conflicts": sentences(&mut snapshot.catalog.conflicts().iter().map(ToString::to_string)),
        "defects": sentences(&mut snapshot.catalog.defects().iter().map(ToString::to_string)),
    });
    let limits: Vec<_> = router.quotas().report().into_iter().map(limit).collect();
    if let Some(document) = document.as_object_mut().filter(|_| !limits.is_empty()) {
        document.insert("limits".to_owned(), limits.into());
    }
    document
}

/// Tells how a limit is doing.
fn limit(report: Report) -> Value {
    let Report { limit, counters, refused } = report;
    json!({ "limit": limit, "counters": counters, "refused": refused })
}

/// Tells which of the clients that are there are listed more tools than they take.
fn warnings(router: &Router, asking: Option<&str>) -> Vec<String> {
    let views = router.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut warnings = BTreeSet::new();
    for (router, asking) in
        iter::once((router, asking)).chain(views.values().map(|it| (&**it, None)))
    {
        let present = router.audience().present();
        let names = present.iter().filter_map(|it| it.capabilities().client_name()).chain(asking);
        let clients: BTreeSet<_> = names.filter_map(Client::recognize).collect();
        let snapshot = router.snapshot();
        let crowds = clients.into_iter().filter_map(|client| snapshot.crowd(client));
        warnings.extend(crowds.map(|crowd| format!("{crowd}: {}", Crowd::REMEDY)));
    }
    warnings.into_iter().collect()
}

/// Tells what became of the last reload.
fn reload((reloaded, time): (Reloaded, SystemTime)) -> Value {
    let at = timestamp(time);
    match reloaded {
        Reloaded::Applied { changes, at_restart } => json!({
            "at": at,
            "outcome": "applied",
            "changes": changes,
            "needRestart": at_restart,
        }),
        Reloaded::Refused { problems } => {
            json!({ "at": at, "outcome": "refused", "problems": problems })
        }
    }
}

/// Tells what one upstream is doing.
fn upstream(snapshot: &Snapshot, handle: &upstream::Handle, cache: &Cache) -> Value {
    let (id, status) = (handle.id(), handle.status());
    let failure = snapshot.failures.get(id);
    // It can be asked, but something of it is not listed.
    let is_degraded = status.agreed.is_some() && failure.is_some();
    let count = |kind| snapshot.catalog.entries(kind).filter(|entry| entry.upstream == *id).count();
    let mut fields = Map::new();
    let mut say = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    say("name", id.as_str().into());
    say("state", if is_degraded { "degraded" } else { status.word }.into());
    say("since", timestamp(status.since).into());
    say("required", handle.config().required.into());
    say("listed", (!snapshot.unlisted.contains_key(id)).into());
    say("tools", count(Kind::Tools).into());
    say("prompts", count(Kind::Prompts).into());
    say("resources", count(Kind::Resources).into());
    say("resourceTemplates", count(Kind::Templates).into());
    if handle.config().cache.is_some() {
        let Tally { hits, misses } = cache.tally(id);
        say("cache", json!({ "hits": hits, "misses": misses }));
    }
    if let Some(failure) = failure {
        say("listingError", failure.as_str().into());
    }
    if let Some(from) = snapshot.remembered.get(id) {
        say("remembered", from.to_string().into());
    }
    if let Some(process) = status.process {
        say("pid", process.into());
    }
    if let Some(agreed) = status.agreed {
        let era = match agreed.revision.era() {
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        };
        say("era", era.into());
        say("revision", agreed.revision.as_str().into());
    }
    if let Some(error) = &status.error {
        fields.extend(failure::document(error));
    }
    Value::Object(fields)
}

fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
