//! Reading and writing messages.

use bytes::Bytes;
use proptest::prelude::*;

use super::json;
use crate::wire::Id;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;

/// Says in one line what a text is read as.
fn seen(text: &str) -> String {
    let show =
        |raw: &Option<crate::wire::Raw>| raw.as_ref().map_or("-", |raw| raw.get()).to_owned();
    match frame::read(Bytes::copy_from_slice(text.as_bytes())) {
        Ok(Message::Request(it)) => format!("request {} {} {}", it.id, it.method, show(&it.params)),
        Ok(Message::Notification(it)) => format!("notification {} {}", it.method, show(&it.params)),
        Ok(Message::Response(it)) => {
            let id = it.id.map_or("-".to_owned(), |id| id.to_string());
            match it.outcome {
                Ok(result) => format!("result {id} {}", result.get()),
                Err(error) => format!("error {id} {}", error.get()),
            }
        }
        Err(Defect::Syntax(_)) => "syntax".to_owned(),
        Err(Defect::Batch(raw)) => format!("batch {}", raw.get()),
        Err(Defect::Shape { id, problem }) => {
            format!("shape {} {problem}", id.map_or("-".to_owned(), |id| id.to_string()))
        }
    }
}

/// A call with these members beside `jsonrpc`.
fn with(members: &str) -> String {
    seen(&format!(r#"{{"jsonrpc":"2.0",{members}}}"#))
}

#[test]
fn messages_are_told_apart() {
    assert_eq!(with(r#""id":1,"method":"m""#), "request 1 m -");
    assert_eq!(
        with(r#""id":"a","method":"m","params":{ "x":1.0 }"#),
        r#"request "a" m { "x":1.0 }"#
    );
    assert_eq!(with(r#""params":{},"method":"m","id":0"#), "request 0 m {}");
    assert_eq!(with(r#""method":"m""#), "notification m -");
    assert_eq!(with(r#""method":"m","params":null"#), "notification m -");
    assert_eq!(with(r#""id":1,"result":{"a":1e2}"#), r#"result 1 {"a":1e2}"#);
    assert_eq!(with(r#""id":1,"result":null"#), "result 1 null");
    assert_eq!(with(r#""id":1,"error":{"code":1}"#), r#"error 1 {"code":1}"#);
    assert_eq!(with(r#""id":null,"error":{}"#), "error - {}");
    assert_eq!(with(r#""error":{}"#), "error - {}");
    assert_eq!(with(r#""id":1,"method":"m","future":[{"id":2}]"#), "request 1 m -");
    assert_eq!(with(r#""\u0069d":1,"method":"\u006d""#), "request 1 m -");
    assert_eq!(seen(" \t{\"method\":\"m\",\r\n\"jsonrpc\":\"2.0\"}\r"), "notification m -");
}

#[test]
fn ids_are_strings_or_integers_of_any_length() {
    let huge = "123456789012345678901234567890";
    for good in ["0", "-1", "-0", huge, "\"\"", "\"a b\"", r#""\u0061""#, "\"1\""] {
        let text = format!(r#""id":{good},"method":"m""#);
        assert_eq!(with(&text), format!("request {good} m -"));
        let text = format!(r#""id":{good},"result":1"#);
        assert_eq!(with(&text), format!("result {good} 1"));
    }
    for bad in ["null", "true", "1.0", "1e2", "{}", "[1]", "{\"id\":1}"] {
        let text = format!(r#""id":{bad},"method":"m""#);
        assert_eq!(with(&text), "shape - `id` must be a string or an integer");
    }
    assert_eq!(with(r#""id":1.5,"result":1"#), "shape - `id` must be a string or an integer");
    assert_eq!(Id::number(7).as_number(), Some(7));
    assert_eq!(Id::parse(json("\"7\"")).unwrap().as_number(), Some(7));
    assert_eq!(Id::parse(json(huge)).unwrap().as_number(), None);
    assert_ne!(Id::parse(json("\"7\"")), Id::parse(json("7")));
}

#[test]
fn what_is_no_message_is_refused_with_its_id_if_that_is_certain() {
    assert_eq!(seen(r#"{"id":1,"method":"m"}"#), "shape 1 `jsonrpc` must be \"2.0\"");
    assert_eq!(
        seen(r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#),
        "shape 1 `jsonrpc` must be \"2.0\""
    );
    assert_eq!(seen(r#"{"jsonrpc":2.0,"method":"m"}"#).split(' ').next(), Some("shape"));
    assert_eq!(with(r#""id":1"#), "shape - neither `method` nor `result` nor `error`");
    assert_eq!(with(r#""id":1,"result":1,"error":{}"#), "shape - both `result` and `error`");
    assert_eq!(with(r#""id":1,"result":null,"error":null"#), "shape - both `result` and `error`");
    assert_eq!(with(r#""id":1,"method":"m","params":[1]"#), "shape 1 `params`: not an object");
    assert_eq!(with(r#""id":1,"method":"m","params":"x""#), "shape 1 `params`: not an object");
    assert!(with(r#""id":1,"method":7"#).starts_with("shape 1 "));
    assert!(seen("5").starts_with("shape - "));
    assert!(seen("\"x\"").starts_with("shape - "));
    assert!(seen("null").starts_with("shape - "));
    assert!(seen("{}").starts_with("shape - "));
}

#[test]
fn arrays_are_batches_whatever_is_in_them() {
    assert_eq!(seen("[]"), "batch []");
    assert_eq!(
        seen(r#" [{"jsonrpc":"2.0","method":"m"}]"#),
        r#"batch  [{"jsonrpc":"2.0","method":"m"}]"#
    );
    // What a derived reader would take for the members of a message in their order.
    assert_eq!(seen(r#"["2.0",1,"ping"]"#), r#"batch ["2.0",1,"ping"]"#);
    assert_eq!(seen(r#"["2.0",1,"ping",{},1,1]"#), r#"batch ["2.0",1,"ping",{},1,1]"#);
}

#[test]
fn duplicate_keys_are_refused_wherever_somebody_reads() {
    for (members, id) in [
        (r#""id":1,"id":1,"method":"m""#, "-"),
        (r#""id":1,"\u0069d":2,"method":"m""#, "-"),
        (r#""id":1,"method":"m","method":"n""#, "1"),
        (r#""id":1,"method":"m","params":{},"params":{}"#, "1"),
        (r#""id":1,"method":"m","params":{"name":"a","name":"b"}"#, "1"),
        (r#""id":1,"method":"m","params":{"name":"a","n\u0061me":"b"}"#, "1"),
        (r#""id":1,"method":"m","params":{"arguments":{"x":1,"x":2}}"#, "1"),
        (r#""id":1,"method":"m","params":{"_meta":{"x":1,"x":2}}"#, "1"),
        (r#""id":1,"result":1,"result":2"#, "-"),
    ] {
        let seen = with(members);
        assert!(seen.starts_with(&format!("shape {id} ")), "{members}: {seen}");
        assert!(seen.contains("duplicate"), "{members}: {seen}");
    }
    let nested = r#"{"arguments":{"a":{"x":1,"x":2}},"other":{"x":1,"x":2}}"#;
    assert_eq!(
        with(&format!(r#""method":"m","params":{nested}"#)),
        format!("notification m {nested}")
    );
    assert_eq!(with(r#""id":1,"result":{"x":1,"x":2}"#), r#"result 1 {"x":1,"x":2}"#);
    // Not an object, so there are no keys; whether that is allowed is for the upstream to say.
    assert_eq!(
        with(r#""method":"m","params":{"arguments":[1]}"#),
        r#"notification m {"arguments":[1]}"#
    );
}

#[test]
fn what_is_not_json_is_refused() {
    for text in ["", " ", "{", "{}}", "{} {}", "{'a':1}", "\u{feff}{}", "{\"a\":01}", "NaN", "[1,]"]
    {
        assert_eq!(seen(text), "syntax", "{text}");
    }
    let bytes = b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}";
    assert!(matches!(frame::read(Bytes::from_static(bytes)), Err(Defect::Syntax(_))));
}

#[test]
fn messages_are_written_as_they_are_read() {
    let params = json("{\"a\":1.0}");
    let id = Id::parse(json("\"x\"")).unwrap();
    let written = frame::request(&id, "m\"\n", Some(&params)).into_bytes();
    assert_eq!(written, r#"{"jsonrpc":"2.0","id":"x","method":"m\"\n","params":{"a":1.0}}"#);
    assert_eq!(frame::notification("n", None).into_bytes(), r#"{"jsonrpc":"2.0","method":"n"}"#);
    let error = frame::error(code::INVALID_PARAMS, "no", Some(&params));
    assert_eq!(error.get(), r#"{"code":-32602,"message":"no","data":{"a":1.0}}"#);
    let error = frame::error(code::PARSE_ERROR, "bad", None);
    let written = frame::response(None, Err(&error)).into_bytes();
    assert_eq!(written, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"bad"}}"#);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(frame::read(Bytes::from(bytes)));
    }

    #[test]
    fn any_text_of_json_signs_is_read_without_harm(text in "[\\[\\]{}\",:a-e0-9.\\\\ -]{0,60}") {
        drop(frame::read(Bytes::from(text)));
    }
}
