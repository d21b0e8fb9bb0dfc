//! What is wanted, what was measured, and whether that is enough.

use crate::load::request::Era;
use crate::report::Cell;
use crate::report::Figures;
use crate::report::Report;
use crate::report::mib;
use crate::report::shown;
use crate::stage::Route;

const CONFLUX: &str = "conflux";

/// One thing that is wanted.
pub(crate) struct Target {
    pub(crate) wanted: String,
    pub(crate) measured: String,
    /// Nothing, if it was not measured.
    pub(crate) is_reached: Option<bool>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
        }
    }
}

/// All of them, in the order in which they are wanted.
pub(crate) fn all(report: &Report) -> Vec<Target> {
    let mut targets = ratios(report);
    targets.extend(against_others(report));
    targets.extend(payloads(report));
    targets.extend(facts(report));
    targets
}

/// The same for a terminal.
pub(crate) fn text(report: &Report) -> String {
    let line = |it: &Target| format!("{:<4} {}: {}", mark(it), it.wanted, it.measured);
    all(report).iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether it is reached, as a word.
pub(crate) fn mark(target: &Target) -> &'static str {
    match target.is_reached {
        Some(true) => "yes",
        Some(false) => "no",
        None => "–",
    }
}

/// A figure of the cells of a route with one upstream, for both eras.
fn at(
    report: &Report,
    wanted: &str,
    (route, in_flight, payload): (Route, usize, usize),
    limit: Limit,
    figure: impl Fn(&Cell) -> Option<f64>,
) -> Target {
    let figures = Era::ALL.into_iter().filter_map(|era| {
        let is_it = |cell: &&Cell| {
            (cell.route, cell.era, cell.upstreams) == (route, era, 1)
                && (cell.in_flight, cell.payload) == (in_flight, payload)
        };
        Some((era.name(), figure(report.cells.iter().find(is_it)?)?))
    });
    let wanted = format!("{}: {wanted}", route.title());
    judged(wanted, &figures.collect::<Vec<_>>(), limit)
}

fn judged(wanted: String, figures: &[(&str, f64)], limit: Limit) -> Target {
    let measured: Vec<String> =
        figures.iter().map(|(era, figure)| format!("{} {era}", shown(*figure))).collect();
    let holds = figures.iter().all(|(_, figure)| limit.holds(*figure));
    let is_reached = (!figures.is_empty()).then_some(holds);
    Target { wanted, measured: listed(&measured), is_reached }
}

fn listed(measured: &[String]) -> String {
    if measured.is_empty() { "–".to_owned() } else { measured.join(", ").trim().to_owned() }
}

fn ratios(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    for route in Route::ALL {
        let (floor, words) = if route.front_is_stdio() {
            ("splice", "adds at most 3 times what the splice adds, 1 in flight")
        } else {
            ("relay", "adds at most 3 times what the relay adds, 1 in flight")
        };
        let added = |cell: &Cell| Some(cell.added(CONFLUX)? / cell.added(floor)?);
        targets.push(at(report, words, (route, 1, 100), Limit::AtMost(3.0), added));
        let rate = |cell: &Cell| cell.ratio(CONFLUX, "relay", |it| it.per_second);
        let words = "at least 0.55 of the relay's calls per second, 16 in flight";
        targets.push(at(report, words, (route, 16, 100), Limit::AtLeast(0.55), rate));
        let cpu = |cell: &Cell| cell.ratio(CONFLUX, "relay", |it| it.cpu);
        let words = "at most 2.5 times the relay's processor time per call, 16 in flight";
        targets.push(at(report, words, (route, 16, 100), Limit::AtMost(2.5), cpu));
    }
    targets
}

/// Conflux against every other gateway in the run, over HTTP.
fn against_others(report: &Report) -> Vec<Target> {
    let known = ["direct", "splice", "relay"];
    let mut names: Vec<&str> = Vec::new();
    for figures in report.cells.iter().flat_map(|cell| &cell.figures) {
        let name = figures.subject.as_str();
        let is_other = !known.contains(&name) && !name.starts_with(CONFLUX);
        if is_other && !names.contains(&name) {
            names.push(name);
        }
    }
    let mut targets = Vec::new();
    for name in names {
        for route in [Route::HttpStdio, Route::HttpHttp] {
            let mut add = |words: &str, limit, figure: fn(&Figures) -> f64| {
                let words = format!("{words} of {name}, 16 in flight");
                let ratio = |cell: &Cell| cell.ratio(CONFLUX, name, figure);
                let target = at(report, &words, (route, 16, 100), limit, ratio);
                if target.is_reached.is_some() {
                    targets.push(target);
                }
            };
            let third = Limit::AtMost(1.0 / 3.0);
            add("at least 3 times the calls per second", Limit::AtLeast(3.0), |it| it.per_second);
            add("at most a third of the processor time per call", third, |it| it.cpu);
            add("at most a third of the memory", third, |it| mib(it.resident_kib));
        }
    }
    targets
}

fn payloads(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    for route in Route::ALL {
        for (payload, name) in [(256 * 1024, "256 KiB"), (1024 * 1024, "1 MiB")] {
            let words = format!("at least 0.7 of the relay's calls per second with {name}");
            let rate = |cell: &Cell| cell.ratio(CONFLUX, "relay", |it| it.per_second);
            targets.push(at(report, &words, (route, 16, payload), Limit::AtLeast(0.7), rate));
        }
        let small = |cell: &Cell| {
            let is_it = |it: &&Cell| {
                (it.route, it.era, it.upstreams) == (cell.route, cell.era, 1)
                    && (it.in_flight, it.payload) == (16, 100)
            };
            report.cells.iter().find(is_it)?.of(CONFLUX)
        };
        let copies = |cell: &Cell| {
            let more = mib(cell.of(CONFLUX)?.peak_kib) - mib(small(cell)?.resident_kib);
            Some(more / 16.0)
        };
        let words = "at most two copies in memory of each payload of 1 MiB";
        targets.push(at(report, words, (route, 16, 1024 * 1024), Limit::AtMost(2.0), copies));
    }
    targets
}

fn facts(report: &Report) -> Vec<Target> {
    let fact = |scenario: &str, what: &str| report.fact(scenario, CONFLUX, what);
    let one = |wanted: &str, figure: Option<f64>, unit: &'static str, limit| {
        judged(wanted.to_owned(), figure.map(|it| (unit, it)).as_slice(), limit)
    };
    let hung = |what: &str, route: Route| {
        fact("hung", &format!("{what}, one hung of five, {}", route.title()))
    };
    let mut all = vec![one(
        "16 clients in front of two upstreams over stdio: two processes",
        fact("share", "processes of 2 upstreams for 16 clients"),
        "",
        Limit::AtMost(2.0),
    )];
    for route in [Route::StdioStdio, Route::HttpStdio] {
        for (what, limit) in [
            ("initialize", 100.0),
            ("healthy tools called", 1000.0),
            ("healthy tools listed", 1000.0),
            ("slowest later call", 100.0),
        ] {
            let wanted = format!("one hung of five, {}: {what} within {limit} ms", route.title());
            all.push(one(&wanted, hung(what, route), "ms", Limit::AtMost(limit)));
        }
    }
    let ratio = fact("slow", "p99 ÷ median of the others, one slow of twenty");
    let words = "20 upstreams, one of them slow: p99 at most 3 times the median";
    all.push(one(words, ratio, "", Limit::AtMost(3.0)));
    for route in [Route::StdioStdio, Route::HttpStdio] {
        let what = format!("5,000 tools, {}", route.title());
        let direct = report.fact("list", "direct", &what);
        let more = fact("list", &what).zip(direct).map(|(it, direct)| it - direct);
        let words = format!("tools/list of {what}: under 2 ms more than writing the bytes");
        all.push(one(&words, more, "ms", Limit::AtMost(2.0)));
    }
    let start = |what: &str| fact("start", what);
    let limits = [
        ("initialize, 0 upstreams, cold", 15.0),
        ("initialize, 20 upstreams, cold", 15.0),
        ("initialize, 200 upstreams, cold", 15.0),
        ("tools/list, 20 upstreams, stored", 50.0),
        ("tools/list, 200 upstreams, stored", 50.0),
        ("tools/list, 200 upstreams, one hung, stored", 50.0),
    ];
    for (what, limit) in limits {
        let wanted = format!("from the start of the process, {what}: within {limit} ms");
        all.push(one(&wanted, start(what), "ms", Limit::AtMost(limit)));
    }
    let memory = [
        ("at rest, upstreams: 20", "at rest with 20 upstreams: under 20 MiB", "MiB", 20.0),
        (
            "more at most, 64 calls of 1 MiB under way",
            "under a flood of big calls: under 64 MiB more",
            "MiB",
            64.0,
        ),
        (
            "more at most, a line of 100 MiB",
            "a line without an end: under 64 MiB more",
            "MiB",
            64.0,
        ),
        ("processor at rest, 20 upstreams", "processor at rest: under 0.1 %", "%", 0.1),
    ];
    for (what, wanted, unit, limit) in memory {
        all.push(one(wanted, fact("memory", what), unit, Limit::AtMost(limit)));
    }
    let size = fact("size", "program");
    all.push(one("the program: under 20 MB", size, "MB", Limit::AtMost(20.0)));
    all
}
