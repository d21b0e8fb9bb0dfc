//! Numbers as JSON writes them, without a loss: whole ones, and those with up to four digits behind
//! the point, which is what Cedar knows.

/// How many digits Cedar has behind the point.
const DIGITS: u32 = 4;
/// How many digits a number is read with; with more it can be neither.
const MOST: usize = 40;

/// A number that Cedar can tell exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exact {
    /// A whole number.
    Integer(i64),
    /// Another one, as Cedar writes it.
    Decimal(String),
}

/// Reads a number; nothing if Cedar cannot tell it exactly. `1.0` and `1e0` are the whole number 1.
pub(super) fn read(json: &str) -> Option<Exact> {
    let (units, digits) = scaled(json)?;
    if digits == 0 {
        return i64::try_from(units).ok().map(Exact::Integer);
    }
    let units = raised(units, DIGITS.checked_sub(digits)?)?;
    i64::try_from(units).ok().map(|units| Exact::Decimal(shown(units)))
}

/// Returns a whole number as one with a point; nothing if Cedar has no such.
pub(super) fn of_integer(integer: i64) -> Option<String> {
    integer.checked_mul(10_i64.pow(DIGITS)).map(shown)
}

/// Writes so many ten-thousandths.
fn shown(units: i64) -> String {
    let scale = 10_u64.pow(DIGITS);
    let (whole, part) = (units.unsigned_abs() / scale, units.unsigned_abs() % scale);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}.{part:04}")
}

/// Reads a number as digits and how many of them are behind the point, as few as can be.
fn scaled(json: &str) -> Option<(i128, u32)> {
    let (number, exponent) = match json.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (json, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part = part.trim_end_matches('0');
    if whole.len() + part.len() > MOST {
        return None;
    }
    let mut units: i128 = format!("{whole}{part}").parse().ok()?;
    let mut behind = i32::try_from(part.len()).ok()?.checked_sub(exponent)?;
    if units == 0 {
        return Some((0, 0));
    }
    if behind < 0 {
        units = raised(units, behind.unsigned_abs())?;
        behind = 0;
    }
    while behind > 0 && units % 10 == 0 {
        units /= 10;
        behind -= 1;
    }
    Some((units, behind.unsigned_abs()))
}

fn raised(units: i128, by: u32) -> Option<i128> {
    units.checked_mul(10_i128.checked_pow(by)?)
}
