//! Edits of `_meta`.

use super::json;
use crate::wire::Raw;
use crate::wire::meta;
use crate::wire::meta::RequestMeta;

#[track_caller]
fn check(before: Option<&str>, set: &[(&str, &str)], remove: &[&str], after: Option<&str>) {
    let edited = meta::edit(before.map(json).as_ref(), set, remove);
    assert_eq!(edited.as_ref().map(Raw::get), after);
}

#[test]
fn keys_are_set_and_removed_and_all_else_stays() {
    check(None, &[], &["k"], None);
    check(None, &[("k", "1")], &[], Some(r#"{"_meta":{"k":1}}"#));
    check(Some("{}"), &[("k", "1")], &["x"], Some(r#"{"_meta":{"k":1}}"#));
    check(Some(r#"{ "a":1.0 }"#), &[], &["k"], Some(r#"{ "a":1.0 }"#));
    check(Some(r#"{"a":1.0}"#), &[("k", "1")], &[], Some(r#"{"a":1.0,"_meta":{"k":1}}"#));
    let both = Some(r#"{"_meta":{ "x":1e2 , "k":0 },"a":1}"#);
    check(both, &[("k", "1")], &[], Some(r#"{"_meta":{ "x":1e2 , "k":1 },"a":1}"#));
    check(both, &[("n", "1")], &["x"], Some(r#"{"_meta":{ "k":0,"n":1 },"a":1}"#));
    check(both, &[], &["k"], Some(r#"{"_meta":{ "x":1e2 },"a":1}"#));
    check(both, &[], &["other"], both);
    check(both, &[], &["x", "k"], Some(r#"{"a":1}"#));
    check(Some(r#"{"a":1,"_meta":{"k":0}}"#), &[], &["k"], Some(r#"{"a":1}"#));
    check(Some(r#"{"_meta":{}}"#), &[], &["k"], Some(r#"{"_meta":{}}"#));
}

#[test]
fn a_meta_that_is_none_gives_way_only_to_something() {
    check(Some(r#"{"_meta":null}"#), &[], &["k"], Some(r#"{"_meta":null}"#));
    check(Some(r#"{"_meta":null}"#), &[("k", "1")], &[], Some(r#"{"_meta":{"k":1}}"#));
    check(Some(r#"{"_meta":[1]}"#), &[("k", "1")], &[], Some(r#"{"_meta":{"k":1}}"#));
    check(Some("[1]"), &[("k", "1")], &[], Some("[1]"));
}

#[test]
fn the_keys_of_a_request_are_read_as_they_stand() {
    let params = json(
        r#"{"_meta":{"progressToken":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{ "x":{} },"other":1}}"#,
    );
    let read = RequestMeta::read(Some(&params));
    assert_eq!(read.progress_token.unwrap().get(), "1.0");
    assert_eq!(read.protocol_version.unwrap().string().unwrap(), "2026-07-28");
    assert_eq!(read.client_capabilities.unwrap().get(), r#"{ "x":{} }"#);
    assert!(read.client_info.is_none() && read.log_level.is_none());
    for odd in ["{}", "[]", r#"{"_meta":null}"#, r#"{"_meta":[]}"#] {
        assert!(RequestMeta::read(Some(&json(odd))).progress_token.is_none(), "{odd}");
    }
    assert!(RequestMeta::read(None).progress_token.is_none());
}
