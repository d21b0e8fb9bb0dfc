//! What it costs to note what happens to one request: in numbers, in spans, in lines.

use std::sync::Arc;
use std::time::Duration;

use conflux::config::secrets::Secrets;
use conflux::config::telemetry::Otlp;
use conflux::config::telemetry::Sample;
use conflux::ids::UpstreamId;
use conflux::telemetry::Metrics;
use conflux::telemetry::Tracer;
use conflux::telemetry::metrics::Ended;
use conflux::telemetry::metrics::Format;
use conflux::telemetry::metrics::Method;
use conflux::telemetry::metrics::Outcome;
use conflux::telemetry::metrics::Upstream;
use conflux::telemetry::trace;
use conflux::wire::Id;
use conflux::wire::Raw;
use divan::Bencher;
use divan::black_box;
use tokio::runtime::Runtime;

const PARAMS: &str = r#"{"name":"files__read_text_file","arguments":{"path":"a.txt"},"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}"#;
const TOOK: Duration = Duration::from_micros(700);

fn upstream(metrics: &Metrics) -> Arc<Upstream> {
    metrics.upstream(&UpstreamId::new("files"))
}

fn note(metrics: &Metrics, upstream: &Upstream) {
    let _under_way = metrics.begin();
    let method = Method::of(black_box("tools/call"));
    let ended = Ended { method, outcome: Outcome::Ok, took: TOOK };
    upstream.asked(ended);
    upstream.answered(ended, 120, 2000);
}

/// All numbers of one call: under way, to its upstream, and for its client.
#[divan::bench]
fn count_call(bencher: Bencher<'_, '_>) {
    let metrics = Metrics::default();
    let upstream = upstream(&metrics);
    bencher.bench(|| note(&metrics, &upstream));
}

/// What somebody who scrapes waits for.
#[divan::bench(args = [1, 50])]
fn scrape(bencher: Bencher<'_, '_>, upstreams: usize) {
    let metrics = Metrics::default();
    let upstreams: Vec<_> = (0..upstreams)
        .map(|number| metrics.upstream(&UpstreamId::new(&format!("server{number}"))))
        .collect();
    for upstream in &upstreams {
        note(&metrics, upstream);
    }
    bencher.bench(|| metrics.text(Format::OpenMetrics));
}

fn tracer(runtime: &Runtime, is_on: bool) -> Tracer {
    let _inside = runtime.enter();
    let settings = Otlp {
        endpoint: "http://127.0.0.1:9/v1/traces".parse().unwrap(),
        headers: indexmap::IndexMap::new(),
        proxy: None,
        sample: Sample::of(1.0),
        resource: Vec::new(),
    };
    Tracer::start(is_on.then_some(&settings), &Secrets::default(), &Metrics::default())
}

/// Both spans of one call, as far as its client waits for them: made, named in what is sent, and
/// handed to the exporter, who is busy. Off, it is an id.
#[divan::bench(args = [false, true])]
fn trace_call(bencher: Bencher<'_, '_>, is_on: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tracer = tracer(&runtime, is_on);
    let (params, id) = (Raw::parse(PARAMS.to_owned()).unwrap(), Id::number(1));
    bencher.bench(|| {
        let trace = tracer.begin(Some(&params), &id);
        if let Some((child, (_, secrets))) = trace.child().zip(trace.recorded()) {
            black_box(child.inject(Some(&params)));
            let done = ended(&params, child.secrets());
            child.end(done);
            trace.end(ended(&params, secrets));
        }
        trace
    });
}

fn ended(params: &Raw, secrets: &Secrets) -> trace::Ended {
    let mut attributes = Vec::with_capacity(16);
    let name = trace::about(&mut attributes, "tools/call", Some(params), true, secrets);
    for (key, value) in [("network.transport", "pipe"), ("mcp.protocol.version", "2026-07-28")] {
        attributes.push((key, value.into()));
    }
    attributes.push((trace::UPSTREAM, "files".to_owned().into()));
    attributes.push(("conflux.generation", 7.into()));
    let error = trace::failed(&mut attributes, Outcome::Ok);
    trace::Ended { name, took: TOOK, attributes, error }
}
