//! How often and how much: a number or a size, and the time that it is for, as in `60/min`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::units;
use crate::config::units::Misread;

/// How often something may happen, as it is written: `10/s`, `60/min`, `1000/h`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenRate(pub String);

/// How many calls there may be, as it is written: `100/min`, `500/h`, `1000/day`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenCalls(pub String);

/// How many bytes there may be, as it is written: `10MiB/min`, `100MiB/h`, `1GiB/day`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenBytes(pub String);

/// A time that something is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

/// The times that rates are for.
const OF_RATES: [Period; 3] = [Period::Second, Period::Minute, Period::Hour];
/// The times that budgets are for.
const OF_BUDGETS: [Period; 3] = [Period::Minute, Period::Hour, Period::Day];

/// What people write for a time, in lower case, and what it stands for.
const LIKE: &[(&[&str], Period)] = &[
    (&["s", "sec", "secs", "second", "seconds", "1s"], Period::Second),
    (&["min", "m", "mins", "minute", "minutes", "1m", "60s"], Period::Minute),
    (&["h", "hr", "hrs", "hour", "hours", "1h", "60m"], Period::Hour),
    (&["day", "d", "days", "1d", "24h"], Period::Day),
];

impl Period {
    /// Returns how long it is.
    pub fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    /// Returns how it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }

    fn like(written: &str) -> Option<Self> {
        let written = written.trim().to_ascii_lowercase();
        let found = LIKE.iter().find(|(words, _)| words.contains(&written.as_str()));
        found.map(|(_, period)| *period)
    }
}

/// What is counted, as far as that matters for how it is written.
#[derive(Clone, Copy)]
enum Counted {
    Rate,
    Calls,
    Bytes,
}

impl Counted {
    fn periods(self) -> &'static [Period] {
        match self {
            Self::Rate => &OF_RATES,
            Self::Calls | Self::Bytes => &OF_BUDGETS,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Rate => "write how many in which time (`s`, `min` or `h`), as in `60/min`",
            Self::Calls => "write how many in which time (`min`, `h` or `day`), as in `1000/day`",
            Self::Bytes => "write a size and a time (`min`, `h` or `day`), as in `100MiB/day`",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Calls => "number of calls in a time",
            Self::Bytes => "size in a time",
        }
    }

    /// What to write for what this cannot be written as.
    fn elsewhere(self, number: &str, period: Period) -> String {
        match (self, period) {
            (Self::Rate, _) => {
                format!("write it as a budget, `calls: {number}/{}`", period.as_str())
            }
            (Self::Calls, _) => format!("write it as a `rate: {number}/{}`", period.as_str()),
            (Self::Bytes, _) => self.example().to_owned(),
        }
    }
}

/// Reads a rate: how many, and in which time.
pub(super) fn rate(text: &str) -> Result<(u64, Period), Misread> {
    let (number, period) = split(text, Counted::Rate)?;
    Ok((count(number, text, Counted::Rate)?, period))
}

/// Reads a budget of calls: how many, and in which time.
pub(super) fn calls(text: &str) -> Result<(u64, Period), Misread> {
    let (number, period) = split(text, Counted::Calls)?;
    Ok((count(number, text, Counted::Calls)?, period))
}

/// Reads a budget of bytes: how many, and in which time.
pub(super) fn bytes(text: &str) -> Result<(u64, Period), Misread> {
    let (size, period) = split(text, Counted::Bytes)?;
    let bytes = units::size(size).map_err(|misread| {
        // The guess is of the size alone.
        let guess = misread.hint.split('`').nth(1).filter(|_| misread.hint.starts_with("did"));
        let hint = guess.map(|size| format!("did you mean `{size}/{}`?", period.as_str()));
        Misread { hint: hint.unwrap_or(Counted::Bytes.example().to_owned()), ..misread }
    })?;
    Ok((bytes as u64, period))
}

/// Parts what is counted from the time that it is for.
fn split(text: &str, counted: Counted) -> Result<(&str, Period), Misread> {
    let message = || format!("`{text}` is not a {}", counted.word());
    let Some((number, written)) = text.split_once('/') else {
        let message = if text.trim().is_empty() {
            message()
        } else {
            format!("`{text}` says no time that it is for")
        };
        let hint = match (counted, text.trim().parse::<u64>()) {
            (Counted::Rate, Ok(number)) => format!("did you mean `{number}/min`?"),
            (Counted::Calls, Ok(number)) => format!("did you mean `{number}/day`?"),
            _ => counted.example().to_owned(),
        };
        return Err(Misread { message, hint });
    };
    let exact = counted.periods().iter().find(|period| period.as_str() == written);
    if let Some(period) = exact {
        return Ok((number, *period));
    }
    let number = number.trim();
    let hint = match Period::like(written) {
        Some(period) if counted.periods().contains(&period) => {
            format!("did you mean `{number}/{}`?", period.as_str())
        }
        Some(period) => counted.elsewhere(number, period),
        None => counted.example().to_owned(),
    };
    Err(Misread { message: message(), hint })
}

fn count(number: &str, text: &str, counted: Counted) -> Result<u64, Misread> {
    // A sign is no digit.
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        let message = format!("`{text}` is not a {}", counted.word());
        return Err(Misread { message, hint: counted.example().to_owned() });
    }
    number.parse().map_err(|_| Misread {
        message: format!("`{text}` is too large"),
        hint: "use a smaller number".to_owned(),
    })
}

impl JsonSchema for WrittenRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and the time that it is for: `s`, `min` or `h`.",
            "type": "string",
            "pattern": "^[0-9]+/(s|min|h)$",
            "x-kind": "rate",
        })
    }
}

impl JsonSchema for WrittenCalls {
    fn schema_name() -> Cow<'static, str> {
        "CallBudget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and the time that it is for: `min`, `h` or `day`.",
            "type": "string",
            "pattern": "^[0-9]+/(min|h|day)$",
            "x-kind": "calls",
        })
    }
}

impl JsonSchema for WrittenBytes {
    fn schema_name() -> Cow<'static, str> {
        "ByteBudget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size and the time that it is for: `min`, `h` or `day`.",
            "type": "string",
            "pattern": "^[0-9]+([KMG]i?B|B)/(min|h|day)$",
            "x-kind": "bytes",
        })
    }
}
