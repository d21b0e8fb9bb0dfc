//! Edits of large objects share their text, and say what they would if they were written out.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use crate::wire::Raw;
use crate::wire::edits::WORTH;
use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::meta;
use crate::wire::object::Object;

/// The parameters of a request that came in, with a large member in the middle.
fn params(before: &str, behind: &str) -> Raw {
    let large = "x".repeat(2 * WORTH);
    let params = format!(r#"{{{before}"arguments":{{"text":"{large}"}}{behind}}}"#);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
    let read = frame::read(Bytes::from(text)).unwrap();
    let Message::Request(request) = read else { panic!("it is a request") };
    assert_eq!(request.params.as_ref().unwrap().get(), params);
    request.params.unwrap()
}

fn pieces(raw: &Raw) -> String {
    raw.pieces().map(|piece| piece.text).collect()
}

fn lies_in(part: &str, whole: &Raw) -> bool {
    whole.get().as_bytes().as_ptr_range().contains(&part.as_ptr())
}

#[test]
fn what_a_call_undergoes_copies_nothing_large() {
    let params = params(r#""name":"a__b","_meta":{"progressToken":7,"other":1},"#, "");
    let object = params.object().unwrap();
    let named = object.edit().set("name", "\"b\"").apply();
    let sent = meta::edit(Some(&named), &[("new", "true")], &["progressToken"]).unwrap();
    let again = sent.object().unwrap().edit().set("inputResponses", "{}").apply();
    let large = |raw: &Raw| raw.member("arguments").unwrap().member("text").unwrap();
    for edited in [&named, &sent, &again] {
        assert!(lies_in(large(edited).get(), &params));
    }
    let written = frame::request(&frame::Id::number(1), "m", Some(&again));
    let shared: usize = written
        .parts()
        .into_iter()
        .filter_map(|part| str::from_utf8(part).ok())
        .filter(|part| lies_in(part, &params))
        .map(str::len)
        .sum();
    assert!(shared > 2 * WORTH);
    let lacked = ["name", "inputResponses", "_meta", "resultType"].map(|key| again.lacks(key));
    assert_eq!(lacked, [false, false, false, true]);
    assert!(
        written.clone().into_parts().any(|part| lies_in(str::from_utf8(&part).unwrap(), &params))
    );
    let whole = written.clone().into_bytes();
    assert_eq!(whole.len(), written.size());
    let text = str::from_utf8(&whole).unwrap();
    assert!(text.contains(r#""params":{"name":"b","_meta":{"other":1,"new":true},"arguments":{"#));
    assert!(text.ends_with(r#""},"inputResponses":{}}}"#));
    // Only now is there a second copy.
    assert!(!lies_in(again.get(), &params));
    assert_eq!(again.detached().get(), again.get());
}

#[test]
fn members_are_those_after_the_edit() {
    let params = params(r#""a":1,"b":{"c":2},"#, r#","d":4"#);
    let value = Raw::parse(r#"{"inner":[5]}"#).unwrap();
    let object = params.object().unwrap();
    let edited = object.edit().remove("a").put("b", &value).set("e", "6").remove("none").apply();
    let object = edited.object().unwrap();
    let keys: Vec<&str> = object.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["b", "arguments", "d", "e"]);
    assert_eq!(object.get("a"), None);
    assert_eq!((object.count("a"), object.count("b"), object.count("d")), (0, 1, 1));
    assert_eq!(object.inside("b").unwrap().get("inner"), Some("[5]"));
    assert_eq!(edited.member("e").unwrap().get(), "6");
    assert_eq!(edited.part(object.get("b").unwrap()), value);
    assert_eq!(edited.part(object.get("d").unwrap()).get(), "4");
    let whole = edited.get();
    assert!(whole.starts_with(r#"{"b":{"inner":[5]},"arguments":"#), "{whole}");
    assert!(whole.ends_with(r#""},"d":4,"e":6}"#), "{whole}");
    assert_eq!(edited.part(whole.rsplit(':').next().unwrap().trim_end_matches('}')).get(), "6");
}

#[test]
fn what_keeps_little_is_written_out() {
    let params = params(r#""a":1,"#, "");
    let object = params.object().unwrap();
    let edited = object.edit().remove("arguments").apply();
    assert_eq!(edited.get(), r#"{"a":1}"#);
    assert!(edited.edits().is_none());
}

#[test]
fn line_breaks_are_found_in_every_piece() {
    for (before, set) in [("\n", "1"), ("", "[\n1]")] {
        let params = params(&format!(r#"{before}"a":0,"#), "");
        let edited = params.object().unwrap().edit().set("a", set).apply();
        let line = edited.clone().on_one_line();
        assert!(pieces(&edited).contains('\n') && !pieces(&line).contains('\n'));
        assert_eq!(line.get(), edited.get().replace('\n', " "));
    }
}

proptest! {
    #[test]
    fn any_edits_are_those_of_a_copy(
        before in prop::sample::subsequence(vec!["a", "b", "c"], 0..=3),
        behind in prop::sample::subsequence(vec!["d", "e"], 0..=2),
        space in prop::sample::select(vec!["", " ", "\t\n"]),
        rounds in prop::collection::vec(
            prop::collection::vec((prop::sample::select(vec!["a", "b", "d", "e", "f", "\"", "g"]),
                prop::option::of(0_u8..9)), 0..4),
            1..4,
        ),
    ) {
        let member = |key: &&str| format!(r#""{key}"{space}:{space}"{key}""#);
        let before: String = before.iter().map(|key| member(key) + space + "," + space).collect();
        let comma = format!("{space},{space}");
        let behind: String = behind.iter().map(|key| comma.clone() + &member(key)).collect();
        let params = params(&before, &behind);
        let (mut shared, mut copied) = (params.clone(), params.get().to_owned());
        for changes in &rounds {
            let values: Vec<Option<String>> =
                changes.iter().map(|(_, value)| value.map(|value| value.to_string())).collect();
            let changes = || changes.iter().map(|(key, _)| *key).zip(&values);
            let object = shared.object().unwrap();
            let edit = changes().fold(object.edit(), |edit, (key, value)| match value {
                Some(value) => edit.set(key, value.as_str()),
                None => edit.remove(key),
            });
            let next = edit.apply();
            let object = Object::parse(&copied).unwrap();
            let edit = changes().fold(object.edit(), |edit, (key, value)| match value {
                Some(value) => edit.set(key, value.as_str()),
                None => edit.remove(key),
            });
            let text = edit.apply().get().to_owned();
            (shared, copied) = (next, text);
            let parsed: Value = serde_json::from_str(&pieces(&shared)).unwrap();
            prop_assert_eq!(&parsed, &serde_json::from_str::<Value>(&copied).unwrap());
            let object = shared.object().unwrap();
            for key in ["a", "b", "c", "d", "e", "f", "\"", "g", "arguments"] {
                let value = object.get(key);
                let value = value.map(|text| serde_json::from_str::<Value>(text).unwrap());
                prop_assert_eq!(value.as_ref(), parsed.get(key));
            }
            prop_assert_eq!(object.iter().count(), parsed.as_object().unwrap().len());
        }
        // A member that was taken out and comes back stands where it stood.
        if rounds.len() == 1 {
            prop_assert_eq!(&pieces(&shared), &copied);
        }
        prop_assert_eq!(shared.get(), pieces(&shared));
    }
}
