//! Any text goes into a header and comes out again, and nothing else gets in.

use proptest::prelude::*;

use crate::wire::header::decode;
use crate::wire::header::encode;

#[test]
fn the_examples_of_the_specification() {
    for (text, header) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("file:///projects/myapp/config.json", "file:///projects/myapp/config.json"),
    ] {
        assert_eq!(encode(text), header);
        assert_eq!(decode(header.as_bytes()).as_deref(), Some(text));
    }
}

#[test]
fn plain_text_stays_as_it_is() {
    for text in
        ["", "a b", "a\tb", "!~", "=?base64?", "?=", "=?Base64?YQ==?=", "=?base64?YQ==?", "%C3"]
    {
        assert_eq!(encode(text), text);
        assert_eq!(decode(text.as_bytes()).as_deref(), Some(text));
    }
    for text in ["\ta", "a ", " ", "a\rb", "a\0", "\u{7f}", "é", "=?base64??=", "=?base64?="] {
        let header = encode(text);
        assert_ne!(header, text);
        assert_eq!(decode(header.as_bytes()).as_deref(), Some(text));
    }
}

#[test]
fn what_no_header_may_carry_is_refused() {
    for header in [
        &b"\xC3\xA9"[..],
        b"\xFF",
        b"a\rb",
        b"a\nb",
        b"a\0b",
        b"\x7F",
        b"\x1B[0m",
        // Padding that is missing, too much, or not zero; characters that are none.
        b"=?base64?SGVsbG8?=",
        b"=?base64?SGVsbG8==?=",
        b"=?base64?SGVsbG9=?=",
        b"=?base64?SGVs!!!bG8=?=",
        b"=?base64?SGVs bG8=?=",
        b"=?base64?SGVsbG8-_w==?=",
        // No UTF-8.
        b"=?base64?/w==?=",
    ] {
        assert_eq!(decode(header), None, "{}", header.escape_ascii());
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\t]{0,20}",
        "[ \t]{0,2}[a-z]{0,3}[ \t]{0,2}",
        "(=[?]base64[?])?[A-Za-z0-9+/=]{0,9}([?]=)?",
    ]
}

proptest! {
    #[test]
    fn any_text_is_carried_by_a_legal_header(text in text()) {
        let header = encode(&text);
        prop_assert!(is_legal(&header), "{:?}", header);
        let read = decode(header.as_bytes());
        prop_assert_eq!(read.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn what_is_read_from_a_header_can_be_written_to_one(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..30),
            text().prop_map(String::into_bytes),
        ],
    ) {
        if let Some(text) = decode(&bytes) {
            let header = encode(&text);
            prop_assert_eq!(decode(header.as_bytes()), Some(text.clone()));
        } else {
            let is_plain = bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
            prop_assert!(!is_plain || bytes.starts_with(b"=?base64?"));
        }
    }
}

/// Visible ASCII, spaces and tabs inside, and nothing around it that a reader would cut off.
fn is_legal(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'!'..=b'~' | b' ' | b'\t'))
        && value.trim_matches([' ', '\t']) == value
}
