//! What came of it, as tables of a page.

use crate::governed::Contender;
use crate::report;
use crate::report::machine::Machine;

/// What all parts together may add to the median, in microseconds.
const TARGET: f64 = 150.0;

/// One configuration, beside the one with nothing.
pub(super) struct Row {
    name: String,
    median: f64,
    /// How much more its median is.
    added: f64,
    /// What a call takes of a processor: of Conflux alone, with all that it does beside the call.
    cost: f64,
    /// How much more that is.
    added_cost: f64,
}

impl Row {
    /// Compares each with the first one, round by round.
    pub(super) fn all(contenders: &[Contender]) -> Vec<Self> {
        let Some(nothing) = contenders.first() else { return Vec::new() };
        let added = |those: &[f64], floor: &[f64]| {
            report::median(those.iter().zip(floor).map(|(own, floor)| own - floor).collect())
        };
        let row = |it: &Contender| Self {
            name: it.name.clone(),
            median: report::median(it.medians.clone()),
            added: added(&it.medians, &nothing.medians),
            cost: mean(&it.costs),
            added_cost: mean(&it.costs) - mean(&nothing.costs),
        };
        contenders.iter().map(row).collect()
    }
}

/// What the figures depend on.
pub(super) fn machine(machine: &Machine, rounds: usize, calls: usize) -> String {
    let Machine { date, processor, cores, load, .. } = machine;
    let cores = if *cores == 1 { "one core for all".to_owned() } else { format!("{cores} cores") };
    let rounds = format!("{rounds} rounds of {calls} calls");
    format!("{date}, {processor}, {cores}, load before {load}, {rounds}")
}

pub(super) fn table(rows: &[Row]) -> String {
    let line = |(number, row): (usize, &Row)| {
        let added = |figure: f64| match number {
            0 => "–".to_owned(),
            _ => report::shown(figure),
        };
        let figures = [
            row.name.clone(),
            report::shown(row.median),
            added(row.added),
            report::shown(row.cost),
            added(row.added_cost),
        ];
        format!("| {} |", figures.join(" | "))
    };
    let lines: Vec<String> = rows.iter().enumerate().map(line).collect();
    let worst = rows.iter().filter(|row| row.name.starts_with("everything"));
    let worst = worst.map(|row| row.added).fold(f64::NAN, f64::max);
    let is_reached = if worst <= TARGET { "reached" } else { "missed" };
    format!(
        "| on | median µs | added µs | CPU µs | added CPU µs |\n|---|---:|---:|---:|---:|\n{}\n\n\
         Wanted: everything adds at most {TARGET} µs at the median. Most is {}: {is_reached}.",
        lines.join("\n"),
        report::shown(worst)
    )
}

/// The mean: ticks are too coarse for a round alone.
#[expect(clippy::cast_precision_loss, reason = "rounds are few")]
fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len() as f64
}
