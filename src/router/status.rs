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

use crate::catalog::Entry;
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
use crate::router::permits::Seen;
use crate::router::readiness;
use crate::router::snapshot::Snapshot;
use crate::upstream;
use crate::wire::era::Era;

/// How much of everything somebody is told of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'s> {
    /// All that the view shows, and all of this process.
    Everything,
    /// All that the view shows; what there is besides is hidden from them.
    View,
    /// What they see of it.
    Seen(&'s Seen),
}

/// Tells what one view shows of this process and its upstreams.
///
/// Somebody who asks in a request of a client is told of that client, too, even if it is not one
/// that stays.
pub(super) fn document(router: &Router, asking: Option<&str>, part: Part<'_>) -> Value {
    let (snapshot, instance) = (router.snapshot(), router.instance());
    let cache = &router.shared.cache;
    let configuration = instance.configuration();
    let seen = match part {
        Part::Everything | Part::View => None,
        Part::Seen(seen) => Some(seen),
    };
    // What is said of two upstreams would tell what there is besides, and so would what is said of
    // this process to who looks at one view of it.
    let (whole, all) = (seen.is_none(), matches!(part, Part::Everything));
    let files = configuration.files.iter().filter(|_| all).map(|file| file.to_string_lossy());
    let handles = snapshot.upstreams.values();
    let handles = handles.filter(|handle| seen.is_none_or(|seen| seen.sees(handle.id())));
    let handles = handles.map(|handle| upstream(&snapshot, handle, cache, seen));
    let disabled = snapshot.disabled.iter().filter(|_| whole);
    let disabled = disabled.map(|id| json!({ "name": id.as_str(), "state": "disabled" }));
    let upstreams: Vec<_> = handles.chain(disabled).collect();
    let sentences =
        |all: &mut dyn Iterator<Item = String>| all.filter(|_| whole).collect::<Vec<_>>();
    let unready = readiness::unready(&snapshot);
    let mut unready = unready.iter().filter(|it| seen.is_none_or(|seen| seen.sees(&it.upstream)));
    let mut document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": process::id(),
        "started": timestamp(instance.started),
        "uptimeMs": millis(instance.begun.elapsed()),
        "files": files.collect::<Vec<_>>(),
        "reload": configuration.reload.filter(|_| all).map(reload),
        "listening": instance.listening(),
        "audit": router.audit().status().filter(|_| all),
        "ready": unready.next().is_none(),
        "generation": snapshot.generation.0,
        "upstreams": upstreams,
        "warnings": if all { warnings(router, asking) } else { Vec::new() },
        "conflicts": sentences(&mut snapshot.catalog.conflicts().iter().map(ToString::to_string)),
        "defects": sentences(&mut snapshot.catalog.defects().iter().map(ToString::to_string)),
    });
    let limits: Vec<_> = router.quotas().report().into_iter().map(limit).collect();
    if let Some(document) = document.as_object_mut().filter(|_| all && !limits.is_empty()) {
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
    // They are in the order of the file.
    warnings.into_iter().chain(router.instance().doubts()).collect()
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
fn upstream(
    snapshot: &Snapshot,
    handle: &upstream::Handle,
    cache: &Cache,
    seen: Option<&Seen>,
) -> Value {
    let (id, status) = (handle.id(), handle.status());
    let failure = snapshot.failures.get(id);
    // It can be asked, but something of it is not listed.
    let is_degraded = status.agreed.is_some() && failure.is_some();
    let is_its = |entry: &&Entry| entry.upstream == *id;
    let count = |kind| match seen {
        Some(seen) => seen.entries(kind).filter(is_its).count(),
        None => snapshot.catalog.entries(kind).filter(is_its).count(),
    };
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
