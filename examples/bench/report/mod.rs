//! What came of a run, in all the shapes in which it is told.

pub(crate) mod machine;
pub(crate) mod markdown;
pub(crate) mod target;

use serde::Serialize;

use crate::load::request::Era;
use crate::report::machine::Machine;
use crate::stage::Route;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) round_ms: u64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) failures: Vec<Failure>,
}

/// One point at which every subject was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) route: Route,
    pub(crate) era: Era,
    pub(crate) upstreams: usize,
    pub(crate) payload: usize,
    pub(crate) in_flight: usize,
    pub(crate) figures: Vec<Figures>,
}

/// What one subject did at a point; times in microseconds, medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) subject: String,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) per_second: f64,
    /// Processor time of the subject's own process per call.
    pub(crate) cpu: f64,
    /// The same of all processes under it: its upstreams, and what guards them.
    pub(crate) cpu_under: f64,
    /// Resident at the end of the point.
    pub(crate) resident_kib: u64,
    /// The most that was resident at this point.
    pub(crate) peak_kib: u64,
}

/// A single figure that is not about load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) scenario: String,
    pub(crate) subject: String,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// What did not work; only other gateways may fail.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) subject: String,
    pub(crate) at: String,
    pub(crate) why: String,
}

impl Cell {
    pub(crate) fn of(&self, subject: &str) -> Option<&Figures> {
        self.figures.iter().find(|it| it.subject == subject)
    }

    /// What a subject adds to the median of the direct way, in microseconds.
    pub(crate) fn added(&self, subject: &str) -> Option<f64> {
        Some(self.of(subject)?.median - self.of("direct")?.median)
    }

    /// A figure of one subject in terms of the same of another.
    pub(crate) fn ratio(
        &self,
        subject: &str,
        floor: &str,
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<f64> {
        Some(figure(self.of(subject)?) / figure(self.of(floor)?))
    }
}

impl Report {
    pub(crate) fn fact(&self, scenario: &str, subject: &str, what: &str) -> Option<f64> {
        let is_it =
            |it: &&Fact| it.scenario == scenario && it.subject == subject && it.what == what;
        self.facts.iter().find(is_it).map(|it| it.value)
    }
}

/// The middle one of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure with as many digits as mean something.
pub(crate) fn shown(figure: f64) -> String {
    match figure.abs() {
        _ if figure.is_nan() => "–".to_owned(),
        size if size >= 100.0 => {
            let digits = format!("{:.0}", figure.abs());
            let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
            let grouped = groups.collect::<Vec<_>>().join(",");
            if figure < 0.0 { format!("-{grouped}") } else { grouped }
        }
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// The table of one point, aligned for a terminal.
pub(crate) fn table(cell: &Cell) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(head()).chain(rows(cell)).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The titles of the columns of [`rows`].
pub(crate) fn head() -> Vec<String> {
    let titles = [
        "",
        "median µs",
        "p99 µs",
        "added µs",
        "÷ splice",
        "÷ relay",
        "calls/s",
        "÷ relay",
        "CPU µs",
        "÷ relay",
        "CPU µs below",
        "MiB",
        "peak MiB",
    ];
    titles.map(str::to_owned).to_vec()
}

/// A row per subject.
pub(crate) fn rows(cell: &Cell) -> impl Iterator<Item = Vec<String>> + '_ {
    cell.figures.iter().map(|it| {
        let name = it.subject.as_str();
        let added = cell.added(name).filter(|_| name != "direct");
        let over = |floor: &str| Some(added? / cell.added(floor)?).filter(|_| floor != name);
        let ratio = |figure: fn(&Figures) -> f64| {
            cell.ratio(name, "relay", figure).filter(|_| name != "relay")
        };
        let figures = [
            Some(it.median),
            Some(it.p99),
            added,
            over("splice"),
            over("relay"),
            Some(it.per_second),
            ratio(|it| it.per_second),
            Some(it.cpu),
            ratio(|it| it.cpu),
            Some(it.cpu_under),
            Some(mib(it.resident_kib)),
            Some(mib(it.peak_kib)),
        ];
        let shown = figures.map(|figure| figure.map_or_else(|| "–".to_owned(), shown));
        std::iter::once(name.to_owned()).chain(shown).collect()
    })
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 KiB")]
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
