//! Reading members, and edits that leave the rest as it is.

use proptest::prelude::*;

use super::json;
use crate::wire::Raw;
use crate::wire::object::Error;
use crate::wire::object::Object;

#[track_caller]
fn set(before: &str, key: &str, value: &str, after: &str) {
    let object = Object::parse(before).unwrap();
    assert_eq!(object.edit().set(key, value).apply().get(), after);
}

#[track_caller]
fn remove(before: &str, keys: &[&str], after: &str) {
    let object = Object::parse(before).unwrap();
    let edit = keys.iter().fold(object.edit(), |edit, key| edit.remove(key));
    assert_eq!(edit.apply().get(), after);
}

#[test]
fn set_replaces_in_place_or_adds_at_the_end() {
    set(r#"{"a":1,"b":2}"#, "a", "9", r#"{"a":9,"b":2}"#);
    set(r#"{ "a" : 1 , "b" : 2 }"#, "b", "[9]", r#"{ "a" : 1 , "b" : [9] }"#);
    set(r#"{"\u0061":1}"#, "a", "9", r#"{"\u0061":9}"#);
    set(r#"{"a\/b":1}"#, "a/b", "9", r#"{"a\/b":9}"#);
    set("{}", "a", "9", r#"{"a":9}"#);
    set("{ }", "a", "9", r#"{"a":9 }"#);
    set(" {\t} ", "a", "9", " {\"a\":9\t} ");
    set(r#"{"a":1 }"#, "b", "9", r#"{"a":1,"b":9 }"#);
    set(r#"{"":1}"#, "", "9", r#"{"":9}"#);
    set(r#"{"a":1}"#, "q\"\\\n", "9", r#"{"a":1,"q\"\\\n":9}"#);
    set(r#"{"a":{"b":1},"b":2}"#, "b", "9", r#"{"a":{"b":1},"b":9}"#);
    set(r#"{"a":"{\"b\":1}"}"#, "b", "9", r#"{"a":"{\"b\":1}","b":9}"#);
}

#[test]
fn remove_takes_one_comma_along() {
    remove(r#"{"a":1,"b":2,"c":3}"#, &["a"], r#"{"b":2,"c":3}"#);
    remove(r#"{"a":1,"b":2,"c":3}"#, &["b"], r#"{"a":1,"c":3}"#);
    remove(r#"{"a":1,"b":2,"c":3}"#, &["c"], r#"{"a":1,"b":2}"#);
    remove(r#"{"a":1}"#, &["a"], "{}");
    remove(r#"{ "a" : 1 }"#, &["a"], "{ }");
    remove(r#"{"a":1,"b":2,"c":3}"#, &["a", "b"], r#"{"c":3}"#);
    remove(r#"{"a":1,"b":2,"c":3}"#, &["a", "b", "c"], "{}");
    remove(r#"{"a":1,"b":2,"c":3}"#, &["x"], r#"{"a":1,"b":2,"c":3}"#);
    remove("{}", &["x"], "{}");
    remove("{\"\\u0061\":1 ,\n \"b\":2}", &["a"], "{\n \"b\":2}");
    remove(r#"{ "a":1 , "b":2 , "c":3 }"#, &["a"], r#"{ "b":2 , "c":3 }"#);
    remove(r#"{ "a":1 , "b":2 , "c":3 }"#, &["b"], r#"{ "a":1 , "c":3 }"#);
    remove(r#"{ "a":1 , "b":2 , "c":3 }"#, &["c"], r#"{ "a":1 , "b":2 }"#);
}

#[test]
fn edits_combine_and_the_last_one_on_a_key_counts() {
    let object = Object::parse(r#"{"a":1,"b":2}"#).unwrap();
    let edited = object.edit().remove("a").set("c", "3").set("b", "4").remove("c").set("c", "5");
    assert_eq!(edited.apply().get(), r#"{"b":4,"c":5}"#);
    let edited = object.edit().remove("a").remove("b").set("a", "1").set("d", "2");
    assert_eq!(edited.apply().get(), r#"{"a":1,"d":2}"#);
}

#[test]
fn only_objects_without_duplicate_keys_are_read() {
    for text in ["1", "null", "[]", "\"{}\"", "[{}]"] {
        assert_eq!(Object::parse(text).unwrap_err(), Error::NotAnObject, "{text}");
    }
    let duplicate = |key: &str| Error::Duplicate(key.to_owned());
    assert_eq!(Object::parse(r#"{"a":1,"a":1}"#).unwrap_err(), duplicate("a"));
    assert_eq!(Object::parse(r#"{"a":1,"b":2,"\u0061":1}"#).unwrap_err(), duplicate("a"));
    assert!(Object::parse(r#"{"a":{"x":1,"x":2},"A":1}"#).is_ok(), "one level, exact case");
    let many: Vec<String> = (0..50).map(|number| format!("\"k{number}\":0")).collect();
    let text = format!("{{{},\"k7\":1}}", many.join(","));
    assert_eq!(Object::parse(&text).unwrap_err(), duplicate("k7"));
    assert!(Object::parse(&format!("{{{}}}", many.join(","))).is_ok());
    let object = Object::parse_allowing_duplicates(r#"{"a":1,"a":2}"#).unwrap();
    assert_eq!((object.count("a"), object.count("b"), object.get("a")), (2, 0, Some("1")));
    assert_eq!(object.edit().set("a", "9").apply().get(), r#"{"a":9,"a":9}"#);
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

fn value() -> impl Strategy<Value = String> {
    let texts =
        vec!["1.0", "1e2", "{\"a\":1,\"a\":2}", "[ 1 ,2]", "\"}\\\"{,\"", "{ }", "null", "-0"];
    prop::sample::select(texts).prop_map(str::to_owned)
}

/// A member: its key, the whole text of it, its value.
type Member = (String, String, String);

fn members() -> impl Strategy<Value = Vec<Member>> {
    let keys = prop::collection::hash_set("[a-f]|\\PC{0,3}", 0..8);
    let spaces = prop::collection::vec([space(), space(), space(), space()], 8);
    (keys, spaces, prop::collection::vec(value(), 8)).prop_map(|(keys, spaces, values)| {
        let rest = spaces.into_iter().zip(values);
        let member = |(key, ([a, b, c, d], value)): (String, ([String; 4], String))| {
            let text = format!("{a}{}{b}:{c}{value}{d}", Raw::of(&key).get());
            (key, text, value)
        };
        keys.into_iter().zip(rest).map(member).collect()
    })
}

fn written<'a>(members: impl Iterator<Item = &'a String>) -> String {
    format!("{{{}}}", members.map(String::as_str).collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn set_changes_one_value_and_nothing_else(
        members in members(), at in any::<prop::sample::Index>(),
    ) {
        let before = written(members.iter().map(|(_, text, _)| text));
        let object = Object::parse(&before).unwrap();
        for (key, _, value) in &members {
            prop_assert_eq!(object.get(key), Some(value.as_str()));
        }
        if members.is_empty() {
            return Ok(());
        }
        let changed = at.index(members.len());
        let (key, text, value) = &members[changed];
        let (front, back) = text.rsplit_once(value.as_str()).unwrap();
        let mut texts: Vec<String> = members.iter().map(|(_, text, _)| text.clone()).collect();
        texts[changed] = format!("{front}[7]{back}");
        let expected = written(texts.iter());
        let edited = object.edit().set(key, "[7]").apply();
        prop_assert_eq!(edited.get(), expected);
    }

    #[test]
    fn whatever_is_removed_and_set_the_rest_is_equal(
        members in members(), gone in prop::collection::vec(any::<bool>(), 8), added in "[g-k]",
    ) {
        let before = written(members.iter().map(|(_, text, _)| text));
        let object = Object::parse(&before).unwrap();
        let mut edit = object.edit();
        let mut kept = Vec::new();
        for ((key, _, value), gone) in members.iter().zip(gone) {
            if gone {
                edit = edit.remove(key);
            } else {
                kept.push((key.as_str(), value.as_str()));
            }
        }
        edit = edit.set(&added, "true");
        kept.retain(|(key, _)| *key != added);
        kept.push((&added, "true"));
        let edited = json(edit.apply().get());
        let edited = edited.object().unwrap();
        let mut found: Vec<(&str, &str)> = edited.iter().collect();
        if members.iter().any(|(key, ..)| *key == added) {
            found.sort_unstable();
            kept.sort_unstable();
        }
        prop_assert_eq!(found, kept);
    }
}
