//! How all upstreams are at the moment, as numbers.

use crate::catalog::Kind;
use crate::router::Router;
use crate::telemetry::metrics::Reading;

impl Router {
    /// Returns how every upstream in this view is at the moment.
    pub fn readings(&self) -> Vec<Reading> {
        let snapshot = self.snapshot();
        let mut readings: Vec<_> = snapshot
            .upstreams
            .values()
            .map(|handle| {
                let (upstream, status) = (handle.id().clone(), handle.status());
                let is_degraded =
                    status.agreed.is_some() && snapshot.failures.contains_key(&upstream);
                let state = if is_degraded { "degraded" } else { status.word };
                let (in_flight, waiting) = handle.load();
                let tools = snapshot.catalog.entries(Kind::Tools);
                let tools = tools.filter(|entry| entry.upstream == upstream).count();
                Reading { upstream, state, in_flight, waiting, tools }
            })
            .collect();
        readings.extend(snapshot.disabled.iter().map(|id| Reading {
            upstream: id.clone(),
            state: "disabled",
            in_flight: 0,
            waiting: 0,
            tools: 0,
        }));
        readings
    }
}
