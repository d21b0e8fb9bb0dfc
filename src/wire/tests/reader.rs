//! The reader takes what `serde_json` takes, finds what it finds, and nothing else.

use std::fmt;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::wire::Raw;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::meta;
use crate::wire::object::Object;
use crate::wire::reader;

/// The members of an object as `serde_json` finds them.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((key, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn members(object: &Object<'_>) -> Vec<(String, String)> {
    object.iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
}

/// Reads a text by every way there is, each beside its reference.
#[track_caller]
fn check(text: &str) {
    let raw = Raw::parse(text.to_owned());
    assert_eq!(reader::is_value(text), serde_json::from_str::<&RawValue>(text).is_ok(), "{text:?}");
    check_message(text.as_bytes());
    let Ok(raw) = raw else { return };
    let found = Object::parse_allowing_duplicates(text).ok().map(|object| members(&object));
    let expected = serde_json::from_str::<Members>(text).ok().map(|members| members.0);
    assert_eq!(found, expected, "{text:?}");
    let elements = raw.elements();
    let elements = elements.as_ref().map(|all| all.iter().map(Raw::get).collect::<Vec<_>>());
    let expected = serde_json::from_str::<Vec<&RawValue>>(text).ok();
    let expected = expected.map(|all| all.into_iter().map(RawValue::get).collect::<Vec<_>>());
    assert_eq!(elements, expected, "{text:?}");
}

/// A message is read in one pass as it is member by member, and what it carries knows its members.
#[track_caller]
fn check_message(bytes: &[u8]) {
    let read = frame::read(Bytes::copy_from_slice(bytes));
    let Ok(whole) = Raw::from_bytes(Bytes::copy_from_slice(bytes)) else {
        assert!(matches!(read, Err(Defect::Syntax(_))), "{}", bytes.escape_ascii());
        return;
    };
    let expected = frame::read_oddity(&whole);
    assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{}", whole.get());
    let body = match &read {
        Ok(Message::Request(request)) => request.params.as_ref(),
        Ok(Message::Notification(note)) => note.params.as_ref(),
        Ok(Message::Response(response)) => response.outcome.as_ref().map_or_else(Some, Some),
        Err(_) => None,
    };
    if let Some(body) = body {
        check_known(body);
        check_edits(body);
    }
}

/// What is known of a value is what is found in its text.
#[track_caller]
fn check_known(raw: &Raw) {
    let fresh = Raw::parse(raw.get().to_owned()).expect("it was read");
    match (raw.object(), fresh.object()) {
        (Ok(known), Ok(found)) => {
            assert_eq!(members(&known), members(&found));
            for (key, _) in found.iter() {
                let (known, found) = (known.inside(key), found.inside(key));
                let (known, found) = (known.as_ref().map(members), found.as_ref().map(members));
                assert_eq!(known, found, "{key} in {}", raw.get());
                let (part, found) = (raw.member(key).unwrap(), fresh.member(key).unwrap());
                assert_eq!(part, found);
                assert_eq!(
                    part.object().as_ref().map(members),
                    found.object().as_ref().map(members),
                    "{}",
                    part.get()
                );
            }
        }
        (known, found) => assert_eq!(known.err(), found.err(), "{}", raw.get()),
    }
    assert!(raw.detached().index().is_none());
}

/// Edits give the same whether the members are known or looked for, and know what they gave.
#[track_caller]
fn check_edits(raw: &Raw) {
    let fresh = Raw::parse(raw.get().to_owned()).expect("it was read");
    let sets: [&[(&str, &str)]; 3] =
        [&[], &[("a", "[1]")], &[(meta::PROGRESS_TOKEN, "7"), ("q\"\n", "{\"a\":\"\\u0061\"}")]];
    let removes: [&[&str]; 3] = [&[], &["a", "b"], &meta::FOR_THE_RECEIVER];
    for (set, remove) in sets.into_iter().flat_map(|set| removes.map(|remove| (set, remove))) {
        let edited = meta::edit(Some(raw), set, remove).expect("there is a body");
        assert_eq!(Some(&edited), meta::edit(Some(&fresh), set, remove).as_ref());
        assert_eq!(edited.index().is_some(), raw.index().is_some());
        check_known(&edited);
        let again = meta::edit(Some(&edited), set, &[]).expect("there is a body");
        assert_eq!(again.get().as_ptr(), edited.get().as_ptr(), "there was nothing to do");
        let (Ok(known), Ok(found)) = (edited.object(), fresh.object()) else { continue };
        let known = remove.iter().fold(known.edit().set("name", " 5 "), |it, key| it.remove(key));
        check_known(&known.remove("arguments").apply());
        let known = set.iter().fold(found.edit(), |it, (key, json)| it.set(key, *json)).apply();
        assert!(known.index().is_none(), "what was looked for is not kept");
    }
}

#[test]
fn numbers() {
    for number in [
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1e-05",
        "0e0",
        "-0.5E9",
        "1e999",
        "00",
        "01",
        "-01",
        "-",
        "+1",
        "1.",
        ".5",
        "1.e1",
        "1e",
        "1e+",
        "1E-",
        "1e1.5",
        "1.5.",
        "0x1",
        "1_0",
        "--1",
        "1-",
        "1+",
        "1a",
        "Infinity",
        "NaN",
        "-Infinity",
        "1 2",
        "\u{661}",
        "1e1e1",
        "-a",
        "1,",
    ] {
        check(number);
        for (front, back) in [("[", "]"), ("{\"a\":", "}"), (" ", "\r\n"), ("[0,", " ,1]")] {
            check(&format!("{front}{number}{back}"));
        }
    }
}

#[test]
fn words_and_signs() {
    for text in [
        "true",
        "false",
        "null",
        "tru",
        "truE",
        "nul",
        "nulll",
        "falsey",
        "t",
        "",
        " ",
        "\t\n\r {}",
        "\u{c}1",
        "\u{a0}1",
        "\u{feff}1",
        "[",
        "]",
        "{",
        "}",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[,]",
        "{,}",
        "[1,]",
        "[,1]",
        "[1 1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\" :1}",
        "{\"a\": 1 ,\t\"b\"\n:2}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"::1}",
        "[1}",
        "{\"a\":1]",
        "[[]",
        "[]]",
        "[{}]",
        "{\"a\":[}",
        "[{]}",
        "'a'",
        "\"a\" \"b\"",
        "\"a\":1",
        "1,2",
        "[\u{b}]",
        "{\"a\":1}//",
        "/**/1",
        "[1]\0",
        "{null:1}",
        "{\"a\":{\"b\":[1,{\"c\":[]}]} , \"d\":[[],{}]}",
    ] {
        check(text);
    }
}

#[test]
fn escapes() {
    for byte in 0..=255_u8 {
        let sign = char::from(byte);
        for text in [format!("\"\\{sign}\""), format!("{{\"\\{sign}\":\"\\{sign}\"}}")] {
            check(&text);
        }
        check(&format!("\"{sign}\""));
    }
    for digits in [
        "",
        "0",
        "00",
        "000",
        "0000",
        "00000",
        "d800",
        "DC00",
        "d83d\\ude00",
        "d83d\\u0061",
        "g000",
        "000g",
        "00 0",
        "+123",
        "é000",
        "ud800",
        "0022",
        "005c",
        "\\u0061",
        "d800x",
        "dc00\\ud800",
    ] {
        for text in
            ["\"\\u?\"", "{\"\\u?\":1}", "{\"a\":\"\\u?\"}", "{\"a\\u?\":1,\"a\\u?\":2}", "\"\\u?"]
        {
            let text = text.replace('?', digits);
            check(&text);
            check(&format!("{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"params\":{text}}}"));
            check(&format!("{{\"jsonrpc\":\"2.0\",\"method\":{text},\"id\":{text}}}"));
            check(&format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{{\"arguments\":{text}}}}}"
            ));
        }
    }
}

#[test]
fn every_place_in_a_string_is_looked_at() {
    let special =
        ['"', '\\', '\u{1f}', '\0', '\n', '\u{20}', '\u{7f}', '\u{80}', '!', '[', ']', '\u{ffff}'];
    for length in (0..24).chain([31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 170]) {
        let plain = "x".repeat(length);
        assert!(reader::is_value(&format!("\"{plain}\"")), "{length}");
        for sign in special {
            for at in 0..=length {
                let mut text = format!("\"{plain}\"");
                text.insert(at + 1, sign);
                let expected = serde_json::from_str::<&RawValue>(&text).is_ok();
                assert_eq!(reader::is_value(&text), expected, "{text:?}");
            }
        }
        for end in 0..=length + 1 {
            let text = format!("\"{plain}\"");
            assert!(!reader::is_value(text.get(..end).unwrap()));
        }
    }
}

#[test]
fn depth_has_no_end() {
    for depth in [1, 2, 63, 64, 65, 126, 127, 128, 129, 130, 192, 193, 1000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("[1,", ",2]")] {
            let text = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            assert!(reader::is_value(&text) && Raw::parse(text.clone()).is_ok(), "{open} {depth}");
            let one_less = text.get(..text.len() - 1).unwrap();
            assert!(!reader::is_value(one_less) && Raw::parse(one_less.to_owned()).is_err());
            let wrong = format!("{one_less}{}", if close.ends_with(']') { '}' } else { ']' });
            assert!(!reader::is_value(&wrong) && Raw::parse(wrong).is_err());
            if depth < 1001 {
                check(&text);
                check(&request(&format!("{{\"arguments\":{text}}}")));
                check(&request(&format!("{{\"x\":{text}}}")));
            }
        }
    }
}

#[test]
fn whatever_fuzzing_kept() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut seen = 0;
    for target in fs::read_dir(corpus).unwrap() {
        for entry in fs::read_dir(target.unwrap().path()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            check_message(&bytes);
            for part in bytes.split(|byte| matches!(byte, 0x1E | b'\n')) {
                check(&String::from_utf8_lossy(part));
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} files");
}

fn text() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[ -~]{0,40}".prop_map(|text| Raw::of(&text).get().to_owned()),
        any::<String>().prop_map(|text| Raw::of(&text).get().to_owned()),
        "\"([a-z é]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,12}\"",
        "\"[a-z]{60,140}(\\\\n)?[a-z]{0,90}\"",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
        string,
    ];
    let key = || {
        prop_oneof![
            "\"[a-c]\"",
            Just("\"_meta\"".to_owned()),
            Just("\"progressToken\"".to_owned()),
            Just("\"arguments\"".to_owned()),
            "\"([a-c]|\\\\u006[1-3]|\\\\n|é){0,3}\"",
        ]
    };
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let space = || "[ \t\r\n]{0,2}";
        let element = (space(), inner.clone(), space()).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        let member = (space(), key(), space(), space(), inner, space())
            .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
        prop_oneof![
            prop::collection::vec(element, 0..6).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

/// What a member of a message may be.
fn message() -> impl Strategy<Value = String> {
    let member = |key: &'static str| (Just(key), text());
    let id = "\"[a-z]{0,3}\"|-?[0-9]{1,3}|null|1\\.5";
    let method = "\"[a-z/]{0,9}\"|\"\\\\u006d\"|null|7";
    let members = prop_oneof![
        3 => Just(("jsonrpc", "\"2.0\"".to_owned())),
        3 => (Just("id"), id),
        3 => (Just("method"), method),
        3 => member("params"),
        1 => member("result"),
        1 => member("error"),
        1 => member("other"),
        1 => member("jsonrpc"),
        1 => member("\\u0069d"),
    ];
    prop::collection::vec(members, 0..7).prop_map(|members| {
        let member = |(key, value): &(&str, String)| format!("\"{key}\":{value}");
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    })
}

/// A request with these parameters.
fn request(params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{params}}}")
}

proptest! {
    #[test]
    fn any_json_is_read(text in text()) {
        check(&text);
        check(&request(&text));
        check(&request(&format!("{{\"name\":\"t\",\"arguments\":{text},\"_meta\":{text}}}")));
        check(&format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{text}}}"));
    }

    #[test]
    fn any_message_is_read(text in message()) {
        check(&text);
    }

    #[test]
    fn what_became_of_json_is_read_or_refused(
        text in prop_oneof![text(), message()],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        signs in "[\\[\\]{}\",:0\\\\e. -]{0,2}",
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        let at = cut.map_or(0, |at| at.index(bytes.len()));
        bytes.splice(at..at, signs.bytes());
        check(&String::from_utf8_lossy(&bytes));
        if cut.is_some() {
            bytes.truncate(at);
            check(&String::from_utf8_lossy(&bytes));
        }
        check_message(&bytes);
    }

    #[test]
    fn any_soup_of_signs_is_read_or_refused(
        text in "([\\[\\]{}\",:0-2.eE+\\\\ -]|true|null|\"a\"){0,16}",
    ) {
        check(&text);
    }
}
