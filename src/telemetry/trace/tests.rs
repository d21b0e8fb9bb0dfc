//! What begins a trace, what is recorded of it, and what becomes of spans when nobody takes them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;
use prost::Message as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::TaskTracker;

use crate::config::secrets::Secrets;
use crate::config::telemetry::Otlp;
use crate::config::telemetry::Sample;
use crate::telemetry::Metrics;
use crate::telemetry::Tracer;
use crate::telemetry::metrics::Format;
use crate::telemetry::trace::Context;
use crate::telemetry::trace::Ended;
use crate::telemetry::trace::QUEUE;
use crate::telemetry::trace::otlp;
use crate::wire::Id;
use crate::wire::Raw;

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn settings(address: &str, sample: f64) -> Otlp {
    Otlp {
        endpoint: format!("http://{address}/v1/traces").parse().unwrap(),
        headers: IndexMap::from([("x-key".to_owned(), "value".to_owned())]),
        proxy: None,
        sample: Sample::of(sample),
        resource: vec![("service.name".to_owned(), "tests".to_owned())],
    }
}

fn ended(name: &str) -> Ended {
    let (name, took) = (name.to_owned(), Duration::from_millis(7));
    Ended { name, took, attributes: vec![("mcp.method.name", "tools/call".into())], error: None }
}

fn params(meta: &str) -> Raw {
    Raw::of(&serde_json::from_str::<serde_json::Value>(&format!(r#"{{"_meta":{meta}}}"#)).unwrap())
}

/// What a collector got: the head of a request, and its body.
type Got = (String, Vec<u8>);

/// A collector that keeps what it gets, and answers with a status.
struct Collector {
    address: String,
    got: Arc<Mutex<Vec<Got>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    async fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = Arc::clone(&got);
        let serving = TaskTracker::new().spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let (head, body) = loop {
                    assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
                    let text = String::from_utf8_lossy(&bytes).to_lowercase();
                    let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
                        continue;
                    };
                    let length = text.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.split('\r').next().unwrap().parse().unwrap();
                    if bytes.len() >= end + 4 + length {
                        break (text.split("\r\n\r\n").next().unwrap().to_owned(), end + 4);
                    }
                };
                kept.lock().unwrap().push((head, bytes[body..].to_vec()));
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, got, _serving: AbortOnDropHandle::new(serving) }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

#[track_caller]
fn counted(metrics: &Metrics, outcome: &str) -> u64 {
    let line = format!(r#"conflux_spans_total{{outcome="{outcome}"}} "#);
    let text = metrics.text(Format::Classic);
    text.lines().find_map(|it| it.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[test]
fn a_context_is_read_as_the_recommendation_says() {
    let context = Context::parse(SAMPLED).unwrap();
    assert_eq!((context.span, context.is_sampled), (0xb7ad_6b71_6920_3331, true));
    assert!(!Context::parse(UNSAMPLED).unwrap().is_sampled);
    assert_eq!(context.to_string(), SAMPLED);
    // A version to come may say more.
    let later = SAMPLED.replacen("00", "cc", 1);
    assert_eq!(Context::parse(&format!("{later}-what-comes")), Some(context));
    for wrong in [
        "",
        "00",
        &SAMPLED.to_uppercase(),
        &SAMPLED.replacen("00", "ff", 1),
        &format!("{SAMPLED}-more"),
        &SAMPLED.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
        &SAMPLED.replace("b7ad6b7169203331", &"0".repeat(16)),
        &SAMPLED.replace("b7ad", "b7a"),
        &SAMPLED.replace("b7ad", "+7ad"),
        SAMPLED.strip_suffix("01").unwrap(),
    ] {
        assert_eq!(Context::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_context_survives_being_said(
        trace in 1..=u128::MAX,
        span in 1..=u64::MAX,
        is_sampled: bool,
    ) {
        let context = Context { trace, span, is_sampled };
        prop_assert_eq!(Context::parse(&context.to_string()), Some(context));
    }

    #[test]
    fn whatever_is_said_is_read_or_not(text in "\\PC{0,70}") {
        // It must be in the one form there is, so that nobody reads it in another way.
        if let Some(context) = Context::parse(&text) {
            let said = context.to_string();
            let [trace, span] = [1, 2].map(|part| said.split('-').nth(part));
            let mut parts = text.split('-').skip(1);
            prop_assert_eq!((parts.next(), parts.next()), (trace, span));
        }
    }
}

#[tokio::test]
async fn who_began_a_trace_decides_whether_it_is_recorded() {
    let (metrics, secrets) = (Metrics::default(), Secrets::default());
    let all = Tracer::start(Some(&settings("127.0.0.1:9", 1.0)), &secrets, &metrics);
    let none = Tracer::start(Some(&settings("127.0.0.1:9", 0.0)), &secrets, &metrics);
    let off = Tracer::default();
    let id = Id::number(1);
    let sampled = params(&format!(r#"{{"traceparent":"{SAMPLED}"}}"#));
    let unsampled = params(&format!(r#"{{"traceparent":"{UNSAMPLED}"}}"#));
    let broken = params(r#"{"traceparent":"broken"}"#);
    for (params, recorded) in [
        (None, [true, false]),
        (Some(&sampled), [true, true]),
        (Some(&unsampled), [false, false]),
        (Some(&broken), [true, false]),
    ] {
        let begun = [&all, &none].map(|tracer| tracer.begin(params, &id).recorded().is_some());
        assert_eq!(begun, recorded, "{params:?}");
        assert!(off.begin(params, &id).recorded().is_none());
    }
    let trace = Some("0af7651916cd43dd8448eb211c80319c".to_owned());
    let mut ids = HashSet::new();
    for tracer in [&all, &none, &off] {
        for params in [&sampled, &unsampled] {
            let begun = tracer.begin(Some(params), &id);
            assert_eq!(begun.trace_id(Some(params)), trace);
            ids.insert(begun.id().to_string());
        }
        let begun = tracer.begin(Some(&broken), &id);
        assert_eq!(begun.trace_id(Some(&broken)).is_some(), tracer.is_on());
    }
    // Traced or not, and whatever its client says, no request has the id of another one.
    assert!(ids.len() == 6 && ids.iter().all(|id| id.len() == 16), "{ids:?}");
    let half = Sample::of(0.5);
    let taken = (0..1000_u64).filter(|_| half.takes(super::ids::trace())).count();
    assert!((300..700).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_request_names_the_span_it_is_sent_for_and_nothing_else_changes() {
    let tracer = Tracer::start(
        Some(&settings("127.0.0.1:9", 1.0)),
        &Secrets::default(),
        &Metrics::default(),
    );
    let meta = format!(r#"{{"a":1e3, "traceparent":"{SAMPLED}","tracestate":"a=b"}}"#);
    let text = format!(r#"{{"name" : "x","n":1.0,"_meta":{meta} }}"#);
    let params = Raw::of(&serde_json::value::RawValue::from_string(text.clone()).unwrap());
    let child = tracer.begin(Some(&params), &Id::number(1)).child().unwrap();
    let sent = child.inject(Some(&params)).unwrap();
    let named = sent.member("_meta").unwrap().member("traceparent").unwrap().string().unwrap();
    let context = Context::parse(&named).unwrap();
    assert_eq!(context.trace, Context::parse(SAMPLED).unwrap().trace);
    assert_eq!(sent.get(), text.replace(SAMPLED, &named));
    assert_ne!(named, SAMPLED);
    assert!(child.inject(None).unwrap().get().starts_with(r#"{"_meta":{"traceparent":""#));
}

#[tokio::test]
async fn what_ended_is_exported_at_the_latest_when_everything_ends() {
    let collector = Collector::start("200 OK").await;
    let metrics = Metrics::default();
    let secrets = Secrets::new(["very-secret-value".to_owned()]);
    let tracer = Tracer::start(Some(&settings(&collector.address, 1.0)), &secrets, &metrics);
    let parent = params(&format!(r#"{{"traceparent":"{SAMPLED}","tracestate":"a=b"}}"#));
    let trace = tracer.begin(Some(&parent), &Id::number(1));
    trace.child().unwrap().end(Ended { error: Some(String::new()), ..ended("inner") });
    trace.end(ended("outer very-secret-value"));
    tracer.flush().await;
    let got = collector.got();
    let [(head, body)] = &got[..] else { panic!("{got:?}") };
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(head.contains("x-key: value"), "{head}");
    let request = otlp::Request::decode(body.as_slice()).unwrap();
    let said = format!("{request:?}");
    assert!(said.contains("outer ***") && !said.contains("very-secret-value"), "{said}");
    assert!(said.contains(r#"trace_state: "a=b""#) && said.contains("code: 2"), "{said}");
    assert_eq!((counted(&metrics, "exported"), counted(&metrics, "failed")), (2, 0));
    // Nobody waits for what comes after that.
    trace.end(ended("late"));
    assert_eq!(counted(&metrics, "dropped"), 1);
}

#[tokio::test]
async fn what_nobody_takes_is_counted_and_holds_nobody_up() {
    for (status, address) in [("400 Bad Request", None), ("200 OK", Some("127.0.0.1:9"))] {
        let collector = Collector::start(status).await;
        let address = address.unwrap_or(&collector.address);
        let metrics = Metrics::default();
        let tracer = Tracer::start(Some(&settings(address, 1.0)), &Secrets::default(), &metrics);
        let trace = tracer.begin(None, &Id::number(1));
        // Nothing is taken out of the queue before this waits.
        for _ in 0..QUEUE + 5 {
            trace.end(ended("x"));
        }
        tracer.flush().await;
        let found = ["exported", "dropped", "failed"].map(|outcome| counted(&metrics, outcome));
        assert_eq!(found, [0, 5, QUEUE as u64], "{status}");
    }
}
