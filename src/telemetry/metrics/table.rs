//! Every metric there is: its name, its help and its labels, in the order in which it is shown.
//!
//! Names are those of the semantic conventions for MCP where these have one, as Prometheus writes
//! them, else begin with `conflux_`. `docs/telemetry.md` lists them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::MetricEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::Reading;
use crate::telemetry::metrics::Refusal;
use crate::telemetry::metrics::Reload;
use crate::telemetry::metrics::Spans;
use crate::telemetry::metrics::Upstream;
use crate::telemetry::metrics::histogram::Histogram;
use crate::telemetry::metrics::lock;
use crate::telemetry::metrics::process::Process;
use crate::telemetry::metrics::upstream::Operations;

const METHOD: &str = "mcp_method_name";
const UPSTREAM: &str = "upstream";
const OUTCOME: &str = "outcome";

/// The states of an upstream, each of which is a line.
const STATES: [&str; 8] =
    ["idle", "starting", "ready", "degraded", "auth_required", "backing_off", "failed", "disabled"];

/// A metric that is one number of each upstream.
struct Number<T> {
    name: &'static str,
    help: &'static str,
    read: fn(&T) -> u64,
}

const COUNTERS: [Number<Upstream>; 5] = [
    Number {
        name: "conflux_upstream_starts",
        help: "How often upstreams were started",
        read: |it| it.starts.load(Ordering::Relaxed),
    },
    Number {
        name: "conflux_upstream_restarts",
        help: "How often upstreams were started after the first time",
        read: |it| it.starts.load(Ordering::Relaxed).saturating_sub(1),
    },
    Number {
        name: "conflux_upstream_failures",
        help: "How often upstreams could not be started, or ended by themselves",
        read: |it| it.failures.load(Ordering::Relaxed),
    },
    Number {
        name: "conflux_upstream_retries",
        help: "Requests that were made once more",
        read: |it| it.retries.load(Ordering::Relaxed),
    },
    Number {
        name: "conflux_cache_hits",
        help: "Requests that were answered with a result that was kept",
        read: |it| it.spared.load(Ordering::Relaxed),
    },
];

const GAUGES: [Number<Reading>; 3] = [
    Number {
        name: "conflux_upstream_in_flight",
        help: "Requests of clients that upstreams have to do with",
        read: |it| it.in_flight as u64,
    },
    Number {
        name: "conflux_upstream_queue_length",
        help: "Requests of clients that wait for their turn",
        read: |it| it.waiting as u64,
    },
    Number {
        name: "conflux_upstream_tools",
        help: "Tools of upstreams that are offered",
        read: |it| it.tools as u64,
    },
];

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let upstreams: Vec<_> = lock(&self.0.upstreams).values().map(Arc::clone).collect();
        let everybody: Vec<_> = [Arc::clone(&self.0.nobody)].into_iter().chain(upstreams).collect();
        let mut page = Page { encoder };
        self.requests(&mut page, &everybody)?;
        self.upstreams(&mut page, &everybody)?;
        self.turned_away(&mut page)?;
        self.numbers(&mut page)?;
        self.process(&mut page)
    }
}

impl Metrics {
    /// What callers asked for.
    fn requests(&self, page: &mut Page<'_>, everybody: &[Arc<Upstream>]) -> fmt::Result {
        page.outcomes(
            "conflux_requests",
            "Requests of clients that ended, by how they did",
            everybody,
            |upstream| &upstream.asked,
        )?;
        page.durations(
            "mcp_server_operation_duration",
            "How long requests of clients took, from when they came until they ended",
            everybody,
            |upstream| &upstream.asked,
        )?;
        page.sizes(
            "conflux_request_size",
            "How large the parameters of requests of clients were",
            everybody,
            |upstream| &upstream.request_size,
        )?;
        page.sizes(
            "conflux_response_size",
            "How large the results for clients were",
            everybody,
            |upstream| &upstream.response_size,
        )?;
        if self.tells_tools() {
            let help = "Calls by the public name of the tool; `other` is all beyond the limit";
            let mut lines = page.begin("conflux_tool_calls", help, None, MetricType::Counter)?;
            for (tool, outcome, count) in self.0.tools.known() {
                let labels = [("gen_ai_tool_name", &*tool), (OUTCOME, outcome.as_str())];
                counter(&mut lines, &labels, count)?;
            }
        }
        let in_flight = u64::try_from(self.0.in_flight.load(Ordering::Relaxed)).unwrap_or(0);
        let help = "Requests of clients that are under way, parked ones included";
        page.gauge("conflux_requests_in_flight", help, in_flight)
    }

    /// What upstreams did, and how they are.
    fn upstreams(&self, page: &mut Page<'_>, everybody: &[Arc<Upstream>]) -> fmt::Result {
        page.outcomes(
            "conflux_upstream_requests",
            "Requests to upstreams that ended, by how they did, those of Conflux itself included",
            everybody,
            |upstream| &upstream.sent,
        )?;
        page.durations(
            "mcp_client_operation_duration",
            "How long requests to upstreams took, the wait for their turn included",
            everybody,
            |upstream| &upstream.sent,
        )?;
        for Number { name, help, read } in COUNTERS {
            let mut lines = page.begin(name, help, None, MetricType::Counter)?;
            for upstream in everybody.iter().filter(|it| !it.id.is_empty()) {
                counter(&mut lines, &[(UPSTREAM, upstream.id.as_str())], read(upstream))?;
            }
        }
        let looks = lock(&self.0.looks);
        let readings: Vec<Reading> = looks.iter().flat_map(|look| look()).collect();
        drop(looks);
        Self::readings(page, &readings)
    }

    fn readings(page: &mut Page<'_>, readings: &[Reading]) -> fmt::Result {
        let help = "Whether an upstream is in a state: 1 for the one it is in";
        let mut lines = page.begin("conflux_upstream_state", help, None, MetricType::Gauge)?;
        for reading in readings {
            for state in STATES {
                let labels = [(UPSTREAM, reading.upstream.as_str()), ("state", state)];
                lines.encode_family(&labels)?.encode_gauge(&i64::from(reading.state == state))?;
            }
        }
        for Number { name, help, read } in GAUGES {
            let mut lines = page.begin(name, help, None, MetricType::Gauge)?;
            for reading in readings {
                let labels = [(UPSTREAM, reading.upstream.as_str())];
                lines.encode_family(&labels)?.encode_gauge(&read(reading))?;
            }
        }
        Ok(())
    }

    /// What got no further, and what became of what is done beside requests.
    fn turned_away(&self, page: &mut Page<'_>) -> fmt::Result {
        page.words(
            "conflux_refusals",
            "What was turned away, by why",
            "reason",
            Refusal::ALL.iter().map(|why| why.as_str()).zip(&self.0.refusals),
        )?;
        let help = "What `policy.shadow` let go on that a rule would have turned away";
        let (name, kind) = ("conflux_policy_shadow_refusals", MetricType::Counter);
        let count = self.0.shadow_refusals.load(Ordering::Relaxed);
        page.begin(name, help, None, kind)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        page.words(
            "conflux_reloads",
            "Reloads of the configuration, by what became of them",
            OUTCOME,
            Reload::ALL.iter().map(|fate| fate.as_str()).zip(&self.0.reloads),
        )?;
        page.words(
            "conflux_spans",
            "Spans that were to be exported, by what became of them",
            OUTCOME,
            Spans::ALL.iter().map(|fate| fate.as_str()).zip(&self.0.spans),
        )
    }

    fn numbers(&self, page: &mut Page<'_>) -> fmt::Result {
        for number in &*lock(&self.0.numbers) {
            let Some(value) = (number.read)() else { continue };
            let mut line = page.begin(number.name, number.help, None, number.kind)?;
            match number.kind {
                MetricType::Counter => line.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
                _ => line.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut lines =
            page.begin("conflux_build", "Which Conflux this is", None, MetricType::Info)?;
        lines.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let begun = self.0.begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "When the process was started, in seconds since 1970";
        let (unit, kind) = (Unit::Seconds, MetricType::Gauge);
        page.begin("process_start_time", help, Some(&unit), kind)?.encode_gauge(&begun)?;
        let process = Process::now();
        if let Some(cpu) = process.cpu {
            let help = "How long the process has had a processor";
            let mut lines = page.begin("process_cpu", help, Some(&unit), MetricType::Counter)?;
            lines.encode_counter::<NoLabelSet, _, u64>(&cpu, None)?;
        }
        if let Some(size) = process.resident {
            let help = "How much memory the process has";
            let mut lines =
                page.begin("process_resident_memory", help, Some(&Unit::Bytes), kind)?;
            lines.encode_gauge(&size)?;
        }
        match process.files {
            Some(count) => page.gauge("process_open_fds", "How many files are open", count),
            None => Ok(()),
        }
    }
}

/// Where metrics are written, one after the other.
struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        // The library ends what it is given.
        self.encoder.encode_descriptor(name, help, unit, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.begin(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn outcomes(
        &mut self,
        name: &str,
        help: &str,
        everybody: &[Arc<Upstream>],
        read: fn(&Upstream) -> &Operations,
    ) -> fmt::Result {
        let mut lines = self.begin(name, help, None, MetricType::Counter)?;
        for upstream in everybody {
            for (method, operation) in read(upstream).known() {
                for (outcome, count) in operation.outcomes() {
                    let labels = [
                        (METHOD, method.as_str()),
                        (OUTCOME, outcome.as_str()),
                        (UPSTREAM, upstream.id.as_str()),
                    ];
                    counter(&mut lines, &labels, count)?;
                }
            }
        }
        Ok(())
    }

    fn durations(
        &mut self,
        name: &str,
        help: &str,
        everybody: &[Arc<Upstream>],
        read: fn(&Upstream) -> &Operations,
    ) -> fmt::Result {
        let mut lines = self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for upstream in everybody {
            for (method, operation) in read(upstream).known() {
                let labels = [(METHOD, method.as_str()), (UPSTREAM, upstream.id.as_str())];
                operation.duration.encode(lines.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn sizes(
        &mut self,
        name: &str,
        help: &str,
        everybody: &[Arc<Upstream>],
        read: fn(&Upstream) -> &Histogram,
    ) -> fmt::Result {
        let mut lines = self.begin(name, help, Some(&Unit::Bytes), MetricType::Histogram)?;
        for upstream in everybody {
            let sizes = read(upstream);
            if sizes.count() > 0 {
                sizes.encode(lines.encode_family(&[(UPSTREAM, upstream.id.as_str())])?)?;
            }
        }
        Ok(())
    }

    /// One line for each word of a label, also for those that never came about: whoever asks how
    /// fast a counter grows has to see it at nought.
    fn words<'w>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'static str, &'w AtomicU64)>,
    ) -> fmt::Result {
        let mut lines = self.begin(name, help, None, MetricType::Counter)?;
        for (word, count) in counts {
            counter(&mut lines, &[(label, word)], count.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}

fn counter<const N: usize>(
    lines: &mut MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    count: u64,
) -> fmt::Result {
    lines.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}
