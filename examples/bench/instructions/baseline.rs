//! What calls cost when somebody last accepted it, and how that compares.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde::Serialize;

use crate::instructions::TOLERANCE;

/// The head of the table.
pub(super) const HEAD: &str =
    "point                                                      instructions     accepted  change";

/// Instructions per call, by the names of points.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Baseline(BTreeMap<String, u64>);

/// How a count compares with the accepted one.
#[derive(Debug)]
pub(super) struct Verdict {
    accepted: Option<u64>,
    /// What is more or less, as a share of what was accepted.
    change: f64,
}

impl Baseline {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read `{}`", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}`", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn note(&mut self, name: String, count: u64) {
        self.0.insert(name, count);
    }

    #[expect(clippy::cast_precision_loss, reason = "a call costs less than 2^53 instructions")]
    pub(super) fn judge(&self, name: &str, count: u64) -> Verdict {
        let accepted = self.0.get(name).copied();
        let change = accepted.map_or(0.0, |accepted| count as f64 / accepted as f64 - 1.0);
        Verdict { accepted, change }
    }
}

impl Verdict {
    /// Says what is wrong, if anything is.
    pub(super) fn complaint(&self, name: &str) -> Option<String> {
        if self.accepted.is_none() {
            return Some(format!("`{name}` was never accepted"));
        }
        let (more, most) = (self.change * 100.0, TOLERANCE * 100.0);
        (self.change > TOLERANCE).then(|| {
            format!("`{name}` needs {more:.1} % more instructions; at most {most:.0} % are taken")
        })
    }

    fn is_much_better(&self) -> bool {
        self.change < -TOLERANCE
    }
}

/// A row of the table.
pub(super) fn row(name: &str, count: u64, verdict: Option<&Verdict>) -> String {
    let Some(Verdict { accepted: Some(accepted), change }) = verdict else {
        return format!("{name:<58} {count:>12}");
    };
    let hint = match verdict {
        Some(verdict) if verdict.is_much_better() => "  better: `just instructions-accept`",
        _ => "",
    };
    let change = change * 100.0;
    format!("{name:<58} {count:>12} {accepted:>12}  {change:+.1} %{hint}")
}

/// Fails with all complaints at once, and with what to do.
pub(super) fn conclude(complaints: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(
        complaints.is_empty(),
        "calls cost more than was accepted:\n  {}\n\
         `just instructions` shows all counts; `just instructions-accept` takes them as they are \
         now, which the commit should give a reason for",
        complaints.join("\n  "),
    );
    Ok(())
}
