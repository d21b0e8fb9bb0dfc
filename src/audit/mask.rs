//! Takes secrets out of arguments, and an end to long ones, in one pass over their text.
//!
//! Numbers keep their digits and members their order: what is shown is what came, or `***`.

use crate::audit::digest::Digest;
use crate::config;
use crate::config::secrets::Secrets;
use crate::wire::quote;

/// What stands in the place of a secret that is a value, as JSON.
const MASKED: &str = "\"***\"";
/// How much is left of a long text in arguments that are too long, in bytes.
const BEGINNING: usize = 256;

/// Returns arguments as JSON without secrets, and no longer than about `limit` bytes.
pub(super) fn arguments(secrets: &Secrets, json: &str, limit: usize) -> String {
    let longest = if json.len() > limit { BEGINNING } else { usize::MAX };
    let masked = Pass::new(secrets, json, longest).run();
    if masked.len() <= limit {
        return masked;
    }
    let whole = Pass::new(secrets, json, usize::MAX).run();
    let (bytes, sha256) = (whole.len(), Digest::of(whole.as_bytes()));
    cut(bytes, sha256, masked.get(..masked.floor_char_boundary(limit)).unwrap_or_default())
}

/// Does so with the beginning of arguments, of which the rest is gone.
pub(super) fn beginning(secrets: &Secrets, json: &str, bytes: usize, sha256: Digest) -> String {
    // What looks like a token may do so only with the part that is not there.
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.+/=~%".contains(c);
    let json = json.trim_end_matches(is_part);
    let masked = Pass::new(secrets, json, BEGINNING).run();
    cut(bytes, sha256, &secrets.mask_beginning(&masked))
}

/// Writes what is left of arguments as an object that says so.
fn cut(bytes: usize, sha256: Digest, beginning: &str) -> String {
    let beginning = quote::quoted(beginning);
    format!(r#"{{"$cut":{{"bytes":{bytes},"sha256":"{sha256}","beginning":{beginning}}}}}"#)
}

/// One pass over a JSON text, which may end early.
struct Pass<'a> {
    secrets: &'a Secrets,
    rest: &'a str,
    longest: usize,
    out: String,
    /// Of each array and object that is open, whether it is an object.
    open: Vec<bool>,
    /// Whether what comes next is the name of a member.
    at_name: bool,
    /// Whether what comes next is the value of a member that is named like a secret.
    is_secret: bool,
}

impl<'a> Pass<'a> {
    fn new(secrets: &'a Secrets, json: &'a str, longest: usize) -> Self {
        let (out, open) = (String::with_capacity(json.len()), Vec::new());
        Self { secrets, rest: json, longest, out, open, at_name: false, is_secret: false }
    }

    fn run(mut self) -> String {
        while let Some(first) = self.rest.bytes().next() {
            match first {
                b' ' | b'\t' | b'\n' | b'\r' => drop(self.skip(1)),
                b'{' | b'[' if self.is_secret => self.hide_container(),
                b'{' | b'[' => {
                    self.open.push(first == b'{');
                    self.at_name = first == b'{';
                    self.copy(1);
                }
                b'}' | b']' => {
                    self.open.pop();
                    self.at_name = false;
                    self.copy(1);
                }
                b',' => {
                    self.at_name = self.open.last().copied().unwrap_or_default();
                    self.copy(1);
                }
                b':' => {
                    self.at_name = false;
                    self.copy(1);
                }
                b'"' => self.string(),
                _ => self.plain(),
            }
        }
        self.out
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn copy(&mut self, bytes: usize) {
        let taken = self.skip(bytes);
        self.out.push_str(taken);
    }

    /// A string: the name of a member, or a value.
    fn string(&mut self) {
        let json = self.skip(string_end(self.rest));
        let said = quote::unquoted(json);
        // What cannot be decoded is looked at as it stands.
        let said = said.as_deref().unwrap_or_else(|| json.trim_matches('"'));
        if self.at_name {
            self.is_secret = config::names_secret(said);
            self.out.push_str(&quote::quoted(&self.secrets.mask_all(said)));
            return;
        }
        if std::mem::take(&mut self.is_secret) && !said.is_empty() {
            self.out.push_str(MASKED);
            return;
        }
        let masked = self.secrets.mask_all(said);
        if masked.len() <= self.longest {
            self.out.push_str(&quote::quoted(&masked));
            return;
        }
        let end = masked.floor_char_boundary(self.longest);
        let (bytes, sha256) = (masked.len(), Digest::of(masked.as_bytes()));
        let shown = masked.get(..end).unwrap_or_default();
        self.out.push_str(&quote::quoted(&format!("{shown}… ({bytes} bytes, sha256 {sha256})")));
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self) {
        let ends = |c: char| c.is_ascii_whitespace() || ",:]}[{\"".contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let word = self.skip(end);
        let is_nothing = matches!(word, "null" | "true" | "false");
        let is_secret = std::mem::take(&mut self.is_secret) && !is_nothing;
        self.out.push_str(if is_secret || self.secrets.are_in(word) { MASKED } else { word });
    }

    /// An array or object under a name like that of a secret: nothing of it is shown.
    fn hide_container(&mut self) {
        self.is_secret = false;
        self.out.push_str(MASKED);
        let mut depth = 0_usize;
        while let Some(first) = self.rest.bytes().next() {
            match first {
                b'"' => {
                    self.skip(string_end(self.rest));
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            let width = self.rest.chars().next().map_or(1, char::len_utf8);
            self.skip(width);
            if depth == 0 {
                break;
            }
        }
    }
}

/// Returns where the string ends that `text` begins with, behind its quote.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(["hunter2!".to_owned(), "123456789".to_owned()])
    }

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(arguments(&secrets(), json, 4096), expected);
    }

    #[test]
    fn secrets_are_not_shown_and_all_else_is_as_it_came() {
        check(r#"{"a": 1.0, "b": [true, null]}"#, r#"{"a":1.0,"b":[true,null]}"#);
        check("123456789012345678901234567890", MASKED);
        check("98765432109876543210987", "98765432109876543210987");
        check(r#"{"x":"so hunter2! is"}"#, r#"{"x":"so *** is"}"#);
        check(r#"{"x":"so hunt\u0065r2! is"}"#, r#"{"x":"so *** is"}"#);
        check(r#"{"hunter2!":1}"#, r#"{"***":1}"#);
        check(r#"{"password":"a","b":"c"}"#, r#"{"password":"***","b":"c"}"#);
        check(
            r#"{"api_key":{"deep":["x}"]},"b":[{"token":12}]}"#,
            r#"{"api_key":"***","b":[{"token":"***"}]}"#,
        );
        check(
            r#"{"is_secret":true,"token":null,"key":""}"#,
            r#"{"is_secret":true,"token":null,"key":""}"#,
        );
        let token = "ghp_0123456789abcdefghij";
        check(&format!(r#"["see {token}, please"]"#), r#"["see ***, please"]"#);
        check(
            r#"["https://u:pass@host/?token=abc&x=1"]"#,
            r#"["https://u:***@host/?token=***&x=1"]"#,
        );
    }

    #[test]
    fn what_is_long_ends_with_its_size_and_digest() {
        let long = "ä".repeat(3000);
        let shown = arguments(&secrets(), &format!(r#"{{"x":"{long}","y":"short"}}"#), 4096);
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(value["y"], "short");
        let sha256 = Digest::of(long.as_bytes());
        let end = format!("ä… (6000 bytes, sha256 {sha256})");
        assert!(value["x"].as_str().unwrap().ends_with(&end), "{shown}");
        let many = format!("[{}1]", "12345,".repeat(2000));
        let shown = arguments(&secrets(), &many, 4096);
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(value["$cut"]["bytes"], many.len());
        assert_eq!(value["$cut"]["beginning"].as_str(), many.get(..4096));
    }

    #[test]
    fn the_beginning_of_arguments_holds_no_part_of_a_secret() {
        let digest = Digest::of(b"all");
        for json in [
            r#"{"a":"b","x":"so hunt"#,
            r#"{"a":"b","x":"so ghp_0123456789a"#,
            r#"{"a":"b","password":"so secre"#,
            r#"{"a":"b","password":{"x":"so secre"#,
        ] {
            let shown = beginning(&secrets(), json, 9999, digest);
            let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
            let text = value["$cut"]["beginning"].as_str().unwrap();
            assert!(text.starts_with(r#"{"a":"b""#), "{text}");
            assert!(!["hunt", "ghp", "secre"].iter().any(|part| text.contains(part)), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            "[a-c\"\\\\ {}:,äh]{0,30}|.{0,3}hunter2!.{0,3}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec(("[a-c\"]{0,4}|password|.?hunter2!", inner), 0..5)
                    .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_stays_json_and_no_secret_survives(value in json(), limit in 64..600_usize) {
            let text = value.to_string();
            let shown = arguments(&secrets(), &text, limit);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{}", shown);
            prop_assert!(!shown.contains("hunter2!"), "{}", shown);
        }

        #[test]
        fn what_holds_no_secret_is_as_it_came(value in json()) {
            let text = value.to_string();
            prop_assume!(!text.contains("hunter2!") && !text.contains("password"));
            prop_assume!(!text.contains("123456789"));
            prop_assert_eq!(arguments(&secrets(), &text, usize::MAX), text);
        }

        #[test]
        fn any_end_is_an_end(value in json(), at in 0..200_usize) {
            let text = value.to_string();
            let text = text.get(..text.floor_char_boundary(at)).unwrap();
            let shown = beginning(&secrets(), text, 9999, Digest::default());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{}", shown);
            prop_assert!(!shown.contains("hunter2!"), "{}", shown);
        }
    }
}
