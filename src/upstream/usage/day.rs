//! A day, in UTC.

use std::fmt;
use std::time::Duration;
use std::time::SystemTime;

/// How long a day is.
const LENGTH: Duration = Duration::from_hours(24);
/// The last day that has a year of four digits, counted from the first of January 1970.
const LAST: u32 = 2_932_896;

/// A day in UTC; shown as `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// Returns the day it is now.
    pub fn today() -> Self {
        Self::of(SystemTime::now())
    }

    /// Returns the day of a moment; of one that cannot be shown, the nearest that can.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::numbered(u32::try_from(since.as_secs() / LENGTH.as_secs()).unwrap_or(LAST))
    }

    /// Reads what [`fmt::Display`] shows.
    pub fn parse(text: &str) -> Option<Self> {
        let midnight = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
        Some(Self::of(midnight))
    }

    /// Returns how many days after `earlier` it is; none if it is before.
    pub fn days_since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns how long it is from `now` to the end of its day.
    pub(super) fn left(now: SystemTime) -> Duration {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        LENGTH.saturating_sub(Duration::from_secs(since.as_secs() % LENGTH.as_secs()))
    }

    pub(super) fn numbered(number: u32) -> Self {
        Self(number.min(LAST))
    }

    /// Counted from the first of January 1970.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = SystemTime::UNIX_EPOCH + LENGTH * self.0;
        let text = humantime::format_rfc3339_seconds(midnight).to_string();
        f.write_str(text.split('T').next().unwrap_or(&text))
    }
}
