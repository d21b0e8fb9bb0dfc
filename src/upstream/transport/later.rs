//! `Retry-After`: when a server wants to be asked again.

use std::time::Duration;
use std::time::SystemTime;

/// The longest time that a server is left alone because it said so; some mean milliseconds.
const LONGEST: Duration = Duration::from_mins(5);

/// Reads the value of the header, a number of seconds or a date (RFC 9110, 10.2.3), as a time from
/// `now` on, at most [`LONGEST`]; nothing if it is neither.
pub(super) fn read(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to be one is a long time.
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        // What is over need not be waited for.
        date.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::LONGEST;
    use super::read;

    #[test]
    fn seconds_and_dates_are_understood() {
        // 1994-11-06T08:49:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_mins(13_068_529);
        let longest = Some(LONGEST.as_secs());
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("86400", longest),
            ("99999999999999999999999999", longest),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", longest),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(read(value, now).map(|wait| wait.as_secs()), expected, "{value:?}");
        }
    }
}
