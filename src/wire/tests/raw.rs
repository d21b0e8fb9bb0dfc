//! One value as text.

use std::collections::HashSet;

use bytes::Bytes;
use bytestring::ByteString;

use super::json;
use crate::wire::Raw;
use crate::wire::frame;
use crate::wire::frame::Message;

#[test]
fn only_one_json_value_is_taken() {
    for good in ["1", " {} ", "\"\\ud800\"", "[1e999]", "null"] {
        assert_eq!(Raw::parse(good).unwrap().get(), good);
        assert_eq!(Raw::from_bytes(Bytes::from_static(good.as_bytes())).unwrap().get(), good);
    }
    for bad in ["", "1 2", "{", "nul", "\"\u{1}\"", "01", "[1,]"] {
        assert!(Raw::parse(bad).is_err(), "{bad}");
    }
    assert!(Raw::from_bytes(Bytes::from_static(b"\"\xc3\"")).is_err());
}

#[test]
fn parts_share_the_text_and_keep_it() {
    let whole = json(r#"{"a":[1.0, "x" ,{}],"b":"\u0061"}"#);
    let elements: Vec<String> = whole
        .member("a")
        .unwrap()
        .elements()
        .unwrap()
        .iter()
        .map(|raw| raw.get().to_owned())
        .collect();
    assert_eq!(elements, ["1.0", "\"x\"", "{}"]);
    let b = whole.member("b").unwrap();
    assert!(whole.get().as_bytes().as_ptr_range().contains(&b.get().as_ptr()), "not copied");
    assert!(!whole.get().as_bytes().as_ptr_range().contains(&b.detached().get().as_ptr()));
    assert_eq!(b.string().unwrap(), "a");
    assert!(whole.member("c").is_none() && b.member("a").is_none() && b.elements().is_none());
}

/// The parameters of a notification.
fn params(text: &str) -> Raw {
    let text = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{text}}}");
    match frame::read(Bytes::from(text)) {
        Ok(Message::Notification(note)) => note.params.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_in_a_message_knows_its_members() {
    let known = params(r#"{"name":"t","arguments":{"a":1},"\u005fmeta":{"b":{}},"x":{}}"#);
    let is_known = |raw: &Raw| raw.index().is_some();
    assert!(is_known(&known) && is_known(&known.clone()) && !is_known(&known.detached()));
    let members = ["name", "arguments", "_meta", "x"].map(|key| known.member(key).unwrap());
    assert_eq!(members.each_ref().map(is_known), [false, true, true, false]);
    assert!(!is_known(&members[2].member("b").unwrap()));
    // Equal is what has the same text.
    let same = json(known.get());
    assert!(known == same && !is_known(&same) && HashSet::from([known.clone()]).contains(&same));
    let edited = known.object().unwrap().edit().set("name", "2").remove("arguments").apply();
    assert!(is_known(&edited) && is_known(&edited.member("_meta").unwrap()));
    assert_eq!(edited.get(), r#"{"name":2,"\u005fmeta":{"b":{}},"x":{}}"#);
    // Where they would be too much to keep, they are looked for.
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"k{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    for (count, is_kept) in [(0, true), (16, true), (17, true), (32, true), (33, false)] {
        let known = params(&many(count));
        assert_eq!(is_known(&known), is_kept, "{count}");
        assert_eq!(known.object().unwrap().iter().count(), count);
        let known = params(&format!("{{\"_meta\":{}}}", many(count))).member("_meta").unwrap();
        assert_eq!(is_known(&known), is_kept, "{count}");
    }
    assert_eq!(size_of::<Raw>(), size_of::<ByteString>() + size_of::<usize>());
}

#[test]
fn parts_are_replaced_in_any_order() {
    let whole = json(r#" { "a":[1 ,2], "b" : "x" } "#);
    let object = whole.object().unwrap();
    let (a, b) = (object.get("a").unwrap(), object.get("b").unwrap());
    let edited = whole.with_parts(vec![(b, json("null")), (a, json("{}"))]);
    assert_eq!(edited.get(), r#" { "a":{}, "b" : null } "#);
    assert_eq!(whole.with_parts(Vec::new()), whole);
    assert_eq!(whole.with_parts(vec![(whole.get(), json("1"))]).get(), "1");
}

#[test]
fn arrays_are_written_from_values_as_they_are() {
    assert_eq!(Raw::array([]).get(), "[]");
    assert_eq!(Raw::array(&[json("1.0")]).get(), "[1.0]");
    assert_eq!(Raw::array(&[json("{ }"), json("[]"), json("1e2")]).get(), "[{ },[],1e2]");
}

#[test]
fn a_value_can_be_put_on_one_line() {
    let pretty = json("{\r\n  \"a\": \"x\\ny\"\n}");
    assert_eq!(pretty.on_one_line().get(), "{    \"a\": \"x\\ny\" }");
    let plain = json("{\"a\":\"\\r\\n\u{2028}\"}");
    assert_eq!(plain.clone().on_one_line(), plain);
}

#[test]
fn a_value_inside_another_is_written_as_it_is() {
    let inner = json("{ \"n\":1.0 }");
    assert_eq!(Raw::of(&[&inner, &inner]).get(), "[{ \"n\":1.0 },{ \"n\":1.0 }]");
}
