//! Rewriting replaces addresses where the specification has them, and no other byte.

use proptest::prelude::*;

use super::json;
use super::merge;
use super::source;
use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::catalog::ResultKind;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// Text of a result before and after.
type Pair = (String, String);

fn catalog() -> Catalog {
    merge(
        &[source("a", "a", &[], &["x:1", "x:2"]), source("b", "b", &[], &["x:1", "x:2", "x:3"])],
        50,
    )
}

/// An address as a JSON string: aliased ones, one that is not, and one written with escapes.
fn uri() -> impl Strategy<Value = Pair> {
    prop::sample::select(vec![
        ("\"x:1\"", "\"conflux+b:x:1\""),
        ("\"x:\\u0032\"", "\"conflux+b:x:2\""),
        ("\"x:3\"", "\"x:3\""),
        ("\"y:1\"", "\"y:1\""),
        ("17", "17"),
    ])
    .prop_map(|(before, after)| (before.to_owned(), after.to_owned()))
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\t", "  "])
}

/// Members that stay as they are.
fn filler() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        r#""n":1.0"#,
        r#""big":123456789012345678901234567890"#,
        r#""structuredContent":{"uri":"x:1","uri":"x:1","type":"resource_link"}"#,
        r#""text":"x:1 \"uri\":\"x:1\"""#,
        r#""":[[[{"resource":{"uri":"x:1"}}]]]"#,
    ])
}

fn joined(space: &str, members: Vec<Pair>) -> Pair {
    let (before, after): (Vec<String>, Vec<String>) = members.into_iter().unzip();
    let between = format!("{space},{space}");
    let whole = |texts: Vec<String>| format!("{{{space}{}{space}}}", texts.join(&between));
    (whole(before), whole(after))
}

fn same(text: &str) -> Pair {
    (text.to_owned(), text.to_owned())
}

fn member(key: &str, (before, after): Pair) -> Pair {
    (format!("\"{key}\": {before}"), format!("\"{key}\": {after}"))
}

fn array(elements: Vec<Pair>) -> Pair {
    let (before, after): (Vec<String>, Vec<String>) = elements.into_iter().unzip();
    (format!("[{}]", before.join(" ,")), format!("[{}]", after.join(" ,")))
}

fn block() -> impl Strategy<Value = Pair> {
    let link = (space(), filler(), uri()).prop_map(|(space, filler, uri)| {
        let kind = same(r#""type":"resource_link""#);
        joined(space, vec![member("uri", uri), same(filler), kind])
    });
    let embedded = (space(), filler(), uri()).prop_map(|(space, filler, uri)| {
        let inner = joined(space, vec![same(filler), member("uri", uri)]);
        let kind = same(r#""\u0074ype":"resource""#);
        joined(space, vec![kind, member("resource", inner), same(filler)])
    });
    let other = (space(), uri(), "[a-z]{1,8}").prop_map(|(space, uri, kind)| {
        let kind = same(&format!(r#""type":"x_{kind}""#));
        joined(space, vec![kind, member("uri", (uri.0.clone(), uri.0))])
    });
    let leaf = prop_oneof![link, embedded, other, Just(same("null")), Just(same("\"x:1\""))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        (space(), prop::collection::vec(inner, 0..3)).prop_map(|(space, blocks)| {
            let kind = same(r#""type":"tool_result""#);
            joined(space, vec![kind, member("content", array(blocks))])
        })
    })
}

fn check(kind: ResultKind, (before, after): Pair) -> Result<(), TestCaseError> {
    let catalog = catalog();
    let raw = json(&before);
    let rewritten = catalog.rewrite_result(&UpstreamId::new("b"), kind, &raw);
    prop_assert_eq!(rewritten.get(), after);
    let untouched = catalog.rewrite_result(&UpstreamId::new("a"), kind, &raw);
    prop_assert_eq!(untouched.get(), before);
    Ok(())
}

proptest! {
    #[test]
    fn tools(blocks in prop::collection::vec(block(), 0..5), filler in filler(), uri in uri()) {
        let ui = joined("", vec![member("resourceUri", uri.clone())]);
        let meta = joined(" ", vec![member("ui", ui), member("ui/resourceUri", uri)]);
        let result = vec![member("content", array(blocks)), same(filler), member("_meta", meta)];
        check(ResultKind::Tool, joined(" ", result))?;
    }

    #[test]
    fn prompts_and_sampling(blocks in prop::collection::vec(block(), 1..4), filler in filler()) {
        let single = joined("", vec![member("content", blocks[0].clone()), same(r#""role":"x""#)]);
        let several = joined("", vec![member("content", array(blocks)), same(filler)]);
        let messages = array(vec![single, several]);
        let result = joined(" ", vec![same(filler), member("messages", messages)]);
        check(ResultKind::Prompt, result.clone())?;
        check(ResultKind::SamplingParams, result)?;
    }

    #[test]
    fn resources(uris in prop::collection::vec(uri(), 0..5), filler in filler()) {
        let part = |uri| joined(" ", vec![same(filler), member("uri", uri), same("\"blob\":\"\"")]);
        let contents = array(uris.into_iter().map(part).collect());
        check(ResultKind::Resource, joined("", vec![member("contents", contents)]))?;
    }

    #[test]
    fn anything_else_stays(text in "[\\[\\]{}\",:a-z0-9 ]{0,40}") {
        let Ok(raw) = Raw::parse(text) else { return Ok(()) };
        for kind in [ResultKind::Tool, ResultKind::Prompt, ResultKind::Resource] {
            prop_assert_eq!(&catalog().rewrite_result(&UpstreamId::new("b"), kind, &raw), &raw);
        }
    }
}

#[test]
fn deep_nesting_harms_nobody() {
    let catalog = catalog();
    let deep = 20_000;
    let open = r#"{"type":"tool_result","content":"#.repeat(deep);
    let text = format!(r#"{{"content":{open}{{}}{}}}"#, "}".repeat(deep));
    let raw = json(&text);
    assert_eq!(catalog.rewrite_result(&UpstreamId::new("b"), ResultKind::Tool, &raw), raw);
}

#[test]
fn what_is_sent_of_a_list_is_written_once() {
    let one = || merge(&[source("a", "a", &["t".to_owned()], &["x:1"])], 50);
    let catalog = one();
    for kind in Kind::ALL {
        let (result, list) = (catalog.result(kind), catalog.list(kind));
        let expected = format!("{{\"{}\":{}}}", kind.member(), list.get());
        assert_eq!(result.get(), expected);
        let bytes = result.get().as_bytes().as_ptr_range();
        assert!(bytes.contains(&list.get().as_ptr()), "the array is a part of the result");
    }
    let form = |catalog: &Catalog, name, terms: &str| {
        let list = catalog.prepared(Kind::Tools);
        list.form(name, terms, || json(&format!("[{}]", Raw::of(terms).get())))
    };
    let first = form(&catalog, "a", "1");
    let other = form(&catalog, "b", "1");
    let is_same = |now: &Raw| now.get().as_ptr() == first.get().as_ptr();
    assert!(is_same(&form(&catalog, "a", "1")) && !is_same(&other), "each name has its own");
    assert_eq!(form(&catalog, "a", "2").get(), r#"["2"]"#);
    assert!(!is_same(&form(&catalog, "a", "1")), "only the last one is kept");
    assert!(form(&catalog, "b", "1").get().as_ptr() == other.get().as_ptr());
    assert!(!is_same(&form(&one(), "a", "1")), "another catalog knows nothing of it");
}

#[test]
fn a_list_changes_exactly_if_something_listed_changes() {
    let before = merge(&[source("a", "a", &["t".to_owned()], &[])], 50);
    let same = merge(&[source("a", "a", &["t".to_owned()], &["x:1"])], 50);
    let other = merge(&[source("a", "a", &["u".to_owned()], &[])], 50);
    assert_eq!(before.list(Kind::Tools), same.list(Kind::Tools));
    assert_ne!(before.list(Kind::Tools), other.list(Kind::Tools));
    assert_ne!(before.list(Kind::Resources), same.list(Kind::Resources));
}
