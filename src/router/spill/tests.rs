//! Large results lose nothing, and nobody else gets at them.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::catalog::ResultKind;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::router::spill::Measure;
use crate::router::spill::Promise;
use crate::router::spill::Spills;
use crate::router::spill::cut;
use crate::router::spill::store;
use crate::router::spill::store::Batch;
use crate::wire::Raw;

/// A tool that promises nothing.
static TOOL: LazyLock<Raw> = LazyLock::new(|| Raw::of(&json!({ "name": "tool" })));

fn caller(number: u64) -> Arc<Caller> {
    Arc::new(Caller::new(CallerId(number), Arc::default(), Reach::Anytime))
}

/// One that comes anew with every request, as all who share what is remembered of them.
fn named(name: &str) -> Principal {
    let (name, groups, bounds) = (name.to_owned(), Vec::new(), Bounds::default());
    Identity { name, groups, actor: None, bounds }.into()
}

fn passer(number: u64) -> Arc<Caller> {
    let caller = Caller::new(CallerId(number), Arc::default(), Reach::InCallsOnly);
    Arc::new(caller.remembered_as(CallerId(7)).on_behalf_of(Principal::anonymous()))
}

fn measure(kind: ResultKind) -> Measure<'static> {
    Measure { limit: 1024, kind, promise: Promise::By(&TOOL) }
}

/// Keeps a text alone; returns its address and how many pages it has.
fn keep(spills: &Spills, caller: &Arc<Caller>, text: &str) -> (String, usize) {
    let mut batch = Batch::default();
    let whole = batch.add(text, "text/plain", 1024).unwrap();
    spills.keep(caller, batch);
    (whole.uri(), whole.pages())
}

fn blocks(texts: &[String]) -> Raw {
    let block = |text: &String| json!({ "type": "text", "text": text });
    Raw::of(&json!({ "content": texts.iter().map(block).collect::<Vec<_>>() }))
}

fn marks(result: &Value) -> Vec<Value> {
    result["_meta"]["dev.conflux/spilled"].as_array().cloned().unwrap_or_default()
}

fn value(raw: &Raw) -> Value {
    serde_json::from_str(raw.get()).unwrap()
}

/// What is read at every page of what a mark says, in order.
fn whole(spills: &Spills, caller: &Caller, mark: &Value) -> String {
    let uri = mark["uri"].as_str().unwrap();
    let page = |number| {
        let page = spills.read(caller, &format!("{uri}?page={number}")).unwrap();
        value(&page)["contents"][0]["text"].as_str().unwrap().to_owned()
    };
    (1..=mark["pages"].as_u64().unwrap()).map(page).collect()
}

proptest! {
    #[test]
    fn pages_are_the_text(text in "[a-zé€😀\n]{0,400}", most in 4_usize..64) {
        let mut start = 0;
        for end in cut::pages(&text, most) {
            let page = text.get(start..end).unwrap();
            prop_assert!(!page.is_empty() && page.len() <= most);
            start = end;
        }
        prop_assert_eq!(start, text.len());
    }

    #[test]
    fn what_is_cut_can_be_read_whole(
        texts in prop::collection::vec("([a-z€ ]{20}\n){0,90}", 1..4),
        is_error in any::<bool>(),
    ) {
        let (spills, caller) = (Spills::default(), caller(1));
        let block = |text: &String| json!({ "type": "text", "text": text });
        let blocks: Vec<_> = texts.iter().map(block).collect();
        let before = Raw::of(&json!({ "content": blocks, "isError": is_error, "x": 1 }));
        let after = spills.shortened(&caller, measure(ResultKind::Tool), before.clone());
        let total: usize = texts.iter().map(String::len).sum();
        if after == before {
            // A note, a link and a mark for each text.
            prop_assert!(total <= 1024 + 3 * 800, "{}", total);
            return Ok(());
        }
        prop_assert!(total > 1024 && after.get().len() < before.get().len());
        let after = value(&after);
        let marks = marks(&after);
        prop_assert!(!marks.is_empty());
        prop_assert_eq!((&after["isError"], &after["x"]), (&json!(is_error), &json!(1)));
        for mark in marks {
            let Some(place) = mark["of"].as_str().unwrap().strip_prefix("content/") else {
                let all = serde_json::from_str::<Value>(&whole(&spills, &caller, &mark)).unwrap();
                prop_assert_eq!(all, json!(blocks));
                continue;
            };
            let place: usize = place.parse().unwrap();
            let full = &texts[place];
            prop_assert_eq!(&whole(&spills, &caller, &mark), full);
            let shown = after["content"][place]["text"].as_str().unwrap();
            let kept = shown.split("\n\n[These are").next().unwrap();
            prop_assert!(full.starts_with(kept) && shown.contains(mark["uri"].as_str().unwrap()));
        }
    }
}

#[test]
fn short_texts_leave_their_share_to_long_ones() {
    let block = |length| json!({ "type": "text", "text": "x".repeat(length) });
    let content = Raw::of(&json!([block(100), block(2000), block(150), block(3000)]));
    let shares: Vec<_> =
        cut::too_long(&content, 1024).iter().map(|it| (it.place, it.share)).collect();
    assert_eq!(shares, [(1, 387), (3, 387)]);
}

#[test]
fn only_texts_are_cut() {
    let spills = Spills::default();
    let image = json!({ "type": "image", "data": "A".repeat(4000), "mimeType": "image/png" });
    let blob =
        json!({ "type": "resource", "resource": { "uri": "a:b", "blob": "B".repeat(4000) } });
    let before = Raw::of(&json!({ "content": [image, blob] }));
    let after = spills.shortened(&caller(1), measure(ResultKind::Tool), before.clone());
    assert_eq!(after, before);
    let text = json!({ "uri": "a:c", "mimeType": "text/csv", "text": "C".repeat(4000) });
    let inside = json!({ "type": "resource", "resource": text });
    let before = Raw::of(&json!({ "content": [image, inside] }));
    let after = value(&spills.shortened(&caller(1), measure(ResultKind::Tool), before));
    assert_eq!(after["content"][0], image);
    assert!(after["content"][1]["resource"]["text"].as_str().unwrap().len() < 1400);
    let link = &after["content"][2];
    assert_eq!((&link["type"], &link["mimeType"]), (&json!("resource_link"), &json!("text/csv")));
}

#[test]
fn other_bytes_stay() {
    let block = format!(r#"{{"text":"{}", "type":"text","n":1.0}}"#, "x".repeat(2000));
    let before = format!(r#"{{ "content" :[ {block} ], "_meta":{{"a": 1e3}} ,"new" : 1.50}}"#);
    let spills = Spills::default();
    let after =
        spills.shortened(&caller(1), measure(ResultKind::Tool), Raw::parse(before).unwrap());
    let text = after.get();
    for part in [r#""type":"text","n":1.0}"#, r#""_meta":{"a": 1e3,"#, r#" ,"new" : 1.50}"#] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_was_promised_to_programs_is_kept() {
    let spills = Spills::default();
    let long = "y".repeat(4000);
    let before = Raw::of(&json!({
        "content": [{ "type": "text", "text": long }],
        "structuredContent": { "content": long, "kind": "k".repeat(2000), "n": 1 },
    }));
    let schema = json!({
        "type": "object",
        "properties": {
            "content": { "type": "string" }, "kind": { "type": "string", "pattern": "^k+$" },
        },
    });
    let tool = Raw::of(&json!({ "name": "tool", "outputSchema": schema }));
    let with = Measure { promise: Promise::By(&tool), ..measure(ResultKind::Tool) };
    let after = value(&spills.shortened(&caller(1), with, before.clone()));
    assert!(jsonschema::is_valid(&schema, &after["structuredContent"]));
    assert!(after["structuredContent"]["content"].as_str().unwrap().len() < 1400);
    assert_eq!(after["structuredContent"]["kind"], "k".repeat(2000));
    assert_eq!(
        after["_meta"]["dev.conflux/spilled"].as_array().unwrap().len(),
        1,
        "once is enough"
    );

    let after = value(&spills.shortened(&caller(1), measure(ResultKind::Tool), before.clone()));
    assert!(after.get("structuredContent").is_none());
    assert_eq!(after["_meta"]["dev.conflux/spilled"][1]["of"], "structuredContent");

    let unknown = Measure { promise: Promise::Unknown, ..measure(ResultKind::Tool) };
    let after = value(&spills.shortened(&caller(1), unknown, before.clone()));
    assert_eq!(after["structuredContent"], value(&before)["structuredContent"]);
    assert_eq!(marks(&after).len(), 1, "its text is cut");
}

#[test]
fn resources_have_no_links_in_them() {
    let (spills, caller) = (Spills::default(), caller(1));
    let before = Raw::of(&json!({ "contents": [{ "uri": "a:b", "text": "z".repeat(3000) }] }));
    let after = value(&spills.shortened(&caller, measure(ResultKind::Resource), before));
    assert_eq!(after["contents"].as_array().unwrap().len(), 1);
    let mark = &after["_meta"]["dev.conflux/spilled"][0];
    assert_eq!(whole(&spills, &caller, mark), "z".repeat(3000));
}

#[tokio::test(start_paused = true)]
async fn only_who_got_it_may_read_it_and_not_for_ever() {
    let spills = Spills::default();
    let (one, other) = (caller(1), caller(2));
    let (uri, pages) = keep(&spills, &one, &"x".repeat(2500));
    assert_eq!(pages, 3);
    let page = |caller: &Caller, more: &str| spills.read(caller, &format!("{uri}{more}"));
    assert_eq!(
        value(&page(&one, "").unwrap())["_meta"]["dev.conflux/page"],
        json!({ "page": 1, "pages": 3, "bytes": 2500, "next": format!("{uri}?page=2") }),
    );
    assert_eq!(value(&page(&one, "?page=3").unwrap())["contents"][0]["text"], "x".repeat(452));
    for wrong in ["?page=0", "?page=4", "?page=", "?page=one", "x", "?PAGE=1"] {
        assert_eq!(page(&one, wrong), None, "{wrong}");
    }
    assert_eq!(page(&other, ""), None);
    let stranger = Caller::new(CallerId(1), Arc::default(), Reach::Anytime);
    assert_eq!(page(&stranger.on_behalf_of(Principal::anonymous()), ""), None);
    time::advance(store::LIFETIME.saturating_sub(Duration::from_secs(1))).await;
    assert!(page(&one, "").is_some());
    time::advance(Duration::from_secs(1)).await;
    assert_eq!(page(&one, ""), None);
}

#[test]
fn what_is_kept_ends_with_its_session_unless_there_is_none() {
    let spills = Spills::default();
    let gone = caller(1);
    let (uri, _) = keep(&spills, &gone, "text");
    drop(gone);
    // Numbers are not given twice; if they were, it would be gone all the same.
    assert_eq!(spills.read(&caller(1), &uri), None);

    let (uri, _) = keep(&spills, &passer(8), "text");
    assert!(spills.read(&passer(9), &uri).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_freed_though_nobody_comes() {
    let spills = Arc::new(Spills::default());
    let stop = CancellationToken::new();
    let mut looking = JoinSet::new();
    looking.spawn({
        let (spills, stop) = (Arc::clone(&spills), stop.clone());
        async move { spills.expire(stop).await }
    });
    let kept = |caller: &Arc<Caller>| {
        let mut batch = Batch::default();
        let whole = Arc::downgrade(&batch.add("text", "text/plain", 1024).unwrap());
        spills.keep(caller, batch);
        move || whole.strong_count() == 1
    };
    let (stays, leaves) = (caller(1), caller(2));
    let (by_time, by_session) = (kept(&stays), kept(&leaves));
    drop(leaves);
    let minutes = async |number| time::sleep(Duration::from_mins(number)).await;
    minutes(2).await;
    assert!(by_time() && !by_session());
    minutes(30).await;
    assert!(!by_time());
    // The next one after a time without any, too.
    minutes(10).await;
    let again = kept(&stays);
    minutes(2).await;
    assert!(again());
    minutes(30).await;
    assert!(!again());
    stop.cancel();
    looking.join_next().await.unwrap().unwrap();
}

#[test]
fn the_oldest_give_way() {
    let spills = Spills::default();
    let (one, other) = (caller(1), caller(2));
    let keep = |caller, text: &str| keep(&spills, caller, text).0;
    let others = keep(&other, "other");
    let uris: Vec<_> = (0..65).map(|_| keep(&one, "text")).collect();
    let is_there = |uri: &String| spills.read(&one, uri).is_some();
    assert!(!is_there(&uris[0]) && uris[1..].iter().all(is_there));
    assert!(spills.read(&other, &others).is_some());
    let large = "x".repeat(20 << 20);
    let (first, second) = (keep(&one, &large), keep(&one, &large));
    assert!(!is_there(&first) && is_there(&second) && !is_there(&uris[64]));
    assert!(Batch::default().add(&"x".repeat((32 << 20) + 1), "text/plain", 1024).is_none());
}

#[test]
fn clients_without_a_session_do_not_push_each_others_texts_out() {
    let spills = Spills::default();
    let (first, _) = keep(&spills, &passer(8), "text");
    for number in 0..100 {
        keep(&spills, &passer(9 + number), "text");
    }
    let large = "x".repeat(20 << 20);
    keep(&spills, &passer(200), &large);
    keep(&spills, &passer(201), &large);
    assert!(spills.read(&passer(202), &first).is_some());
    // There are bounds all the same.
    for number in 0..5 {
        keep(&spills, &passer(300 + number), &large);
    }
    assert_eq!(spills.read(&passer(400), &first), None);
}

#[test]
fn somebody_known_without_a_session_has_the_bounds_of_one() {
    let spills = Spills::default();
    let alice = |number| {
        let caller = Caller::new(CallerId(number), Arc::default(), Reach::InCallsOnly);
        Arc::new(caller.remembered_as(CallerId(7)).on_behalf_of(named("corp:alice")))
    };
    let (others, _) = keep(&spills, &passer(1), "text");
    let (first, _) = keep(&spills, &alice(2), "text");
    assert_eq!(spills.read(&passer(3), &first), None, "it is hers");
    for number in 0..store::MOST_OF_ONE {
        keep(&spills, &alice(8 + number as u64), "text");
    }
    assert_eq!(spills.read(&alice(3), &first), None, "she has so many and no more");
    assert!(spills.read(&passer(3), &others).is_some());
}

#[test]
fn many_texts_are_kept_as_one() {
    let (spills, caller) = (Spills::default(), caller(1));
    let texts: Vec<_> = (0..100).map(|number| format!("{number:1024}")).collect();
    let before = blocks(&texts);
    let limit = Measure { limit: 64 << 10, ..measure(ResultKind::Tool) };
    let after = spills.shortened(&caller, limit, before.clone());
    assert!(after.get().len() < 70 << 10, "{}", after.get().len());
    let after = value(&after);
    let marks = marks(&after);
    assert_eq!(marks.iter().map(|mark| &mark["of"]).collect::<Vec<_>>(), ["content"]);
    assert_eq!(
        serde_json::from_str::<Value>(&whole(&spills, &caller, &marks[0])).unwrap(),
        value(&before)["content"]
    );
    let content = after["content"].as_array().unwrap();
    assert_eq!(content.len(), 66);
    assert!((0..64).all(|place| content[place]["text"] == texts[place]));
    let note = content[64]["text"].as_str().unwrap();
    assert!(note.starts_with("\n\n[The rest of this text is left out, and so are 35 more texts."));
    assert!(note.contains(marks[0]["uri"].as_str().unwrap()), "{note}");
    assert_eq!(content[65]["type"], "resource_link");
}

#[test]
fn blocks_that_are_no_texts_stay_where_many_texts_are_kept_as_one() {
    let (spills, caller) = (Spills::default(), caller(1));
    let image = json!({ "type": "image", "data": "A".repeat(40), "mimeType": "image/png" });
    let text = |number: usize| json!({ "type": "text", "text": format!("{number:100}") });
    let mut content: Vec<_> = (0..100).map(text).collect();
    content.insert(50, image.clone());
    let before = Raw::of(&json!({ "content": content, "structuredContent": { "n": 1 } }));
    let after = value(&spills.shortened(&caller, measure(ResultKind::Tool), before));
    let shown = after["content"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[11]), (13, &image));
    assert_eq!(after["structuredContent"], json!({ "n": 1 }));

    let item = |number| json!({ "uri": format!("a:{number}"), "text": format!("{number:100}") });
    let contents: Vec<_> = (0..100).map(item).collect();
    let before = Raw::of(&json!({ "contents": contents }));
    let after = value(&spills.shortened(&caller, measure(ResultKind::Resource), before));
    let shown = after["contents"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[10]["uri"]), (11, &json!("a:10")));
    let all = whole(&spills, &caller, &marks(&after)[0]);
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap(), json!(contents));
}

#[test]
fn what_cannot_be_kept_as_a_whole_or_would_not_be_smaller_stays() {
    let (spills, caller) = (Spills::default(), caller(1));
    let stays = |measure, before: &Raw| {
        let after = spills.shortened(&caller, measure, before.clone());
        assert!(&after == before, "{} bytes became {}", before.get().len(), after.get().len());
    };
    stays(measure(ResultKind::Tool), &blocks(&vec!["x".repeat(120); 10]));
    // Each text could be cut, but one more than can be kept.
    let names: Vec<_> = (0..65).map(|number| format!("text{number}")).collect();
    let each = |value: &dyn Fn(&String) -> Value| -> Value {
        names.iter().map(|name| (name.clone(), value(name))).collect::<Map<_, _>>().into()
    };
    let texts = each(&|name| name.repeat(500).into());
    let schema = json!({ "type": "object", "properties": each(&|_| json!({ "type": "string" })) });
    let tool = Raw::of(&json!({ "name": "tool", "outputSchema": schema }));
    let by = Measure { promise: Promise::By(&tool), ..measure(ResultKind::Tool) };
    stays(by, &Raw::of(&json!({ "content": [], "structuredContent": texts })));

    let (mut batch, large) = (Batch::default(), "x".repeat(20 << 20));
    assert!(batch.add(&large, "text/plain", 1024).is_some());
    assert!(batch.add(&large, "text/plain", 1024).is_none());
}

#[test]
fn what_was_cut_is_kept_by_nobody_else() {
    let spills = Spills::default();
    let contents = |length| json!([{ "uri": "a:b", "text": "z".repeat(length) }]);
    let hinted = |length| {
        let hints =
            json!({ "ttlMs": 60_000, "contents": contents(length), "cacheScope": "public" });
        value(&spills.shortened(&caller(1), measure(ResultKind::Resource), Raw::of(&hints)))
    };
    let after = hinted(3000);
    assert_eq!((&after["ttlMs"], &after["cacheScope"]), (&json!(0), &json!("private")));
    let whole = hinted(1000);
    assert_eq!((&whole["ttlMs"], &whole["cacheScope"]), (&json!(60_000), &json!("public")));
    let before = Raw::of(&json!({ "contents": contents(3000) }));
    let after = value(&spills.shortened(&caller(1), measure(ResultKind::Resource), before));
    assert!(after.get("ttlMs").is_none() && after.get("cacheScope").is_none());
}
