//! What is told of a message that goes by is what the real reader would have said.

use bytes::Bytes;
use proptest::prelude::*;

use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::skim::Kind;
use crate::wire::skim::Skim;

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\t\r\n "])
}

/// Values that hold everything a careless reader would trip over.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(r#""},\"id\":9,{""#.to_owned()),
        Just(r#""\\""#.to_owned()),
        Just("[1,\"id\",2]".to_owned()),
        Just("-1.5e3".to_owned()),
        Just("null".to_owned()),
        "[a-z\\[\\]{},:]{0,9}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|values| format!("[{}]", values.join(" ,"))),
            (inner.clone(), inner).prop_map(|(one, two)| {
                format!(r#"{{"id":{one},"method" : "no","result":{two},"error":1}}"#)
            }),
        ]
    })
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        Just("123456789012345678901234567890".to_owned()),
        Just(r#""a\"b\\""#.to_owned()),
        "[a-z:,{}\\[\\] ]{0,20}".prop_map(|text| format!("\"{text}\"")),
    ]
}

proptest! {
    #[test]
    fn a_skim_agrees_with_the_reader(
        id in prop::option::of(id()),
        is_call in any::<bool>(),
        value in value(),
        extra in value(),
        order in Just([0, 1, 2, 3, 4]).prop_shuffle(),
        (a, b, c) in (space(), space(), space()),
        chunk in 1_usize..40,
    ) {
        let mut members = vec![r#""jsonrpc":"2.0""#.to_owned(), format!("\"x\"{a}:{b}{extra}")];
        members.extend(id.as_ref().map(|id| format!("\"id\"{a}:{b}{id}{c}")));
        if is_call {
            members.push(format!("\"method\"{a}:{b}\"m\""));
            members.push(format!(r#""params":{{"p":{value}}}"#));
        } else {
            members.push(format!("\"result\"{a}:{b}{value}"));
        }
        let written: Vec<&str> =
            order.iter().filter_map(|index| members.get(*index)).map(String::as_str).collect();
        let text = format!("{a}{{{b}{}{c}}}", written.join(&format!("{c},{a}")));
        let mut skim = Skim::default();
        for bytes in text.as_bytes().chunks(chunk) {
            skim.feed(bytes);
        }
        let (id, kind) = match frame::read(Bytes::from(text.clone())).unwrap() {
            Message::Request(request) => (Some(request.id), Kind::Call),
            Message::Notification(_) => (None, Kind::Call),
            Message::Response(response) => (response.id, Kind::Answer),
        };
        prop_assert_eq!(skim.id(), id.as_ref(), "{}", text);
        prop_assert_eq!(skim.kind(), Some(kind), "{}", text);
    }

    #[test]
    fn any_bytes_go_by_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut skim = Skim::default();
        skim.feed(&bytes);
    }
}

#[test]
fn an_id_longer_than_any_is_not_kept() {
    let mut skim = Skim::default();
    skim.feed(format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(100_000)).as_bytes());
    assert_eq!((skim.id(), skim.kind()), (None, Some(Kind::Call)));
    let mut skim = Skim::default();
    skim.feed(br#"{"id":{"id":1},"result":1}"#);
    assert_eq!((skim.id(), skim.kind()), (None, Some(Kind::Answer)));
    let mut skim = Skim::default();
    skim.feed(br#"[{"id":1,"method":"m"}]"#);
    assert_eq!((skim.id(), skim.kind()), (None, None));
}
