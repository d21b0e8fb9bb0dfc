//! One value as text.

use bytes::Bytes;

use super::json;
use crate::wire::Raw;

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
