//! Durations and sizes: a whole number with a unit.

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Serialize;

/// A duration as it is written: `500ms`, `30s`, `10m`, `2h`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenDuration(pub String);

/// A size in bytes as it is written: `512KiB`, `16MiB`, `1GiB`, `100KB`, `4096B`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenSize(pub String);

/// How long or how much is kept, as it is written: `400d`, `48h`, `10GiB`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenKeep(pub String);

const HOURS: &[(&str, u64)] = &[("h", 1), ("d", 24)];
const LIKE_HOURS: &[(&str, &str)] = &[("hours", "h"), ("hour", "h"), ("day", "d"), ("days", "d")];
const MILLISECONDS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const BYTES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// What people write for a unit, in lower case, and the unit it stands for.
const LIKE_MILLISECONDS: &[(&str, &str)] = &[
    ("msec", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
];
const LIKE_BYTES: &[(&str, &str)] = &[
    ("bytes", "B"),
    ("k", "KiB"),
    ("ki", "KiB"),
    ("m", "MiB"),
    ("mi", "MiB"),
    ("g", "GiB"),
    ("gi", "GiB"),
];

/// How long or how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What is no older than this.
    Age(Duration),
    /// The newest, so many bytes of them.
    Size(u64),
}

/// What is wrong with a duration or size, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misread {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads a duration.
pub(super) fn duration(text: &str) -> Result<Duration, Misread> {
    let example = "write a whole number and `ms`, `s`, `m` or `h`, as in `30s`";
    measure(text, "duration", MILLISECONDS, LIKE_MILLISECONDS, example).map(Duration::from_millis)
}

/// Reads a size in bytes.
pub(super) fn size(text: &str) -> Result<usize, Misread> {
    let example = "write a whole number and `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB` or `B`, \
                   as in `16MiB`";
    let bytes = measure(text, "size", BYTES, LIKE_BYTES, example)?;
    usize::try_from(bytes).map_err(|_| too_large(text))
}

/// Reads an age, in days or hours.
pub(super) fn age(text: &str) -> Result<Duration, Misread> {
    let example = "write a whole number and `d` or `h`, as in `400d`, or a size, as in `10GiB`";
    let hours = measure(text, "number of days, nor a size", HOURS, LIKE_HOURS, example)?;
    Ok(Duration::from_secs(hours.saturating_mul(3600)))
}

/// Reads how long or how much is kept.
pub(super) fn keep(text: &str) -> Result<Keep, Misread> {
    match (age(text), size(text)) {
        (Ok(age), _) => Ok(Keep::Age(age)),
        (Err(_), Ok(bytes)) => Ok(Keep::Size(bytes as u64)),
        (Err(misread), Err(_)) => Err(misread),
    }
}

/// Writes a duration the way `duration` reads it, in the largest unit that is exact.
pub fn show_duration(value: Duration) -> String {
    show(u64::try_from(value.as_millis()).unwrap_or(u64::MAX), MILLISECONDS, "s")
}

/// Writes a size the way `size` reads it, in the largest binary unit that is exact.
pub fn show_size(value: usize) -> String {
    let binary: Vec<_> =
        BYTES.iter().copied().filter(|(unit, _)| *unit == "B" || unit.ends_with("iB")).collect();
    show(value as u64, &binary, "B")
}

fn show(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    let exact = units.iter().rev().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => format!("0{zero}"),
    }
}

fn measure(
    text: &str,
    what: &str,
    units: &[(&'static str, u64)],
    like: &[(&str, &'static str)],
    example: &str,
) -> Result<u64, Misread> {
    let trimmed = text.trim();
    // Digits are ASCII: this is a boundary.
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = trimmed.split_at(digits);
    if number.is_empty() {
        let message = format!("`{text}` is not a {what}");
        return Err(Misread { message, hint: example.to_owned() });
    }
    if let Some((_, factor)) = units.iter().find(|(unit, _)| *unit == rest && trimmed == text) {
        let number = number.parse::<u64>().ok();
        return number.and_then(|number| number.checked_mul(*factor)).ok_or(too_large(text));
    }
    let rest = rest.trim();
    let message = if rest.is_empty() {
        format!("`{text}` needs a unit")
    } else {
        format!("`{text}` is not a {what}")
    };
    let unit = match rest {
        "" => number.parse().ok().map(|number| bare(number, units)),
        rest => unit_like(rest, units, like),
    };
    let hint = match unit {
        Some(unit) => format!("did you mean `{number}{unit}`?"),
        None => example.to_owned(),
    };
    Err(Misread { message, hint })
}

/// Guesses the unit of a bare number: a small one counts what people count in, a large one the
/// smallest there is.
fn bare(number: u64, units: &[(&'static str, u64)]) -> &'static str {
    let has = |name| units.iter().any(|(unit, _)| *unit == name);
    let is_time = has("ms");
    match number {
        _ if has("d") => "d",
        0..1000 if is_time => "s",
        1000.. if is_time => "ms",
        0..4096 => "MiB",
        _ => "B",
    }
}

fn unit_like<'a>(
    rest: &str,
    units: &[(&'a str, u64)],
    like: &[(&str, &'a str)],
) -> Option<&'a str> {
    let alias = like.iter().find(|(written, _)| *written == rest.to_ascii_lowercase());
    let unit = || units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(rest));
    alias.map(|(_, unit)| *unit).or_else(|| unit().map(|(unit, _)| *unit))
}

fn too_large(text: &str) -> Misread {
    Misread { message: format!("`{text}` is too large"), hint: "use a smaller number".to_owned() }
}

impl JsonSchema for WrittenDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number with a unit: `ms`, `s`, `m` or `h`.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "x-kind": "duration",
        })
    }
}

impl JsonSchema for WrittenKeep {
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long, in days or hours (`d`, `h`), or how much, as a size.",
            "type": "string",
            "pattern": "^[0-9]+(d|h|[KMG]i?B|B)$",
            "x-kind": "keep",
        })
    }
}

impl JsonSchema for WrittenSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number of bytes with a unit: `KiB`, `MiB`, `GiB` (powers \
                            of 1024), `KB`, `MB`, `GB` (powers of 1000) or `B`.",
            "type": "string",
            "pattern": "^[0-9]+([KMG]i?B|B)$",
            "x-kind": "size",
        })
    }
}
