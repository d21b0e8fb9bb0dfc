//! The table as text, in either format that Prometheus reads.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::telemetry::metrics::Metrics;

/// How the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0, which Prometheus asks for.
    OpenMetrics,
    /// The text format of Prometheus itself, 0.0.4, which everything else reads.
    Classic,
}

impl Format {
    /// Returns the best format for whoever takes this (`Accept`, RFC 9110, section 12.5.1). What
    /// is asked for least counts for nothing: everybody who names the first one reads it.
    pub fn accepted(accept: Option<&str>) -> Self {
        let named = accept.unwrap_or_default().split(',');
        let is_open = |range: &str| {
            let (kind, rest) = range.split_once(';').unwrap_or((range, ""));
            let is_refused = rest.replace(' ', "").split(';').any(|it| it == "q=0");
            kind.trim().eq_ignore_ascii_case("application/openmetrics-text") && !is_refused
        };
        if named.into_iter().any(is_open) { Self::OpenMetrics } else { Self::Classic }
    }

    /// Returns its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes everything down.
pub(super) fn write(metrics: &Metrics, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.clone()));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("a string takes everything");
    match format {
        Format::OpenMetrics => out,
        Format::Classic => classic(&out),
    }
}

/// Says the same in the format before: there counters are named with their ending, what is known
/// for good is a gauge, and nothing is said of units or of the end.
fn classic(open: &str) -> String {
    let mut out = String::with_capacity(open.len());
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let mut words = line.splitn(4, ' ');
        let head = [words.next(), words.next(), words.next()];
        let [Some("#"), Some(keyword), Some(name)] = head else {
            if line != "# EOF" {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        let rest = words.next().unwrap_or_default();
        // The kind follows the help.
        let kind = match keyword {
            "HELP" => lines.peek().and_then(|next| next.rsplit(' ').next()).unwrap_or_default(),
            "TYPE" => rest,
            _ => continue,
        };
        let (ending, kind) = match kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            other => ("", other),
        };
        let rest = if keyword == "TYPE" { kind } else { rest };
        out.extend(["# ", keyword, " ", name, ending, " ", rest, "\n"]);
    }
    out
}
