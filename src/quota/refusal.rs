//! What is told to somebody who has reached a limit.

use std::time::Duration;

use crate::config::quota::Quota;
use crate::config::units;
use crate::quota::counter::Lack;
use crate::quota::counter::Measure;
use crate::quota::rule::Rule;

/// A request that is over a limit, and all that is known about that. It was counted nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit {label} is reached{}: {most}; try again {}", of(.whose), when(*.retry_after))]
pub struct Refusal {
    /// What the limit is called, or what it counts.
    label: String,
    /// What the limit is called in data.
    name: String,
    /// For whom it is counted; nobody if everything is counted together.
    whose: Vec<String>,
    /// How much there may be.
    most: String,
    /// How long until it makes sense to try again; nothing if that depends on others.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(rule: &Rule, key: &str, lack: Lack) -> Self {
        Self {
            label: label(&rule.quota),
            name: name(&rule.quota),
            whose: rule.shown(key),
            most: most(&rule.quota, lack.of),
            retry_after: lack.wait,
        }
    }

    /// Returns what the limit is called, for programs.
    pub fn limit(&self) -> &str {
        &self.name
    }
}

/// Returns the name of a limit, or what it counts if it has none.
pub(super) fn name(quota: &Quota) -> String {
    quota.name.clone().unwrap_or_else(|| counted(quota))
}

fn label(quota: &Quota) -> String {
    quota.name.as_ref().map_or_else(|| counted(quota), |name| format!("`{name}`"))
}

fn counted(quota: &Quota) -> String {
    let words: Vec<_> = quota.per.iter().map(|dimension| dimension.as_str()).collect();
    if words.is_empty() {
        return "of everything together".to_owned();
    }
    format!("per {}", words.join(" and "))
}

fn most(quota: &Quota, of: Measure) -> String {
    match (of, quota) {
        (Measure::Rate, Quota { rate: Some(rate), .. }) => format!("at most {rate}"),
        (Measure::Concurrency, Quota { concurrency: Some(most), .. }) => {
            format!("at most {most} under way at once")
        }
        (Measure::Calls, Quota { calls: Some(budget), .. }) => {
            format!("at most {}/{}", budget.amount, budget.period.as_str())
        }
        (Measure::Bytes, Quota { bytes: Some(budget), .. }) => {
            let size = units::show_size(usize::try_from(budget.amount).unwrap_or(usize::MAX));
            format!("at most {size}/{} of arguments and results", budget.period.as_str())
        }
        _ => "too many others are counted at the moment".to_owned(),
    }
}

fn of(whose: &[String]) -> String {
    if whose.is_empty() { String::new() } else { format!(" for {}", whose.join(" and ")) }
}

/// Says when to try again, in whole seconds, and never too early.
fn when(wait: Option<Duration>) -> String {
    let Some(wait) = wait else { return "when another request has ended".to_owned() };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    format!("in {}", humantime::format_duration(Duration::from_secs(seconds.max(1))))
}
