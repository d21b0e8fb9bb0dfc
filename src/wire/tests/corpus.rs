//! The golden corpus: bytes in, the same bytes out, by every way through this room.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::json;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::line::Line;
use crate::wire::line::Lines;
use crate::wire::meta;

/// Every value of the corpus and the name of its file.
fn corpus() -> Vec<(String, Raw)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire/corpus");
    let mut values = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.trim_end_matches('\n').contains('\n'), "{path:?} is more than one line");
        let text = text.trim_matches(['\n', ' ', '\t']).to_owned();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        values.push((name, Raw::parse(text).unwrap()));
    }
    assert!(values.len() >= 20, "{} values", values.len());
    values
}

#[test]
fn results_and_errors_keep_their_bytes() {
    for (name, value) in corpus() {
        for member in ["result", "error"] {
            let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"{member}":{}}}"#, value.get());
            let Ok(Message::Response(response)) = frame::read(Bytes::from(frame.clone())) else {
                panic!("{name} is a response")
            };
            let (Ok(raw) | Err(raw)) = &response.outcome;
            assert_eq!(raw.get(), value.get(), "{name}");
            let outcome = response.outcome.as_ref();
            assert_eq!(
                frame::response(response.id.as_ref(), outcome).into_bytes(),
                frame.as_bytes(),
                "{name}"
            );
        }
    }
}

#[test]
fn parameters_keep_their_bytes() {
    for (name, value) in corpus() {
        let params = format!(r#"{{"name":"t","arguments":{}, "x":1.0}}"#, value.get());
        let frame = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"m","params":{params}}}"#);
        let Ok(Message::Request(request)) = frame::read(Bytes::from(frame.clone())) else {
            panic!("{name} is a request")
        };
        let written =
            frame::request(&request.id, &request.method, request.params.as_ref()).into_bytes();
        let Ok(Message::Request(again)) = frame::read(written) else { panic!("{name} again") };
        assert_eq!(again.params.unwrap().get(), params, "{name}");
        let written = frame::notification("n", request.params.as_ref()).into_bytes();
        let Ok(Message::Notification(note)) = frame::read(written) else { panic!("{name}") };
        assert_eq!(note.params.unwrap().get(), params, "{name}");
    }
}

#[test]
fn edits_beside_a_value_keep_its_bytes() {
    for (name, value) in corpus() {
        let value = value.get();
        let whole = json(&format!(r#"{{"a":1 ,"v": {value} ,"_meta":{{"x":1.0,"t":0}}}}"#));
        let object = whole.object().unwrap();
        let edited = object.edit().set("a", "2").set("new", "3").apply();
        let expected = format!(r#"{{"a":2 ,"v": {value} ,"_meta":{{"x":1.0,"t":0}},"new":3}}"#);
        assert_eq!(edited.get(), expected, "{name}");
        let edited = meta::edit(Some(&whole), &[("k", value)], &["t"]).unwrap();
        let expected = format!(r#"{{"a":1 ,"v": {value} ,"_meta":{{"x":1.0,"k":{value}}}}}"#);
        assert_eq!(edited.get(), expected, "{name}");
        let part = object.get("a").unwrap();
        let expected = format!(r#"{{"a":{value} ,"v": {value} ,"_meta":{{"x":1.0,"t":0}}}}"#);
        assert_eq!(whole.with_parts(vec![(part, json(value))]).get(), expected, "{name}");
    }
}

#[test]
fn members_of_a_value_keep_their_bytes() {
    for (name, value) in corpus() {
        let Ok(object) = value.object() else { continue };
        // Every member replaced by itself gives the value again.
        let mut edit = object.edit();
        let members: Vec<(&str, &str)> = object.iter().collect();
        for (key, text) in &members {
            edit = edit.set(key, *text);
        }
        assert_eq!(edit.apply().get(), value.get(), "{name}");
        assert_eq!(value.detached(), value, "{name}");
    }
}

#[tokio::test]
async fn lines_keep_their_bytes() {
    let (mut stream, mut names) = (Vec::new(), Vec::new());
    for (name, value) in corpus() {
        let frame = frame::response(Some(&Id::number(1)), Ok(&value)).into_bytes();
        stream.extend_from_slice(&frame);
        stream.push(b'\n');
        names.push((name, frame));
    }
    let mut lines = Lines::new(stream.as_slice(), 1 << 20);
    for (name, frame) in names {
        let Some(Line::Whole(line)) = lines.next().await.unwrap() else { panic!("{name}") };
        assert_eq!(line, frame, "{name}");
    }
    assert!(lines.next().await.unwrap().is_none());
}
