//! A template matches everything it can expand to, and is done in time whatever comes.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::catalog::template::Template;

#[derive(Clone, Debug)]
enum Value {
    Undefined,
    Text(String),
    List(Vec<String>),
    Pairs(Vec<(String, String)>),
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Expression(&'static str, Vec<(String, &'static str, Value)>),
}

fn value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof!["[a-z0-9]{0,5}", "[ -~]{0,8}", "\\PC{0,6}"];
    prop_oneof![
        1 => Just(Value::Undefined),
        6 => text().prop_map(Value::Text),
        2 => prop::collection::vec(text(), 1..4).prop_map(Value::List),
        2 => prop::collection::vec(("[a-z]{1,4}", text()), 1..4).prop_map(Value::Pairs),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let operator = prop::sample::select(vec!["", "+", "#", ".", "/", ";", "?", "&"]);
    let modifier = prop::sample::select(vec!["", "", "*", ":1", ":3", ":30"]);
    let variable = ("[a-z][a-z_]{0,5}", modifier, value());
    prop_oneof![
        "[a-z/:.?&=,;%#é ]{1,6}".prop_map(|text| Piece::Literal(text.replace('%', "%25"))),
        (operator, prop::collection::vec(variable, 1..4))
            .prop_map(|(operator, variables)| Piece::Expression(operator, variables)),
    ]
}

/// Writes the template of some pieces.
fn template(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Expression(operator, variables) => {
                let names = variables.iter().map(|(name, modifier, _)| format!("{name}{modifier}"));
                write!(out, "{{{operator}{}}}", names.collect::<Vec<_>>().join(",")).unwrap();
            }
        }
    }
    out
}

/// Expands as section 3 of RFC 6570 says.
fn expand(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(&escape(text, true)),
            Piece::Expression(operator, variables) => {
                out.push_str(&expression(operator, variables));
            }
        }
    }
    out
}

fn expression(operator: &str, variables: &[(String, &str, Value)]) -> String {
    let (first, between, named, if_empty, reserved) = match operator {
        "" => ("", ",", false, "", false),
        "+" => ("", ",", false, "", true),
        "#" => ("#", ",", false, "", true),
        "." => (".", ".", false, "", false),
        "/" => ("/", "/", false, "", false),
        ";" => (";", ";", true, "", false),
        "?" => ("?", "&", true, "=", false),
        _ => ("&", "&", true, "=", false),
    };
    let pair = |name: &str, text: &str| match (named, text.is_empty()) {
        (false, _) => text.to_owned(),
        (true, true) => format!("{name}{if_empty}"),
        (true, false) => format!("{name}={text}"),
    };
    let mut parts = Vec::new();
    for (name, modifier, value) in variables {
        let escaped = |text: &String| escape(text, reserved);
        match (value, *modifier) {
            (Value::Undefined, _) => {}
            // Section 2.4.1: a prefix does not apply to composite values.
            (Value::List(_) | Value::Pairs(_), limit) if limit.starts_with(':') => {}
            (Value::Text(text), limit) => {
                let limit = limit.strip_prefix(':').and_then(|digits| digits.parse().ok());
                let text = text.chars().take(limit.unwrap_or(usize::MAX)).collect();
                parts.push(pair(name, &escaped(&text)));
            }
            (Value::List(texts), "*") => {
                parts.extend(texts.iter().map(|text| pair(name, &escaped(text))));
            }
            (Value::List(texts), _) => {
                let joined: Vec<String> = texts.iter().map(escaped).collect();
                parts.push(pair(name, &joined.join(",")));
            }
            (Value::Pairs(pairs), "*") => parts.extend(pairs.iter().map(|(key, text)| {
                let text = escaped(text);
                if named { pair(key, &text) } else { format!("{}={text}", escaped(key)) }
            })),
            (Value::Pairs(pairs), _) => {
                let both = |(key, text): &(String, String)| [escaped(key), escaped(text)];
                let joined: Vec<String> = pairs.iter().flat_map(both).collect();
                parts.push(pair(name, &joined.join(",")));
            }
        }
    }
    if parts.is_empty() { String::new() } else { format!("{first}{}", parts.join(between)) }
}

fn escape(text: &str, keeps_reserved: bool) -> String {
    let mut out = String::new();
    let is_triplet = |at: usize| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for (at, c) in text.char_indices() {
        let unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
        let kept = ":/?#[]@!$&'()*+,;=".contains(c) || (c == '%' && is_triplet(at));
        if unreserved || (keeps_reserved && kept) {
            out.push(c);
        } else {
            for byte in c.to_string().bytes() {
                write!(out, "%{byte:02X}").unwrap();
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_template_matches_what_it_expands_to(pieces in prop::collection::vec(piece(), 1..6)) {
        let (text, uri) = (template(&pieces), expand(&pieces));
        let template = Template::parse(&text).expect("well formed");
        prop_assert!(template.matches(&uri), "{text} should match {uri}");
    }

    #[test]
    fn anything_may_be_given_as_a_template(text in "[a-z{}+#/?*:,.1]{0,20}", uri in "\\PC{0,20}") {
        if let Some(template) = Template::parse(&text) {
            template.matches(&uri);
        }
    }
}

#[track_caller]
fn check(text: &str, good: &[&str], bad: &[&str]) {
    let template = Template::parse(text).expect("well formed");
    for uri in good {
        assert!(template.matches(uri), "{text} should match {uri}");
    }
    for uri in bad {
        assert!(!template.matches(uri), "{text} should not match {uri}");
    }
}

#[test]
fn each_operator_takes_what_it_may() {
    check("file:///{path}", &["file:///a.txt", "file:///"], &["file:///a/b", "file://a", "x"]);
    check("file:///{+path}", &["file:///a/b?c#d"], &["file:/a"]);
    check("file:///{path*}", &["file:///a/b", "file:///a,b"], &["file:///a?b"]);
    check("db://{table}/{id}", &["db://users/1"], &["db://users", "db://users/1/2"]);
    check("x:{a,b}", &["x:1,2"], &["x:1/2"]);
    check("x:{a:3}", &["x:", "x:abc", "x:%C3%A9bc", "x:éöü"], &["x:abcd", "x:%C3%A9bcd"]);
    check("x{/a,b}", &["x", "x/1", "x/1/2", "x/"], &["x/1/2/3", "x1"]);
    check("x{/a*}", &["x/1/2/3", "x"], &["x1"]);
    check("x{.ext}", &["x.tar.gz", "x"], &["x/y", "xtar"]);
    check("x{;a,b}", &["x;a=1;b=2", "x;b"], &["x?a", "xa"]);
    check("x{?a,b}", &["x", "x?a=1", "x?b=2&a=1", "x?a"], &["x?c=1", "x?", "x?a=1&c=2", "x?ab=1"]);
    check("x{?a*}", &["x?c=1&d=2"], &["xc"]);
    check("x?y=1{&a}", &["x?y=1&a=2", "x?y=1"], &["x?y=1&b=2"]);
    check("x{#a}", &["x#here/and?there", "x"], &["xhere"]);
    check("é/{a}", &["%C3%A9/1", "é/1"], &["e/1"]);
    check("plain", &["plain"], &["plains", "plai", ""]);
}

#[test]
fn what_is_no_template_is_refused() {
    for text in ["{", "}", "a}", "{}", "{a", "{a,}", "{!a}", "{a:x}", "{a{b}}", "{=a}"] {
        assert!(Template::parse(text).is_none(), "{text}");
    }
    assert!(Template::parse(&"a".repeat(1025)).is_none());
}

#[test]
fn hostile_templates_are_done_in_time() {
    let text = "{a}{+b}{c*}".repeat(80);
    let template = Template::parse(&format!("{text}!")).expect("well formed");
    assert!(!template.matches(&"a".repeat(4096)));
    let template = Template::parse(&format!("{{+a}}{}!", "a".repeat(900))).expect("well formed");
    assert!(!template.matches(&"a".repeat(4096)));
    let template = Template::parse(&"{?a}{&a}".repeat(100)).expect("well formed");
    assert!(!template.matches(&"?a&".repeat(1300)));
    assert!(!template.matches(&"?a".repeat(1_000_000)), "too long to be looked at");
}
