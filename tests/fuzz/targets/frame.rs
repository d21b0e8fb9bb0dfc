//! One JSON-RPC message: what is read is written as it was, and a skim tells the same of it.

use bytes::Bytes;
use conflux::wire::Raw;
use conflux::wire::frame;
use conflux::wire::frame::Defect;
use conflux::wire::frame::Message;
use conflux::wire::object::Object;
use conflux::wire::skim::Kind;
use conflux::wire::skim::Skim;
use serde_json::value::RawValue;

/// What a message is and says: its kind, id, method, and the text it carries.
fn told(message: &Message) -> (Kind, Option<String>, Option<&str>, Option<&str>, bool) {
    match message {
        Message::Request(request) => {
            let params = request.params.as_ref().map(Raw::get);
            (Kind::Call, Some(request.id.to_string()), Some(&request.method), params, true)
        }
        Message::Notification(note) => {
            let params = note.params.as_ref().map(Raw::get);
            (Kind::Call, None, Some(&note.method), params, true)
        }
        Message::Response(response) => {
            let (Ok(raw) | Err(raw)) = &response.outcome;
            let id = response.id.as_ref().map(ToString::to_string);
            (Kind::Answer, id, None, Some(raw.get()), response.outcome.is_ok())
        }
    }
}

fn check(text: &str, message: &Message) {
    let written = match message {
        Message::Request(request) => {
            frame::request(&request.id, &request.method, request.params.as_ref())
        }
        Message::Notification(note) => frame::notification(&note.method, note.params.as_ref()),
        Message::Response(response) => {
            frame::response(response.id.as_ref(), response.outcome.as_ref())
        }
    };
    let again = frame::read(written.into_bytes()).expect("what is written is a message");
    assert_eq!(told(&again), told(message));

    let (kind, id, _, body, _) = told(message);
    assert!(body.is_none_or(|body| text.contains(body)), "what is relayed is a part of the frame");
    let id = id.filter(|id| id.len() <= 256);
    assert!(id.as_ref().is_none_or(|id| text.contains(id)), "an id is a part of the frame");
    // What is a call and an answer at once counts as a call, which nobody can tell in between.
    let object = Object::parse_allowing_duplicates(text).expect("a message is an object");
    let has = |key: &str| object.count(key) > 0;
    if !(has("method") && (has("result") || has("error"))) {
        let mut skim = Skim::default();
        skim.feed(text.as_bytes());
        assert_eq!((skim.kind(), skim.id().map(ToString::to_string)), (Some(kind), id));
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let is_json = || serde_json::from_slice::<&RawValue>(bytes).is_ok();
    match frame::read(Bytes::copy_from_slice(bytes)) {
        Ok(message) => check(std::str::from_utf8(bytes).expect("it was read"), &message),
        Err(Defect::Batch(batch)) => {
            for element in batch.elements().expect("a batch is an array") {
                if let Ok(message) = frame::read_value(&element) {
                    check(element.get(), &message);
                }
            }
        }
        Err(Defect::Shape { .. }) => assert!(is_json()),
        Err(Defect::Syntax(_)) => assert!(!is_json()),
    }
}
