//! What is counted is shown, in either format, and no label is made up by anybody outside.

use std::time::Duration;

use proptest::prelude::*;

use crate::ids::UpstreamId;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Ended;
use crate::telemetry::metrics::Format;
use crate::telemetry::metrics::Method;
use crate::telemetry::metrics::NAMES;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::metrics::Reading;
use crate::telemetry::metrics::Refusal;
use crate::telemetry::metrics::UPSTREAMS;

fn ended(method: &str, outcome: Outcome, took: Duration) -> Ended {
    Ended { method: Method::of(method), outcome, took }
}

/// Returns the value of the line that begins so.
#[track_caller]
fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no `{line}` in:\n{text}")).parse().unwrap()
}

fn counted() -> Metrics {
    let metrics = Metrics::default();
    let files = metrics.upstream(&UpstreamId::new("files"));
    let millis = Duration::from_millis;
    files.answered(ended("tools/call", Outcome::Ok, millis(3)), 100, 2000);
    files.answered(ended("tools/call", Outcome::ToolError, millis(30)), 100, 50);
    files.answered(ended("made/up", Outcome::Failed, Duration::from_secs(99)), 100, 0);
    files.asked(ended("tools/call", Outcome::Ok, millis(2)));
    files.starts();
    files.starts();
    files.spares();
    metrics.nobody().answered(ended("tools/call", Outcome::Refused, millis(0)), 10, 0);
    metrics.refused(Refusal::Unknown);
    metrics.refused_in_shadow();
    metrics.gauge("conflux_things", "Things", || Some(7));
    metrics.counter("conflux_events", "Events", || Some(8));
    metrics.gauge("conflux_no_things", "No things", || None);
    metrics.look(|| {
        let upstream = UpstreamId::new("files");
        vec![Reading { upstream, state: "ready", in_flight: 3, waiting: 2, tools: 5 }]
    });
    metrics
}

#[test]
fn what_is_counted_is_shown() {
    let metrics = counted();
    let under_way = metrics.begin();
    let text = metrics.text(Format::OpenMetrics);
    let call = r#"mcp_method_name="tools/call""#;
    let took = "mcp_server_operation_duration_seconds";
    for (line, expected) in [
        (format!(r#"conflux_requests_total{{{call},outcome="ok",upstream="files"}}"#), 1.0),
        (format!(r#"conflux_requests_total{{{call},outcome="refused",upstream=""}}"#), 1.0),
        (
            r#"conflux_requests_total{mcp_method_name="other",outcome="failed",upstream="files"}"#
                .to_owned(),
            1.0,
        ),
        (format!(r#"{took}_bucket{{le="0.005",{call},upstream="files"}}"#), 1.0),
        (format!(r#"{took}_bucket{{le="+Inf",{call},upstream="files"}}"#), 2.0),
        (format!(r#"{took}_sum{{{call},upstream="files"}}"#), 0.033),
        (r#"conflux_request_size_bytes_sum{upstream="files"}"#.to_owned(), 300.0),
        (r#"conflux_response_size_bytes_count{upstream="files"}"#.to_owned(), 2.0),
        (r#"conflux_upstream_starts_total{upstream="files"}"#.to_owned(), 2.0),
        (r#"conflux_upstream_restarts_total{upstream="files"}"#.to_owned(), 1.0),
        (r#"conflux_upstream_state{upstream="files",state="ready"}"#.to_owned(), 1.0),
        (r#"conflux_upstream_state{upstream="files",state="failed"}"#.to_owned(), 0.0),
        (r#"conflux_upstream_queue_length{upstream="files"}"#.to_owned(), 2.0),
        (r#"conflux_refusals_total{reason="unknown"}"#.to_owned(), 1.0),
        (r#"conflux_refusals_total{reason="busy"}"#.to_owned(), 0.0),
        ("conflux_policy_shadow_refusals_total".to_owned(), 1.0),
        ("conflux_requests_in_flight".to_owned(), 1.0),
        ("conflux_things".to_owned(), 7.0),
        ("conflux_events_total".to_owned(), 8.0),
        (r#"conflux_cache_hits_total{upstream="files"}"#.to_owned(), 1.0),
    ] {
        let found = value(&text, &line);
        assert!((found - expected).abs() < 1e-9, "{line}: {found}");
    }
    assert!(!text.contains("made/up") && !text.contains("no_things"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    drop(under_way);
    let text = metrics.text(Format::OpenMetrics);
    assert!(value(&text, "conflux_requests_in_flight") == 0.0);
}

#[test]
fn the_classic_format_names_counters_with_their_ending() {
    let text = counted().text(Format::Classic);
    for line in [
        "# HELP conflux_requests_total Requests of clients that ended, by how they did",
        "# TYPE conflux_requests_total counter",
        "# TYPE conflux_build_info gauge",
        "# TYPE mcp_server_operation_duration_seconds histogram",
        "# TYPE conflux_things gauge",
    ] {
        assert!(text.lines().any(|it| it == line), "no `{line}` in:\n{text}");
    }
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    let samples = |text: &str| {
        let lines = text.lines().filter(|it| !it.starts_with('#') && !it.starts_with("process_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let metrics = counted();
    assert_eq!(
        samples(&metrics.text(Format::Classic)),
        samples(&metrics.text(Format::OpenMetrics))
    );
}

#[test]
fn whoever_scrapes_gets_the_format_it_asks_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1";
    for (accept, expected) in [
        (None, Format::Classic),
        (Some("*/*"), Format::Classic),
        (Some("text/plain"), Format::Classic),
        (Some("application/openmetrics-text; q=0"), Format::Classic),
        (Some(prometheus), Format::OpenMetrics),
        (Some("text/html, Application/OpenMetrics-Text"), Format::OpenMetrics),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}

#[test]
fn names_of_tools_are_shown_only_where_wanted_and_only_so_many() {
    let metrics = counted();
    metrics.called("files__read", Outcome::Ok);
    assert!(!metrics.text(Format::Classic).contains("files__read"));
    metrics.tell_tools();
    for number in 0..10_000 {
        metrics.called(&format!("files__made_up_{number}"), Outcome::Ok);
    }
    let text = metrics.text(Format::Classic);
    let lines = text.lines().filter(|it| it.starts_with("conflux_tool_calls_total{"));
    assert_eq!(lines.count(), NAMES + 1);
    let other = r#"conflux_tool_calls_total{gen_ai_tool_name="other",outcome="ok"}"#;
    let others = u32::try_from(10_001 - NAMES).unwrap();
    assert!((value(&text, other) - f64::from(others)).abs() < 0.5);
}

#[test]
fn upstreams_that_are_gone_give_way_and_those_that_are_there_never() {
    let metrics = Metrics::default();
    let stays = metrics.upstream(&UpstreamId::new("stays"));
    stays.starts();
    for number in 0..3 * UPSTREAMS {
        metrics.upstream(&UpstreamId::new(&format!("gone-{number}"))).starts();
    }
    let text = metrics.text(Format::Classic);
    assert!((value(&text, r#"conflux_upstream_starts_total{upstream="stays"}"#) - 1.0).abs() < 0.1);
    let lines = text.lines().filter(|it| it.starts_with("conflux_upstream_starts_total{"));
    assert!(lines.count() <= UPSTREAMS);
}

proptest! {
    /// Whatever took however long: everything is in some bucket, and each bucket holds the ones
    /// before it.
    #[test]
    fn buckets_add_up(times in proptest::collection::vec(0..200_000_u64, 1..200)) {
        let metrics = Metrics::default();
        for time in &times {
            let took = Duration::from_millis(*time);
            metrics.nobody().asked(ended("ping", Outcome::Ok, took));
        }
        let text = metrics.text(Format::OpenMetrics);
        let buckets = "mcp_client_operation_duration_seconds_bucket{";
        let lines = text.lines().filter_map(|line| line.strip_prefix(buckets));
        let found: Vec<(f64, usize)> = lines
            .map(|line| {
                let bound = line.split('"').nth(1).unwrap();
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                (bound, line.rsplit(' ').next().unwrap().parse().unwrap())
            })
            .collect();
        prop_assert_eq!(found.len(), 15);
        for (bound, count) in found {
            let within =
                times.iter().filter(|time| Duration::from_millis(**time).as_secs_f64() <= bound);
            prop_assert_eq!(within.count(), count, "up to {}", bound);
        }
    }
}
