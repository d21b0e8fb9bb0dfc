//! The shapes in which a value turns up where others write it: in JSON of several makes, in
//! addresses, in Base64, and each of its lines.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use url::Url;
use url::form_urlencoded;

/// What is left as it is in a part of an address (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for browsers (`encodeURIComponent`).
const COMPONENT: &AsciiSet =
    &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// Base64 of less is a few characters that are in many words.
const MIN_ENCODED: usize = 6;

/// Returns all shapes of a value, itself first.
pub(super) fn forms(value: &str) -> Vec<String> {
    let lines = value.lines().map(str::trim).filter(|_| value.contains('\n'));
    let of = |part: &str| {
        let mut forms = vec![part.to_owned()];
        forms.extend(in_json(part));
        forms.extend(in_policies(part));
        forms.extend(in_addresses(part));
        forms.extend(in_base64(part));
        forms
    };
    std::iter::once(value).chain(lines).flat_map(of).collect()
}

/// Returns what programs make of a value inside of a string of JSON, which escape more or less of
/// it, and of such a string inside of another one.
fn in_json(value: &str) -> Vec<String> {
    let plain = inside_quotes(&serde_json::Value::from(value).to_string());
    let slashes = plain.replace('/', "\\/");
    let html = plain.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let ascii = in_ascii(&plain);
    let twice = inside_quotes(&serde_json::Value::from(plain.as_str()).to_string());
    let debug = inside_quotes(&format!("{value:?}"));
    vec![plain, slashes, html, ascii, twice, debug]
}

/// Returns what Cedar makes of a value in a text, and in a pattern.
fn in_policies(value: &str) -> [String; 2] {
    let text = value.escape_debug().to_string();
    let pattern = text.replace('*', "\\*");
    [text, pattern]
}

fn inside_quotes(quoted: &str) -> String {
    let inside = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inside.unwrap_or(quoted).to_owned()
}

/// Returns a text as those write it who write nothing but ASCII.
fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let written = write!(ascii, "\\u{unit:04x}");
            debug_assert!(written.is_ok(), "a string takes what is written");
        }
    }
    ascii
}

/// Returns what addresses make of a value: in the path, in the query, as a password, and where
/// nothing that means something there may stand.
fn in_addresses(value: &str) -> Vec<String> {
    let mut forms: Vec<String> = vec![form_urlencoded::byte_serialize(value.as_bytes()).collect()];
    forms.extend([UNRESERVED, COMPONENT].map(|set| utf8_percent_encode(value, set).to_string()));
    if let Ok(mut url) = Url::parse("http://host/") {
        url.set_path(&format!("/{value}"));
        url.set_query(Some(value));
        forms.extend(url.path().strip_prefix('/').map(str::to_owned));
        forms.extend(url.query().map(str::to_owned));
        if url.set_password(Some(value)).is_ok() {
            forms.extend(url.password().map(str::to_owned));
        }
    }
    let small: Vec<_> = forms.iter().map(|form| with_small_digits(form)).collect();
    forms.extend(small);
    forms
}

/// Returns an encoded text as those write it who prefer small letters: `%2f`.
fn with_small_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    text
}

/// Returns what Base64 makes of a value, wherever in a longer text it stands, as a password does
/// behind its user in `Authorization: Basic`.
fn in_base64(value: &str) -> Vec<String> {
    if value.len() < MIN_ENCODED {
        return Vec::new();
    }
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value.as_bytes());
        // What lies at both ends has bits of what stands beside the value.
        let sure = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        let all = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
        forms.extend(all.iter().filter_map(|all| all.get(sure.clone())).map(str::to_owned));
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use crate::config::secrets::Broken;
    use crate::config::secrets::Secrets;

    #[track_caller]
    fn check(value: &str, said: &str, shown: &str) {
        let secrets = Secrets::new([value.to_owned()]);
        assert_eq!(secrets.mask(said), shown, "{value}");
    }

    #[test]
    fn a_value_is_known_in_every_dress() {
        let odd = "pass/wörd&1\"2";
        check(odd, r#"{"x":"pass/wörd&1\"2"}"#, r#"{"x":"***"}"#);
        check(odd, r#"{"x":"pass\/wörd&1\"2"}"#, r#"{"x":"***"}"#);
        check(odd, r#"{"x":"pass/wörd\u00261\"2"}"#, r#"{"x":"***"}"#);
        check(odd, r#"{"x":"pass/w\u00f6rd&1\"2"}"#, r#"{"x":"***"}"#);
        check(odd, r#"{"x":"{\"y\":\"pass/wörd&1\\\"2\"}"}"#, r#"{"x":"{\"y\":\"***\"}"}"#);
        check(odd, "http://h/?k=pass%2Fw%C3%B6rd%261%222", "http://h/?k=***");
        check(odd, "http://h/?k=pass%2fw%c3%b6rd%261%222", "http://h/?k=***");
        check(odd, "http://h/pass/w%C3%B6rd&1%222/x", "http://h/***/x");
        check("a(b)c!d*e", "/a(b)c!d*e and a%28b%29c%21d%2Ae", "/*** and ***");
        check("it's*1", r#"== "it\'s*1", like "it\'s\*1""#, r#"== "***", like "***""#);
        check("one-line\nand another", "and another", "***");
    }

    #[test]
    fn what_is_broken_over_lines_is_known() {
        let value = "0123456789abcdefghij";
        check(value, "key: 0123456789\n  abcdefghij.", "key: ***.");
        check(value, "key: 01234567\r\n89abcd\r\nefghij\n", "key: ***\n");
        check(value, r#"{"key":"0123456789\nabcdefghij"}"#, r#"{"key":"***"}"#);
        check(value, "0123456789 abcdefghij", "0123456789 abcdefghij");
    }

    #[test]
    fn what_comes_line_by_line_is_known() {
        let secrets = Secrets::new(["0123456789abcdefghij".to_owned()]);
        let masked = |lines: &[&str]| {
            let mut broken = Broken::default();
            let lines = lines.iter().map(|line| secrets.mask_line(line, &mut broken).into_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(masked(&["a 0123456", "  789abcdefghij."]), ["a ***", "  ***."]);
        assert_eq!(masked(&["012345", "", "6789abc", "defghij"]), ["***", "", "***", "***"]);
        assert_eq!(masked(&["at 0", "123456789abcdefghij"]), ["at 0", "***"]);
        assert_eq!(masked(&["at 0", "1 is less", "23456789"]), ["at 0", "1 is less", "23456789"]);
        assert_eq!(masked(&["x0123456789abcdefghijx"]), ["x***x"]);
    }

    proptest! {
        #[test]
        fn what_stands_beside_it_hides_nothing_in_base64(
            before in ".{0,9}", value in "[ -~]{9,40}", after in ".{0,9}"
        ) {
            let encoded = STANDARD.encode(format!("{before}{value}{after}"));
            let shown = Secrets::new([value.clone()]).mask(&encoded).into_owned();
            prop_assert!(shown.contains("***"), "{}", shown);
            // All that is left of the value is a part of a character at each end.
            let left = shown.len() - "***".len();
            let beside = (before.len() + after.len()).div_ceil(3) * 4 + 8;
            prop_assert!(left <= beside, "{} of {}", shown, encoded);
        }

        #[test]
        fn lines_that_hold_no_secret_stay(text in "[a-z \\\\n\n\t]{0,80}") {
            let secrets = Secrets::new(["0123456789".to_owned()]);
            prop_assert_eq!(secrets.mask(&text), text.as_str());
        }
    }
}
