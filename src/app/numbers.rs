//! What the metrics show of how everything is at the moment: looked at when somebody scrapes.

use std::sync::Arc;

use crate::router::Router;
use crate::telemetry::Metrics;

/// Shows how everything is. What is looked at is not kept by that.
pub(super) fn show(router: &Arc<Router>, metrics: &Metrics) {
    let seen = Arc::downgrade(router);
    metrics.look(move || seen.upgrade().map(|router| router.readings()).unwrap_or_default());
    let gauge = |name, help, read: fn(&Router) -> Option<u64>| {
        let seen = Arc::downgrade(router);
        metrics.gauge(name, help, move || read(&*seen.upgrade()?));
    };
    gauge("conflux_generation", "The number of the newest snapshot of what there is", |router| {
        Some(router.snapshot().generation.0)
    });
    gauge("conflux_ready", "Whether everything that is required can be used", |router| {
        Some(router.unready().is_empty().into())
    });
    gauge("conflux_quota_counters", "Counters that limits of callers have", |router| {
        Some(router.quotas().counters() as u64)
    });
    gauge("conflux_cache_results", "Results that are kept", |router| Some(router.kept() as u64));
    gauge("conflux_audit_queue_length", "Audit records that wait to be written", |router| {
        Some(router.audit().waiting()? as u64)
    });
    let seen = Arc::downgrade(router);
    let help = "Audit records that could not be written";
    metrics.counter("conflux_audit_lost_records", help, move || seen.upgrade()?.audit().lost());
}
